"""Passages are verbatim stretches of whole sentences, and nothing is lost between them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import chunking, sentences
from retrieval.types import Document, Passage, Section


def document(*texts: str, identity: str = "d") -> Document:
    sections = tuple(Section(f"S{n}", "causes", text) for n, text in enumerate(texts))
    return Document(
        id=identity, title="Title", sections=sections, kind="condition", synonyms=("T",),
        source="Here", url="https://example.org/d", year=2020,
    )  # fmt: skip


def check(doc: Document, found: list[Passage], max_words: int) -> None:
    """Assert everything that chunking promises of one document."""
    assert [p.id for p in found] == [f"{doc.id}#{n}" for n in range(len(found))]
    sections = {section.title: section.text for section in doc.sections}
    ends = dict.fromkeys(sections, 0)
    kept = dict.fromkeys(sections, "")
    for passage in found:
        text = sections[passage.section]
        end = passage.start + len(passage.text)
        assert text[passage.start : end] == passage.text
        assert passage.start >= ends[passage.section]
        ends[passage.section] = end
        kept[passage.section] += passage.text
        lengths = [len(sentence.text.split()) for sentence in sentences.split(passage.text)]
        assert sum(lengths) <= max_words or len(lengths) == 1, (
            "only one long sentence may exceed it"
        )
    for title, text in sections.items():
        assert [c for c in kept[title] if c.isalnum()] == [c for c in text if c.isalnum()]


def test_a_short_section_is_one_passage_that_carries_its_document() -> None:
    (passage,) = chunking.passages([document("Asthma narrows the airways.")])
    assert passage == Passage(
        id="d#0", document="d", title="Title", section="S0", aspect="causes",
        text="Asthma narrows the airways.", start=0, kind="condition", synonyms=("T",),
        source="Here", url="https://example.org/d", year=2020,
    )  # fmt: skip


def test_empty_sections_and_documents_make_no_passage() -> None:
    assert list(chunking.passages([document("", "  \n "), document(identity="e")])) == []
    assert list(chunking.passages([])) == []


def test_passages_are_numbered_within_each_document() -> None:
    found = chunking.passages([document("One.", "Two."), document("Three.", identity="e")])
    assert [p.id for p in found] == ["d#0", "d#1", "e#0"]


def test_a_section_at_the_limit_is_whole_and_one_word_more_is_divided() -> None:
    sentence = "one two three four five."
    whole, more = " ".join([sentence] * 4), " ".join([sentence] * 4 + ["Extra word here."])
    assert [p.text for p in chunking.passages([document(whole)], max_words=20)] == [whole]
    assert len(list(chunking.passages([document(more.replace("one", "One"))], max_words=20))) == 2


def test_a_long_section_is_divided_between_sentences() -> None:
    text = " ".join(f"Sentence number {n} has exactly seven words." for n in range(200))
    doc = document(text)
    found = list(chunking.passages([doc]))
    check(doc, found, chunking.MAX_WORDS)
    assert len(found) == 6
    assert all(p.text.startswith("Sentence number") and p.text.endswith(".") for p in found)
    assert all(len(p.text.split()) > chunking.MAX_WORDS - 7 for p in found[:-1])


def test_a_long_chinese_section_is_divided_too() -> None:
    # No spaces stand between its words, so counting by spaces takes the whole for a few words.
    doc = document("哮喘是一种慢性气道疾病，需要长期的控制治疗和随访。" * 200)
    found = list(chunking.passages([doc]))
    check(doc, found, chunking.MAX_WORDS)
    assert len(found) > 1
    assert max(len(p.text) for p in found) <= 1500


def test_the_library_is_kept_whole(whole_library: tuple[Document, ...]) -> None:
    documents = whole_library
    by_document: dict[str, list[Passage]] = {d.id: [] for d in documents}
    for passage in chunking.passages(documents):
        by_document[passage.document].append(passage)
    for doc in documents:
        check(doc, by_document[doc.id], chunking.MAX_WORDS)
    ids = [p.id for found in by_document.values() for p in found]
    assert len(set(ids)) == len(ids)


_WORDS = st.sampled_from(
    ["Aspirin", "causes", "bleeding", "2.5", "mg", "e.g.", "x", "哮喘。", "—", "(b)"]
)
_SENTENCES = st.lists(_WORDS, max_size=8).map(" ".join)
_TEXTS = st.lists(_SENTENCES, max_size=6).flatmap(
    lambda parts: st.sampled_from([". ", "!\n", "\n\n", "  "]).map(lambda gap: gap.join(parts))
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(_TEXTS | st.text(max_size=50), max_size=3), st.integers(1, 30))
def test_any_text_is_kept_verbatim(bodies: list[str], max_words: int) -> None:
    doc = document(*bodies)
    found = list(chunking.passages([doc], max_words=max_words))
    check(doc, found, max_words)

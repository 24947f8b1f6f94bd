"""The support check: what counts as said by the evidence, and what doesn't."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from assistant.models._compose import _keyed
from assistant.safety import grounding
from assistant.safety.grounding import Written
from assistant.types import Evidence
from retrieval import library, sentences

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

THRESHOLD = 0.6
GOUT = (
    "First-line treatment of a gout flare is an NSAID, low-dose colchicine or an oral "
    "corticosteroid. Colchicine for a gout flare is 1.2 mg by mouth followed by 0.6 mg one hour "
    "later. Aspirin is not used in a gout flare."
)
METFORMIN = (
    "Metformin lowers blood glucose by reducing glucose output of the liver. Metformin is started "
    "at 500 mg once daily with food. Metformin is contraindicated below an eGFR of 30 mL/min."
)


def evidence(key: str, text: str, start: int = 0, document: str = "") -> Evidence:
    return Evidence(
        key=key,
        kind="passage",
        text=text,
        document=document or key.lower(),
        title=f"Title of {key}",
        source="Library",
        start=start,
        passage=f"{key.lower()}#0",
    )


KNOWN = {"S1": evidence("S1", GOUT, start=100), "S2": evidence("S2", METFORMIN)}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    from retrieval.encoder import Encoder

    return Encoder.load()


@pytest.fixture(scope="module")
def support(encoder: Encoder) -> Callable[..., float]:
    """Return the support of a sentence by the evidence it cites."""
    return lambda text, *keys: (
        grounding.check(Written(text, keys or ("S1",)), KNOWN, encoder.embed).support
    )


def never(texts: Sequence[str]) -> NDArray[np.float32]:
    raise AssertionError("a verbatim sentence needs no embedding")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One [S1]. Two [S2].", [("One.", ("S1",)), ("Two.", ("S2",))]),
        ("One. [S1] Two. [S2]", [("One.", ("S1",)), ("Two.", ("S2",))]),
        ("One [S1][S2].", [("One.", ("S1", "S2"))]),
        ("One [S1, S2].", [("One.", ("S1", "S2"))]),
        ("One [S1; R2] [S1].", [("One.", ("S1", "R2"))]),
        ("One [S1]\n\nTwo [R1]", [("One", ("S1",)), ("Two", ("R1",))]),
        ("Dose 0.5 mg [S1]. Next [S2].", [("Dose 0.5 mg.", ("S1",)), ("Next.", ("S2",))]),
        ("No key here.", [("No key here.", ())]),
        ("[S1]", []),
        ("", []),
        ("...", []),
        ("[1] is not a key.", [("[1] is not a key.", ())]),
        ("哮喘用吸入激素。[S1]", [("哮喘用吸入激素。", ("S1",))]),
    ],
)
def test_sentences_and_their_keys_are_told_apart(
    text: str, found: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert [(w.text, w.keys) for w in grounding.parse(text)] == found


def test_every_sentence_of_the_library_survives_being_written_and_read() -> None:
    changed = [
        sentence.text
        for document in library.documents()
        for section in document.sections
        for sentence in sentences.split(section.text)
        if grounding.parse(_keyed(sentence.text, "S1")) != [Written(sentence.text, ("S1",))]
    ]
    assert not changed


@pytest.mark.parametrize("text", sentences.split(GOUT), ids=lambda s: s.text[:20])
def test_a_verbatim_sentence_has_support_one_at_its_place(text: sentences.Sentence) -> None:
    claim = grounding.check(Written(text.text, ("S1",)), KNOWN, never)
    assert claim.support == 1.0
    citation = claim.citations[0]
    assert (citation.start, citation.end) == (100 + text.start, 100 + text.end)
    assert citation.quote == text.text == GOUT[text.start : text.end]
    assert (citation.key, citation.passage, citation.document) == ("S1", "s1#0", "s1")


def test_white_space_and_the_last_full_stop_do_not_matter() -> None:
    item = {"S1": evidence("S1", "Take  it\nwith food and water; then rest.")}
    claim = grounding.check(Written("Take it with food and water.", ("S1",)), item, never)
    assert claim.support == 1.0
    assert claim.citations[0].quote == "Take  it\nwith food and water"


def test_an_unknown_key_is_dropped_and_no_key_means_no_support() -> None:
    text = "Aspirin is not used in a gout flare."
    claim = grounding.check(Written(text, ("S9", "S1", "X1")), KNOWN, never)
    assert [citation.key for citation in claim.citations] == ["S1"]
    for keys in ((), ("S9",)):
        assert grounding.check(Written(text, keys), KNOWN, never) == grounding.Claim(text, 0.0, ())


def test_a_key_that_does_not_support_is_not_shown(encoder: Encoder) -> None:
    written = Written("Aspirin is not used in a gout flare.", ("S2", "S1"))
    claim = grounding.check(written, KNOWN, encoder.embed)
    assert claim.support == 1.0
    assert [citation.key for citation in claim.citations] == ["S1"]


def test_empty_evidence_supports_nothing(encoder: Encoder) -> None:
    item = {"S1": evidence("S1", "   ")}
    claim = grounding.check(Written("Rest is enough.", ("S1",)), item, encoder.embed)
    assert claim.support == 0.0


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("A gout flare is treated first-line with an NSAID, colchicine or a corticosteroid.", "S1"),
        ("For a gout flare, colchicine is given as 1.2 mg, then 0.6 mg one hour later.", "S1"),
        ("In a gout flare aspirin is not used.", "S1"),
        ("Metformin is started at 500 mg once a day, with food.", "S2"),
        ("Metformin lowers glucose by reducing the liver's glucose output.", "S2"),
        ("Metformin is contraindicated when the eGFR is below 30 mL/min.", "S2"),
    ],
)
def test_a_faithful_paraphrase_passes(support: Callable[..., float], text: str, key: str) -> None:
    assert THRESHOLD <= support(text, key) < 1


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Colchicine for a gout flare is 12 mg by mouth followed by 0.6 mg one hour later.", "S1"),
        ("Colchicine for a gout flare is 2.1 mg by mouth.", "S1"),
        ("Metformin is started at 850 mg once daily with food.", "S2"),
        ("Metformin is contraindicated below an eGFR of 45 mL/min.", "S2"),
    ],
)
def test_a_number_that_the_evidence_lacks_vetoes(
    support: Callable[..., float], text: str, key: str
) -> None:
    assert support(text, key) == 0.0


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Aspirin is used in a gout flare.", "S1"),
        ("First-line treatment of a gout flare is never an NSAID or low-dose colchicine.", "S1"),
        ("Metformin does not lower blood glucose.", "S2"),
        ("Metformin is not contraindicated below an eGFR of 30 mL/min, nor is it avoided.", "S2"),
    ],
)
def test_a_flipped_negation_falls_below_the_threshold(
    support: Callable[..., float], text: str, key: str
) -> None:
    assert support(text, key) < THRESHOLD


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("The moon landing took place in summer.", "S1"),
        ("Insulin lispro is injected before meals.", "S2"),
        ("Gout is caused by a virus of the liver.", "S1"),
        ("Allopurinol is continued for life.", "S1"),
    ],
)
def test_what_the_evidence_does_not_speak_of_falls_below_the_threshold(
    support: Callable[..., float], text: str, key: str
) -> None:
    assert support(text, key) < THRESHOLD


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("Metformin raises blood glucose by reducing output of the liver.", "S2",
                     id="opposite"),
        pytest.param("Metformin is started at 500 g once daily with food.", "S2", id="unit"),
        pytest.param("Glipizide is started at 500 mg once daily with food.", "S2", id="drug"),
        pytest.param("Colchicine for a gout flare is 0.6 mg by mouth followed by 1.2 mg one hour "
                     "later.", "S1", id="exchanged numbers"),
    ],
)  # fmt: skip
def test_a_small_change_that_changes_the_meaning_falls_below_the_threshold(
    support: Callable[..., float], text: str, key: str
) -> None:
    assert support(text, key) < THRESHOLD


def test_only_a_verbatim_sentence_reaches_one() -> None:
    assert grounding.support("Rest helps recovery.", "Rest helps recovery.", 1.0) < 1


@pytest.mark.parametrize(
    ("claim", "quote", "cosine", "expected"),
    [
        ("Rest helps recovery.", "Rest helps recovery.", 0.5, 0.75),
        ("Rest helps recovery.", "Sleep is good.", -0.5, 0.0),
        ("the and of", "the and of", 1.0, 0.0),
        ("Give 5 mg.", "Give 50 mg.", 1.0, 0.0),
        ("Give 1,000 units.", "Give 1,000 units.", 1.0, 0.99),
        ("Rest helps recovery.", "Rest never helps recovery.", 1.0, 0.4),
    ],
)
def test_support_is_the_mean_of_words_and_cosine_with_vetoes(
    claim: str, quote: str, cosine: float, expected: float
) -> None:
    assert grounding.support(claim, quote, cosine) == pytest.approx(expected)

"""What tools share: keys, attachments by name, and the text that a chat model reads."""

from __future__ import annotations

import pytest

from assistant.app import Assistant
from assistant.errors import ToolError
from assistant.resources import Resources
from assistant.settings import Settings
from assistant.tools import PREFIXES, ToolResult, TurnContext, image, literature, record, render
from assistant.types import Attachment, Evidence, EvidenceKind, Finding, OperatingPoint

NOTE = Attachment("A1", "note.txt", "record", "text", b"Allergies: penicillin (rash)\n")
LATER = Attachment("A2", "later.txt", "record", "text", b"Allergies: latex\n")
FILM = Attachment("A3", "film.png", "image", "png", b"\x89PNG\r\n\x1a\n")


@pytest.fixture
def context() -> TurnContext:
    return TurnContext(Resources(Settings()), [NOTE, LATER, FILM], "What is she allergic to?")


def evidence(kind: EvidenceKind, text: str, start: int = 0) -> Evidence:
    return Evidence("", kind, text, "d", "Title", "Source", start=start, section="Causes")


def test_keys_are_numbered_for_each_kind(context: TurnContext) -> None:
    kinds: list[EvidenceKind] = ["passage", "record", "passage", "image"]
    cited = [context.cite(evidence(kind, str(n))) for n, kind in enumerate(kinds)]
    assert [item.key for item in cited] == ["S1", "R1", "S2", "I1"]
    assert list(context.evidence) == ["S1", "R1", "S2", "I1"]
    assert {item.key[0] for item in cited} == set(PREFIXES.values())


def test_the_same_words_keep_their_key(context: TurnContext) -> None:
    first = context.cite(evidence("passage", "one"))
    assert context.cite(evidence("passage", "one")) is first
    assert context.cite(evidence("passage", "one", start=5)).key == "S2"


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        ("", "record", LATER),
        ("A1", "record", NOTE),
        ("note.txt", "record", NOTE),
        ("", "image", FILM),
        ("A3", "image", FILM),
    ],
)
def test_an_attachment_is_found_by_id_or_name(
    context: TurnContext, name: str, kind: str, found: Attachment
) -> None:
    assert context.attachment(name, kind) == found


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("A9", "record", "A1 (note.txt), A2 (later.txt)"),
        ("A3", "record", "A1 (note.txt)"),
        ("A1", "image", "A3 (film.png)"),
    ],
)
def test_an_attachment_that_is_absent_is_named_with_those_there_are(
    context: TurnContext, name: str, kind: str, said: str
) -> None:
    with pytest.raises(ToolError) as caught:
        context.attachment(name, kind)
    assert repr(name) in str(caught.value)
    assert said in str(caught.value)


def test_the_model_reads_keyed_blocks() -> None:
    item = Evidence("S1", "passage", "The text.", "d", "Gout", "Source", section="Causes")
    block = '<passage key="S1">\n[S1] Gout, Causes\nThe text.\n</passage>'
    assert render([item]).endswith(f"\n{block}")
    assert render([item, item]).count(block) == 2
    assert render([]) == "Nothing was found."


def test_the_record_tool_quotes_the_record_that_is_asked_for(context: TurnContext) -> None:
    tool = record.build(context)
    call = {"name": "record", "args": {"question": "allergies?", "attachment": "A1"}, "id": "1"}
    message = tool.invoke({**call, "type": "tool_call"})
    result = message.artifact
    assert isinstance(result, ToolResult)
    assert result.record is not None
    assert result.record.name == "note.txt"
    assert "penicillin" in message.content
    assert "latex" not in message.content
    for item in result.evidence:
        assert item.document == "A1"
        assert result.record.text[item.start :].startswith(item.text)
        assert context.evidence[item.key] == item
    assert "1 allergies" in result.summary


def test_the_literature_tool_returns_passages_where_they_stand(assistant: Assistant) -> None:
    context = TurnContext(assistant.resources, [], "How is gout treated?")
    call = {"name": "literature", "args": {"query": "How is gout treated?"}, "id": "1"}
    result = literature.build(context).invoke({**call, "type": "tool_call"}).artifact
    assert isinstance(result, ToolResult)
    assert result.found is not None
    assert len(result.evidence) == len(result.found.hits) >= 8
    assert result.evidence[0].document == "gout"
    for hit, item in zip(result.found.hits, result.evidence, strict=True):
        assert (item.text, item.start, item.passage) == (
            hit.passage.text, hit.passage.start, hit.passage.id,
        )  # fmt: skip


def test_what_is_said_of_a_finding_is_what_it_holds() -> None:
    point = OperatingPoint("balanced", 0.4, 0.91, 0.82, "200 films")
    reason = "The probability is above 0.40"
    finding = Finding(
        "film.png", "pneumonia", 0.734, point, False, reason, "net 1", notes=("Inverted",)
    )
    text = " ".join(image.statements("film.png", finding))
    for words in ("film.png", "0.73", "pneumonia", f"{reason}.", "Inverted."):
        assert words in text
    refused = Finding("film.png", "", None, None, True, "it is in colour.", "net 1")
    assert image.statements("film.png", refused) == ["film.png was not judged: it is in colour."]

"""Rows of the encoder's tasks: which columns each needs, what is read, what is to be answered.

A row becomes a `Sample`: the text that the model is given, the text that it is to answer with, the
patient and document that it comes from, and what is wrong with it. Knows nothing of files.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Columns that say which patient, visit or document a row is from, by kind.
UNITS = {
    "patient": ("patient_id", "subject_id", "patient"),
    "encounter": ("encounter_id", "hadm_id", "visit_id"),
    "document": ("pmid", "pmcid", "doc_id", "document", "document_id", "note_id"),
}
VERDICTS = ("yes", "no", "maybe")
SUPPORT = ("support", "contradict", "neither")
ENTITIES = ("Disease", "Chemical")


@dataclass(frozen=True, slots=True)
class Sample:
    """What the checks need of a row.

    Attributes:
        given: the text that the model reads; "" is a fault.
        wanted: the text that it is to answer with, or the label; "" is a fault.
        units: (kind, id) of the patient, visit or document.
        faults: what is wrong with the row, without its words.
    """

    given: str
    wanted: str
    units: tuple[tuple[str, str], ...]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """What rows of one kind hold.

    Attributes:
        required: groups of columns; a row needs one column of each group.
        given: the columns that the model reads, in order.
        wanted: the columns of which the first one there is the answer.
        check: finds faults of a row that go beyond its columns.
        windows: whether long texts are cut into windows rather than off.
    """

    required: tuple[tuple[str, ...], ...]
    given: tuple[str, ...]
    wanted: tuple[str, ...]
    check: Callable[[Mapping[str, Any]], Iterable[str]] | None = None
    windows: bool = False


def _entities(row: Mapping[str, Any]) -> Iterable[str]:
    text = (
        str(row["text"]) if "text" in row else f"{row.get('title', '')} {row.get('abstract', '')}"
    )
    found = row.get("entities")
    if not isinstance(found, list):
        return ["'entities' is no list of [start, end, text, type]"]
    for entity in found:
        if not isinstance(entity, list) or len(entity) < 4:
            return ["an entity is not [start, end, text, type]"]
        start, end, words, kind = entity[:4]
        if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text)):
            return ["an entity's span lies outside the text"]
        if isinstance(words, str) and text[start:end] != words:
            return ["an entity's text is not what stands at its span"]
        if not isinstance(kind, str) or not kind:
            return ["an entity has no type"]
    return []


def _one_of(column: str, allowed: Collection[str]) -> Callable[[Mapping[str, Any]], Iterable[str]]:
    def check(row: Mapping[str, Any]) -> Iterable[str]:
        said = str(row.get(column, "")).lower()
        return [] if said in allowed else [f"{column!r} is none of {', '.join(allowed)}"]

    return check


def _group(row: Mapping[str, Any]) -> Iterable[str]:
    texts = row.get("texts")
    if not isinstance(texts, list) or len(texts) < 2 or not all(isinstance(t, str) for t in texts):
        return ["'texts' is no list of the answering text and one or more that don't answer"]
    return [] if all(t.strip() for t in texts) else ["one of 'texts' is empty"]


FORMATS: dict[str, Format] = {
    # the encoder's tasks, data of one's own
    "entities": Format((("text", "abstract"), ("entities",)), ("title", "text", "abstract"), ("entities",), _entities, windows=True),
    "spans": Format((("text", "abstract"), ("entities",)), ("title", "text", "abstract"), ("entities",), _entities, windows=True),
    "rerank": Format((("question",), ("texts",)), ("question", "texts"), ("texts",), _group),
    "embed": Format((("question",), ("text",)), ("question",), ("text",)),
    "support": Format((("claim",), ("evidence", "text", "abstract"), ("label",)), ("claim", "evidence", "text", "abstract"), ("label",), _one_of("label", SUPPORT)),
    "verdict": Format((("question",), ("contexts", "text", "abstract"), ("final_decision",)), ("question", "contexts", "text", "abstract"), ("final_decision",), _one_of("final_decision", VERDICTS)),
    # public sets that the encoder's tasks read
    "medquad": Format((("question",), ("answer",), ("qtype",)), ("question",), ("answer",)),
    "bioasq": Format((("question",), ("snippet_ids",), ("pmids",)), ("question",), ("snippet_ids",)),
    "claims": Format((("claim",), ("cited_doc_ids",)), ("claim",), ("cited_doc_ids",)),
    "evidence": Format((("question",), ("evidence",), ("label",)), ("question", "pmcid"), ("label",)),
    "corpus": Format((("text", "abstract"),), ("title", "text", "abstract"), ("text", "abstract")),
}  # fmt: skip
# What a column is often called elsewhere.
_ALIASES = {
    "query": "question", "passage": "text", "content": "text", "document": "text", "answer": "label",
    "hypothesis": "claim", "premise": "evidence", "context": "contexts", "passages": "texts",
    "decision": "final_decision", "label": "final_decision", "spans": "entities", "ner": "entities",
}  # fmt: skip


def missing(name: str, columns: Collection[str]) -> list[str]:
    """Return the columns that a format needs and `columns` lacks; alternatives joined by 'or'."""
    return [
        " or ".join(map(repr, group))
        for group in FORMATS[name].required
        if not any(column in columns for column in group)
    ]


def hint(name: str, columns: Collection[str]) -> str:
    """Return what to do about missing columns."""
    wanted = [c for group in FORMATS[name].required for c in group if c not in columns]
    for column in columns:
        other = _ALIASES.get(column.lower())
        near = [other] if other in wanted else difflib.get_close_matches(column, wanted, 1, 0.7)
        if near:
            return f"Rename {column!r} to {near[0]!r}."
    return "Rename the columns, or name another file."


def sample(name: str, row: Mapping[str, Any]) -> Sample:
    """Return what the checks need of a row that has the columns of format `name`."""
    form = FORMATS[name]
    faults = tuple(form.check(row)) if form.check is not None else ()
    given = "\n".join(flat(row[c]) for c in form.given if c in row)
    wanted = next((flat(row[c]) for c in form.wanted if c in row), "")
    if name in {"entities", "spans", "bioasq", "claims"}:
        wanted = wanted or "(none)"  # an annotation that marks nothing is an annotation, too
    return Sample(given.strip(), wanted.strip(), units(row), faults)


def strange(row: Mapping[str, Any], labels: Collection[str]) -> tuple[str, ...]:
    """Return the fault of a row of spans with a type that the tagger does not learn."""
    if all(entity[3] in labels for entity in row["entities"]):
        return ()
    return (f"an entity's type is none of {', '.join(labels)}",)


def units(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return (kind, id) of every patient, visit and document that a row says it is from."""
    return tuple(
        (kind, str(row[column]))
        for kind, columns in UNITS.items()
        for column in columns
        if isinstance(row.get(column), str | int) and str(row[column]).strip()
    )


def flat(value: Any) -> str:
    """Return every text inside a JSON value, joined by line ends."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(flat(part) for part in value.values() if part not in (None, ""))
    if isinstance(value, list):
        return "\n".join(flat(part) for part in value)
    return "" if value is None else json.dumps(value)

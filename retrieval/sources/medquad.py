"""MedQuAD's XML: questions and answers on one subject a file, from institutes of the NIH.

One document a file: its focus is the title, each kind of question a section with its aspect. Reads
the three layouts that the published collection mixes (`Document`, `doc` and `DiseaseFile` roots).
Files without answers, which the collection keeps for copyright, come as `Skipped`.

A focus is the name of a disease, drug or test, so the document's kind says which: the librarian
then finds it by name, as it finds monographs. Where the file's semantic annotation doesn't tell, the
kind is "topic", which is found by name too but claims nothing.

Source: Ben Abacha and Demner-Fushman 2019, "A question-entailment approach to question answering",
BMC Bioinformatics 20:511; UMLS semantic types and groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.sources import Item, Skipped, _xml
from retrieval.sources._markup import flat
from retrieval.types import Document, Section

if TYPE_CHECKING:
    from lxml.etree import _Element

SUFFIXES = (".xml",)
ROOTS = ("Document", "doc", "DiseaseFile")
LIMITS = _xml.Limits(record_bytes=8 << 20)
MAX_SYNONYMS, MAX_SYNONYM_CHARS = 40, 120

# Kind of question -> heading and aspect. Kinds that are missing here keep their own name.
_KINDS: dict[str, tuple[str, str]] = {
    "information": ("What it is", "definition"),
    "causes": ("Causes", "causes"),
    "cause": ("Causes", "causes"),
    "inheritance": ("Inheritance", "causes"),
    "genetic changes": ("Genetic changes", "causes"),
    "susceptibility": ("Who is at risk", "risk_factors"),
    "symptoms": ("Symptoms", "symptoms"),
    "exams and tests": ("Diagnosis", "diagnosis"),
    "treatment": ("Treatment", "treatment"),
    "prevention": ("Prevention", "prevention"),
    "complications": ("Complications", "complications"),
    "complication": ("Complications", "complications"),
    "outlook": ("Outlook", "prognosis"),
    "frequency": ("How common it is", ""),
    "when to contact a medical professional": ("When to seek help", "red_flags"),
    "usage": ("Uses", "uses"),
    "indication": ("Uses", "uses"),
    "dose": ("Dose", "dose"),
    "dosage": ("Dose", "dose"),
    "forget a dose": ("Missed dose", "dose"),
    "action": ("How it works", "mechanism"),
    "how does it work": ("How it works", "mechanism"),
    "side effects": ("Side effects", "side_effects"),
    "severe reaction": ("Severe reactions", "side_effects"),
    "precautions": ("Precautions", "contraindications"),
    "important warning": ("Warnings", "contraindications"),
    "contraindication": ("Contraindications", "contraindications"),
    "interaction": ("Interactions", "interactions"),
    "interactions with medications": ("Interactions with medicines", "interactions"),
    "interactions with foods": ("Interactions with food", "interactions"),
    "interactions with herbs and supplements": ("Interactions with herbs", "interactions"),
    "emergency or overdose": ("Overdose", "overdose"),
    "overdose": ("Overdose", "overdose"),
}
# UMLS semantic types that name a kind of subject, most telling first. T033 (finding) is not among
# them: the collection gives it to tests as well as to symptoms.
_SEMANTIC: tuple[tuple[str, frozenset[str]], ...] = (
    ("condition", frozenset(["T047", "T191", "T048", "T019", "T046", "T037", "T020", "T190", "T049",
                             "T050"])),
    ("symptom", frozenset(["T184"])),
    ("drug", frozenset(["T121", "T200", "T195", "T109", "T116", "T125", "T127", "T129"])),
    ("test", frozenset(["T059", "T060"])),
    ("procedure", frozenset(["T061"])),
)  # fmt: skip
_GROUPS = {"disorders": "condition", "chemicals & drugs": "drug"}
# An abbreviation behind a focus: "Alkhurma Hemorrhagic Fever (AHF)".
_ALSO = re.compile(r"\(also known as ([^)]+)\)", re.IGNORECASE)
# A shelf mark before a focus: "Parasites - Ascariasis".
_SHELF = re.compile(r"Parasites - ([^(;]+)")
_ABBREVIATION = re.compile(r"\(([A-Z][A-Z0-9-]{2,7})\)$")


class MedquadReader:
    """Reads one file of the collection."""

    def read(self, path: Path) -> Iterator[Item]:
        """Yield the one document of `path`, or why it is left out.

        Raises:
            SourceError: if the file is damaged, hostile or not MedQuAD's.
        """
        for root in _xml.records(path, ROOTS, ROOTS, "MedQuAD file", LIMITS):
            yield _document(root, path)


def build() -> MedquadReader:
    """Return the reader."""
    return MedquadReader()


def sniff(path: Path, head: bytes) -> bool:
    """Return whether a file's first bytes are those of MedQuAD: its root or its first elements."""
    found = _xml.prolog(head)
    names = {name for name, _ in found.attributes}
    marks = (b"<Focus", b"<doctitle-focus", b"<QAPairs", b"<qaPairs")
    return found.root in ROOTS and (
        {"source", "url"} <= names or "corpus" in names or any(mark in head for mark in marks)
    )


def _document(root: _Element, path: Path) -> Item:
    focus = _first(root, "Focus", "doctitle-focus")
    if not focus:
        return Skipped(path.name, "the file names no focus.")
    source = root.get("source") or root.get("corpus") or "MedQuAD"
    number = root.get("id") or root.get("docid") or root.get("fid") or path.stem
    sections = tuple(_sections(root))
    if not sections:
        return Skipped(
            path.name, f"it holds no answers ({focus}): the collection leaves them out here."
        )
    types = [flat(node) for node in _all(root, "SemanticType", "semanticType")]
    group = _first(root, ".//SemanticGroup", ".//semanticGroup")
    concepts = [flat(node) for node in _all(root, "CUI", "cui")]
    metadata = {
        "concepts": "; ".join(filter(None, concepts)),
        "semantic_types": "; ".join(filter(None, types)),
        "semantic_group": group,
        "category": _first(root, ".//Category", ".//category"),
    }
    return Document(
        id=f"medquad:{source}-{number}".lower().replace(" ", "_"),
        title=focus,
        sections=sections,
        kind=_kind(types, group),
        synonyms=_synonyms(root, focus),
        source=f"{source} (MedQuAD)",
        url=root.get("url") or "",
        metadata=tuple((key, value) for key, value in metadata.items() if value),
        language="en",
    )


def _all(root: _Element, *names: str) -> Iterator[_Element]:
    return root.iter(*names)


def _first(root: _Element, *paths: str) -> str:
    return next((found for path in paths if (found := flat(root.find(path)))), "")


def _kind(types: list[str], group: str) -> str:
    for kind, known in _SEMANTIC:
        if not known.isdisjoint(types):
            return kind
    known_types = [name for name in types if name]
    return "topic" if known_types else _GROUPS.get(group.lower(), "topic")


def _synonyms(root: _Element, focus: str) -> tuple[str, ...]:
    names = [flat(node) for node in root.iter("Synonym", "synonym")]
    shelf = _SHELF.match(focus)
    names += [shelf[1].strip()] if shelf else []
    names += [name.strip() for name in _ALSO.findall(focus)] + _ABBREVIATION.findall(focus)
    kept = [n for n in names if 1 < len(n) <= MAX_SYNONYM_CHARS and n.lower() != focus.lower()]
    return tuple(dict.fromkeys(kept))[:MAX_SYNONYMS]


def _sections(root: _Element) -> Iterator[Section]:
    seen: set[str] = set()
    for pair in root.iter("QAPair", "pair"):
        question, answer = (
            next((n for n in pair if str(n.tag).lower() == name), None)
            for name in ("question", "answer")
        )
        body = "" if answer is None else paragraphs("".join(answer.itertext()))
        if not body or body in seen:
            continue
        seen.add(body)
        kind = "" if question is None else (question.get("qtype") or "").strip().lower()
        heading, aspect = _KINDS.get(kind, (kind[:1].upper() + kind[1:], ""))
        yield Section(heading or flat(question) or "Answer", aspect, body)


def paragraphs(text: str) -> str:
    """Return an answer with its paragraphs and lists kept and other white space squeezed."""
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    out: list[str] = []
    for line in lines:
        if line or (out and out[-1]):
            out.append(line)
    return "\n".join(out).strip()

"""Simple JSON records: a note under "text", or lists under "problems", "medications" and the like.

Promises that every entry of such a list becomes a fact, known to a word list or not. The JSON is
written out as a note with headings and read like one. Knows nothing of FHIR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assistant.records.extract import facts
from assistant.records.page import Page
from assistant.records.sheet import flat
from assistant.types import Fact, FactKind, Record

_NOTES = ("text", "note", "notes", "content", "body", "record", "narrative", "clinical_note")
# Section title, the kind of its entries, and the keys that hold them.
_LISTS: tuple[tuple[str, FactKind | None, tuple[str, ...]], ...] = (
    ("PATIENT", None, ("patient", "demographics", "age", "sex", "gender", "date_of_birth", "dob")),
    ("CHIEF COMPLAINT", None, ("chief_complaint", "reason", "reason_for_visit", "complaint")),
    ("HISTORY OF PRESENT ILLNESS", None, ("hpi", "history_of_present_illness", "history")),
    ("PROBLEMS", "problem", ("problems", "conditions", "diagnoses", "problem_list", "diagnosis",
                             "past_medical_history", "pmh", "medical_history", "comorbidities")),
    ("PROCEDURES", "procedure", ("procedures", "surgeries", "surgical_history",
                                 "past_surgical_history")),
    ("MEDICATIONS", "medication", ("medications", "meds", "drugs", "medication_list",
                                   "current_medications", "prescriptions")),
    ("ALLERGIES", "allergy", ("allergies", "allergy", "intolerances")),
    ("FAMILY HISTORY", None, ("family_history",)),
    ("SOCIAL HISTORY", None, ("social_history", "social")),
    ("VITALS", "vital", ("vitals", "vital_signs")),
    ("LABS", "lab", ("labs", "lab_results", "laboratory", "results", "observations")),
    ("ASSESSMENT AND PLAN", None, ("assessment", "plan", "assessment_and_plan", "impression")),
)  # fmt: skip
_NAME_KEYS = ("name", "problem", "condition", "diagnosis", "medication", "drug", "substance", "allergen",
              "test", "lab", "code", "display", "description", "procedure", "title", "analyte")  # fmt: skip
_MAX_ITEMS = 5_000


@dataclass(frozen=True, slots=True)
class _Item:
    kind: FactKind
    start: int
    end: int
    name: str


def read(value: Any, name: str) -> Record:
    """Read a simple JSON record; its text is empty where nothing in it is known.

    Args:
        value: the parsed JSON.
        name: the record's name, for display.
    """
    if isinstance(value, list):
        value = {"problems": value} if all(isinstance(i, str) for i in value) else _merged(value)
    if not isinstance(value, dict):
        return Record(name, "", (), ())
    known = {str(key).lower().replace(" ", "_").replace("-", "_"): item for key, item in value.items()}  # fmt: skip
    if len(known) == 1 and isinstance(next(iter(known.values())), dict):
        # A single wrapper, as in {"record": {...}}.
        return read(next(iter(known.values())), name)
    lines: list[str] = []
    kept: list[tuple[int, FactKind, str]] = []
    for title, kind, keys in _LISTS:
        found = [(key, known[key]) for key in keys if known.get(key) not in (None, "", [], {})]
        if found:
            lines += [*([""] if lines else []), title]
            for key, item in found:
                _write(lines, kept, kind, key, item)
    for key in _NOTES:
        if isinstance(known.get(key), str) and known[key].strip():
            text = known[key].replace("\r\n", "\n").replace("\r", "\n")
            lines += [*([""] if lines else []), *text.split("\n")]
    return _assemble(lines, kept, name)


def _merged(value: list[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in value:
        if isinstance(part, dict):
            for key, item in part.items():
                if key in merged and isinstance(merged[key], str) and isinstance(item, str):
                    merged[key] += "\n\n" + item
                else:
                    merged.setdefault(key, item)
    return merged


def _write(
    lines: list[str],
    kept: list[tuple[int, FactKind, str]],
    kind: FactKind | None,
    key: str,
    item: Any,
) -> None:
    if isinstance(item, dict) and not any(name in item for name in _NAME_KEYS):
        # A mapping from names to values: {"potassium": 5.9}.
        entries: list[Any] = [{"name": k.replace("_", " "), "value": v} for k, v in item.items()]
    else:
        entries = item if isinstance(item, list) else [item]
    for entry in entries[:_MAX_ITEMS]:
        label, words = _words(entry, kind)
        if not words:
            continue
        if kind:
            kept.append((len(lines), kind, label))
        prefix = f"{key.replace('_', ' ').capitalize()}: " if key in ("age", "sex", "gender", "dob", "date_of_birth") else "- "  # fmt: skip
        lines.append(prefix + words)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return flat(str(value)) if isinstance(value, str | int | float) else ""


def _words(entry: Any, kind: FactKind | None) -> tuple[str, str]:
    """Return the name of an entry and its line."""
    if not isinstance(entry, dict):
        return _scalar(entry), _scalar(entry)
    plain = {str(key).lower(): _scalar(item) for key, item in entry.items()}
    label = _first(plain, *_NAME_KEYS)
    if kind == "medication":
        return label, _medication(plain, label)
    if kind == "allergy":
        listed = _list(entry.get("reactions"))
        reaction = _first(plain, "reaction", "reactions", "manifestation") or listed
        return label, f"{label} ({reaction})" if reaction else label
    if kind in ("lab", "vital"):
        return label, _measurement(plain, label)
    rest = ", ".join(f"{key}: {text}" for key, text in plain.items() if text and text != label)
    return label, f"{label} ({rest})" if label and rest else label or rest


def _first(plain: dict[str, str], *keys: str) -> str:
    return next((plain[key] for key in keys if plain.get(key)), "")


def _medication(plain: dict[str, str], label: str) -> str:
    parts = [label, _first(plain, "dose", "dosage", "strength"), _first(plain, "unit", "units"),
             _first(plain, "route"), _first(plain, "frequency", "freq", "schedule"),
             _first(plain, "sig", "instructions")]  # fmt: skip
    status = _first(plain, "status")
    tail = f" ({status})" if status and status.lower() not in ("active", "current") else ""
    return " ".join(part for part in parts if part) + tail


def _measurement(plain: dict[str, str], label: str) -> str:
    flag = _first(plain, "flag", "interpretation")
    limits = _first(plain, "range", "reference_range", "reference")
    date = _first(plain, "date", "time", "collected")
    parts = [label, _first(plain, "value", "result"), _first(plain, "unit", "units"),
             f"({flag})" if flag else "", f"({limits})" if limits else "",
             f"on {date[:10]}" if date else ""]  # fmt: skip
    return " ".join(part for part in parts if part)


def _list(value: Any) -> str:
    return ", ".join(_scalar(item) for item in value) if isinstance(value, list) else ""


def _assemble(lines: list[str], kept: list[tuple[int, FactKind, str]], name: str) -> Record:
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line) + 1
    text = "\n".join(lines)
    page = Page(text)
    found = list(facts(page))
    for number, kind, label in kept:
        start = starts[number] + 2
        item = _Item(kind, start, starts[number] + len(lines[number]), label)
        if not any(f.kind in (kind, *_KIN.get(kind, ())) and f.start < item.end and item.start < f.end for f in found):  # fmt: skip
            found.append(_own(item, text, page))
    found.sort(key=lambda fact: (fact.start, fact.end))
    return Record(name, text, page.sections, tuple(found))


# A problem list may name a procedure, and the other way about.
_KIN: dict[str, tuple[str, ...]] = {"problem": ("procedure", "allergy"), "procedure": ("problem",),
                                    "lab": ("vital",), "vital": ("lab",)}  # fmt: skip


def _own(item: _Item, text: str, page: Page) -> Fact:
    """Return the fact of an entry that no word list knows, in its own words."""
    words = text[item.start : item.end]
    end = item.start + len(item.name) if words.startswith(item.name) and item.name else item.end
    if item.kind in ("lab", "vital"):
        end = item.end
    value = text[item.start + len(item.name) : item.end].strip() if item.kind in ("lab", "vital") else ""  # fmt: skip
    details = (("value", value),) if value else ()
    name = (item.name or text[item.start : end]).lower()
    return Fact(item.kind, text[item.start : end], item.start, end, "present", name, page.at(item.start).name, details)  # fmt: skip

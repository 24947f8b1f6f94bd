"""Small careful readers of FHIR's data types (https://hl7.org/fhir/R4/datatypes.html).

Each returns an empty value where the JSON isn't of the expected shape. Knows nothing of resources.
"""

from __future__ import annotations

import re
from typing import Any

from assistant.records import lexicon

# A bundle with more entries than this is read up to here.
_MAX_ENTRIES = 50_000
_TAG = re.compile(
    r"\s*\((?:disorder|finding|procedure|situation|substance|regime/therapy|event|observable entity|morphologic abnormality|person|product)\)\s*\Z",
    re.I,
)
_METHOD = re.compile(
    r"\s*\[[^\]]*\]|\s+(?:in|by|of|from)\s+(?:Blood|Serum|Plasma|Urine|Automated|Arterial|Venous|calculation|Capillary|Immunologic|Stool)\b.*|/Hemoglobin\.total.*|\u200b|\s+(?:Auto|Manual)\b.*"
)
# Labels whose words alone would be read as something else.
_RENAMED = {"glomerular filtration rate/1.73 sq m.predicted": "eGFR", "protein": "total protein",
            "bilirubin.total": "total bilirubin", "hemoglobin a1c/hemoglobin.total": "hemoglobin A1c",
            "platelet distribution width": "platelet distribution width",
            "platelet mean volume": "mean platelet volume"}  # fmt: skip


def text_of(value: Any) -> str:
    """Return a string without white space at its ends, or ""."""
    return value.strip() if isinstance(value, str) else ""


def mapping(value: Any, key: str) -> dict[str, Any]:
    """Return `value[key]` where it is an object, else an empty one."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def items(value: Any, key: str) -> list[dict[str, Any]]:
    """Return the objects of the list `value[key]`; a single object counts as a list of one."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, dict):
        return [found]
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def entries(value: Any) -> list[dict[str, Any]]:
    """Return the resources of a bundle, of a list, or the one resource itself."""
    if isinstance(value, dict) and value.get("resourceType") == "Bundle":
        found = [mapping(entry, "resource") for entry in items(value, "entry")]
    elif isinstance(value, list):
        found = [item for part in value if isinstance(part, dict) for item in entries(part)]
    else:
        found = [value] if isinstance(value, dict) else []
    return [item for item in found if isinstance(item.get("resourceType"), str)][:_MAX_ENTRIES]


def display(value: Any) -> str:
    """Return a Coding's display or code."""
    if not isinstance(value, dict):
        return ""
    return text_of(value.get("display")) or text_of(value.get("code"))


def coded(value: Any) -> str:
    """Return a CodeableConcept's text, else its first display, without SNOMED's type in brackets."""
    if not isinstance(value, dict):
        return ""
    words = text_of(value.get("text"))
    if not words:
        words = next((d for d in map(display, items(value, "coding")) if d), "")
    return _TAG.sub("", " ".join(words.replace("\u200b", "").split()))[:300]


def codes(value: Any) -> set[str]:
    """Return the codes of a CodeableConcept."""
    found = {text_of(coding.get("code")) for coding in items(value, "coding")}
    return (found | {text_of(value.get("text"))} if isinstance(value, dict) else found) - {""}


def day(value: Any) -> str:
    """Return the day of a dateTime (YYYY, YYYY-MM or YYYY-MM-DD), or ""."""
    words = text_of(value)
    return words[:10] if re.match(r"\d{4}(?:-\d\d){0,2}", words) else ""


def number(value: Any) -> str:
    """Return a number as written with at most two decimals (more below 0.1), or ""."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if isinstance(value, int):
        return str(value)
    if value != value or abs(value) > 1e12:  # neither NaN nor infinity is a measurement
        return ""
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.1 else f"{value:.4g}"


def quantity(value: Any) -> tuple[str, str]:
    """Return a Quantity's value and unit; ("", "") where it has none."""
    if not isinstance(value, dict):
        return "", ""
    amount = number(value.get("value"))
    if not amount:
        return "", ""
    unit = text_of(value.get("unit")) or text_of(value.get("code"))
    return text_of(value.get("comparator")) + amount, "" if unit == "{score}" else unit


def names(kind: str, label: str) -> str:
    """Return the normalised name of a coded label.

    Args:
        kind: problem, allergy, lab or procedure.
        label: the label, as FHIR displays it.
    """
    plain = _METHOD.sub("", label).strip() if kind == "lab" else label
    if plain.lower() in _RENAMED:
        return _RENAMED[plain.lower()]
    lists = {"problem": (lexicon.problems,), "procedure": (lexicon.procedures,),
             "lab": (lexicon.measurements,), "allergy": (lexicon.drugs, lexicon.allergens)}[kind]  # fmt: skip
    tokens = lexicon.Tokens(plain)
    found = [match for words in lists for match in words().find(tokens)]
    best = max(found, key=lambda match: match.end - match.start, default=None)
    if best is None:
        return _substance(plain.lower()) if kind == "allergy" else plain.lower()
    share = (best.end - best.start) / max(1, len(plain))
    # A short name within a long label ("Acute viral pharyngitis") keeps the label.
    wanted = 0.0 if kind == "allergy" else 0.55 if kind == "problem" else 0.4
    return best.entry.name if share >= wanted else plain.lower()


def _substance(label: str) -> str:
    return re.sub(
        r"^allergy to |^(?:food )?allergy: |\s+allergy$|^allergic reaction to ", "", label
    )

"""A fact of a record as one plain English sentence. Knows nothing of questions."""

from __future__ import annotations

from assistant.types import Fact


def statement(fact: Fact) -> str:
    """Return one sentence that says what the record says of a fact, its assertion included.

    For example "Allergy: penicillin (rash).", "Denied or absent: chest pain.",
    "Medication: metformin, 500 mg, PO, BID."
    """
    more = dict(fact.attributes)
    text = {
        "allergy": _allergy,
        "medication": _medication,
        "lab": _measure,
        "vital": _measure,
        "procedure": _procedure,
        "date": lambda f, _: f"Date: {f.name}",
        "problem": _problem,
    }[fact.kind](fact, more)
    return text.rstrip(".") + "."


def _allergy(fact: Fact, more: dict[str, str]) -> str:
    if fact.assertion == "negated":
        if fact.name.startswith("no "):
            return fact.name[0].upper() + fact.name[1:]
        return f"Not allergic: {fact.name}"
    reaction = f" ({more['reaction']})" if more.get("reaction") else ""
    lead = {
        "possible": "Possible allergy",
        "historical": "Past allergy",
        "family": "Relative's allergy",
    }
    return f"{lead.get(fact.assertion, 'Allergy')}: {fact.name}{reaction}"


def _medication(fact: Fact, more: dict[str, str]) -> str:
    dose = " ".join(part for part in (more.get("dose"), more.get("unit")) if part)
    needed = "as needed" if more.get("as_needed") else ""
    parts = [
        fact.name,
        dose,
        more.get("quantity"),
        more.get("route"),
        more.get("frequency"),
        needed,
    ]
    told = ", ".join(part for part in parts if part)
    status = more.get("status", "")
    if fact.assertion == "historical":
        return f"Medication no longer taken ({status or 'past'}): {told}"
    lead = {"negated": "Medication not taken", "possible": "Medication considered",
            "family": "Relative's medication"}.get(fact.assertion, "Medication")  # fmt: skip
    return f"{lead}: {told}" + (f" ({status})" if status else "")


def _measure(fact: Fact, more: dict[str, str]) -> str:
    value = " ".join(part for part in (more.get("value"), more.get("unit")) if part)
    flag = more.get("flag", "")
    note = f" ({flag})" if flag and flag != "normal" and flag != more.get("value") else ""
    date = f", {more['date']}" if more.get("date") else ""
    name = fact.name[0].upper() + fact.name[1:] if fact.name[1:2].islower() else fact.name
    return f"{name}: {value}{note}{date}"


def _procedure(fact: Fact, more: dict[str, str]) -> str:
    date = f" ({more['date']})" if more.get("date") else ""
    lead = {"negated": "Procedure not done", "historical": "Past procedure",
            "possible": "Procedure considered", "family": "Relative's procedure"}  # fmt: skip
    return f"{lead.get(fact.assertion, 'Procedure')}: {fact.name}{date}"


def _problem(fact: Fact, more: dict[str, str]) -> str:
    name = fact.name + (f", stage {more['stage']}" if more.get("stage") else "")
    name += f" ({more['date']})" if more.get("date") else ""
    if fact.assertion == "negated" and more.get("experiencer") == "family":
        return f"No family history: {name}"
    lead = {"negated": "Denied or absent", "possible": "Possible", "historical": "History of",
            "family": "Family history"}.get(fact.assertion, "Problem")  # fmt: skip
    if lead == "Problem" and more.get("type") == "symptom":
        lead = "Symptom or sign"
    return f"{lead} {name}" if lead == "History of" else f"{lead}: {name}"

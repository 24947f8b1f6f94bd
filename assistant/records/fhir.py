"""FHIR R4 resources -> a readable text with facts (HL7 FHIR R4, https://hl7.org/fhir/R4/).

Promises that one broken entry never costs the others: what isn't of the expected shape is left
out. Names, addresses and identifiers of people are not copied. Knows nothing of other formats.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from assistant.records.fhir_values import (
    coded,
    codes,
    day,
    display,
    entries,
    items,
    mapping,
    number,
    quantity,
    text_of,
)
from assistant.records.fhir_values import names as normal
from assistant.records.sheet import Sheet, flat
from assistant.types import Assertion, Record

Resource = dict[str, Any]
_MAX_NOTE_BYTES = 1_000_000


def read(value: Any, name: str) -> Record:
    """Read a bundle, a resource, or a list of resources.

    Args:
        value: the parsed JSON.
        name: the record's name, for display.
    """
    resources = entries(value)
    by_reference = _references(resources)
    kinds: dict[str, list[Resource]] = {}
    for resource in resources:
        kinds.setdefault(str(resource.get("resourceType")), []).append(resource)
    sheet = Sheet()
    for section, title, types, write in _PARTS:
        found = [item for kind in types for item in kinds.get(kind, [])]
        found.sort(key=_when, reverse=True)
        opened = False
        for resource in found:
            draft = write(resource, by_reference)
            if draft is None:
                continue
            if not opened:
                sheet.section(section, title)
                opened = True
            draft(sheet)
    return sheet.record(name)


Draft = Callable[[Sheet], None] | None
References = dict[str, Resource]


def _references(resources: list[Resource]) -> References:
    found: References = {}
    for resource in resources:
        kind, identity = resource.get("resourceType"), resource.get("id")
        if isinstance(identity, str):
            found[f"{kind}/{identity}"] = resource
            found[f"urn:uuid:{identity}"] = resource
        for inner in items(resource, "contained"):
            if isinstance(inner.get("id"), str):
                found[f"#{inner['id']}"] = inner
    return found


_DATES = ("recordedDate", "onsetDateTime", "authoredOn", "effectiveDateTime", "performedDateTime",
          "occurrenceDateTime", "dateAsserted", "date", "issued")  # fmt: skip


def _when(resource: Resource) -> str:
    for key in ("effectiveDateTime", "onsetDateTime", "authoredOn", *_DATES):
        if isinstance(resource.get(key), str):
            return str(resource[key])
    for key in ("period", "performedPeriod", "effectivePeriod"):
        if start := text_of(mapping(resource, key).get("start")):
            return start
    return ""


def _patient(resource: Resource, _: References) -> Draft:
    sex, born = text_of(resource.get("gender")), day(resource.get("birthDate"))
    died = day(resource.get("deceasedDateTime"))
    parts = [f"Sex: {sex}" if sex else "", f"Date of birth: {born}" if born else "",
             f"Died: {died}" if died else "Died" if resource.get("deceasedBoolean") is True else ""]  # fmt: skip
    line = ". ".join(part for part in parts if part)
    return (lambda sheet: sheet.line(line + ".")) if line else None


def _verified(resource: Resource) -> Assertion | None:
    """Return what the verification status says; None for an entry made in error."""
    status = codes(resource.get("verificationStatus"))
    if "entered-in-error" in status:
        return None
    if "refuted" in status:
        return "negated"
    return "possible" if status & {"unconfirmed", "provisional", "differential"} else "present"


def _condition(resource: Resource, _: References) -> Draft:
    label, state = coded(resource.get("code")), _verified(resource)
    if not label or state is None:
        return None
    status = codes(resource.get("clinicalStatus"))
    onset, ended = day(resource.get("onsetDateTime")), day(resource.get("abatementDateTime"))
    if state == "present" and (ended or status & {"inactive", "remission", "resolved"}):
        state = "historical"
    word = next(iter(sorted(status)), "") or ("resolved" if ended else "")
    told = "; ".join(
        p for p in (word, f"since {onset}" if onset else "", f"until {ended}" if ended else "") if p
    )
    details = {"date": onset, "until": ended, "status": word}
    name = normal("problem", label)
    return lambda sheet: sheet.fact("problem", label, name, state, details, _bracket(told))


def _bracket(text: str) -> str:
    return f"({text})" if text else ""


def _allergy(resource: Resource, _: References) -> Draft:
    label, state = coded(resource.get("code")), _verified(resource)
    reactions = items(resource, "reaction")
    if not label and reactions:
        label = coded(reactions[0].get("substance"))
    if not label or state is None:
        return None
    none = label.lower().startswith(("no known", "nkda", "no allergy"))
    if none:
        state = "negated"
    elif state == "present" and codes(resource.get("clinicalStatus")) & {"inactive", "resolved"}:
        state = "historical"
    shown = [coded(m) for r in reactions for m in items(r, "manifestation")]
    reaction = ", ".join(part for part in shown if part)
    details = {"reaction": reaction, "criticality": text_of(resource.get("criticality")),
               "date": day(resource.get("recordedDate"))}  # fmt: skip
    name = label.lower() if none else normal("allergy", label)
    words = f"{label} ({reaction})" if reaction else label
    return lambda sheet: sheet.fact("allergy", words, name, state, details)


_NOT_TAKEN = {"stopped": "stopped", "completed": "completed", "on-hold": "held", "ended": "stopped",
              "cancelled": "stopped", "not-taken": "not taken"}  # fmt: skip


def _medication(resource: Resource, references: References) -> Draft:
    status = text_of(resource.get("status"))
    label = _drug_label(resource, references)
    if not label or status in ("entered-in-error", "draft"):
        return None
    state: Assertion = "historical" if status in _NOT_TAKEN else "present"
    if status == "not-taken" or resource.get("doNotPerform") is True:
        state = "negated"
    dosage = (items(resource, "dosageInstruction") or items(resource, "dosage") or [{}])[0]
    told = _dosage(dosage)
    words = f"{label}, {told['text']}" if told["text"] else label
    parsed = normal_drug(words)
    details = {**parsed[1], **{k: v for k, v in told.items() if k != "text" and v}}
    details["date"] = day(resource.get("authoredOn")) or day(resource.get("effectiveDateTime"))
    details["status"] = _NOT_TAKEN.get(status, "")
    tail = "; ".join(part for part in (status, details["date"]) if part)
    name = parsed[0] or label.lower()
    return lambda sheet: sheet.fact("medication", words, name, state, details, _bracket(tail))


def _drug_label(resource: Resource, references: References) -> str:
    if label := coded(resource.get("medicationCodeableConcept")):
        return label
    reference = mapping(resource, "medicationReference")
    target = references.get(text_of(reference.get("reference")), {})
    return coded(target.get("code")) or text_of(reference.get("display"))


def normal_drug(words: str) -> tuple[str, dict[str, str]]:
    """Return the normalised name and the directions that the words of a medication hold."""
    from assistant.records import medications
    from assistant.records.page import Page

    found = medications.find(Page(words), [])
    if not found:
        return "", {}
    kept = {key: value for key, value in found[0].attributes if key not in ("status", "drug_class")}
    return found[0].name, kept


def _dosage(dosage: Resource) -> dict[str, str]:
    repeat = mapping(mapping(dosage, "timing"), "repeat")
    route = coded(dosage.get("route"))
    rates = items(dosage, "doseAndRate")
    amount = quantity(rates[0].get("doseQuantity")) if rates else ("", "")
    every = ""
    if repeat.get("frequency") and repeat.get("period"):
        unit = {"d": "day", "h": "hour", "wk": "week", "mo": "month"}.get(
            text_of(repeat.get("periodUnit")), text_of(repeat.get("periodUnit"))
        )
        times, period = number(repeat.get("frequency")), number(repeat.get("period"))
        every = f"{times} time{'s' if times != '1' else ''} per {period + ' ' if period != '1' else ''}{unit}"  # fmt: skip
    needed = "as needed" if dosage.get("asNeededBoolean") is True else ""
    written = text_of(dosage.get("text"))
    parts = [written or " ".join(p for p in (" ".join(amount).strip(), route, every) if p)]
    parts += [needed] if needed and "need" not in written.lower() else []
    return {
        "text": ", ".join(part for part in parts if part),
        "route": route,
        "frequency": every,
        "as_needed": "yes" if needed else "",
    }


def _observation(resource: Resource, _: References) -> Draft:
    if text_of(resource.get("status")) in ("entered-in-error", "cancelled"):
        return None
    label = coded(resource.get("code"))
    value, unit = _value(resource)
    parts = {coded(c.get("code")): _value(c) for c in items(resource, "component")}
    if not value and parts:
        value, unit = _pressure(parts) or _joined(parts)
    if not label or not value:
        return None
    when = day(resource.get("effectiveDateTime")) or day(mapping(resource, "effectivePeriod").get("start"))  # fmt: skip
    if "smok" in label.lower() or "tobacco" in label.lower():
        return _smoking(label, value, when)
    kind, name, judged = _measured(label, value, unit, resource)
    words = f"{label}: {value} {unit}".strip()
    flag = judged.get("flag", "")
    tail = _bracket("; ".join(part for part in (flag if flag != "normal" else "", when) if part))
    details = {"value": value, "unit": unit, **judged, "date": when}
    return lambda sheet: sheet.fact("vital" if kind == "vital" else "lab", words, name, "present", details, tail)  # fmt: skip


def _value(resource: Resource) -> tuple[str, str]:
    pair = quantity(resource.get("valueQuantity"))
    if pair[0]:
        return pair
    for key in ("valueString", "valueDateTime"):
        if words := text_of(resource.get(key)):
            return flat(words)[:300], ""
    for key in ("valueInteger", "valueBoolean"):
        if isinstance(resource.get(key), int):
            return str(resource[key]).lower(), ""
    return coded(resource.get("valueCodeableConcept")), ""


def _pressure(parts: dict[str, tuple[str, str]]) -> tuple[str, str] | None:
    upper = next((v[0] for k, v in parts.items() if "systolic" in k.lower()), "")
    lower = next((v[0] for k, v in parts.items() if "diastolic" in k.lower()), "")
    return (f"{float(upper):.0f}/{float(lower):.0f}", "mmHg") if upper and lower else None


def _joined(parts: dict[str, tuple[str, str]]) -> tuple[str, str]:
    told = [f"{key} {' '.join(value).strip()}" for key, value in parts.items() if key and value[0]]
    return ", ".join(told), ""


def _measured(
    label: str, value: str, unit: str, resource: Resource
) -> tuple[str, str, dict[str, str]]:
    """Return kind, normalised name and flag of a measurement."""
    from assistant.records.measures import judge

    category = {code for c in items(resource, "category") for code in codes(c)}
    name, judged, kind = judge(normal("lab", label), value, unit)
    interpreted = {code for c in items(resource, "interpretation") for code in codes(c)}
    for code, flag in (("HH", "critical high"), ("LL", "critical low"), ("H", "high"), ("L", "low"),
                       ("A", "abnormal"), ("N", "normal")):  # fmt: skip
        if code in interpreted:
            judged = {"flag": flag}
            break
    limits = (items(resource, "referenceRange") or [{}])[0]
    low, high = quantity(limits.get("low"))[0], quantity(limits.get("high"))[0]
    if low and high:
        judged["range"] = f"{low}-{high}"
        judged.pop("usual_range", None)
        if not interpreted and value.replace(".", "", 1).isdigit():
            below, above = float(value) < float(low), float(value) > float(high)
            judged["flag"] = "low" if below else "high" if above else "normal"
    return ("vital" if "vital-signs" in category else kind), name, judged


def _smoking(label: str, value: str, when: str) -> Draft:
    plain = value.lower()
    state: Assertion = "present"
    if "never" in plain or "non-smoker" in plain or "non smoker" in plain:
        state = "negated"
    elif "former" in plain or "ex-" in plain:
        state = "historical"
    words, details = f"{label}: {value}", {"value": value, "type": "habit", "date": when}
    return lambda sheet: sheet.fact("problem", words, "tobacco use", state, details, _bracket(when))


def _procedure(resource: Resource, _: References) -> Draft:
    label = coded(resource.get("code")) or coded(resource.get("vaccineCode"))
    status = text_of(resource.get("status"))
    if not label or status == "entered-in-error":
        return None
    when = _when(resource)[:10]
    state: Assertion = "negated" if status == "not-done" else "historical"
    name = normal("procedure", label)
    return lambda sheet: sheet.fact("procedure", label, name, state, {"date": when, "status": status}, _bracket(when))  # fmt: skip


def _relative(resource: Resource, _: References) -> Draft:
    who = coded(resource.get("relationship"))
    ill = [coded(c.get("code")) for c in items(resource, "condition")]
    labels = [label for label in ill if label]
    if not labels:
        return None

    def write(sheet: Sheet) -> None:
        for label in labels:
            tail = _bracket(who)
            sheet.fact(
                "problem", label, normal("problem", label), "family", {"relative": who}, tail
            )

    return write


def _encounter(resource: Resource, references: References) -> Draft:
    kind = next((coded(t) for t in items(resource, "type") if coded(t)), "")
    reasons = [coded(r) for r in items(resource, "reasonCode")]
    period = mapping(resource, "period")
    start, end = day(period.get("start")), day(period.get("end"))
    dates = start if start == end or not end else f"{start} to {end}"
    where = display(resource.get("class"))
    reason = ", ".join(part for part in reasons if part)
    line = f"{dates}: {kind or where or 'Encounter'}" + (f"; reason: {reason}" if reason else "")
    return (lambda sheet: sheet.line("- " + line)) if dates or reason else None


def _document(resource: Resource, _: References) -> Draft:
    """A report's conclusion, or a document's plain text."""
    texts = [text_of(resource.get("conclusion"))]
    contents = items(resource, "content")
    texts += [_plain_text(mapping(content, "attachment")) for content in contents]
    texts += [_plain_text(form) for form in items(resource, "presentedForm")]
    texts += [text_of(note.get("text")) for note in items(resource, "note")]
    words = "\n\n".join(text.strip() for text in texts if text.strip())
    return (lambda sheet: sheet.note(words)) if words else None


def _plain_text(attachment: Resource) -> str:
    data = attachment.get("data")
    if not isinstance(data, str) or len(data) > _MAX_NOTE_BYTES:
        return ""
    if not text_of(attachment.get("contentType")).startswith("text/plain"):
        return ""
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


Writer = Callable[[Resource, References], Draft]
_PARTS: tuple[tuple[str, str, tuple[str, ...], Writer], ...] = (
    ("patient", "PATIENT", ("Patient",), _patient),
    ("allergies", "ALLERGIES", ("AllergyIntolerance",), _allergy),
    ("past medical history", "PROBLEMS", ("Condition",), _condition),
    ("medications", "MEDICATIONS", ("MedicationStatement", "MedicationRequest"), _medication),
    ("family history", "FAMILY HISTORY", ("FamilyMemberHistory",), _relative),
    ("labs", "OBSERVATIONS", ("Observation",), _observation),
    ("procedures", "PROCEDURES", ("Procedure",), _procedure),
    ("immunizations", "IMMUNIZATIONS", ("Immunization",), _procedure),
    ("encounters", "ENCOUNTERS", ("Encounter",), _encounter),
    ("impression", "REPORTS", ("DiagnosticReport", "DocumentReference"), _document),
)

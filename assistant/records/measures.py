"""Labs and vital signs: a name with a value, its unit, flag and range.

Promises that a number is taken only where it can be a value of that measurement. A value without
a flag is compared with the range printed beside it, else with a usual range of adults. Knows
nothing of why it was measured.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from assistant.records import lexicon
from assistant.records.page import Page
from assistant.types import Fact

_UNITS = (
    r"(?:mg|g|mcg|µg|ug|ng|pg)/(?:dL|dl|mL|ml|L|l|g|24 ?h)|mmol/mol|mmol/[Ll]|µmol/L|umol/L|pmol/L|nmol/L|"
    r"mEq/L|meq/L|mIU/mL|mIU/L|uIU/mL|µIU/mL|IU/L|IU/mL|U/L|units/L|mL/min(?:/1\.73 ?m(?:2|²|\^2))?|"
    r"[xX×]? ?10(?:\^|\*|e)?[369]/(?:[uµ]L|L|mm3|mcL)|[Kk]/(?:[uµ]L|mm3|mcL)|/(?:[uµ]L|mm3|mcL)|10\*[369]/uL|"
    r"fL|pg|mm ?Hg|kPa|mm/hr?|mOsm/kg|%|seconds|secs?|s\b|"
    r"°? ?[FC]\b|degrees(?: Fahrenheit| Celsius| F| C)?|bpm|beats per minute|/min|per minute|breaths/min|breaths per minute|"
    r"kg/m(?:2|²|\^2)|kgs?|kilograms|lbs?|pounds|cm|inches|in\b|feet|/10|out of 10|\{score\}"
)
_UNIT = re.compile(rf"[ \t|]*(?P<unit>{_UNITS})(?![A-Za-z])")
_LINK = re.compile(
    r"(?:[ \t]*(?:[:=|\t]|->|→|levels?|counts?|is|was|are|were|of|at|on admission|on arrival|remains?|today|yesterday|"
    r"stable at|came back(?: at| as)?|returned(?: at| as)?|readings?|measured(?: at)?|recorded(?: at)?|elevated(?: at| to)?|high at|low at|"
    r"up to|down to|(?:has )?(?:increased|decreased|improved|fell|fallen|rose|risen|dropped|trended (?:up|down))(?: to)?|"
    r"approximately|about|around|result|value|[-–](?=[ \t]*[<>]?\d)|,(?= \d)|\((?!\d)[^)\n\d]{1,24}\)|\([A-Za-z]\w{0,8}\)|now|from)[ \t]*){0,5}[ \t]*"
)
_NUMBER = re.compile(
    r"(?P<sign>[<>≤≥]=? ?)?(?P<value>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![\d/]|\+|-year|[ -]?(?:yo|y/o|mg\b(?!/)|mcg\b(?!/)|tabs?\b|days?\b|weeks?\b|months?\b|years?\b|times\b|hours?\b))"
)
_PRESSURE = re.compile(r"(?P<value>\d{2,3}\s?/\s?\d{2,3})(?![\d/])")
_FLAG = re.compile(
    r"[ \t|]*[(\[]?(?P<flag>HH|LL|H|L|[Hh]igh|[Ll]ow|HIGH|LOW|[Nn]ormal|[Cc]ritical|[Aa]bnormal|elevated|\*+)(?![\w/])[)\]]?"
)
_RANGE = re.compile(
    r"[ \t|]*[(\[](?:(?:ref(?:erence)?|normal)(?: range)?:? ?)?(?P<low>\d+(?:\.\d+)?) ?[-–] ?(?P<high>\d+(?:\.\d+)?)[^)\]\n]{0,14}[)\]]"
    r"|(?:[ \t]*[|\t][ \t]*|[ \t]{2,}|[ \t]+(?:ref(?:erence)?(?: range)?:? ?))(?P<low2>\d+(?:\.\d+)?) ?[-–] ?(?P<high2>\d+(?:\.\d+)?)"
)
_WORDS = (
    r"negative|positive|normal|abnormal|elevated|low|high|within normal limits|wnl|unremarkable|neg|pos|trace|"
    r"non-?reactive|reactive|not detected|detected|pending|stable|slightly elevated|mildly elevated|significantly elevated|"
    r"markedly elevated|no growth"
)
_WORD_AFTER = re.compile(
    rf"[ \t]*(?:(?:levels?|counts?|:|=|is|was|were|are|came back|-|returned|also|all|a|remains?|slightly|mildly)[ \t]*){{0,4}}(?P<value>{_WORDS})(?!\w)(?! for| to(?! date)| at)",
    re.IGNORECASE,
)
_WORD_BEFORE = re.compile(
    r"(?<!\w)(?P<value>elevated|low|high|normal|abnormal|negative|positive|decreased|increased|undetectable)[ \t]+(?:serum |total |fasting )?\Z",
    re.IGNORECASE,
)
_MEANING = {"h": "high", "hh": "critical high", "l": "low", "ll": "critical low", "elevated": "high",
            "*": "abnormal", "**": "abnormal", "decreased": "low", "increased": "high",
            "slightly elevated": "high", "mildly elevated": "high", "significantly elevated": "high",
            "markedly elevated": "high", "within normal limits": "normal", "wnl": "normal",
            "unremarkable": "normal", "positive": "abnormal", "pos": "abnormal"}  # fmt: skip
_WORD_FLAGS = {"high", "low", "normal", "abnormal", "critical high", "critical low", "critical"}
_SUPPORT = re.compile(
    r"[ \t,]*(?:on |\()?(?P<on>RA|room air|\d+(?:\.\d+)? ?L(?:/min| NC| nasal cannula)?|\d+ liters?)(?!\w)",
    re.I,
)
_DIET = re.compile(r"[ ,/-]+(?:\w+[ ,]+)?(?:diet|foods?|intake|meals?|medic\w+)\b", re.I)
# A single letter is a vital sign only beside another one.
_SHY = {"P", "R", "T", "O2", "sat", "sats", "resp", "Resp", "resps"}
_COMPANY = re.compile(
    r"\b(?:BP|HR|RR|SpO2|Temp|temp|[Vv]itals?|VS|B/P|[Pp]ulse|[Rr]esp|O2 sats?|afebrile)\b"
)


class _Read(NamedTuple):
    end: int
    value: str
    attributes: tuple[tuple[str, str], ...]


def find(page: Page) -> list[Fact]:
    """Return the labs and vitals of a note in order."""
    facts: list[Fact] = []
    reached = 0
    told = {m.end: m.start for m in lexicon.problems().find(page.tokens)}
    for match in lexicon.measurements().find(page.tokens):
        if match.start < reached:
            continue
        read = _read(page, match)
        if read is None:
            continue
        # "High cholesterol" is a problem with a name, and "low cholesterol diet" no result.
        if read.end == match.end and (
            told.get(match.end, match.start) < match.start or _DIET.match(page.text, match.end)
        ):
            continue
        start, end = match.start, read.end
        before = _before(page, match) if read.end == match.end else None
        if before is not None:
            start = before
        place = page.at(match.start)
        attributes = read.attributes
        if date := page.date_for(match.start):
            attributes = (*attributes, ("date", date))
        kind = match.entry.columns[0]
        facts.append(
            Fact(
                kind="vital" if kind == "vital" else "lab",
                text=page.text[start:end],
                start=start,
                end=end,
                assertion="present",
                name=match.entry.name,
                section=place.name,
                attributes=attributes,
            )
        )
        reached = end
    return facts


def _before(page: Page, match: lexicon.Match) -> int | None:
    found = _WORD_BEFORE.search(page.text[max(0, match.start - 30) : match.start])
    return max(0, match.start - 30) + found.start("value") if found else None


def _read(page: Page, match: lexicon.Match) -> _Read | None:
    spelled = page.text[match.start : match.end]
    if spelled in _SHY and not _COMPANY.search(page.sentence(page.at(match.start))):
        return None
    limit = page.line_end(match.end)
    at = match.end + (page.text[match.end : match.end + 1] in "+")
    linked = _LINK.match(page.text, at, limit)
    at = linked.end() if linked else at
    if match.entry.name == "blood pressure":
        pressure = _PRESSURE.match(page.text, at, limit)
        return _pressure(page, match, pressure, limit) if pressure else _worded(page, match, limit)
    number = _NUMBER.match(page.text, at, limit)
    if number and _plausible(match.entry, number["value"]) and _close(page, match, number):
        return _numeric(page, match.entry, number, limit)
    return _worded(page, match, limit)


def _close(page: Page, match: lexicon.Match, number: re.Match[str]) -> bool:
    """Whether a name in one or two letters stands right before its number."""
    if match.end - match.start > 2:
        return True
    between = page.text[match.end : number.start()].strip()
    return between in ("", ":", "=", "of", "was", "is", "at", "|", "+", "-", ",") or "|" in between


def _number(value: str) -> float:
    return float(value.replace(",", ""))


def _plausible(entry: lexicon.Entry, value: str) -> bool:
    low, _, high = entry.columns[2].partition("-")
    least, greatest = float(low or 0), float(high or 0)
    return greatest > 0 and least <= _number(value) <= greatest


def _numeric(page: Page, entry: lexicon.Entry, number: re.Match[str], limit: int) -> _Read:
    at, unit, flag, low, high = number.end(), "", "", "", ""
    for _ in range(4):
        if not unit and (found := _UNIT.match(page.text, at, limit)):
            unit, at = found["unit"].strip(), found.end()
        elif not flag and (found := _FLAG.match(page.text, at, limit)):
            flag, at = found["flag"].lower(), found.end()
        elif not low and (found := _RANGE.match(page.text, at, limit)):
            low, high = found["low"] or found["low2"], found["high"] or found["high2"]
            at = found.end()
        else:
            break
    support = _SUPPORT.match(page.text, at, limit) if entry.name == "oxygen saturation" else None
    at = support.end() if support else at
    unit = unit or _guess_unit(entry, number["value"])
    attributes = [("value", (number["sign"] or "").strip() + number["value"])]
    attributes += [("unit", unit)] if unit else []
    attributes += [("on", support["on"])] if support else []
    attributes += _flag(entry, _number(number["value"]), unit, flag, (low, high))
    return _Read(at, number["value"], tuple(attributes))


def _guess_unit(entry: lexicon.Entry, value: str) -> str:
    """Return the unit that only one reading of a number without a unit allows, else ""."""
    if entry.name == "temperature":
        return "F" if _number(value) > 50 else "C"
    return "%" if entry.name in ("hemoglobin A1c", "oxygen saturation") else ""


def _flag(
    entry: lexicon.Entry, value: float, unit: str, flag: str, printed: tuple[str, str]
) -> list[tuple[str, str]]:
    if flag:
        named = [("flag", _MEANING.get(flag, flag))]
        return named + ([("range", f"{printed[0]}-{printed[1]}")] if printed[0] else [])
    if printed[0]:
        judged = _judge(value, float(printed[0]), float(printed[1]))
        return [("flag", judged), ("range", f"{printed[0]}-{printed[1]}")]
    usual = _usual(entry, value, unit)
    if usual is None:
        return []
    return [("flag", _judge(value, *usual)), ("usual_range", f"{usual[0]:g}-{usual[1]:g}")]


def _judge(value: float, low: float, high: float) -> str:
    return "low" if value < low else "high" if value > high else "normal"


def _plain(unit: str) -> str:
    unit = unit.lower().replace("µ", "u").replace(" ", "").replace("²", "2").replace("^", "")
    unit = unit.replace("mcg", "ug").replace("degrees", "").replace("°", "").replace("mmhg", "mmhg")
    return {"fahrenheit": "f", "celsius": "c", "cel": "c", "[degf]": "f", "lbs": "lb", "bpm": "/min", "permin": "/min",
            "breaths/min": "/min", "beatsperminute": "/min", "perminute": "/min"}.get(unit, unit)  # fmt: skip


def _usual(entry: lexicon.Entry, value: float, unit: str) -> tuple[float, float] | None:
    """Return the usual range in this unit; without a unit, the first whose scale fits."""
    ranges = []
    for part in entry.columns[1].split(";"):
        name, _, limits = part.partition(":")
        low, _, high = limits.partition("-")
        if low:
            ranges.append((_plain(name), float(low), float(high)))
    if not ranges:
        return None
    if entry.name in ("white blood cell count", "platelets"):
        _, least, most = ranges[0]
        return (least * 1000, most * 1000) if value >= 1000 else (least, most)
    if unit:
        return next((r[1:] for r in ranges if r[0] == _plain(unit)), None)
    if len({r[1:] for r in ranges}) == 1:
        return ranges[0][1], ranges[0][2]
    fits = [r for r in ranges if r[1] / 4 <= value <= r[2] * 4]
    return (fits[0][1], fits[0][2]) if len(fits) == 1 else None


def _pressure(page: Page, match: lexicon.Match, found: re.Match[str], limit: int) -> _Read | None:
    systolic, diastolic = (int(part) for part in found["value"].replace(" ", "").split("/"))
    if not (40 <= systolic <= 300 and 20 <= diastolic <= 200):
        return None
    at = found.end()
    if unit := _UNIT.match(page.text, at, limit):
        at = unit.end()
    high, low = systolic >= 140 or diastolic >= 90, systolic < 90
    flag = "high" if high else "low" if low else "normal"
    value = found["value"].replace(" ", "")
    return _Read(at, value, (("value", value), ("unit", "mmHg"), ("flag", flag)))


def _worded(page: Page, match: lexicon.Match, limit: int) -> _Read | None:
    if match.end - match.start <= 2:
        return None
    found = _WORD_AFTER.match(page.text, match.end, limit)
    end, value = match.end, ""
    if found:
        end, value = found.end("value"), found["value"].lower()
    elif before := _WORD_BEFORE.search(page.text[max(0, match.start - 30) : match.start]):
        value = before["value"].lower()
    if not value:
        return None
    flag = _MEANING.get(value, value)
    flags = (("flag", flag),) if flag in _WORD_FLAGS else ()
    return _Read(end, value, (("value", value), *flags))


def judge(name: str, value: str, unit: str) -> tuple[str, dict[str, str], str]:
    """Compare a value that came with its name apart, as in a structured record.

    Args:
        name: the normalised name.
        value: the value as written.
        unit: its unit, or "".

    Returns:
        The name, the flag with the usual range where there is one, and "lab" or "vital".
    """
    entry = lexicon.measurements().entries.get(name)
    if entry is None:
        return name, {}, "lab"
    kind = entry.columns[0]
    if name == "blood pressure" and _PRESSURE.fullmatch(value):
        systolic, diastolic = (int(part) for part in value.split("/"))
        high, low = systolic >= 140 or diastolic >= 90, systolic < 90
        return name, {"flag": "high" if high else "low" if low else "normal"}, kind
    if not _NUMBER.fullmatch(value) or value[:1] in "<>≤≥":
        return name, {}, kind
    return name, dict(_flag(entry, _number(value), unit, "", ("", ""))), kind

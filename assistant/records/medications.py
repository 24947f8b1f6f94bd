"""Medications: the drug with dose, unit, route, frequency, and whether it is taken.

Promises one fact a mention, whose text runs from the drug's name to the end of its directions.
`present` means taken, prescribed or being started; `historical` means stopped, held or completed,
with the word in the attribute `status`. Knows nothing of interactions or right doses.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from assistant.records import lexicon
from assistant.records.page import Owned, Page
from assistant.types import Assertion, Fact

_UNIT = (
    r"mcg/(?:hr?|actuation|spray)|mcg|µg|ug|mg(?:/actuat(?:ion)?|/(?:\d+(?:\.\d+)? ?)?m[lL]|/kg(?:/\w+)?|/hr?|/day)?|micrograms?|milligrams?|"
    r"grams?|gm|g|(?:international )?units?(?:/hr?|/kg)?|IU|U|mEq|meq|mmol|m[lL]|cc|%|puffs?|drops?|gtts?|sprays?|"
    r"tab(?:let)?s?|cap(?:sule)?s?|patch(?:es)?|tsp|teaspoons?|tablespoons?|lozenges?|suppositor(?:y|ies)|liters?|L|vials?|pills?"
)
_STRENGTH = re.compile(
    rf"(?P<dose>\d{{1,3}}(?:,\d{{3}})+|\d*\.?\d+(?:[ ]?[-/][ ]?\d+(?:\.\d+)?)*)[ -]?(?P<unit>{_UNIT})(?![A-Za-z])",
    re.I,
)
_COUNT = re.compile(
    r"(?P<count>\d+(?:[-–/.]\d+)?|one|two|three|half|a)[ -]?(?P<what>tab(?:let)?s?|cap(?:sule)?s?|puffs?|drops?|sprays?|patch(?:es)?|pills?|inhalations?|t(?=\s+(?:po|bid|tid|daily|qd|qhs|by mouth)))(?![A-Za-z])(?:\s+in each nostril)?",
    re.IGNORECASE,
)
_FORM = re.compile(
    r"(?P<form>extended[- ]release|immediate[- ]release|delayed[- ]release|oral (?:tablet|solution|suspension|capsule)|(?:nasal |metered dose )?inhaler|nasal spray|"
    r"tartrate|succinate|sodium|hydrochloride|HCl|maleate|besylate|potassium|ER|XR|XL|SR|CR|EC|DS|LA|ODT|HFA|DR|CD|tab(?:let)?s?|cap(?:sule)?s?|cream|ointment|gel|lotion|solution|suspension|syrup|elixir|injection|injectable|drip|infusion|"
    r"pens?|patch|nebs?|nebulizers?|nebulised|nebulized|powder|spray|suppository|chewable|enteric[- ]coated|low[- ]dose|flexpen|kwikpen|prefilled)(?![A-Za-z])",
    re.IGNORECASE,
)
_ROUTE = re.compile(
    r"(?P<route>PO|p\.o\.|per os|by mouth|orally|oral|IV|i\.v\.|intravenous(?:ly)?|IVPB?|IM|i\.m\.|intramuscular(?:ly)?|SC|SQ|SubQ|subq|sub-?q|s\.c\.|subcut(?:aneous(?:ly)?)?|"
    r"SL|s\.l\.|sublingual(?:ly)?|topical(?:ly)?|inhaled|by inhalation|inhalation|via (?:nebulizer|inhaler|NG|G-?tube|PEG)|nebulized|intranasal(?:ly)?|nasally|in each nostril|per nostril|PR|p\.r\.|rectal(?:ly)?|per rectum|"
    r"(?:in|to) (?:the )?(?:each|both|left|right) (?:eye|ear)s?|both eyes|OU|transdermal(?:ly)?|vaginal(?:ly)?|PV|INH|ophthalmic|otic)(?![A-Za-z])",
    re.IGNORECASE,
)
_EVERY = r"(?:every|each)\s+(?:\d+(?:\s?(?:-|–|to)\s?\d+)?\s*(?:hours?|hrs?|h|days?|weeks?|months?|minutes?|min)|(?:one|two|three|four|six|eight|twelve) hours?|other day|(?:third|second) day|day|morning|evening|night|week|month|(?:mon|tues|wednes|thurs|fri|satur|sun)day)"
_FREQUENCY = re.compile(
    rf"(?P<frequency>{_EVERY}|(?:once|twice|one time|two times|three times|four times|five times|\d+(?:-\d+)? ?(?:times|x))[ /]?(?:a|per|each|/)?[ /]?(?:day|daily|week(?:ly)?|month(?:ly)?|night(?:ly)?)|"
    r"q\.? ?\d+(?:[-–]\d+)? ?(?:hours?|hrs?|h|days?|weeks?|wks?|d|min|minutes)?|q\.?[aA]\.?[mM]\.?|q\.?[pP]\.?[mM]\.?|q\.?h\.?s\.?|q\.?o\.?d\.?|q\.?d\.?|q ?(?:day|daily|week|weekly|month|monthly|evening|morning|night|nightly|hs|ac|wk)|"
    r"b\.?i\.?d\.?|t\.?i\.?d\.?|q\.?i\.?d\.?|[BTQ]DS|BD|nocte|mane|a\.?c\.?(?= |$)(?<=ac)|HS|h\.s\.|daily|nightly|weekly|monthly|hourly|per day|a day|/day|"
    r"(?:at|before) (?:bedtime|night|breakfast|dinner)|in the (?:morning|evening|afternoon)|with (?:meals|food|breakfast|dinner|lunch)|(?:before|after) (?:meals|each meal|eating)|stat|STAT|x ?1(?!\d)|once|"
    r"on (?:mon|tues|wednes|thurs|fri|satur|sun)days?|continuous(?:ly)?|sliding scale|per sliding scale|[01]-[01]-[01](?:-[01])?|OD(?= |$|\.|,)|every ?day)(?![A-Za-z])",
    re.IGNORECASE,
)
_PRN = re.compile(
    r"(?P<prn>p\.?r\.?n\.?|as needed|as required|when needed|if needed)(?![A-Za-z])(?:\s+(?:for\s+)?(?P<why>(?!for\b)[a-z][a-z/ -]{2,30}?)(?=[.,;)\n]|$| and | or |\s+\d))?",
    re.I,
)
_DURATION = re.compile(
    r"(?P<duration>(?:for|x|times)\s*(?:the next\s+)?(?:\d+(?:-\d+)?|one|two|three|five|seven|ten|fourteen)[ -]?(?:more )?(?:days?|weeks?|months?|d|wks?))(?![A-Za-z])",
    re.I,
)
_DOSES = re.compile(r"(?:\(?total (?:daily )?dose|\bx ?\d+ doses?)", re.I)
_PAD = re.compile(
    r"(?:[ \t,:@|()/-]|\bat\b(?! (?:bedtime|night))|\bof\b|\bto\b|\bdose\b|\btake[sn]?\b|\busing\b|\bdosed?\b|\bgive\b|\bwith\b(?= \d)|\band\b(?= (?:at|in|q|every|as)\b)|\n(?=[ \t]*\d)){0,6}",
    re.I,
)
_BEFORE_DOSE = re.compile(
    rf"(?P<dose>\d+(?:,\d{{3}})*(?:\.\d+)?(?:[-/]\d+)?)[ -]?(?P<unit>{_UNIT})(?:\s+(?:of|tablets?(?: of)?|daily|dose of|IV|PO))?[ ]*(?:(?:the|her|his|oral|IV)\s)?\Z",
    re.I,
)

_STOPPED = (
    r"stop(?:ped|ping|s)?(?! smoking| drinking| and start)|discontinu\w+|d/c(?:'?e?d)?|dc'?d|held|hold(?:ing)?|on hold|completed|finished|weaned off|tapered off|taken off|came off|"
    r"no longer (?:on|taking|takes|uses|using)|off of|off|previously (?:on|took|taking|prescribed|used)|formerly on|used to (?:take|use|be on)|"
    r"switched from|changed from|ran out of|run out of|cease[d]?|had been on|was on|prior (?:use of|treatment with)|past use of|failed|self[- ]discontinued|withheld|suspended"
)
_ACTIVE = (
    r"start(?:ed|ing|s)?|initiat\w+|begin|began|begun|add(?:ed|ing)?|continu\w+|tak(?:e|es|ing|en)|(?:is |was |been )?prescrib\w+|resum\w+|restart\w*|increas\w+|decreas\w+|switch(?:ed)? to|chang(?:e|ed) to|"
    r"given|giv(?:e|es|ing)|receiv\w+|us(?:es|ing)|refill\w*|titrat\w+|currently on|is on|remains on|maintained on|on|treated with|replaced (?:by|with)|to|administered|discharged on|placed on"
)
_ACTION = re.compile(rf"(?<![\w/])(?:(?P<stopped>{_STOPPED})|(?P<active>{_ACTIVE}))(?![\w/])", re.I)
_AFTER = re.compile(
    r"[ \t,:(–-]*(?:(?:has been|have been|had been|was|were|is|are|being|but|has|currently|today|which was|now|on|recently|then|will be|subsequently)[ \t]+)*"
    r"(?P<status>stopped|discontinued|d/c'?d|dc'?d|held|hold|on hold|completed|withheld|suspended|stop\b|finished|ceased|hold\b|inactive)",
    re.I,
)
_STARTING = re.compile(r"start|initiat|begin|began|add(?:ed|ing)?\b|resum|restart|placed on", re.I)
_CHANGING = re.compile(r"increas|decreas|titrat|chang", re.I)
_TITLE_STOPPED = re.compile(
    r"stopped|discontinued|prior med|past med|previous med|inactive|held", re.I
)
_TITLE_ALLERGY = ("allergies",)
_UNSURE = re.compile(r"^(?:consider|if|should|could|may|might|maybe|perhaps|possibl)", re.I)
_NOT_TAKEN = re.compile(
    r"\b(?:avoid(?:s|ing)?|not (?:currently |been |a candidate for )?(?:on|take|taking|taken|using)|contraindicat\w+ (?:for|to)|refuse[sd]?|declin(?:e|es|ed)|never (?:took|taken|filled|started))\b[^.;]{0,30}\Z",
    re.I,
)
# "Salmeterol inhaler": the word belongs to the drug before it.
_NOUN = re.compile(
    r"[ \t](?:[A-Za-z]+[ \t])?(?:inhalers?|nebulizers?|vitamins?|antibiotics?|supplements?)", re.I
)
_AVOIDED = re.compile(
    r"[ \t]*(?:are |is |should |must |to )*(?:be )?(?:avoided|contraindicated|declined|refused)\b",
    re.I,
)
_SCHEDULES = (
    (r"b\.?i\.?d|twice|two times|2 ?(?:times|x)|\bBD\b|q\.? ?12|every 12|every twelve", "twice daily"),
    (r"t\.?i\.?d|three times|3 ?(?:times|x)|TDS|q\.? ?8 ?h|every 8 h|every eight", "three times daily"),
    (r"q\.?i\.?d|four times|4 ?(?:times|x)|QDS|q\.? ?6 ?h(?!-)|every 6 h|every six", "four times daily"),
    (r"week", "weekly"), (r"month", "monthly"),
    (r"q\.?o\.?d|other day", "every other day"),
    (r"h\.?s\.?\b|bedtime|night|nocte|q\.?p\.?m", "once daily, at night"),
    (r"q\.?a\.?m|morning|mane", "once daily, in the morning"),
    (r"daily|q\.?d|every ?day|a day|per day|once|/day|\bOD\b|q ?day|q24|evening", "once daily"),
)  # fmt: skip


class _Directions(NamedTuple):
    end: int
    attributes: tuple[tuple[str, str], ...]


def find(page: Page, taken: list[tuple[int, int]]) -> list[Fact]:
    """Return the medications of a note in order.

    Args:
        page: the note.
        taken: spans that other facts own (an allergy's drug, a lab's name), in any order.
    """
    owned = Owned(len(page.text), taken)
    matches = [
        match
        for match in lexicon.drugs().find(page.tokens)
        if not owned.overlaps(match.start, match.end)
    ]
    matches = [
        match
        for at, match in enumerate(matches)
        if not (at and _NOUN.fullmatch(page.text, matches[at - 1].end, match.end))
    ]
    facts: list[Fact] = []
    for at, match in enumerate(matches):
        if facts and match.start < facts[-1].end:
            continue
        place = page.at(match.start)
        if place.name in _TITLE_ALLERGY or _only_title(page, match, place.start, place.end):
            continue
        following = matches[at + 1].start if at + 1 < len(matches) else len(page.text)
        facts.append(_read(page, match, min(following, place.end)))
    return facts


def _only_title(page: Page, match: lexicon.Match, start: int, end: int) -> bool:
    section = page.at(match.start).section
    return section is not None and start == section.start and match.end <= start + len(section.title) and end <= page.line_end(start)  # fmt: skip


def _read(page: Page, match: lexicon.Match, limit: int) -> Fact:
    read = _directions(page.text, match.end, limit)
    start, attributes = match.start, dict(read.attributes)
    # A dose belongs before the name only within its sentence: "500 mg of metformin".
    lead = page.at(match.start).start
    before = _BEFORE_DOSE.search(page.text, max(lead, match.start - 32), match.start)
    if before and "dose" not in attributes:
        start = before.start()
        attributes = {"dose": before["dose"], "unit": before["unit"], **attributes}
    state, status = _state(page, match, read.end, limit)
    if status:
        attributes["status"] = status
    if match.entry.columns[1]:
        attributes["drug_class"] = match.entry.name
    return Fact(
        kind="medication",
        text=page.text[start : read.end],
        start=start,
        end=read.end,
        assertion=state,
        name=match.entry.name,
        section=page.at(match.start).name,
        attributes=tuple(attributes.items()),
    )


def _directions(text: str, at: int, limit: int) -> _Directions:
    """Read dose, form, route, frequency, "as needed" and duration in any order."""
    found: dict[str, str] = {}
    end = at
    for _ in range(10):
        pad = _PAD.match(text, end, limit)
        at = pad.end() if pad else end
        piece = _piece(text, at, limit, found)
        if piece is None:
            break
        end = piece
    while (
        end < limit
        and text[end : end + 1] == "."
        and text[:end][-1:].isalpha()
        and text[end - 2 : end - 1] == "."
    ):
        end += 1
    # A bracket that was opened inside is closed inside.
    if text.count("(", at, end) and text[end : end + 1] == ")":
        end += 1
    if "frequency" in found:
        found["schedule"] = _schedule(found["frequency"])
    return _Directions(end, tuple((key, value) for key, value in found.items() if value))


def _piece(text: str, at: int, limit: int, found: dict[str, str]) -> int | None:
    """Read one piece of the directions at `at` into `found`; return where it ends, or None."""
    if match := _COUNT.match(text, at, limit):
        _put(found, "quantity", match.group())
    elif match := _STRENGTH.match(text, at, limit):
        if "dose" in found:
            _put(found, "quantity", match.group())
        else:
            found["dose"], found["unit"] = match["dose"], match["unit"]
    elif match := _PRN.match(text, at, limit):
        found["as_needed"] = "yes"
        _put(found, "indication", (match["why"] or "").strip())
    elif match := _DURATION.match(text, at, limit):
        _put(found, "duration", match["duration"])
    elif match := _FREQUENCY.match(text, at, limit):
        both = f"{found['frequency']} {match['frequency']}" if "frequency" in found else ""
        found["frequency"] = both or match["frequency"]
    elif match := _ROUTE.match(text, at, limit):
        _put(found, "route", match["route"])
    elif match := _FORM.match(text, at, limit):
        _put(found, "form", match["form"])
    return match.end() if match else None


def _put(found: dict[str, str], key: str, value: str) -> None:
    found.setdefault(key, value)


def _schedule(frequency: str) -> str:
    for pattern, name in _SCHEDULES:
        if re.search(pattern, frequency, re.IGNORECASE):
            return name
    hours = re.search(r"(\d+(?:[-–]\d+)?) ?(?:hours?|hrs?|h)?", frequency)
    return f"every {hours[1]} hours" if hours else ""


def _state(page: Page, match: lexicon.Match, end: int, limit: int) -> tuple[Assertion, str]:
    place = page.at(match.start)
    before = page.text[place.start : match.start]
    if after := _AFTER.match(page.text, end, limit):
        return "historical", _status_word(after["status"])
    if _NOT_TAKEN.search(before) or _AVOIDED.match(page.text, end, place.end):
        return "negated", ""
    state, trigger = page.assertion(match.start, match.end)
    if state == "family" or (state == "possible" and _UNSURE.match(trigger)):
        return state, ""
    # "Losartan held, aspirin 81 mg": a word before a comma speaks of the drug before it.
    actions = [
        m for m in _ACTION.finditer(before) if before[m.end() : m.end() + 1] not in (",", ";", ")")
    ]
    last = actions[-1] if actions else None
    if state == "negated" and not (last and last["stopped"] and "longer" in last.group()):
        return state, ""
    if last and last["stopped"]:
        return "historical", _status_word(last.group())
    title = place.section.title if place.section else ""
    if _TITLE_STOPPED.search(title):
        return "historical", "stopped"
    if last and _STARTING.search(last.group()):
        return "present", "started"
    if last and _CHANGING.search(last.group()):
        return "present", "changed"
    if state == "historical" and not (last and last["active"]):
        return "historical", "past"
    return "present", ""


def _status_word(word: str) -> str:
    word = word.lower()
    if word in ("completed", "finished"):
        return "completed"
    return "held" if "hold" in word or "held" in word or word == "suspended" else "stopped"

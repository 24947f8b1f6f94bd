"""Problems, symptoms, habits and procedures, each with its assertion.

Promises that a chronic condition listed in the past medical history counts as present, an acute
one as historical, and everything in the family history as a relative's. Knows nothing of codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from assistant.records import lexicon
from assistant.records.page import Owned, Page, Place
from assistant.types import Assertion, Fact
from retrieval.adapters import Entity

_PLACE = (
    r"chest wall|abdominal|back|neck|shoulder|elbow|wrist|hand|finger|thumb|hip|thigh|knee|leg|calf|ankle|foot|heel|toe|arm|"
    r"jaw|face|facial|ear|eye|throat|tooth|dental|breast|flank|groin|pelvic|testicular|rib|lower extremity|upper extremity|"
    r"lumbar|cervical|thoracic|spinal|epigastric|bone|muscle|nipple|scrotal|rectal|perianal|suprapubic|mouth|oral|joint"
)
_PATTERNS = (
    re.compile(rf"\b(?:(?:left|right|bilateral|lower|upper)[- ](?:sided[- ])?)?(?:{_PLACE})s? (?:pain|ache|swelling|tenderness|numbness|weakness|stiffness|fracture|injury|infection|mass|lesion|ulcer|spasms?|contusion|laceration|sprain|strain|deformity|discomfort)\b", re.I),
    re.compile(r"\b(?:pain|swelling|numbness|weakness|tenderness|stiffness) (?:in|of|to) (?:(?:the|his|her|their|both|left|right|bilateral|lower|upper) )*(?:" + _PLACE + r")(?:s|es)?\b", re.I),
    re.compile(r"\b(?:[A-Za-z-]{4,30} ){0,2}(?:carcinoma|cancer|lymphoma|sarcoma|adenoma|neoplasm)\b", re.I),
    re.compile(r"\b[A-Z][a-z]+(?:[- ][A-Z][a-z]+)?(?:'s|’s)? (?:disease|syndrome|disorder|palsy)\b"),
    re.compile(r"\b(?:[a-z-]{5,30} )(?:disease|syndrome|disorder|infection|fracture|stenosis|deficiency|insufficiency|hemorrhage|neuropathy|dystrophy|effusion|aneurysm|hernia|ulcer|cyst|abscess)\b", re.I),
    re.compile(r"\b[A-Za-z]{3,30}(?:itis|osis|emia|aemia|uria|opathy|algia|penia|megaly|plegia|ectasis|paresis|sclerosis|phasia|orrhea|iasis)\b", re.I),
)  # fmt: skip
_NO_PROBLEM = {
    "diagnosis", "prognosis", "hypnosis", "symbiosis", "osmosis", "mitosis", "meiosis", "thesis",
    "academia", "media", "acidosis", "lysis", "biopsy", "crisis", "anxiety disorder", "basis",
    "genesis", "prosthesis", "analysis", "synthesis", "urinalysis", "bohemia",
}  # fmt: skip
_FIRST_WORDS = re.compile(
    r"^(?:(?:the|a|an|of|and|or|with|for|her|his|their|any|this|that|has|had|have|no|known|from|significant|history|past|medical|"
    r"other|acute|chronic|new|recent|possible|questionable|probable|presumed|likely|active|patient|stage|current|prior|denies|about|having|severe|mild|moderate|most|some|"
    r"include|includes|including|these|those|family|diagnosed|treated|secondary|suspected|without|personal|metastatic|recurrent|early|positive|negative|develop|developed|such|as|evidence|underlying)\s+)+",
    re.I,
)
_SURGERY = re.compile(
    r"\b(?:[A-Za-z-]{4,30} )?[A-Za-z]{3,30}(?:ectomy|oscopy|plasty|ostomy|otomy|centesis|pexy|desis|rrhaphy)\b|"
    r"\b(?:left |right |bilateral )?(?:[a-z]{3,30} )(?:surgery|repair|replacement|transplant(?:ation)?|biopsy|resection|release|implant|graft)\b", re.I,
)  # fmt: skip
_PHRASE = re.compile(r"\b(?:stage|grade|class)\s*(?P<stage>G?\d[abAB]?|[IV]{1,3}[abAB]?)\b", re.I)
_SURGERY_FIRST = re.compile(
    r"^(?:(?:a|an|the|of|with|and|for|his|her|prior|previous|underwent|had|has|have|undergo|status|post|bilateral|left|right|s/p|after|recent|following|during|undergoing|scheduled|repeat)\s+)+",
    re.I,
)
_BETWEEN = re.compile(
    r"\s*[(,-]?\s*(?:in|on|dx'?d?|diagnosed(?: in)?|since|from|circa)?\s*(?:in )?", re.I
)
# "Pain medication", "pain clinic": no pain is told of.
_FRAMES = {
    "pain": re.compile(r" (?:medic\w+|meds?|control|management|clinic|reliever?s?|killers?|pump|scale|score)\b", re.I),
    "discharge": re.compile(r":?\s*(?:$|summary|dates?|instructions?|medic\w+|meds|diagnos\w+|home|plan\w*|to |from |condition|disposition|labs?|today|on |in )", re.I),
}  # fmt: skip
# Names that a longer phrase makes exact: "bone pain", "wound infection".
_GENERIC = {"pain", "mass", "infection", "fracture", "swelling", "weakness", "numbness", "tenderness", "cancer", "discharge", "bleeding"}  # fmt: skip
_REPORT = re.compile(r"(?: [\w/]+){0,3}:")
# Below these the tagger is not taken at its word.
_SURE = 0.8
_SHORTEST_MARK = 4
# What a tagger of abstracts takes for a condition in a note: parts of an examination, outcomes.
_NO_MARK = {
    "palpation", "percussion", "auscultation", "psychiatric", "neurologic", "neurological", "neuro",
    "cardiac", "valgus", "varus", "death", "deaths", "died", "toxicity", "abuse", "disability",
}  # fmt: skip
_VACCINE = re.compile(r"\b(?:vaccinat|immuni[sz])\w+ (?:against|for) (?:the )?\Z", re.I)
_BARE_SURGERY = {"surgery", "repair", "biopsy", "replacement", "transplant", "resection", "release",
                 "implant", "graft", "transplantation"}  # fmt: skip
_FORMER = re.compile(r"\b(?:former|ex-?|quit|stopped|previous|used to|past)\b", re.I)
_NEVER = re.compile(
    r"\b(?:never|non-?(?:smoker|drinker)|nonsmoker|no|denies|denied|does not|doesn't|not|negative|without|none|nondrinker)\b",
    re.I,
)
_LOOK_AFTER = re.compile(
    r"\W*(?:use|history|abuse|consumption)?\W*(?::|-|=|is|are)?\s*(?P<no>never|none|denies|denied|no|negative|nil|quit|former|stopped|in the past)\b",
    re.I,
)


def find(page: Page, taken: list[tuple[int, int]], marks: Sequence[Entity] = ()) -> list[Fact]:
    """Return problems and procedures in order of appearance.

    Args:
        page: the note.
        taken: spans that other facts own, in any order.
        marks: what a tagger marks; diseases of which no word is owned yet become problems.
    """
    owned = Owned(len(page.text), taken)
    facts: list[Fact] = []
    later: list[lexicon.Match] = []
    for match in lexicon.problems().find(page.tokens):
        if lexicon.stem(page.text[match.start : match.end]) in _GENERIC:
            later.append(match)
        else:
            facts += _listed(page, owned, match)
    facts.extend(_procedures(page, owned))
    facts.extend(_by_shape(page, owned))
    for match in later:
        facts += _listed(page, owned, match)
    facts.extend(_marked(page, owned, marks))
    return sorted(facts, key=lambda fact: fact.start)


def _listed(page: Page, owned: Owned, match: lexicon.Match) -> list[Fact]:
    frames = _FRAMES.get(match.entry.name)
    if frames and frames.match(page.text, match.end):
        return []
    if _VACCINE.search(page.text, max(0, match.start - 30), match.start):
        return []
    if owned.overlaps(match.start, match.end) or _in_title(page, match.start):
        return []
    owned.add(match.start, match.end)
    return [_problem(page, match.start, match.end, match.entry)]


def _in_title(page: Page, offset: int) -> bool:
    section = page.at(offset).section
    return section is not None and offset < section.start + len(section.title)


def _by_shape(page: Page, owned: Owned) -> Iterator[Fact]:
    """Yield conditions that no list knows but whose form tells."""
    for pattern in _PATTERNS:
        for match in pattern.finditer(page.text):
            lead = _FIRST_WORDS.match(match.group())
            start, end = match.start() + (lead.end() if lead else 0), match.end()
            words = page.text[start:end].lower()
            if owned.overlaps(start, end) or words in _NO_PROBLEM or len(words) < 5:
                continue
            if " " not in words and words in ("disease", "infection", "syndrome", "disorder"):
                continue
            if _in_title(page, start):
                continue
            owned.add(start, end)
            entry = lexicon.Entry(" ".join(words.split()), ("acute",))
            yield _problem(page, start, end, entry)


def _marked(page: Page, owned: Owned, marks: Sequence[Entity]) -> Iterator[Fact]:
    """Yield conditions that neither a list nor their form tells, but a tagger that read widely."""
    for mark in marks:
        words = mark.text.lower()
        if mark.type != "Disease" or mark.score < _SURE or len(words) < _SHORTEST_MARK:
            continue
        crosses = "\n" in mark.text or page.at(mark.start).end < mark.end
        heads = page.text[mark.end : mark.end + 2].lstrip("\u202f ").startswith(":")
        if (
            crosses
            or heads
            or words in _NO_MARK
            or owned.overlaps(mark.start, mark.end)
            or _in_title(page, mark.start)
        ):
            continue
        owned.add(mark.start, mark.end)
        entry = lexicon.Entry(" ".join(words.split()), ("acute",))
        yield _problem(page, mark.start, mark.end, entry)


def _problem(page: Page, start: int, end: int, entry: lexicon.Entry) -> Fact:
    kind = entry.columns[0]
    place = page.at(start)
    attributes: list[tuple[str, str]] = []
    if kind == "habit":
        state = _habit(page, start, end, place)
    else:
        state = _state(page, start, end, kind, place)
    if stage := _PHRASE.match(page.text, _skip(page.text, end), min(end + 24, place.end)):
        attributes.append(("stage", stage["stage"]))
        end = stage.end()
    if state == "negated" and _relative(page, start, end, place):
        attributes.append(("experiencer", "family"))
    attributes.append(("type", kind))
    if date := _own_date(page, start, end, place):
        attributes.append(("date", date))
    return Fact("problem", page.text[start:end], start, end, state, entry.name, place.name, tuple(attributes))  # fmt: skip


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " ,(-":
        at += 1
    return at


def _relative(page: Page, start: int, end: int, place: Place) -> bool:
    from assistant.records.assertion import in_family

    sentence = page.sentence(place)
    return place.name == "family history" or "family history" in sentence[: start - place.start].lower() or in_family(sentence, start - place.start, end - place.start)  # fmt: skip


def _own_date(page: Page, start: int, end: int, place: Place) -> str:
    """Return the date that stands right behind, as in "stroke (2015)" or "MI in March 2019"."""
    for date in page.dates_in(end, min(end + 21, place.end + 1)):
        if _BETWEEN.fullmatch(page.text, end, date.start):
            return date.iso
    return ""


def _state(page: Page, start: int, end: int, kind: str, place: Place) -> Assertion:
    state, trigger = page.assertion(start, end)
    if state == "negated":
        return state
    if place.name == "family history" and not _about_patient(page, start, place):
        return "family"
    if state in ("family", "possible"):
        return state
    listed = place.name in ("past medical history",) or "medical history" in trigger or "pmh" in trigger  # fmt: skip
    if state == "historical":
        resolved = not re.search(r"histor|^hx|pmh", trigger)
        in_date = bool(re.match(r"(?:in )?(?:19|20)\d\d|years ago|.* ago$", trigger))
        if kind == "chronic" and (listed or in_date) and (not resolved or in_date):
            return "present"
        return "historical"
    if listed and kind == "acute":
        return "historical"
    return "historical" if place.name == "past surgical history" and kind != "symptom" else "present"  # fmt: skip


def _about_patient(page: Page, start: int, place: Place) -> bool:
    head = page.text[place.start : start]
    return bool(re.search(r"\b(?:the patient|patient|pt) (?:has|had|is|was)\b", head, re.I))


def _habit(page: Page, start: int, end: int, place: Place) -> Assertion:
    """Smoking, alcohol and drugs: never, former or current, from the words on either side."""
    state, _ = page.assertion(start, end)
    own = page.text[start:end]
    head = page.text[max(place.start, start - 40) : start]
    # Only the clause that the word stands in counts.
    head = re.split(r"[;.]|\bbut\b", head)[-1]
    after = _LOOK_AFTER.match(page.text, end, place.end)
    if state == "family":
        return state
    if _NEVER.match(own) or state == "negated":
        return "negated"
    if _FORMER.search(own) or re.search(
        r"\b(?:former|ex|quit|stopped|used to)\b[\w\s-]{0,15}\Z", head, re.I
    ):
        return "historical"
    if after:
        return (
            "historical"
            if after["no"].lower() in ("quit", "former", "stopped", "in the past")
            else "negated"
        )
    quit_later = re.search(r"\b(?:quit|stopped)\b", page.text[end : min(place.end, end + 60)], re.I)
    return "historical" if quit_later or state == "historical" else "present"


def _procedures(page: Page, owned: Owned) -> Iterator[Fact]:
    for match in lexicon.procedures().find(page.tokens):
        if not owned.overlaps(match.start, match.end) and not _in_title(page, match.start):
            owned.add(match.start, match.end)
            yield _procedure(page, match.start, match.end, match.entry.name)
    for found in _SURGERY.finditer(page.text):
        lead = _SURGERY_FIRST.match(found.group())
        start, end = found.start() + (lead.end() if lead else 0), found.end()
        words = page.text[start:end].lower()
        if owned.overlaps(start, end) or _in_title(page, start) or words in _BARE_SURGERY:
            continue
        owned.add(start, end)
        yield _procedure(page, start, end, " ".join(words.split()))


def _procedure(page: Page, start: int, end: int, name: str) -> Fact:
    place = page.at(start)
    state, _ = page.assertion(start, end)
    # "No embolism on CT": the finding is denied and the scan was done.
    if state == "negated" and re.search(
        r"\b(?:on|by|with|per|via|from) (?:the |a |\w+ )?\Z",
        page.text[max(place.start, start - 20) : start],
        re.I,
    ):
        state = "present"
    # "X-ray: no fracture" tells of a finding and not of the X-ray.
    if state == "negated" and _REPORT.match(page.text, end):
        state = "present"
    if state == "present" and place.name in ("past surgical history", "past medical history"):
        state = "historical"
    if place.name == "family history" and state == "present":
        state = "family"
    date = _own_date(page, start, end, place)
    return Fact("procedure", page.text[start:end], start, end, state, name, place.name, (("date", date),) if date else ())  # fmt: skip

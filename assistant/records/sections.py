"""Sections and sentences of a clinical note, as spans of its text.

Promises that headings in the usual styles (own line, all capitals, "PMH:", inline) are recognised
and that sentences are not cut at decimals, abbreviations or initials. Knows nothing of facts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from assistant.types import RecordSection

# Normalised name -> headings, in lower case without punctuation.
HEADINGS: dict[str, tuple[str, ...]] = {
    "chief complaint": ("chief complaint", "cc", "presenting complaint", "reason for visit",
        "reason for admission", "reason for consultation", "reason for consult", "complaint",
        "chief complaints", "reason for referral", "presenting problem", "admission diagnosis",
        "admitting diagnosis", "reason for encounter"),
    "history of present illness": ("history of present illness", "hpi", "present illness",
        "history of presenting complaint", "hpc", "history of the present illness", "subjective",
        "history", "interval history", "genhx", "clinical history", "history of presenting illness",
        "interim history", "indication", "s"),
    "past medical history": ("past medical history", "pmh", "pmhx", "medical history",
        "past history", "problem list", "problems", "active problems", "past medical hx",
        "pastmedicalhx", "comorbidities", "medical problems", "chronic problems",
        "chronic conditions", "past medical and surgical history", "conditions", "other history",
        "active problem list", "previous medical history", "significant past medical history"),
    "past surgical history": ("past surgical history", "psh", "pshx", "surgical history",
        "pastsurgical", "past surgical hx", "surgeries", "previous surgeries"),
    "procedures": ("procedures", "procedure", "operations", "procedures performed"),
    "medications": ("medications", "meds", "current medications", "medication", "home medications",
        "home meds", "medication list", "drugs", "current meds", "drug history", "dhx",
        "discharge medications", "admission medications", "outpatient medications", "rx",
        "medications on admission", "medications prior to admission", "current medication",
        "active medications", "prescriptions", "medications at home", "discharge meds", "dh",
        "inpatient medications", "medications on discharge", "stopped medications",
        "discontinued medications", "prior medications", "past medications"),
    "allergies": ("allergies", "allergy", "allergies and intolerances", "drug allergies", "all",
        "medication allergies", "allergies and reactions", "allergic history", "adverse reactions",
        "allergies/intolerances"),
    "family history": ("family history", "fh", "fhx", "famhx", "family hx", "family medical history", "family"),
    "social history": ("social history", "sh", "shx", "soc hx", "social hx", "personal history",
        "social", "habits", "lifestyle", "socioeconomic history", "substance use"),
    "family and social history": ("family and social history", "fam/sochx",
        "social and family history"),
    "review of systems": ("review of systems", "ros", "systems review", "system review"),
    "vitals": ("vitals", "vital signs", "vs", "obs", "vitals reviewed", "observations"),
    "physical exam": ("physical exam", "physical examination", "exam", "pe", "examination",
        "on examination", "o/e", "objective", "physical", "clinical examination", "o"),
    "labs": ("labs", "laboratory data", "laboratory", "lab results", "laboratory results", "results",
        "laboratory studies", "lab data", "labs and imaging", "investigations", "pertinent results",
        "blood tests", "bloods", "lab", "test results", "data", "laboratory findings",
        "relevant results", "admission labs", "labs on admission", "discharge labs"),
    "imaging": ("imaging", "radiology", "imaging studies", "studies", "diagnostic studies", "x-ray",
        "diagnostics", "cxr", "chest x-ray", "ct", "mri", "ekg", "ecg", "echo", "echocardiogram",
        "imaging results", "findings", "radiographs"),
    "impression": ("impression", "imp", "conclusion"),
    "assessment": ("assessment", "diagnosis", "diagnoses", "discharge diagnosis",
        "discharge diagnoses", "final diagnosis", "a", "primary diagnosis", "secondary diagnoses",
        "principal diagnosis", "clinical impression", "differential diagnosis", "final diagnoses",
        "assessments", "working diagnosis"),
    "assessment and plan": ("assessment and plan", "a/p", "a&p", "assessment & plan", "a p", "ap",
        "assessment/plan", "impression and plan", "impression/plan", "plan and assessment"),
    "plan": ("plan", "recommendations", "p", "treatment plan", "treatment", "plan of care",
        "management", "recommendation", "orders"),
    "hospital course": ("hospital course", "brief hospital course", "ed course", "edcourse",
        "course", "emergency department course", "clinical course", "progress"),
    "disposition": ("disposition", "discharge disposition", "discharge condition",
        "condition at discharge"),
    "follow-up": ("follow up", "follow-up", "followup", "discharge instructions", "instructions",
        "follow up instructions", "discharge plan", "patient instructions"),
    "immunizations": ("immunizations", "immunisations", "vaccinations", "vaccines",
        "immunization history"),
    "gynecologic history": ("gynecologic history", "gynhx", "ob/gyn history", "obstetric history",
        "ob history", "gyn history", "obstetrical history", "obgyn history"),
    "patient": ("patient", "demographics", "patient information", "patient details"),
    "encounters": ("encounters", "visits", "encounter"),
    "functional history": ("functional history", "functional status"),
}  # fmt: skip
_NAMES = {heading: name for name, headings in HEADINGS.items() for heading in headings}
# One letter or an everyday word is a heading only when it is written as one.
_CAUTIOUS = {"social", "family", "s", "o", "a", "p", "all", "history", "course", "results", "data", "ct", "mri", "ap",
             "findings", "patient", "physical", "exam", "plan", "treatment", "management", "pe",
             "procedure", "instructions", "progress", "complaint", "echo", "visits", "orders",
             "drugs", "problems", "conditions", "studies", "diagnosis", "a p", "obs", "indication",
             "encounter", "impression", "medication", "allergy", "lab", "habits", "surgeries",
             "examination", "observations", "conclusion", "ekg", "ecg", "cxr", "vs", "x-ray"}  # fmt: skip

_LINE = re.compile(
    r"^[ \t]*(?:#+[ \t]*|\*\*|[-•*][ \t]+)?(?:\d{1,2}[.)][ \t]*|[IVX]{1,4}\.[ \t]+)?"
    r"(?P<title>[A-Za-z][A-Za-z0-9/&\- ]{0,48}?)"
    r"(?:[ \t]*[(\[](?P<extra>[^)\]\n]{1,40})[)\]]|[ \t]+(?P<date>\d{1,4}[/-]\d{1,2}(?:[/-]\d{2,4})?))?"
    r"[ \t]*(?P<mark>:\**|\*\*:?|[ \t]-(?=[ \t]|$)|–|(?=[ \t]*$))",
    re.MULTILINE,
)
_INLINE = re.compile(r"(?:(?<=[.;)] )|(?<=[.;)]  ))(?P<title>[A-Z][A-Za-z/& ]{1,30}?):[ \t]")
_ABBREVIATED = {
    "dr", "mr", "mrs", "ms", "prof", "st", "vs", "e.g", "i.e", "approx", "no", "pt", "pts", "dept",
    "fig", "jr", "sr", "resp", "temp", "wt", "ht", "hx", "rx", "dx", "tx", "sx", "p.o", "b.i.d",
    "t.i.d", "q.d", "q.i.d", "p.r.n", "q.h.s", "i.v", "i.m", "s.c", "etc", "y.o", "yr", "yrs",
    "mo", "wk", "hr", "hrs", "min", "a.m", "p.m", "cf", "al", "tab", "tabs", "cap", "caps", "mg",
    "d.o.b", "c.diff", "c", "t", "w", "u.s",
}  # fmt: skip
_STOP = re.compile(r"[.!?](?=[\s\"')\]]|$)|\n[ \t]*\n|\n(?=[ \t]*(?:[-•*#]|\d{1,2}[.)])[ \t])|\n")


# Characters after which a sentence is cut wherever it stands.
_LONGEST = 1_500


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the record's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading found in the text.

    Attributes:
        name: the section's normalised name.
        title: the heading as written.
        start: where the heading starts.
        body: where the text after it starts.
    """

    name: str
    title: str
    start: int
    body: int


def _normalise(title: str) -> str:
    return re.sub(r"\s+", " ", title.strip().strip("*:").strip().lower())


def _known(title: str) -> str:
    plain = _normalise(title)
    return _NAMES.get(plain) or _NAMES.get(plain.replace(" and ", " & ")) or ""


def headings(text: str) -> list[Heading]:
    """Return the headings of a note in order."""
    found: dict[int, Heading] = {}
    for match in _LINE.finditer(text):
        title = match["title"].strip()
        name = _known(title)
        if name and _is_heading(text, match, title):
            start = match.start("title")
            found[start] = Heading(name, _title(match), start, match.end())
    for match in _INLINE.finditer(text):
        title = match["title"].strip()
        name = _known(title)
        start = match.start("title")
        if name and start not in found and len(title) > 1:
            found[start] = Heading(name, title, start, match.end())
    return [found[start] for start in sorted(found)]


def _title(match: re.Match[str]) -> str:
    extra = match["extra"] or match["date"]
    return f"{match['title'].strip()} ({extra})" if extra else match["title"].strip()


def _is_heading(text: str, match: re.Match[str], title: str) -> bool:
    rest = text[match.end() : text.find("\n", match.end()) % (len(text) + 1)]
    if match["mark"]:
        return bool(match["mark"].strip(" \t-–")) or title.isupper() or not rest.strip().islower()
    # A heading without a mark stands alone on its line.
    if title.isupper() and len(title) > 1:
        return True
    return _normalise(title) not in _CAUTIOUS and title[0].isupper()


def sections(text: str) -> tuple[RecordSection, ...]:
    """Return the sections of a note; text before the first heading belongs to none.

    A section spans from its heading to the next heading, and ends without trailing white space.
    """
    marks = headings(text)
    result = []
    for at, mark in enumerate(marks):
        end = marks[at + 1].start if at + 1 < len(marks) else len(text)
        end = max(mark.body, mark.start + len(text[mark.start : end].rstrip(" \t\n-•*#")))
        result.append(RecordSection(mark.name, mark.title, mark.start, min(end, len(text))))
    return tuple(result)


class Outline:
    """Looks up the section at a place of the text."""

    def __init__(self, found: tuple[RecordSection, ...]) -> None:
        self._found = found
        self._starts = [section.start for section in found]

    def at(self, offset: int) -> RecordSection | None:
        """Return the section that holds `offset`, or None."""
        index = bisect_right(self._starts, offset) - 1
        return self._found[index] if index >= 0 else None


def sentences(text: str, breaks: tuple[int, ...] = ()) -> list[Span]:
    """Return the sentences of a note: neither white space at the ends nor empty ones.

    A line break ends a sentence unless the next line goes on in lower case and this one is long
    (wrapped text).

    Args:
        text: the note.
        breaks: further offsets where a sentence ends, such as the starts of headings.
    """
    cuts = set(breaks)
    for match in _STOP.finditer(text):
        if _ends(text, match):
            cuts.add(match.end())
    spans, start = [], 0
    for cut in _bounded(sorted(cuts | {len(text)})):
        piece = text[start:cut]
        lead = len(piece) - len(piece.lstrip())
        body = piece.strip()
        if body:
            spans.append(Span(start + lead, start + lead + len(body)))
        start = max(start, cut)
    return spans


def _bounded(cuts: list[int]) -> list[int]:
    """Cut what runs on for too long, so that one endless line costs no more than many."""
    result: list[int] = []
    start = 0
    for cut in cuts:
        result += range(start + _LONGEST, cut, _LONGEST)
        result.append(cut)
        start = cut
    return result


def _ends(text: str, match: re.Match[str]) -> bool:
    mark = match.group()
    if mark[0] == "\n":
        return mark != "\n" or not _wrapped(text, match.start())
    if mark != ".":
        return True
    word = re.search(r"[\w.]*\Z", text[max(0, match.start() - 20) : match.start()])
    last = word.group().lower() if word else ""
    if last.isdigit():
        # "1." opens a list item; "120." ends a sentence.
        line = text.rfind("\n", 0, match.start()) + 1
        return bool(text[line : match.start()].strip(" \t#-*").removesuffix(last))
    if last in _ABBREVIATED or (len(last) == 1 and last.isalpha() and not last.isdigit()):
        after = text[match.end() : match.end() + 12].lstrip(" \t")
        return (bool(after) and after[0] == "\n") or not after
    return True


def _wrapped(text: str, at: int) -> bool:
    line_start = text.rfind("\n", 0, at) + 1
    after = text[at + 1 : at + 40].lstrip(" \t")
    before = text[line_start:at].rstrip()
    return bool(after) and len(before) > 55 and after[0].islower() and before[-1] not in ".:;!?"

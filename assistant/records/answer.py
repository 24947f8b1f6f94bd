"""What in a record answers a question: facts, and the verbatim lines that hold them.

Promises that every line is quoted as it stands in the record's text, with its span, and that a
fact the record denies is stated as denied. Where the record holds nothing that answers, the result
is empty, so that the caller can abstain. Knows nothing of chat models.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from assistant.records import lexicon, sections
from assistant.records.questions import Wanted, is_about_record, wanted
from assistant.records.statements import statement
from assistant.types import Fact, FactKind, Record, RecordSection

__all__ = ["Line", "Part", "is_about_record", "relevant", "sentences", "statement", "summary"]

_MAX_LINES = 12
_TOPIC_SECTIONS: dict[str, tuple[str, ...]] = {
    "family": ("family history", "family and social history"),
    "social": ("social history", "family and social history"),
    "reason": ("chief complaint",),
    "plan": ("plan", "assessment and plan", "follow-up"),
    "assessment": ("assessment", "assessment and plan", "impression"),
    "exam": ("physical exam",),
    "immunization": ("immunizations",),
    "visits": ("encounters",),
    "course": ("hospital course",),
}  # fmt: skip
_HABITS = {"smoking": "tobacco use", "alcohol": "alcohol use", "drug use": "illicit drug use"}
_AGE = re.compile(
    r"\b\d{1,3}(?:[- ]?(?:year|yr|month|mo|week|day)s?[- ]?old|[- ]?y\.?/?o\.?\b|\s?(?:yo|y/o)\b|[MF]\b)|\b(?:age[d]?|dob|date of birth|born)\b\s*:?\s*\d|\bin (?:his|her) (?:\w+ies|\d0s)",
    re.IGNORECASE,
)
_SEX = re.compile(
    r"\b(?:male|female|woman|man|lady|gentleman|boy|girl|sex:|gender:|\d{1,3}[MF])\b", re.I
)
_REASON = re.compile(
    r"\b(?:presents?|presented|presenting|complain(?:s|ing|ed)?|admitted|seen|came|comes|brought|referred|evaluated|here) (?:\w+ ){0,5}?(?:with|for|to|of|because|due|today|in)\b|\breason\b",
    re.IGNORECASE,
)
_STOPWORDS = frozenset(
    ["a", "an", "and", "any", "are", "as", "at", "be", "been", "by", "can", "could", "did", "do", "does", "for", "from", "had", "has", "have", "he", "her", "him", "his", "how", "i", "in", "is", "it", "its", "me", "most", "my", "of", "on", "or", "our", "patient", "pt", "record", "she", "should", "tell", "that", "the", "their", "them", "there", "they", "this", "to", "was", "were", "what", "when", "where", "which", "who", "why", "will", "with", "would", "note", "chart", "please", "about", "say", "says", "know", "last", "latest", "recent", "current", "currently", "ever", "much", "many", "give", "list", "show"]
)  # fmt: skip


class Line(NamedTuple):
    """A verbatim stretch of the record: `record.text[start:end] == text`."""

    text: str
    start: int
    end: int


class Part(NamedTuple):
    """A part of a summary: what it is about, its facts, and the lines that hold them."""

    title: str
    facts: tuple[Fact, ...]
    lines: tuple[Line, ...]


def relevant(record: Record, question: str) -> list[Fact]:
    """Return the facts that answer a question, the most telling first.

    A fact that the record denies is among them ("denies chest pain" answers "any chest pain?").
    """
    want = wanted(question)
    found: list[Fact] = []
    for name in want.names:
        found += _named(record, name, want)
    # "Allergic to penicillin?" asks for no drug that is taken.
    for group in () if "allergy" in want.kinds else want.classes:
        found += _of_class(record, group)
    for topic in want.topics:
        if topic != "family" or not any(_familial(fact) for fact in found):
            found += _of_topic(record, topic)
    if not want.classes and (not want.names or _whole_kind(want)):
        for kind in want.kinds:
            found += _of_kind(record, kind, want, question)
    if want.summary and not found:
        found = [fact for part in summary(record) for fact in part.facts]
    return list(dict.fromkeys(found))


def _whole_kind(want: Wanted) -> bool:
    return bool({"allergy"} & set(want.kinds)) and not want.names


def _named(record: Record, name: str, want: Wanted) -> list[Fact]:
    """Return the facts of one name; an allergy question asks only for allergies of that name."""
    names = _wider(name)
    kinds = set(want.kinds)
    found = [fact for fact in record.facts if fact.name in names and fact.kind != "date"]
    if "allergy" in kinds:
        classes = set(lexicon.drug_classes().get(name, ()))
        allergic = [f for f in record.of("allergy") if f.name in names or f.name in classes]
        # A substance that isn't listed: the list itself is what the record says.
        return allergic or [fact for fact in record.of("allergy") if not _familial(fact)]
    if "family" in want.topics:
        return [fact for fact in found if _familial(fact)]
    own = [fact for fact in found if not _familial(fact)] or found
    if want.latest and own and own[0].kind in ("lab", "vital"):
        return [_latest(own)]
    return sorted(own, key=lambda fact: fact.assertion == "negated")


def _familial(fact: Fact) -> bool:
    return fact.assertion == "family" or dict(fact.attributes).get("experiencer") == "family"


# A question about the wider term is answered by the narrower one.
_NARROWER: dict[str, tuple[str, ...]] = {
    "diabetes mellitus": ("type 2 diabetes mellitus", "type 1 diabetes mellitus", "gestational diabetes", "prediabetes"),
    "heart disease": ("coronary artery disease", "heart failure", "atrial fibrillation", "myocardial infarction", "cardiomyopathy", "angina", "valvular heart disease"),
    "cancer": ("breast cancer", "lung cancer", "prostate cancer", "colorectal cancer", "melanoma", "skin cancer", "leukemia", "lymphoma", "ovarian cancer", "pancreatic cancer", "bladder cancer", "thyroid cancer", "metastasis", "multiple myeloma", "brain tumor", "renal cell carcinoma", "cervical cancer", "endometrial cancer", "gastric cancer", "liver cancer"),
    "renal insufficiency": ("chronic kidney disease", "acute kidney injury", "end-stage renal disease"),
    "stroke": ("transient ischemic attack", "intracranial hemorrhage"),
    "lung disease": ("chronic obstructive pulmonary disease", "asthma", "pulmonary fibrosis", "emphysema"),
    "liver disease": ("cirrhosis", "hepatitis", "hepatitis B", "hepatitis C", "fatty liver disease"),
    "thyroid disease": ("hypothyroidism", "hyperthyroidism", "thyroid nodule", "Graves disease", "Hashimoto thyroiditis"),
    "hyperlipidemia": ("hypercholesterolemia", "hypertriglyceridemia"),
    "total cholesterol": ("LDL cholesterol", "HDL cholesterol", "triglycerides", "lipid panel"),
    "kidney function": ("creatinine", "eGFR", "urea nitrogen"),
    "liver function tests": ("ALT", "AST", "alkaline phosphatase", "total bilirubin"),
    "thyroid panel": ("TSH", "free T4", "free T3"),
    "lipid panel": ("total cholesterol", "LDL cholesterol", "HDL cholesterol", "triglycerides"),
    "CBC": ("hemoglobin", "hematocrit", "white blood cell count", "platelets"),
    "anemia": ("iron deficiency",), "seizure": ("epilepsy",),
    "heart failure": ("ejection fraction",), "edema": ("edema",),
    "insulin": ("insulin glargine", "insulin lispro", "insulin aspart", "insulin detemir", "insulin NPH", "insulin degludec"),
    "arthritis": ("osteoarthritis", "rheumatoid arthritis", "psoriatic arthritis"),
    "hypertension": ("blood pressure",),
}  # fmt: skip


def _wider(name: str) -> set[str]:
    return {name, *_NARROWER.get(name, ())}


def _latest(facts: list[Fact]) -> Fact:
    """Return the newest by date; without dates, the one written last."""
    dated = [fact for fact in facts if dict(fact.attributes).get("date")]
    if dated:
        return max(dated, key=lambda fact: (dict(fact.attributes)["date"], -fact.start))
    return facts[-1]


def _of_class(record: Record, group: str) -> list[Fact]:
    classes = lexicon.drug_classes()
    found = [
        fact
        for fact in record.of("medication")
        if fact.name == group or group in classes.get(fact.name, ())
    ]
    return sorted(found, key=lambda fact: fact.assertion != "present")


def _of_topic(record: Record, topic: str) -> list[Fact]:
    if topic in _HABITS:
        found = [f for f in record.of("problem") if f.name == _HABITS[topic] and not _familial(f)]
        dated = [fact for fact in found if dict(fact.attributes).get("date")]
        # A structured record repeats the status at each visit: the newest tells.
        return [_latest(found)] if len(dated) > 3 else found
    if topic == "family":
        return [fact for fact in record.of("problem") if _familial(fact)]
    names = _TOPIC_SECTIONS.get(topic, ())
    kinds: tuple[FactKind, ...] = ("problem", "procedure")
    return [f for f in record.facts if f.section in names and f.kind in kinds and f.assertion != "family"]  # fmt: skip


def _of_kind(record: Record, kind: FactKind, want: Wanted, question: str) -> list[Fact]:
    found = [fact for fact in record.of(kind) if not _familial(fact)]
    if kind == "medication":
        stopped = re.search(r"\bstopp|\bdiscontinu|\bheld\b|\bpast\b|\bprevious", question, re.I)
        wanted_state = ("historical",) if stopped else ("present",)
        return [f for f in found if f.assertion in wanted_state] or [f for f in found if f.assertion == "negated"]  # fmt: skip
    if kind == "problem":
        return _problems(found, want, question)
    if kind in ("lab", "vital"):
        if want.abnormal:
            found = [f for f in found if dict(f.attributes).get("flag", "normal") != "normal"]
        newest: dict[str, list[Fact]] = {}
        for fact in found:
            newest.setdefault(fact.name, []).append(fact)
        return [_latest(group) for group in newest.values()]
    return found


def _problems(found: list[Fact], want: Wanted, question: str) -> list[Fact]:
    if {"reason", "family"} & set(want.topics):
        return []
    symptoms = bool(re.search(r"\bsymptom|\bcomplain", question, re.I))
    kept = [
        fact
        for fact in found
        if fact.assertion != "negated"
        and (dict(fact.attributes).get("type", "chronic") == "symptom") == symptoms
        and dict(fact.attributes).get("type") != "habit"
    ]
    return _first_of_each(kept)


def _first_of_each(facts: Iterable[Fact]) -> list[Fact]:
    seen: dict[str, Fact] = {}
    for fact in facts:
        seen.setdefault(fact.name, fact)
    return list(seen.values())


def sentences(record: Record, question: str) -> list[tuple[str, int, int]]:
    """Return the lines or sentences of the record that answer a question, verbatim with spans.

    Facts come first; then what a topic asks for (age, reason for the visit, plan); last, sentences
    that share the question's own words. Empty where nothing answers.
    """
    want = wanted(question)
    if want.summary:
        told = dict.fromkeys(line for part in summary(record) for line in part.lines)
        return [(line.text, line.start, line.end) for line in told]
    spans = _Spans(record)
    lines = [spans.at(fact) for fact in relevant(record, question)]
    for topic in want.topics:
        if topic not in ("family", "social") or not lines:
            lines += _topic_lines(record, spans, topic)
    if not lines and not _asked_only_known(want):
        lines = _overlap(spans, question)
    return [(line.text, line.start, line.end) for line in dict.fromkeys(lines)][:_MAX_LINES]


def _asked_only_known(want: Wanted) -> bool:
    """Whether the question named facts that the record simply doesn't hold."""
    return bool(want.classes or want.kinds or want.names or set(want.topics) & set(_HABITS))


class _Spans:
    """The sentences of a record, found once."""

    def __init__(self, record: Record) -> None:
        self.record = record
        marks = sections.headings(record.text)
        breaks = tuple(sorted({m.start for m in marks} | {m.body for m in marks}))
        self.lines = [
            Line(record.text[s.start : s.end], s.start, s.end)
            for s in sections.sentences(record.text, breaks)
        ]
        self._starts = [line.start for line in self.lines]
        self.titles = {section.start for section in record.sections}

    def at(self, fact: Fact) -> Line:
        """Return the sentence that holds a fact, from its start to its end."""
        start, end = fact.start, fact.end
        first = max(0, bisect_right(self._starts, fact.start) - 1)
        for line in self.lines[first : bisect_left(self._starts, fact.end)]:
            if line.start < fact.end and fact.start < line.end:
                start, end = min(start, line.start), max(end, line.end)
        return self._headed(start, end)

    def _headed(self, start: int, end: int) -> Line:
        """Return a stretch with its heading where that stands before it on the same line."""
        line = self.record.text.rfind("\n", 0, start) + 1
        lead = self.record.text[line:start]
        if line in self.titles and lead.rstrip().endswith(":") and len(lead) < 60:
            return Line(self.record.text[line:end], line, end)
        return _tidy(self.record.text, start, end)

    def within(self, section: RecordSection) -> list[Line]:
        """Return the sentences of a section without its heading."""
        body = section.start + len(section.title)
        return [
            self._headed(line.start, line.end)
            for line in self.lines
            if section.start <= line.start < section.end and line.end > body + 1
            and not (line.start == section.start and line.text.strip(" :*") == section.title.strip(" :*"))
        ]  # fmt: skip


def _tidy(text: str, start: int, end: int) -> Line:
    """Return the stretch without a list's mark at its start."""
    mark = re.compile(r"(?:[-•*]\s+|\d{1,2}[.)]\s+)").match(text, start, end)
    start = mark.end() if mark and mark.end() < end else start
    return Line(text[start:end], start, end)


def _topic_lines(record: Record, spans: _Spans, topic: str) -> list[Line]:
    if topic in ("age", "sex"):
        pattern = _AGE if topic == "age" else _SEX
        return [_tidy(record.text, *line[1:]) for line in spans.lines if pattern.search(line.text)][:1]  # fmt: skip
    names = _TOPIC_SECTIONS.get(topic, ())
    lines = [line for s in record.sections if s.name in names for line in spans.within(s)]
    if topic == "reason":
        told = [_tidy(record.text, *line[1:]) for line in spans.lines if _REASON.search(line.text)]
        lines = [*lines[:2], *told[: max(0, 2 - len(lines))]] if lines else told[:2]
    return lines[:8]


def _overlap(spans: _Spans, question: str) -> list[Line]:
    """Return the sentences that share at least half of the question's own words."""
    asked = {lexicon.stem(w) for w in re.findall(r"[A-Za-z]{3,}", question)} - _STOPWORDS
    if not asked:
        return []
    scored = []
    for line in spans.lines:
        words = {lexicon.stem(word) for word in re.findall(r"[A-Za-z]{3,}", line.text)}
        share = len(asked & words) / len(asked)
        if share >= 0.5:
            scored.append((-share, len(line.text), line))
    return [_tidy(spans.record.text, *line[1:]) for _, _, line in sorted(scored)[:3]]


_SUMMARY: tuple[tuple[str, FactKind], ...] = (
    ("Problems", "problem"), ("Allergies", "allergy"), ("Medications", "medication"),
    ("Labs", "lab"), ("Vital signs", "vital"), ("Procedures", "procedure"),
)  # fmt: skip


def summary(record: Record) -> list[Part]:
    """Return what to say when the whole record is asked for: for each kind its facts and lines.

    Reason for the visit comes first. Problems are listed once, without symptoms that are denied;
    of labs and vitals the newest, at most twelve, values out of range first.
    """
    spans = _Spans(record)
    parts = []
    if reason := (_topic_lines(record, spans, "age")[:1] + _topic_lines(record, spans, "reason"))[
        :3
    ]:
        parts.append(Part("Presentation", (), tuple(dict.fromkeys(reason))))
    for title, kind in _SUMMARY:
        facts = _summarised(record, kind)[:_MAX_LINES]
        if facts:
            lines = tuple(dict.fromkeys(spans.at(fact) for fact in facts))
            parts.append(Part(title, tuple(facts), lines))
    if plan := _topic_lines(record, spans, "plan")[:6]:
        parts.append(Part("Plan", (), tuple(plan)))
    return parts


def _summarised(record: Record, kind: FactKind) -> list[Fact]:
    facts = [fact for fact in record.of(kind) if not _familial(fact)]
    if kind == "problem":
        rank = {"chronic": 0, "acute": 1, "symptom": 2, "habit": 3}
        kept = _first_of_each(fact for fact in facts if fact.assertion != "negated")
        return sorted(kept, key=lambda f: rank.get(dict(f.attributes).get("type", "acute"), 1))
    if kind in ("lab", "vital"):
        groups: dict[str, list[Fact]] = {}
        for fact in facts:
            groups.setdefault(fact.name, []).append(fact)
        newest = [_latest(group) for group in groups.values()]
        return sorted(newest, key=lambda f: dict(f.attributes).get("flag", "normal") == "normal")
    if kind == "medication":
        return _first_of_each(sorted(facts, key=lambda fact: fact.assertion != "present"))
    return _first_of_each(facts)

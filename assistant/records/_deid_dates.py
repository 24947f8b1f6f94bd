"""Dates and ages: every element of a date but the year, and every age of 90 and more.

Promises that a year alone stays, unless it is a year of birth, and that fractions, gradings and
blood pressures are no dates. Knows nothing of who the date belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Found = tuple[int, int, str]
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:1[89]|20)\d\d"
_TIME = r"(?:[T ,]+(?:at )?\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]\.?m\.?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_D2, _M2 = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_DATES = tuple(
    re.compile(form, re.I)
    for form in (
        rf"(?<![\d/.-])[12]\d{{3}}([-/.]){_M2}\1{_D2}(?!\d){_TIME}",
        rf"(?<![\d/.-])(?:{_M2}/{_D2}|{_D2}/{_M2})/(?:[12]\d{{3}}|\d\d)(?![\d/]|\.\d){_TIME}",
        rf"(?<![\d/.-])(?:{_M2}([-.]){_D2}|{_D2}([-.]){_M2})(?:\1|\2)[12]\d{{3}}(?![\d/.-]*\d){_TIME}",
        rf"(?<![\d/.-]){_M2}-{_D2}-\d\d(?![\d/.-]*\d)",
        rf"\b{_MONTH}\s+(?:the )?{_DAY}(?:,?\s+{_YEAR}\b|,?\s+'\d\d\b|\b(?![\d./-]*\d| ?(?:mg|ml|%|years?|patients?)\b)){_TIME}",
        rf"(?<![\d./-]){_DAY}[ -](?:of )?{_MONTH}(?:,?[ -](?:{_YEAR}|'?\d\d)\b|\b){_TIME}",
        rf"\b{_MONTH}(?: of)?,?[ /-]{_YEAR}\b",
        rf"(?<![\d/.-]){_M2}/{_YEAR}(?![\d/])",
        rf"\b(?:on|dated?|since|until|till|from|through|by|dos|seen|visit|d/c|appointment|follow-?up(?: on)?)[: ]+(?P<v>{_M2}/{_D2})(?![\d/%]|\.\d| ?(?:strength|murmur|systolic|pain|on exam))",
        rf"\b(?:dob|d\.o\.b\.|birth ?(?:date|day|year)?|date of birth|year of birth|born(?: in| on)?)[:= ]+(?:is |was |in )?(?P<v>{_YEAR})\b",
        r"(?:1[89]|20)\d{2}\s*年\s*\d{1,2}\s*月(?:\s*\d{1,2}\s*[日号])?",
        r"(?<!\d)\d{1,2}\s*月\s*\d{1,2}\s*[日号]",
    )
)  # fmt: skip
# "May" and "March" with a number are months only with a capital ("may 10 mg help").
_LOWER = re.compile(r"\d{0,2}(?:st|nd|rd|th)?[ -]?(?:may|march|mar|jan|dec|sep)\b")
_OLD = r"(?:9\d|1[0-2]\d)"
_TENS = r"(?:ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a) hundred(?:[- ]and[- ]\w+| (?:one|two|three|four|five|six|seven|eight|nine))?)"
_YEARS_OLD = r"(?:[- ]?(?:years?|yrs?)(?:[- ]old| of age)|[- ]?y[./]?o\b\.?|[- ]?(?:year|yr)s?[- ](?:male|female|man|woman|lady|gentleman))"
_AGES = tuple(
    re.compile(form, re.I)
    for form in (
        rf"(?<![\d.])(?P<v>{_OLD}|\b{_TENS}){_YEARS_OLD}",
        rf"\bage[sd]?\b(?: is| was| of|[:=])? ?(?P<v>{_OLD}|{_TENS})(?![\d%.]*\d|%| (?:days|weeks|months|hours)\b)",
        rf"\b(?:turn(?:s|ed|ing)?|(?:he|she|patient) (?:is|was)) (?P<v>{_OLD}|{_TENS})(?=[ ,.;]|$)(?!\.\d| ?(?:%|percent|kg|lb|cm|mg|over|bpm|beats|pounds|days|weeks|months|hours|minutes))",
        r"\bin (?:his|her|their) (?:early |mid[- ]?|late )?(?P<v>nineties|90'?s|hundreds|100'?s)\b",
        r"(?<!\d)(?P<v>(?:9\d|1[0-2]\d)\s*岁)",
    )
)  # fmt: skip
# Bounds of a group are no person's age.
_BOUND = re.compile(r"(?:older than|over|above|under|below|younger than|up to|≥|>|<|≤|at least|to|[-–]) ?$", re.I)  # fmt: skip
_GROUP = re.compile(r" ?(?:and|or) (?:over|older|above|younger|under|more)|\+| ?[-–] ?\d", re.I)


def find(text: str) -> Iterator[Found]:
    """Yield (start, end, kind) of dates and of ages of 90 years and more."""
    for form in _DATES:
        for match in form.finditer(text):
            start, end = match.span("v" if "v" in form.groupindex else 0)
            if not _LOWER.match(text[start:end]) or re.search(r"\d{4}", text[start:end]):
                yield start, end, "date"
    for form in _AGES:
        for match in form.finditer(text):
            start, end = match.span("v")
            before, after = text[max(0, start - 14) : start], text[match.end() : match.end() + 12]
            if not _BOUND.search(before) and not _GROUP.match(after):
                yield start, end, "age_over_89"

"""Identifiers that are written in digits and signs: contact data, record and account numbers.

Promises that a bare number is never taken without a shape or a word before it that says what it is:
a dose, a lab value or a blood pressure is no telephone number. Knows nothing of names and dates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

Found = tuple[int, int, str]
# The value behind a word such as "MRN": at least four characters with a digit among them.
_SAYS = r"(?:\s*(?:numbers?|nos?\.?|nr\.?|num\.?|ids?|#|№))*\s*(?:\bis\b|\bwas\b|[:=#])?\s*#?\s*"
_CODE = (
    r"(?P<v>(?=[A-Za-z0-9-]*\d)[A-Za-z0-9](?:[A-Za-z0-9]|[-/](?=[A-Za-z0-9])){3,24})(?![A-Za-z0-9])"
)
_DIGITS = r"(?P<v>\d(?:[ -]?\d){3,22})(?!\d)"


def _after(words: str, value: str = _CODE) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z]){_SAYS}{value}", re.I)


_PHONE_WORD = (
    r"(?:tele)?phones?|tel|cell(?:ular)?|mobile|pager|beeper|contact|call(?: (?:me|us|her|him|them))?|"
    r"reach(?:ed)?(?: (?:me|us|her|him|them))?|landline|whatsapp|text(?: me)?"
)
_AT = r"(?:\s*(?:numbers?|nos?\.?|#))?\s*(?:\bis\b|\bat\b|\bon\b|[:=])?\s*"
_PHONE_VALUE = r"(?P<v>\+?\(?\d[\d ()./\-–]{5,18}\d)(?!\d)"
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}", re.U)),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+ ?(?:@|\bat\b|\(at\)) ?[\w-]+ (?:dot|\(dot\)) (?:com|org|net|edu|gov)\b", re.I)),
    ("url", re.compile(r"\b(?:https?|ftp)://[^\s<>\"'\[\]]*[^\s<>\"'\[\].,;:!?)]", re.I)),
    ("url", re.compile(r"\bwww\.[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[^\s<>\"'\[\]]*[^\s<>\"'\[\].,;:!?)])?", re.I)),
    ("ssn", re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")),
    ("ssn", _after(r"ssn|social security|social|s\.s\.n\.", r"(?P<v>(?:[x*]{3}[- ]?[x*]{2}[- ]?\d{4}|\d{3}[- ]?\d{2}[- ]?\d{4}|\d{4}))(?!\d)")),
    ("mrn", _after(r"mrn|m\.r\.n\.|mr(?=\s*#)|medical record|med rec|(?:hospital|patient|chart|case|unit|encounter|visit|accession|admission|requisition|specimen|registration|study|record)(?=\s*(?:numbers?|no\b|nr\b|num\b|id\b|#))|pat(?:ient)?[ -]?id|nhs|csn|fin|har")),
    ("health_plan", _after(r"(?:insurance|policy|member|subscriber|beneficiary|medicare|medicaid|health plan|group|plan|claim|payer)(?=\s*(?:numbers?|no\b|nr\b|id\b|#|:))|hicn|mbi")),
    ("account", _after(r"(?:bank |billing |savings |checking )?(?:account|acct|a/c)(?=\s*(?:numbers?|no\b|nr\b|id\b|#|:|\bis\b))|(?:invoice|guarantor|customer)(?=\s*(?:numbers?|no\b|id\b|#))")),
    ("account", _after(r"(?:credit |debit )?card(?: ending in)?|visa|mastercard|amex", _DIGITS)),
    ("account", re.compile(r"(?<![A-Za-z0-9])(?:[A-Za-z]{2}\d{2}(?:[ ]?[A-Za-z0-9]{4}){3,7}(?:[ ]?[A-Za-z0-9]{1,3})?)(?![A-Za-z0-9])")),
    ("licence", _after(r"(?:driver'?s?[’']?s?|medical|nursing|pharmacy|professional|pilot'?s?)? ?licen[cs]e(?! plate)|npi|dea|passport|certificate(?=\s*(?:numbers?|no\b|#|:))|permit(?=\s*(?:numbers?|no\b|#))|dl(?=\s*(?:#|number|no\b))")),
    ("vehicle", _after(r"vin|(?:licen[cs]e|number|registration) plates?|plates?(?=\s*(?:numbers?|no\b|#))|vehicle (?:id(?:entification)?|registration)", r"(?P<v>(?=[A-Z0-9 -]*\d)[A-Z0-9](?:[A-Z0-9]|[- ](?=[A-Z0-9])){3,17})(?![A-Za-z0-9])")),
    ("vehicle", re.compile(r"(?<![A-Z0-9])(?=[A-HJ-NPR-Z0-9]*\d[A-HJ-NPR-Z0-9]*\d)(?=[A-HJ-NPR-Z0-9]*[A-HJ-NPR-Z][A-HJ-NPR-Z0-9]*[A-HJ-NPR-Z])[A-HJ-NPR-Z0-9]{11}\d{6}(?![A-Z0-9])")),
    ("device", _after(r"serial|s/n|sn(?=\s*[:#])|udi|imei|mac address|device (?:id(?:entifier)?|serial)|(?:pacemaker|implant|lot|model|device)(?=\s*(?:numbers?|no\b|id\b|#|serial))")),
    ("device", re.compile(r"\(01\)\d{14}(?:\(\d{2}\)[A-Za-z0-9-]+)*")),
    ("device", re.compile(r"(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:])")),
    ("fax", re.compile(rf"\b(?:fax|facsimile)\b\.?{_AT}{_PHONE_VALUE}", re.I)),
    ("phone", re.compile(rf"\b(?:{_PHONE_WORD})\b\.?{_AT}{_PHONE_VALUE}", re.I)),
    ("phone", re.compile(r"(?<![\d.\-/])(?:\+?1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-.]\d{4}(?:,?\s*(?:ext\.?|x|extension)\s*\d{1,5})?(?![\d-]|\.\d)")),
    ("phone", re.compile(r"(?<![\d.\-/])\(\d{3}\) ?\d{3} \d{4}(?!\d)")),
    ("phone", re.compile(r"(?<![\d\w.])(?:\+|00)[1-9]\d{0,2}[ .-]?\(?\d[\d ().\-]{5,14}\d(?!\d)")),
    ("phone", re.compile(r"(?<![\d.\-/])0\d{2,4}[ -]\d{2,4}[ -]\d{2,4}(?:[ -]\d{2,4}){0,2}(?![\d-])")),
    ("account", re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")),
)  # fmt: skip
_IP4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_IP6 = re.compile(r"(?<![0-9A-Za-z:])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,6}(?![0-9A-Za-z:])")  # fmt: skip
_RANGE = re.compile(r"\d{1,4} ?[-–/] ?\d{1,4}")
# A contact word before a measure ("call 2 to 3 weeks") is none for the number.
_UNIT = re.compile(r"\s*(?:mg|ml|mcg|µg|g|kg|mm|cm|%|units?|days?|weeks?|months?|years?|hours?|times?|bpm)\b", re.I)  # fmt: skip


def find(text: str) -> Iterator[Found]:
    """Yield (start, end, kind) of the identifiers that are written in digits and signs."""
    for kind, form in _FORMS:
        for match in form.finditer(text):
            group = "v" if "v" in form.groupindex else 0
            start, end = match.span(group)
            if _plausible(kind, text, start, end, bare=group == 0):
                yield start, end, kind
    for form in (_IP4, _IP6):
        for match in form.finditer(text):
            if _is_ip(match.group()):
                yield match.start(), match.end(), "ip"


def _plausible(kind: str, text: str, start: int, end: int, *, bare: bool) -> bool:
    value = text[start:end]
    digits = [c for c in value if c.isdigit()]
    if kind in {"phone", "fax"}:
        if _UNIT.match(text, end) or _RANGE.fullmatch(value):
            # "555-0134" is a number only where a word has said so.
            return not _UNIT.match(text, end) and bool(re.fullmatch(r"\d{3}[-–]\d{4}", value))
        return 7 <= len(digits) <= 15
    if kind == "account" and bare:
        return _is_iban(value) if value[0].isalpha() else _luhn(digits)
    return True


def _luhn(digits: list[str]) -> bool:
    """Whether a card number's check digit holds (ISO/IEC 7812-1, Annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_iban(value: str) -> bool:
    """Whether the check digits of an international account number hold (ISO 13616-1)."""
    packed = value.replace(" ", "").upper()
    if not 15 <= len(packed) <= 34:
        return False
    turned = packed[4:] + packed[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _is_ip(value: str) -> bool:
    try:
        address = ip_address(value)
    except ValueError:
        return False
    # "1.2.3.4" may be a section or an enzyme's number (EC 3.4.21.4).
    return address.version == 6 or any(int(part) > 31 for part in value.split("."))

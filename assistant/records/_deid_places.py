"""Addresses, postal codes, towns and health facilities.

Promises that a street needs a number and a street's word, a town a state, a country or a word of
dwelling before it, a facility a name of its own ("the pain clinic" has none). States and countries
stay: 45 CFR 164.514(b)(2)(i)(B) lists what is smaller than a state. Knows nothing of persons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assistant.records import _deid_words as words

Found = tuple[int, int, str]
_CAP = r"[^\W\d_a-z][\w'’.-]*"
_TOWN = r"(?:(?:St|Ft|Mt)\. )?[^\W\d_a-z][\w'’-]*"
_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Circle|Cir|Way|Place|Pl|"
    r"Terrace|Ter|Parkway|Pkwy|Highway|Hwy|Square|Sq|Trail|Trl|Turnpike|Alley|Crescent|Close|Loop|"
    r"Plaza|Pike|Row|Gardens|Grove|Mews|Walk|Heights|Crossing|Bypass|Expressway|Streets)\b\.?"
)
_ABROAD = (
    r"(?:\w+(?:stra(?:ß|ss)e|straat|gade|gatan|gata|vägen|vegen|vej|veien|weg|laan|plein|katu|kuja|tie|"
    r"allee|allé|gasse|platz)|(?:[Rr]ue|[Vv]ia|[Vv]iale|[Vv]icolo|[Pp]iazza|[Cc]alle|[Aa]venida|[Rr]ua|[Pp]raça|"
    r"[Uu]lica|[Uu]l\.|[Cc]hemin|[Aa]venue|[Cc]orso|[Ss]trada|[Rr]úa|[Cc]arrer)"
    r"(?: (?:de|del|della|delle|da|do|des|du|la|las|los|el|les))* "
    + rf"(?:d')?{_CAP}(?: (?:de |la |of )?{_CAP}){{0,2}}|{_CAP}(?: {_CAP})? (?:utca|út|u\.|tér|tn|mnt|pst))"
)
_UNIT = r"(?:[,\n ]+(?:Apt|Apartment|Suite|Ste|Unit|Room|Rm|Floor|Fl|Box|#)\.? ?#?[\w-]*\d[\w-]*)"
_STATE = rf"(?:{words.STATE_CODES}|{words.STATES})"
_ZIP = r"\d{5}(?:-\d{4})?(?!\d|[.,]\d)"
_TAIL = rf"(?:{_UNIT}*(?:[,\n]+ *(?:{_CAP} ?){{1,3}})?(?:,? *{_STATE}\b\.?)?(?:,? *{_ZIP})?)"
_COUNTRY_ZIP = r"(?:[,\n] *(?:[^\W\d_]+ ?){1,3}(?: \d{4,6})?)?"
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("address", re.compile(rf"(?<![\d.])\d{{1,6}}[A-Za-z]?(?:,? \d{{1,5}})? (?:[NSEW]\.? |North |South |East |West )?(?:{_CAP} |\d+(?:st|nd|rd|th) ){{1,4}}{_STREET}{_TAIL}")),
    ("address", re.compile(r"(?<![\d.])\d{1,6} (?:[nsew] )?(?:[a-z'-]+ |\d+(?:st|nd|rd|th) ){1,3}(?:street|avenue|ave|road|boulevard|blvd|lane|parkway|highway)\b(?:,? (?:apt|suite|unit)\.? ?\w+)?")),
    ("address", re.compile(rf"(?<![\d.])(?:\d{{1,6}}[A-Za-z]?,? )?\b{_ABROAD} \d{{1,5}}[A-Za-z]?\b\.?{_UNIT}*{_COUNTRY_ZIP}")),
    ("address", re.compile(rf"(?<![\d.])\d{{1,6}}[A-Za-z]?,? (?:\d{{1,5}} )?{_ABROAD}\b{_UNIT}*{_COUNTRY_ZIP}")),
    ("address", re.compile(rf"(?<![\d.])(?:\d{{1,6}} )?\b(?:{_CAP} ){{1,3}}\d{{1,5}}[A-Za-z]?{_UNIT}{_COUNTRY_ZIP}")),
    ("address", re.compile(r"\b(?:P\.? ?O\.?|Post Office) Box \d+", re.I)),
    ("address", re.compile(r"\bPSC \d+, Box \d+(?:\s+[AF]PO [A-Z]{2} \d{5})?")),
    ("address", re.compile(r"\b(?:Apt|Apartment|Suite|Ste)\.? #?\d+[A-Za-z]?\b")),
    ("address", re.compile(r"(?im)^[ \t>*•-]*(?:(?:home|mailing|street|billing|postal|current) )?address(?: line \d)?[ \t]*[:=][ \t]*(?P<v>(?!\[)\S[^\n]{3,120}?)(?=[ \t]*(?:$|;|\b(?:phone|tel|email|e-mail|dob|mrn|ssn)\b))")),
    ("zip", re.compile(rf"\b{_STATE}\.?,? +(?P<v>{_ZIP})")),
    ("zip", re.compile(r"\b(?:zip(?:[ -]?code)?|post(?:al)?[ -]?code|postcode)\b[ ]*(?:is|[:=#])?[ ]*(?P<v>\d[\d-]{2,9}(?: [A-Z]{2}| \d{2,3})?\b|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b)", re.I)),
    ("zip", re.compile(r"(?<![\w-])\d{5}-\d{4}(?![\w-])")),
    ("zip", re.compile(r"(?<![\w-])(?:[A-Z]{1,2}\d{1,2}[A-Z]? \d[ABD-HJLNP-UW-Z]{2})(?![\w-])(?=[\s,.]*(?:$|\n|UK|United Kingdom|England|Scotland|Wales))")),
    ("place", re.compile(rf"\b(?P<v>{_TOWN}(?: {_TOWN}){{0,2}})(?:, (?!MD|DO|PA|CT|MS|OD|MA)| (?!MD|DO|PA|CT|MS|OD|MA|MI|OR|IN|ME|HI|OK|ID|LA|AL|CA|DE|PR))(?:{words.STATE_CODES})\b(?=[ ,.;:)\n]|$)(?!-)")),
    ("place", re.compile(rf"\b(?P<v>{_TOWN}(?: {_TOWN})?), (?:{words.STATES})\b")),
    ("place", re.compile(rf"\b(?:(?:[Ll]ive[sd]?|[Ll]iving|[Rr]eside[sd]?|[Rr]esiding|[Gg]rew up|[Rr]aised|[Bb]orn) (?:\w+ )?in|(?:[Rr]esident|[Nn]ative|[Cc]ity|[Tt]own|[Vv]illage|[Cc]ounty) of|(?:moved|emigrated|immigrated|relocated|comes|came|originally|travel(?:ed|led)|transferred) (?:here )?(?:back )?(?:from|to)) (?P<v>(?:{_TOWN})(?: {_TOWN}){{0,2}})")),
    ("place", re.compile(rf"\b(?P<v>{_TOWN}(?: {_TOWN})?) County\b")),
)  # fmt: skip
_FACILITY = re.compile(
    rf"\b(?P<v>(?:(?:St|Mt|Ft)\. )?(?:(?:{_CAP}|of|the|and|&|de|for) ){{0,5}}(?:{_CAP}) "
    r"(?:Hospitals?|Medical Cent(?:er|re)|Health Cent(?:er|re)|Cancer Cent(?:er|re)|Clinics?|Infirmary|"
    r"Hospice|Nursing Home|Rehabilitation Cent(?:er|re)|Surgery Cent(?:er|re)|Care Cent(?:er|re)|"
    r"Healthcare|Health System|Urgent Care|Medical Group|Family Practice|Family Medicine|Pediatrics|"
    r"Pharmacy|University|College|Institute|Sanatorium|Assisted Living|Retirement Community|"
    r"Elementary School|High School|Laborator(?:y|ies)|Inc|LLC|Ltd|Corporation|Corp|GmbH))\b\.?"
)
_UNIVERSITY = re.compile(rf"\bUniversity of (?P<v>{_CAP}(?:[ -]{_CAP}){{0,2}})")
_EMPLOYER = re.compile(rf"\b(?:works?|worked|working|employed) (?:at|for|by|with) (?P<v>{_CAP}(?:[ -]{_CAP}){{0,3}})")  # fmt: skip
# Words before a facility's word that say what kind it is, not which one.
_KINDS = (
    "pain sleep wound memory diabetes diabetic heart failure coumadin anticoagulation walk-in outpatient "
    "inpatient eye foot hand spine breast cancer stroke trauma burn community regional district county "
    "teaching tertiary specialty multispecialty ambulatory day travel weight loss smoking cessation "
    "fertility prenatal antenatal mental behavioral children's women's men's veterans local nearby "
    "outside another veterinary private public rural city state head medical pulmonary transplant"
)
_KIND = words.common() | set(_KINDS.split())
_NOT_PLACE = re.compile(r"^(?:The|A|An|His|Her|This|That|My|Our|English|Spanish|French)\b")
_STATE_NAME = re.compile(rf"(?:{words.STATES})\Z")


def find(text: str) -> Iterator[Found]:
    """Yield (start, end, kind) of addresses, postal codes, towns and facilities."""
    for kind, form in _FORMS:
        for match in form.finditer(text):
            start, end = match.span("v" if "v" in form.groupindex else 0)
            end = start + len(text[start:end].rstrip(" ,.\n"))
            if kind != "place" or _is_town(text[start:end]):
                yield start, end, kind
    for match in _FACILITY.finditer(text):
        start = _own_name(text, match.start("v"), match.end("v"))
        if start >= 0:
            yield start, match.end("v"), "facility"
    for form in (_UNIVERSITY, _EMPLOYER):
        for match in form.finditer(text):
            if not words.blocked(match.group("v").split()[0]):
                yield match.start("v"), match.end("v"), "facility"


def _is_town(name: str) -> bool:
    first = name.split()[0].strip(".,'")
    return not (
        _NOT_PLACE.match(name) or words.blocked(first) or len(first) < 2 or _STATE_NAME.match(name)
    )


def _own_name(text: str, start: int, end: int) -> int:
    """Return where the name of a facility begins, or -1 where only its kind is said."""
    tokens = list(re.finditer(r"\S+", text[start:end]))
    own = [
        token
        for token in tokens
        if token.group()[0].isupper()
        and token.group().lower().strip(".,") not in _KIND
        and not words.blocked(token.group().strip(".,"))
        and not re.fullmatch(_FACILITY_WORD, token.group())
    ]
    return start + own[0].start() if own else -1


_FACILITY_WORD = (
    r"(?:Hospitals?|Clinics?|Infirmary|Hospice|Healthcare|Pharmacy|University|College|Institute|"
    r"Sanatorium|Pediatrics|Laborator(?:y|ies)|Inc|LLC|Ltd|Corporation|Corp|GmbH|Nursing|Home|Living|"
    r"Assisted|Retirement|Elementary|High|Practice|Rehabilitation|Center|Centre|Care)"
)

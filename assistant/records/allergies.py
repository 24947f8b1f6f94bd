"""Allergies and intolerances: the substance, the reaction, and "no known allergies".

Promises that a substance in an allergy section is kept in the record's own words where no list
knows it. Knows nothing of medication that is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assistant.records import lexicon
from assistant.records.page import Page, Place
from assistant.types import Assertion, Fact

_NONE = re.compile(
    r"\b(?:NKDA|NKA|NKFA|no (?:known |reported |history of |other )*(?:drug |medication |medicine |food |environmental |latex |or |and |, )*allerg(?:y|ies)"
    r"(?: to (?:any )?(?:medications?|drugs|medicines?|foods?|penicillin))?|denies (?:any |known |drug |medication |food |having )*allerg(?:y|ies)(?: to (?:any )?(?:medications?|drugs))?|"
    r"(?:has |have )?no allerg(?:y|ies)|not allergic to (?:any )?(?:medications?|drugs|medicines?|anything)|nil known|none known)\b",
    re.IGNORECASE,
)
_NONE_ALONE = re.compile(
    r"\s*[-•*]?\s*(none|nil|no|negative|denied|denies|n/a|unremarkable)\s*\.?\s*\Z", re.I
)
_ALLERGIC = re.compile(
    r"\b(?:allerg(?:ic|y|ies) (?:reactions? )?(?:to|with)|(?:intoleran(?:t|ce)|sensitiv(?:e|ity)|hypersensitivity|anaphylaxis|reaction|anaphylactic reaction) (?:to|of)|allergies (?:include|are|:)|allergies:)\s*",
    re.I,
)
_AFTER_NAME = re.compile(r"\s*-?(?:drug )?(?:allerg(?:y|ies)|intolerance|anaphylaxis)\b", re.I)
_CAUSES = re.compile(
    r"\s*(?:,? ?which )?(?:causes?|caused|gives? (?:him|her|them)|gave (?:him|her|them)|leads to|led to|resulted in|produces|with)\s+(?P<reaction>[^.;\n(]{3,60})",
    re.I,
)
_REACTION = re.compile(
    r"\s*(?:\((?P<brackets>[^)\n]{2,80})\)|(?:[-–—:=]+>?|→)\s*(?P<dash>[^.;\n(]{2,70})"
    r"|(?:,? ?which )?(?:causes?|caused|causing|gives? (?:him|her|them)|gave (?:him|her|them)|leads to|resulting in|resulted in)\s+(?P<verb>[^.;\n(]{2,70}))",
    re.IGNORECASE,
)
_REACTION_WORDS = re.compile(
    r"\b(?:rash|hives|urticaria|itch\w*|anaphyla\w+|swelling|angioedema|nausea|vomiting|diarrh\w+|upset|cough|wheez\w+|"
    r"short\w* of breath|breath\w*|dizz\w+|headache|blister\w*|red\w*|unknown|hypotension|shock|throat|lip|tongue|fever|myalgia\w*|"
    r"muscle (?:pain|ache)s?|GI|intolerance|bleed\w*|confus\w+|palpitations|stevens|SJS|sneez\w+|cramp\w*|syncope|pruritus|flush\w*|sensitivity|watery eyes)\b",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"(?:\n+|;|,(?![^(\n]*\))|\.(?=\s)|\band\b(?![^(\n]*\)))")
_PROSE = re.compile(
    r"\b(?:patient|he|she|they|has|have|is|was|were|reports?|states?|takes?|denies|none|seen|reviewed|history|updated|"
    r"verified|medication allergies|and|but|with|his|her|no|any|to|allerg\w*|given|avoid|only)\b", re.I,
)  # fmt: skip
_STOP_LIST = re.compile(
    r"[.;\n]|\b(?:but|however|takes|currently|she|he|the patient|also takes|denies|for which)\b",
    re.I,
)
_OUTGROWN = re.compile(
    r"\b(?:outgrown|outgrew|delabel\w+|de-labelled|resolved|tolerated since)\b", re.I
)


def find(page: Page) -> list[Fact]:
    """Return the allergies of a note in order; a reaction stands in the attributes."""
    facts = [*_none(page), *_in_sections(page), *_inline(page)]
    facts.sort(key=lambda fact: (fact.start, -fact.end))
    kept: list[Fact] = []
    for fact in facts:
        if not kept or fact.start >= kept[-1].end:
            kept.append(fact)
    return kept


def _fact(page: Page, span: tuple[int, int], name: str, state: Assertion, reaction: str) -> Fact:
    start, end = span
    return Fact(
        kind="allergy",
        text=page.text[start:end],
        start=start,
        end=end,
        assertion=state,
        name=name,
        section=page.at(start).name,
        attributes=(("reaction", reaction),) if reaction else (),
    )


def _none(page: Page) -> Iterator[Fact]:
    for match in _NONE.finditer(page.text):
        if page.at(match.start()).name == "family history":
            continue
        drug = re.search(r"NKDA|drug|medic", match.group())
        name = "no known drug allergies" if drug else "no known allergies"
        yield _fact(page, match.span(), name, "negated", "")


def _in_sections(page: Page) -> Iterator[Fact]:
    for place in page.places:
        if place.name != "allergies" or place.section is None:
            continue
        sentence = page.sentence(place)
        if place.start == place.section.start and _is_heading(sentence, place):
            continue
        if alone := _NONE_ALONE.match(sentence):
            at = place.start + alone.start(1)
            yield _fact(page, (at, at + len(alone[1])), "no known allergies", "negated", "")
            continue
        yield from _items(page, place.start, place.end)


def _is_heading(sentence: str, place: Place) -> bool:
    title = place.section.title if place.section else ""
    return sentence.strip(" :*-").lower() == title.strip(" :*").lower()


def _items(page: Page, start: int, end: int) -> Iterator[Fact]:
    """Yield the entries of a list of allergies; an entry that names a reaction joins the last."""
    pending: tuple[int, int, str, Assertion, str] | None = None
    at = start
    for cut in [*(m.span() for m in _SPLIT.finditer(page.text, start, end)), (end, end)]:
        item = page.text[at : cut[0]]
        lead = len(item) - len(item.lstrip(" \t-•*0123456789.)"))
        first, last = at + lead, at + len(item.rstrip(" \t.:*"))
        at = cut[1]
        if last <= first or _NONE.search(page.text, first, last):
            continue
        read = _item(page, first, last)
        if (
            read is None
            and pending
            and _REACTION_WORDS.search(page.text, first, last)
            and pending[4]
        ):
            reaction = f"{pending[4]}, {page.text[first:last].strip()}"
            pending = (pending[0], last, pending[2], pending[3], reaction)
        elif read is not None:
            if pending:
                yield _fact(page, pending[:2], *pending[2:])
            pending = read
    if pending:
        yield _fact(page, pending[:2], *pending[2:])


def _item(page: Page, start: int, end: int) -> tuple[int, int, str, Assertion, str] | None:
    known = _known(page, start, end)
    if known is None:
        return _own_words(page, start, end)
    if _REACTION_WORDS.search(page.text, start, known.start):
        return None
    reached, reaction = _reaction(page.text, known.end, end)
    state = _state(page, known.start, known.end)
    if re.search(r"\b(?:none|no|not|tolerat\w+)\b", page.text[start : known.start], re.I):
        state = "negated"
    return known.start, reached, known.entry.name, state, reaction


def _known(page: Page, start: int, end: int) -> lexicon.Match | None:
    tokens = lexicon.Tokens(page.text[start:end])
    found = [*lexicon.drugs().find(tokens), *lexicon.allergens().find(tokens)]
    # The longest of those that start first: "flu vaccine" and not "flu".
    first = min(found, key=lambda match: (match.start, -match.end), default=None)
    if first is None:
        return None
    return lexicon.Match(first.start + start, first.end + start, first.entry)


def _own_words(page: Page, start: int, end: int) -> tuple[int, int, str, Assertion, str] | None:
    text = page.text[start:end]
    substance = re.match(r"[A-Za-z][\w'/ -]*?(?=\s*(?:\(|[-–—:]\s|→|causes?\b|$))", text)
    if not substance or len(substance.group().split()) > 4 or _PROSE.search(substance.group()):
        return None
    if _REACTION_WORDS.search(substance.group()):
        return None
    reached, reaction = _reaction(page.text, start + substance.end(), end)
    return start, reached, substance.group().strip().lower(), _state(page, start, end), reaction


def _reaction(text: str, at: int, end: int) -> tuple[int, str]:
    """Return where the entry ends, and the reaction that follows the substance or ""."""
    found = _REACTION.match(text, at, end)
    if not found:
        return at, ""
    words = next(group for group in found.groups() if group)
    words = re.sub(r"^(?:reactions?|causes?|severity)\s*:?\s*", "", words.strip(), flags=re.I)
    return found.start() + len(found.group().rstrip()), words.strip(" .,")


def _state(page: Page, start: int, end: int) -> Assertion:
    assertion, trigger = page.assertion(start, end)
    place = page.at(start)
    if _OUTGROWN.search(page.sentence(place)):
        return "historical"
    # A past reaction still counts: "history of penicillin allergy" is an allergy.
    if assertion == "historical" or (assertion == "negated" and trigger in ("non", "w/o")):
        return "present"
    return assertion


def _inline(page: Page) -> Iterator[Fact]:
    for match in _ALLERGIC.finditer(page.text):
        place = page.at(match.start())
        limit = place.end
        if stop := _STOP_LIST.search(page.text, match.end(), place.end):
            limit = stop.start()
        for fact in _items(page, match.end(), limit):
            if _listed(fact):
                yield fact
    yield from _named(page)


def _listed(fact: Fact) -> bool:
    """In running text only substances that a list knows count."""
    return fact.name in lexicon.drugs().entries or fact.name in lexicon.allergens().entries


def _named(page: Page) -> Iterator[Fact]:
    """Yield "penicillin allergy" and "sulfa causes a rash"."""
    for words in (lexicon.drugs(), lexicon.allergens()):
        for known in words.find(page.tokens):
            limit = page.at(known.start).end
            after = _AFTER_NAME.match(page.text, known.end, limit)
            causes = _CAUSES.match(page.text, known.end, limit)
            if after:
                reached, reaction = _reaction(page.text, after.end(), limit)
            elif (
                causes
                and _REACTION_WORDS.search(causes["reaction"])
                and words is lexicon.drugs()
                and not causes.group().strip().startswith("with")
            ):
                reached, reaction = causes.end("reaction"), causes["reaction"].strip(" ,")
            else:
                continue
            state = _state(page, known.start, known.end)
            if re.fullmatch(r"none|no|negative|denied|nil", reaction, re.I):
                state, reaction = "negated", ""
            yield _fact(page, (known.start, reached), known.entry.name, state, reaction)

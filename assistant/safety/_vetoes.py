"""Vetoes of the support check: small differences that turn a sentence's meaning.

A sentence that shares nearly all words with its evidence may still contradict it by one number, unit,
name, opposite or negation. Each veto compares a claim with a quote by words alone; knows nothing of
keys or thresholds.
"""

from __future__ import annotations

import re
from functools import cache

from assistant.records import lexicon
from retrieval import sentences, words

_NUMBER = r"\d+(?:[.,]\d+)*"
_QUANTITY = re.compile(
    rf"({_NUMBER})(\s*(?:to|or|and|[-–])\s*(?={_NUMBER}))?(?:\s*(%|[a-zµμ]+(?:/[a-zµμ]+)*))?",
    re.IGNORECASE,
)
# Spellings of one unit; the first stands for all.
_UNITS = (
    "mcg microgram micrograms µg μg ug", "mg milligram milligrams", "g gram grams",
    "kg kilogram kilograms", "ml millilitre millilitres milliliter milliliters",
    "l litre litres liter liters", "unit units iu", "umol µmol μmol", "mmol", "mol", "meq",
    "second seconds", "minute minutes min", "hour hours h", "day days", "week weeks",
    "month months", "year years", "% percent", "mm", "cm", "mmhg", "ml/min",
)  # fmt: skip
_SAME_UNIT = {spelling: line.split()[0] for line in _UNITS for spelling in line.split()}
_NEGATION = re.compile(
    r"\b(no|not|never|without|neither|nor|cannot|can't|don't|doesn't|isn't|aren't|shouldn't|"
    r"avoid(?:ed|s)?|contraindicated|absence|lacks?|unlikely|denies|negative)\b",
    re.IGNORECASE,
)
# Two negations that make an affirmation: "not contraindicated".
_DOUBLE = re.compile(
    r"\b(?:no|not|never|nor is it|isn't|aren't|shouldn't)\s+(?:\w+\s+)?"
    r"(?:avoid(?:ed|s)?|contraindicated|without|unlikely|negative)\b",
    re.IGNORECASE,
)
_OPPOSITES = (
    "increase/decrease reduce lower", "raise/lower reduce decrease", "rise/fall", "high/low",
    "higher/lower", "more/less fewer", "most/least", "above/below", "over/under", "before/after",
    "first/second", "acute/chronic", "oral/intravenous topical", "intravenous/intramuscular",
    "daily/weekly monthly hourly", "weekly/monthly", "once/twice", "adult/child children",
    "start/stop", "safe/unsafe", "benign/malignant", "positive/negative", "sensitive/resistant",
    "early/late", "mild/severe", "left/right", "upper/lower", "improve/worsen", "better/worse",
    "common/rare", "commonly/rarely", "always/never", "systolic/diastolic", "male/female",
    "men/women", "man/woman", "bacterial/viral", "dominant/recessive", "agonist/antagonist",
    "inhibit/activate", "maximum/minimum", "hypertension/hypotension", "tachycardia/bradycardia",
    "hyperglycemia/hypoglycemia", "hyperkalemia/hypokalemia", "hypernatremia/hyponatremia",
    "hypercalcemia/hypocalcemia", "hyperthyroidism/hypothyroidism", "short/long", "younger/older",
    "arterial/venous", "contraindicated/recommended indicated", "possible/impossible",
)  # fmt: skip
# Words after a negation that it is taken to reach.
_REACH = 4
_MOSTLY = 0.5


def turned(claim: str, quote: str, about: str) -> bool:
    """Whether a claim says another number, unit, name or opposite than a quote.

    Args:
        claim: a sentence.
        quote: what it is held against.
        about: the quote's title, whose names a claim may use.
    """
    return (
        _other_quantities(claim, quote)
        or _opposed(claim, quote)
        or bool(_names(claim) - _names(f"{about}. {quote}"))
    )


def flipped(claim: str, quote: str) -> bool:
    """Whether a claim negates what a quote affirms, or the other way round."""
    wanted = words.content(claim)
    for sentence in sentences.split(quote):
        shared = len(wanted & words.content(sentence.text)) / max(1, len(wanted))
        if shared >= _MOSTLY and _polarity_differs(claim, sentence.text):
            return True
    return False


def quantities(text: str) -> list[tuple[str, str]]:
    """Return the numbers of a text with their units ("" for none), in order.

    The first number of a range takes the unit of the second.
    """
    found: list[tuple[str, str]] = []
    for match in reversed(list(_QUANTITY.finditer(text))):
        unit = _unit((match[3] or "").lower())
        if match[2] and found:
            unit = found[-1][1]
        found.append((match[1], unit))
    return found[::-1]


def _unit(written: str) -> str:
    parts = [_SAME_UNIT.get(part, "") for part in written.split("/")]
    return "/".join(parts) if all(parts) else _SAME_UNIT.get(written, "")


def _other_quantities(claim: str, quote: str) -> bool:
    """Whether a number of the claim does not come in the quote, in the claim's order and unit."""
    known = iter(quantities(quote))
    return not all(
        any(number == n and (unit == u or not unit or not u) for n, u in known)
        for number, unit in quantities(claim)
    )


def _opposed(claim: str, quote: str) -> bool:
    said, held = set(words.stems(claim)), set(words.stems(quote))
    return any(other in held - said for stem in said - held for other in _opposites().get(stem, ()))


@cache
def _opposites() -> dict[str, frozenset[str]]:
    out: dict[str, set[str]] = {}
    for line in _OPPOSITES:
        one, _, others = line.partition("/")
        for other in others.split():
            a, b = words.stem(one), words.stem(other)
            out.setdefault(a, set()).add(b)
            out.setdefault(b, set()).add(a)
    return {stem: frozenset(found) for stem, found in out.items()}


def _names(text: str) -> set[str]:
    """Return the drugs and problems that a text names, by their normalised names."""
    tokens = lexicon.Tokens(text)
    return {
        m.entry.name for part in (lexicon.drugs(), lexicon.problems()) for m in part.find(tokens)
    }


def _polarity_differs(claim: str, sentence: str) -> bool:
    mine, theirs = _negated(claim), _negated(sentence)
    if not mine & theirs and (mine or theirs):
        return bool(mine & words.content(sentence) or theirs & words.content(claim))
    return False


def _negated(text: str) -> set[str]:
    """Return the stems of the words that the negations of a text reach."""
    out: set[str] = set()
    plain = _DOUBLE.sub(" ", text)
    for match in _NEGATION.finditer(plain):
        clause = re.split(r"[,;:.]", plain[match.end() :], maxsplit=1)[0]
        reached = [s for s in words.stems(clause) if s not in words.STOPWORDS and len(s) > 2]
        out.update(reached[:_REACH])
    return out

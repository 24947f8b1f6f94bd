"""Words of a text as stems, for matching names and checking what a passage covers.

Source: Porter 2001, the Snowball English stemmer, as kept by the `snowballstemmer` package.
"""

from __future__ import annotations

import difflib
import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
# British spellings that stemming leaves apart from the American ones.
_SPELLING = (
    (re.compile(r"haem"), "hem"),
    (re.compile(r"oesoph"), "esoph"),
    (re.compile(r"oedem"), "edem"),
    (re.compile(r"aemi"), "emi"),
    (re.compile(r"diarrhoea"), "diarrhea"),
    (re.compile(r"paed"), "ped"),
    (re.compile(r"leuk?aem"), "leukem"),
    (re.compile(r"tumour"), "tumor"),
    (re.compile(r"orrhoea"), "orrhea"),
    (re.compile(r"foet"), "fet"),
    (re.compile(r"pnoe"), "pne"),
    (re.compile(r"coeli"), "celi"),
    (re.compile(r"oestr"), "estr"),
    (re.compile(r"anaesth"), "anesth"),
    (re.compile(r"faec"), "fec"),
    (re.compile(r"caesar"), "cesar"),
    (re.compile(r"gynaec"), "gynec"),
    (re.compile(r"aetiolog"), "etiolog"),
    (re.compile(r"behaviour"), "behavior"),
    (re.compile(r"(\w{3,})is(e|ed|es|ing|ation)$"), r"\1iz\2"),
)
_local = threading.local()
_POLE = re.compile(r"hyp(?:er|o)")
_POLE_CUTOFF = 0.81

STOPWORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being
    below between both but by can could did do does doing down during each few for from further
    had has have having he her here hers him his how i if in into is it its itself just me more
    most my no nor not now of off on once only or other our out over own same she should so some
    such than that the their them then there these they this those through to too under until up
    us very was we were what when where which while who whom why will with would you your yours
    may might must shall upon via per it's what's don't doesn't isn't
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: as written, its stem, and its place."""

    text: str
    stem: str
    start: int
    end: int


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Return the stem of a word in American spelling, lower case."""
    lower = word.lower().replace("’", "'").removesuffix("'s").removesuffix("'")
    for pattern, plain in _SPELLING:
        lower = pattern.sub(plain, lower)
    if len(lower) <= 3 or any(c.isdigit() for c in lower):
        return lower
    return str(_stemmer().stemWord(lower))


def words(text: str) -> list[Word]:
    """Return the words of a text in order."""
    return [Word(m[0], stem(m[0]), m.start(), m.end()) for m in _TOKEN.finditer(text)]


def stems(text: str) -> list[str]:
    """Return the stems of a text's words in order."""
    return [stem(m[0]) for m in _TOKEN.finditer(text)]


def opposite(one: str, other: str) -> bool:
    """Whether two near words are no spellings of one word because of hyper- and hypo-.

    Hypokalemia is one letter pair from hyperkalemia and its opposite; hypercalcemia is another
    illness. Answering one with the other would be dangerous.
    """
    poles = _POLE.match(one), _POLE.match(other)
    if poles == (None, None):
        return False
    if poles[0] is None or poles[1] is None or poles[0][0] != poles[1][0]:
        return True
    rests = one[poles[0].end() :], other[poles[1].end() :]
    return difflib.SequenceMatcher(None, *rests).ratio() < _POLE_CUTOFF


def content(text: str) -> set[str]:
    """Return the stems of the words that carry meaning."""
    return {
        stem(m[0]) for m in _TOKEN.finditer(text) if m[0].lower().replace("’", "'") not in STOPWORDS
    }


def _stemmer() -> Any:
    """One stemmer a thread: the pure-Python stemmer keeps state while it works."""
    if not hasattr(_local, "stemmer"):
        import snowballstemmer

        _local.stemmer = snowballstemmer.stemmer("english")
    return _local.stemmer

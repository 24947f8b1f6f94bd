"""Words of a text as stems, for matching names and checking what a passage covers.

Source: Porter 2001, the Snowball English stemmer, as kept by the `snowballstemmer` package.
"""

from __future__ import annotations

import bisect
import difflib
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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


class Spellings:
    """A word list that finds the nearest word to a misspelt one; safe from any number of threads.

    Gives the word that `difflib.get_close_matches` gives, in about a millisecond for 100,000 words:
    the letters that two words share bound how like they can be, and are counted for all at once.
    """

    _BUCKETS = 32

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self.words = sorted(set(vocabulary))
        self._bags: dict[str, tuple[int, NDArray[np.uint8]]] = {}

    def __contains__(self, word: str) -> bool:
        at = bisect.bisect_left(self.words, word)
        return at < len(self.words) and self.words[at] == word

    def begins(self, start: str) -> bool:
        """Whether a word begins with these letters."""
        at = bisect.bisect_left(self.words, start)
        return at < len(self.words) and self.words[at].startswith(start)

    def nearest(self, word: str, cutoff: float, first: str = "", spare: int = 99) -> str:
        """Return the word that is most like another, or "".

        Args:
            word: the other one, in lower case.
            cutoff: least likeness, in [0, 1], as `difflib.SequenceMatcher.ratio` has it.
            first: letters with which it must begin.
            spare: most letters that it may be longer or shorter.
        """
        import numpy as np

        start, bags = self._bag(first)
        own = self._count([word])[0]
        lengths = bags.sum(axis=1, dtype=np.int64)
        shared = np.minimum(bags, own).sum(axis=1, dtype=np.int64)
        likely = 2.0 * shared >= (cutoff - 1e-9) * (lengths + len(word))
        likely &= np.abs(lengths - len(word)) <= spare
        pool = [self.words[start + at] for at in np.flatnonzero(likely).tolist()]
        near = difflib.get_close_matches(word, pool, n=1, cutoff=cutoff)
        return near[0] if near else ""

    def _bag(self, first: str) -> tuple[int, NDArray[np.uint8]]:
        """Return where the words that begin so stand, and how often each has each letter."""
        known = self._bags.get(first)
        if known is None:
            start = bisect.bisect_left(self.words, first)
            end = bisect.bisect_left(self.words, first + chr(0x10FFFF)) if first else None
            known = self._bags[first] = (start, self._count(self.words[start:end]))
        return known

    def _count(self, listed: list[str]) -> NDArray[np.uint8]:
        """Return uint8 (words, buckets): letters fall into buckets, no bucket holds two of a-z."""
        import numpy as np

        lengths = [len(word) for word in listed]
        signs = np.frombuffer("".join(listed).encode("utf-32-le"), dtype=np.uint32)
        cells = np.repeat(np.arange(len(listed)), lengths) * self._BUCKETS + signs % self._BUCKETS
        counts = np.bincount(cells, minlength=len(listed) * self._BUCKETS)
        return np.minimum(counts, 255).astype(np.uint8).reshape(len(listed), self._BUCKETS)


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

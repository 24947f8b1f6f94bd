"""Words of a text as stems, for matching names and checking what a passage covers.

Source: Porter 2001, the Snowball English stemmer, as kept by the `snowballstemmer` package.
"""

from __future__ import annotations

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
    (re.compile(r"foetal"), "fetal"),
    (re.compile(r"(\w{3,})is(e|ed|es|ing|ation)$"), r"\1iz\2"),
)
_local = threading.local()

STOPWORDS = frozenset(
    ["a", "about", "above", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "could", "did", "do", "does", "doing", "down", "during", "each", "few", "for", "from", "further", "had", "has", "have", "having", "he", "her", "here", "hers", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "itself", "just", "me", "more", "most", "my", "no", "nor", "not", "now", "of", "off", "on", "once", "only", "or", "other", "our", "out", "over", "own", "same", "she", "should", "so", "some", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "through", "to", "too", "under", "until", "up", "us", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom", "why", "will", "with", "would", "you", "your", "yours", "may", "might", "must", "shall", "upon", "via", "per", "it's", "what's", "don't", "doesn't", "isn't"]
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

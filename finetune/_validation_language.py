"""Guesses a text's language from its script and its commonest words; says nothing when unsure.

Good enough to notice that a part of a dataset is in another language; not a language identifier.
Knows nothing of rows or files.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

# Characters that are looked at; letters that decide by script; words needed to decide by words.
READ = 2000
MOST = 0.3
FEWEST = 4
_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = {
    "CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "ru",
    "ARABIC": "ar", "HEBREW": "he", "GREEK": "el", "DEVANAGARI": "hi", "THAI": "th",
}  # fmt: skip
_COMMON = {
    "en": "the of and to in is that was for with are this be on he she has had not patient",
    "fr": "le la les des et est une dans pour que qui sur avec pas vous nous il elle du au",
    "es": "el los las una que con por para del se es como pero sus más le ha fue y está",
    "de": "der die und den das ist nicht mit dem ein eine auf für von sich des wird im zu",
    "it": "il di che la è per una con non sono della del alla gli nel anche ha si come",
    "pt": "o que não uma com para os do da em se mais como foi ao das dos um por é",
    "nl": "de het een van en is dat op niet met voor zijn aan er ook bij door wordt naar",
}
_OWNERS = {
    word: [code for code, words in _COMMON.items() if word in words.split()]
    for words in _COMMON.values()
    for word in words.split()
}


def guess(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language, None where it can't be told.

    A script shared by several languages gives its most widespread one: Cyrillic is "ru".
    """
    head = text[:READ]
    letters = [c for c in head if c.isalpha()]
    if not letters:
        return None
    foreign = Counter(code for c in letters if ord(c) > 0x36F and (code := _script(c)))
    if foreign:
        if foreign["ja"] and foreign["zh"]:
            foreign["ja"] += foreign.pop("zh")  # Japanese mixes Chinese characters in
        code, count = foreign.most_common(1)[0]
        if count >= MOST * len(letters):
            return code
    return _by_words(head)


def _script(character: str) -> str | None:
    return _SCRIPTS.get(unicodedata.name(character, "").split(" ")[0].split("-")[0])


def _by_words(text: str) -> str | None:
    votes: Counter[str] = Counter()
    for word in _WORD.findall(text.lower()):
        owners = _OWNERS.get(word, ())
        for code in owners:
            votes[code] += 1
    best = votes.most_common(2)
    if not best or best[0][1] < FEWEST:
        return None
    if len(best) > 1 and best[1][1] > 0.8 * best[0][1]:
        return None
    return best[0][0]

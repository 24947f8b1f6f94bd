"""The named things on which a question hinges and that the library doesn't hold."""

from __future__ import annotations

import re

from assistant.models._generic import is_generic
from assistant.records import drug_names
from retrieval import words
from retrieval.librarian import Found, Librarian

# Word endings of drugs, diseases and procedures.
_TECHNICAL = re.compile(
    r"(mab|nib|pril|sartan|statin|cillin|mycin|micin|azole|oxacin|cycline|vir|gliptin|gliflozin|"
    r"glutide|olol|dipine|parin|xaban|setron|triptan|prazole|tidine|caine|barbital|zepam|zolam|"
    r"itis|osis|iasis|emia|aemia|oma|pathy|ectomy|oscopy|plasty|trophy|plegia|ase|umab|stat)$"
)
_SHARED_LETTERS = 6


def missing(found: Found, librarian: Librarian) -> list[str]:
    """Return the names in a question that stand nowhere in the library.

    A word counts as a name if it is a drug or a condition, ends like one, is capitalised inside a
    sentence, or is neither an everyday word nor made of such. Other unknown words are left to the
    relevance of what was found.
    """
    spans = [(m.start, m.end) for m in found.mentions]
    out = []
    for word in words.words(found.question):
        lower = word.text.lower()
        inside = any(a <= word.start < b for a, b in spans)
        if inside or len(lower) <= 3 or not lower.isalpha() or is_generic(lower):
            continue
        if lower in words.STOPWORDS or librarian.knows(lower):
            continue
        if _is_name(word, found, librarian) and not _explained(word, found, librarian):
            out.append(word.text)
    return out


def _is_name(word: words.Word, found: Found, librarian: Librarian) -> bool:
    lower = word.text.lower()
    if word.text.isupper() and found.mentions:
        return False  # an abbreviation beside a known subject: its relevance decides
    opens = not re.search(r"[\w,;)]\s*$", found.question[: word.start])
    if not opens and word.text[0].isupper() and not word.text.isupper():
        return True
    if drug_names.is_drug(lower) or drug_names.is_condition(lower):
        return True
    if librarian.is_common(lower):
        return False
    return bool(_TECHNICAL.search(lower)) or not _is_derived(lower, librarian)


def _is_derived(lower: str, librarian: Librarian) -> bool:
    """Whether a word is an inflection, a compound or a short form of words that are known."""
    if librarian.near_word(lower, min(len(lower), _SHARED_LETTERS)):
        return True
    endings = ("s", "es", "ed", "d", "ing", "er", "ers", "ly", "y", "ness", "less", "able", "n't")
    bases = [lower.removesuffix(e) for e in endings if lower.endswith(e)]
    if any(len(b) > 2 and (librarian.is_common(b) or librarian.is_common(b + "e")) for b in bases):
        return True
    return any(
        librarian.is_common(lower[:cut]) and librarian.is_common(lower[cut:])
        for cut in range(3, len(lower) - 2)
    )


def _explained(word: words.Word, found: Found, librarian: Librarian) -> bool:
    """Whether a known generic name stands in brackets behind a brand."""
    match = re.match(r"\s*\(([\w -]+)\)", found.question[word.end :])
    return match is not None and librarian.knows(match[1])

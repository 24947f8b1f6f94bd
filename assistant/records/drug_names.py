"""Drug names in a question: brands to generics, and the classes that a drug belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from assistant.records import lexicon

# Classes too wide to stand for one of their drugs in a sentence on interactions.
_TOO_WIDE = frozenset({"analgesic", "supplement", "chemotherapy", "antibiotic", "biologic", ""})


def with_generics(question: str, known: Callable[[str], bool]) -> str:
    """Return a question with the generic name put behind each brand that the library lacks.

    Args:
        question: as asked.
        known: whether the library holds a word.
    """
    out, at = [], 0
    for match in lexicon.drugs().find(lexicon.Tokens(question)):
        written = question[match.start : match.end]
        generic = match.entry.name
        if generic.lower() == written.lower() or known(written) or match.entry.columns[1]:
            continue
        out += [question[at : match.end], f" ({generic})"]
        at = match.end
    return "".join([*out, question[at:]])


def is_drug(word: str) -> bool:
    """Whether a word is a drug's name or brand."""
    return next(iter(lexicon.drugs().find(lexicon.Tokens(word))), None) is not None


def is_condition(word: str) -> bool:
    """Whether a word is the name of a condition."""
    return next(iter(lexicon.problems().find(lexicon.Tokens(word))), None) is not None


def is_name(word: str) -> bool:
    """Whether a word is the name of a drug or a condition, and so no misspelling of another."""
    return is_drug(word) or is_condition(word)


def classes(names: Iterable[str]) -> set[str]:
    """Return the names of the classes of the drugs that are named."""
    out: set[str] = set()
    for name in names:
        for match in lexicon.drugs().find(lexicon.Tokens(name)):
            for group in match.entry.columns[0].split(","):
                if group not in _TOO_WIDE:
                    out |= _class_names(group)
    return out


@cache
def _class_names(group: str) -> frozenset[str]:
    found = {group, f"{group}s"}
    for entry, names in lexicon.drug_class_rows():
        if entry == group:
            found.update(names)
    return frozenset(found)

"""Which documents a question is about: titles and synonyms, found as whole names in the question.

Longest names win; case decides for short abbreviations that are also words; single misspelt words
are mapped to the nearest name. Knows nothing of ranking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from retrieval import words

# Abbreviations that are everyday words in lower case: only their capital form is a name.
_EVERYDAY = frozenset(
    [
        "ad",
        "as",
        "aids",
        "all",
        "all.",
        "an",
        "at",
        "be",
        "cap",
        "cold",
        "echo",
        "fit",
        "fat",
        "gad",
        "has",
        "he",
        "hit",
        "hot",
        "ie",
        "is",
        "it",
        "led",
        "mash",
        "me",
        "ms",
        "no",
        "or",
        "pad",
        "ph",
        "pt",
        "ra",
        "sad",
        "sats",
        "scd",
        "so",
        "sob",
        "the",
        "toe",
        "to",
        "us",
        "was",
        "we",
        "am",
        "do",
        "mi",
        "pe",
        "mg",
        "ed",
        "pd",
        "tn",
        "ida",
        "hypo",
        "burn",
        "fm",
        "fh",
        "lp",
        "ct",
        "cf",
        "af",
        "hz",
        "aman",
        "ces",
        "lues",
        "tia",
        "chl",
        "cic",
        "asd",
        "amd",
    ]
)
_MAX_WORDS = 7
_FUZZY_LENGTH = 6
_FUZZY_CUTOFF = 0.86


@dataclass(frozen=True, slots=True)
class Mention:
    """A name of documents in a question.

    Attributes:
        documents: ids, in index order.
        name: the name as the library writes it.
        start: first character in the question.
        end: one past the last.
        exact: whether it was written as the library does, up to inflection.
    """

    documents: tuple[str, ...]
    name: str
    start: int
    end: int
    exact: bool = True


class Named(Protocol):
    """What is asked of a document about one subject, as `Index.named` gives it."""

    @property
    def id(self) -> str:
        """The document's id."""
        ...

    @property
    def title(self) -> str:
        """Its title."""
        ...

    @property
    def synonyms(self) -> tuple[str, ...]:
        """Its other names."""
        ...

    @property
    def kind(self) -> str:
        """Its kind; documents of no kind and articles name nothing."""
        ...


class Subjects:
    """The names of documents; immutable after construction.

    `is_name` says whether a word is itself a name that is spelt right, such as a drug that the
    library doesn't hold: it is then never read as a misspelling of another.
    """

    def __init__(
        self, documents: Iterable[Named], is_name: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._is_name = is_name
        names: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
        self._upper_only: set[tuple[str, ...]] = set()
        self.names_of: dict[str, tuple[str, ...]] = {}
        for document in documents:
            if document.id in self.names_of or document.kind in ("", "article"):
                continue
            self.names_of[document.id] = (document.title, *document.synonyms)
            for name in self.names_of[document.id]:
                for form in _forms(name):
                    key = tuple(words.stems(form))
                    if key and len(key) <= _MAX_WORDS:
                        names[key].setdefault(document.id, name)
                        if form.isupper() and form.lower() in _EVERYDAY:
                            self._upper_only.add(key)
        self._names = dict(names)
        single = (key[0] for key in names if len(key) == 1 and len(key[0]) >= _FUZZY_LENGTH)
        self._single = words.Spellings(single)

    def find(self, question: str) -> list[Mention]:
        """Return the names in a question, in order, without overlaps; longer names win."""
        tokens = words.words(question)
        mentions: list[Mention] = []
        at = 0
        while at < len(tokens):
            step = 1
            for size in range(min(_MAX_WORDS, len(tokens) - at), 0, -1):
                mention = self._match(tokens[at : at + size])
                if mention is not None:
                    mentions.append(mention)
                    step = size
                    break
            at += step
        return mentions

    def _match(self, tokens: list[words.Word]) -> Mention | None:
        key = tuple(token.stem for token in tokens)
        start, end = tokens[0].start, tokens[-1].end
        found = self._names.get(key)
        if found is not None:
            if key in self._upper_only and not tokens[0].text.isupper():
                return None
            return Mention(tuple(found), next(iter(found.values())), start, end)
        plain = len(tokens) == 1 and len(key[0]) >= _FUZZY_LENGTH and key[0] not in _COMMON
        if plain:
            near = self._single.nearest(key[0], _FUZZY_CUTOFF)
            close = near and near[:2] == key[0][:2] and not words.opposite(near, key[0])
            if close and not self._is_name(tokens[0].text):  # another drug is no misspelling
                found = self._names[(near,)]
                return Mention(tuple(found), next(iter(found.values())), start, end, exact=False)
        return None


# Stems of everyday words that lie close to a name and are no misspelling of it.
_COMMON = frozenset(
    words.stem(w)
    for w in [
        "symptoms",
        "treatment",
        "children",
        "patient",
        "patients",
        "pregnancy",
        "prevention",
        "diagnosis",
        "medicine",
        "medication",
        "fasting",
        "father",
        "mother",
        "feature",
        "features",
        "before",
        "causes",
        "people",
        "effects",
        "effective",
        "common",
        "management",
        "manage",
        "therapy",
        "testing",
        "signs",
        "typical",
        "history",
        "should",
        "safety",
        "weight",
        "levels",
        "level",
        "disease",
        "diseases",
        "disorder",
        "disorders",
        "infection",
        "infections",
        "inflammation",
        "chronic",
        "acute",
        "severe",
        "syndrome",
        "person",
        "doctor",
        "hospital",
        "doctors",
        "nurses",
        "review",
        "reviews",
        "normal",
        "results",
        "result",
        "insulins",
        "resistance",
        "antibiotic",
        "antibiotics",
        "breast",
        "cancers",
        "cancer",
        "positive",
        "negative",
        "criteria",
        "vaccines",
        "vaccine",
        "adults",
        "surgery",
        "medication",
        "cause",
    ]
)


def _forms(name: str) -> set[str]:
    """Return a name and its variants: without a bracket, with its parts around 'and'."""
    plain = name.split("(")[0].strip()
    return {name, plain} if plain else {name}

"""Answers "what does the library hold on this question": subjects, aspects and ranked passages.

The passages of a document that the question names come first, those of the asked section before
all; the hybrid search fills the rest. Knows nothing of conversations.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from retrieval import aspects, queries, words
from retrieval.search import PairScores, Searcher, Wishes
from retrieval.subjects import Mention, Subjects
from retrieval.types import Hit, Passage

if TYPE_CHECKING:
    from retrieval.index.store import Index

# Where a document has no section on the asked aspect, the sections that may hold the answer.
FALLBACK: dict[str, tuple[str, ...]] = {
    "risk_factors": ("causes",),
    "causes": ("risk_factors", "definition"),
    "red_flags": ("complications", "symptoms"),
    "treatment": ("uses", "dose", "procedure"),
    "uses": ("treatment", "definition"),
    "dose": ("treatment",),
    "mechanism": ("definition", "causes"),
    "side_effects": ("complications",),
    "contraindications": ("interactions", "side_effects"),
    "interactions": ("contraindications",),
    "monitoring": ("follow_up", "results"),
    "follow_up": ("monitoring", "prevention"),
    "overdose": ("side_effects", "treatment"),
    "procedure": ("definition", "treatment"),
    "results": ("diagnosis", "definition"),
    "diagnosis": ("results", "procedure"),
    "symptoms": ("definition",),
    "complications": ("prognosis", "red_flags"),
    "prognosis": ("complications", "follow_up"),
    "prevention": ("treatment", "follow_up"),
    "definition": ("uses",),
}
_SUBJECT_BONUS = 0.6
# A comparing question is answered by studies rather than by its subject's own document.
_COMPARED_BONUS = 0.15
_ASPECT_BONUS = 0.5
_FALLBACK_BONUS = 0.25
_SEARCHED = 30
_SPELLED = 6
_CLOSE = 0.85
_HYPHENATED = re.compile(r"\b([^\W\d_]+)-([^\W\d_]+)\b")
_WORD = re.compile(r"[a-z]{4,}")
_spellings: WeakKeyDictionary[Index, words.Spellings] = WeakKeyDictionary()
_spellings_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Found:
    """What the library holds on a question.

    Attributes:
        question: as asked.
        mentions: the names of documents in it.
        aspects: the aspects that it asks about.
        hits: passages, best first.
    """

    question: str
    mentions: tuple[Mention, ...]
    aspects: tuple[str, ...]
    hits: tuple[Hit, ...]


class Librarian:
    """Finds passages for questions over the indexes of a searcher; immutable after construction.

    Construction reads the names of documents about one subject and nothing else, so that it takes
    no longer over a million passages than over a thousand. `is_name` is as in `Subjects`.
    """

    def __init__(
        self, searcher: Searcher, is_name: Callable[[str], bool] = lambda _: False
    ) -> None:
        self.searcher = searcher
        self._is_name = is_name
        named = [document for index in searcher.indexes for document in index.named()]
        self.subjects = Subjects(named, lambda word: is_name(word) or self.knows(word))
        self._kinds = {document.id: document.kind for document in reversed(named)}

    @property
    def scorer(self) -> PairScores | None:
        """The reranker, which also scores sentences."""
        return self.searcher.reranker

    @property
    def size(self) -> int:
        """How many passages there are to search."""
        return sum(len(index.lexical) for index in self.searcher.indexes)

    def passages(self, document: str) -> list[Passage]:
        """Return a document's passages in reading order; an empty list for an unknown id.

        Those of collections that hold another document of that id follow.
        """
        return [
            index.passages[row]
            for index in self.searcher.indexes
            for row in index.documents.rows(document)
        ]

    def knows(self, word: str) -> bool:
        """Whether any passage holds the word, up to inflection."""
        return any(index.lexical.knows(word) for index in self.searcher.indexes)

    def frequency(self, word: str) -> int:
        """Return how many passages hold the word, up to inflection."""
        return sum(index.lexical.frequency(word) for index in self.searcher.indexes)

    def correct(self, question: str) -> str:
        """Return a question with misspelt words replaced by the library's nearest word.

        Only lower-case words that neither the library nor the encoder's vocabulary holds are
        touched, and only where a library word is as close as one or two letters.
        """
        question = _HYPHENATED.sub(self._joined, question)
        out, at = [], 0
        for word in words.words(question):
            lower = word.text.lower()
            plain = lower.isalpha() and len(lower) >= _SPELLED and word.text[1:].islower()
            if not plain or self.is_common(lower) or self.knows(lower) or self._is_name(lower):
                continue
            near = self._nearest(lower)
            if near and not words.opposite(near, lower):
                out += [question[at : word.start], near]
                at = word.end
        return "".join([*out, question[at:]])

    def _nearest(self, lower: str) -> str:
        """Return the library's word that is most like another and begins like it, or ""."""
        near = [
            found
            for index in self.searcher.indexes
            if (found := spellings(index).nearest(lower, _CLOSE, lower[0], spare=2))
        ]
        return words.Spellings(near).nearest(lower, _CLOSE) if near else ""

    def _joined(self, match: re.Match[str]) -> str:
        """Return a hyphenated word as one where the library writes it so ("under-active")."""
        joined = match[1] + match[2]
        held = any(joined.lower() in spellings(index) for index in self.searcher.indexes)
        return joined if held else match[0]

    def kind(self, document: str) -> str:
        """Return a document's kind, or "" where it has none or is unknown."""
        if document in self._kinds:
            return self._kinds[document]
        for index in self.searcher.indexes:
            if (found := index.documents.get(document)) is not None:
                return found.kind
        return ""

    def near_word(self, word: str, letters: int) -> bool:
        """Whether a library word shares the first `letters` letters with a word, or begins with it."""
        lower = word.lower()
        return len(lower) >= 4 and any(
            spellings(index).begins(lower[:letters]) for index in self.searcher.indexes
        )

    def is_common(self, word: str) -> bool:
        """Whether a word is a whole token of the encoder: everyday words are, rare names not."""
        return self.searcher.encoder.tokenizer.token_to_id(word.lower()) is not None

    def find(self, question: str, k: int = 8) -> Found:
        """Return up to `k` passages for a question, with what was recognised in it."""
        question = self.correct(question)
        mentions = tuple(self.subjects.find(question))
        asked = aspects.asked(question)
        query = queries.understand(question)
        # A named document's sections are ranked by its names and aspects: no need to rerank. A
        # comparing question is no question on one subject.
        compares = query.pico is not None
        wishes = Wishes("fused" if mentions and not compares else "full", diverse=0)
        ranked = self.searcher.rank(query, _SEARCHED, wishes)
        hits = {(hit.passage.collection, hit.passage.id): hit for hit in ranked}
        named = {document for mention in mentions for document in mention.documents}
        self._add_named(question, named, hits)
        bonus = _COMPARED_BONUS if compares else _SUBJECT_BONUS
        scored = [self._weighted(hit, named, asked, bonus) for hit in hits.values()]
        if mentions and aspects.asks_effect(question):
            scored = self._with_studies(mentions, scored)
        scored.sort(key=lambda hit: -hit.score)
        return Found(question, mentions, asked, tuple(scored[:k]))

    def _add_named(self, question: str, named: set[str], hits: dict[tuple[str, str], Hit]) -> None:
        vector = None
        for index in self.searcher.indexes:
            rows = [row for document in named for row in index.documents.rows(document)]
            if not rows:
                continue
            if vector is None:
                vector = self.searcher.encoder.embed([question])[0]
            cosines = index.vectors[rows] @ vector
            for row, cosine in zip(rows, cosines.tolist(), strict=True):
                passage = index.passages[row]
                found = Hit(passage, cosine, (("dense", cosine), ("fused", cosine)))
                hits.setdefault((passage.collection, passage.id), found)

    def _weighted(self, hit: Hit, named: set[str], asked: tuple[str, ...], subject: float) -> Hit:
        bonus = 0.0
        if hit.passage.document in named:
            bonus = subject + self._aspect_bonus(hit.passage, asked)
        return replace(hit, score=hit.score + bonus, parts=(*hit.parts, ("named", bonus)))

    def _with_studies(self, mentions: Sequence[Mention], hits: Sequence[Hit]) -> list[Hit]:
        """Raise the studies that name what is asked about, to where the subjects' own documents are."""
        forms = [
            [frozenset(words.stems(name)) for name in self._names_of(mention)]
            for mention in mentions
        ]
        return [
            self._studied(hit, forms) if hit.passage.kind in ("", "article") else hit
            for hit in hits
        ]

    def _names_of(self, mention: Mention) -> set[str]:
        names = {mention.name}
        for document in mention.documents:
            names.update(self.subjects.names_of.get(document, ()))
        return names

    def _studied(self, hit: Hit, forms: Sequence[Sequence[frozenset[str]]]) -> Hit:
        held = set(words.stems(f"{hit.passage.title} {hit.passage.text}"))
        share = sum(any(form <= held for form in names) for names in forms) / len(forms)
        bonus = _SUBJECT_BONUS * share + (_FALLBACK_BONUS if share == 1 else 0.0)
        parts = (*(part for part in hit.parts if part[0] != "named"), ("named", bonus))
        return replace(hit, score=hit.score + bonus, parts=parts)

    def _aspect_bonus(self, passage: Passage, asked: tuple[str, ...]) -> float:
        if passage.aspect in asked:
            return _ASPECT_BONUS
        fallbacks = {name for aspect in asked for name in FALLBACK.get(aspect, ())}
        return _FALLBACK_BONUS if passage.aspect in fallbacks else 0.0


def spellings(index: Index) -> words.Spellings:
    """Return an index's words of four letters and more, names included; read once, on first use."""
    with _spellings_lock:
        known = _spellings.get(index)
        if known is None:
            names = " ".join(name for document in index.named() for name in document.synonyms)
            listed = index.vocabulary() | frozenset(_WORD.findall(names.lower()))
            known = _spellings[index] = words.Spellings(listed)
    return known

"""Answers "what does the library hold on this question": subjects, aspects and ranked passages.

The passages of a document that the question names come first, those of the asked section before
all; the hybrid search fills the rest. Knows nothing of conversations.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from retrieval import aspects, words
from retrieval.search import Mode, PairScores, Searcher
from retrieval.subjects import Mention, Subjects
from retrieval.types import Hit, Passage

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
_ASPECT_BONUS = 0.5
_FALLBACK_BONUS = 0.25
_SEARCHED = 30
_SPELLED = 6
_CLOSE = 0.85
_HYPHENATED = re.compile(r"\b([^\W\d_]+)-([^\W\d_]+)\b")


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
    """Finds passages for questions over one index; immutable after construction.

    `is_name` is as in `Subjects`.
    """

    def __init__(
        self, searcher: Searcher, is_name: Callable[[str], bool] = lambda _: False
    ) -> None:
        self.searcher = searcher
        self._is_name = is_name
        self.subjects = Subjects(searcher.index.passages, is_name)
        self._rows: dict[str, list[int]] = defaultdict(list)
        for row, passage in enumerate(searcher.index.passages):
            self._rows[passage.document].append(row)
        self._vocabulary = _vocabulary(searcher.index.passages)

    @property
    def scorer(self) -> PairScores | None:
        """The reranker, which also scores sentences."""
        return self.searcher.reranker

    def passages(self, document: str) -> list[Passage]:
        """Return a document's passages in reading order; an empty list for an unknown id."""
        return [self.searcher.index.passages[row] for row in self._rows.get(document, ())]

    def knows(self, word: str) -> bool:
        """Whether any passage holds the word, up to inflection."""
        return self.searcher.index.lexical.knows(word)

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
            same = self._vocabulary.get(lower[0], ())
            pool = [w for w in same if abs(len(w) - len(lower)) <= 2]
            near = difflib.get_close_matches(lower, pool, n=1, cutoff=_CLOSE)
            if near and not words.opposite(near[0], lower):
                out += [question[at : word.start], near[0]]
                at = word.end
        return "".join([*out, question[at:]])

    def _joined(self, match: re.Match[str]) -> str:
        """Return a hyphenated word as one where the library writes it so ("under-active")."""
        joined = match[1] + match[2]
        return joined if joined.lower() in self._vocabulary.get(joined[0].lower(), ()) else match[0]

    def kind(self, document: str) -> str:
        """Return a document's kind, or "" where it has none or is unknown."""
        rows = self._rows.get(document)
        return self.searcher.index.passages[rows[0]].kind if rows else ""

    def near_word(self, word: str, letters: int) -> bool:
        """Whether a library word shares the first `letters` letters with a word, or begins with it."""
        lower = word.lower()
        start = lower[:letters]
        return len(lower) >= 4 and any(
            w.startswith(start) for w in self._vocabulary.get(lower[0], ())
        )

    def is_common(self, word: str) -> bool:
        """Whether a word is a whole token of the encoder: everyday words are, rare names not."""
        return self.searcher.encoder.tokenizer.token_to_id(word.lower()) is not None

    def find(self, question: str, k: int = 8) -> Found:
        """Return up to `k` passages for a question, with what was recognised in it."""
        question = self.correct(question)
        mentions = tuple(self.subjects.find(question))
        asked = aspects.asked(question)
        # A named document's sections are ranked by its names and aspects: no need to rerank.
        mode: Mode = "fused" if mentions else "full"
        hits = {hit.passage.id: hit for hit in self.searcher.search(question, _SEARCHED, mode)}
        named = {document for mention in mentions for document in mention.documents}
        self._add_named(question, named, hits)
        scored = [self._weighted(hit, named, asked) for hit in hits.values()]
        scored.sort(key=lambda hit: -hit.score)
        return Found(question, mentions, asked, tuple(scored[:k]))

    def _add_named(self, question: str, named: set[str], hits: dict[str, Hit]) -> None:
        rows = [row for document in named for row in self._rows.get(document, ())]
        if not rows:
            return
        index = self.searcher.index
        cosines = index.vectors[rows] @ self.searcher.encoder.embed([question])[0]
        for row, cosine in zip(rows, cosines.tolist(), strict=True):
            passage = index.passages[row]
            hits.setdefault(passage.id, Hit(passage, cosine, (("dense", cosine),)))

    def _weighted(self, hit: Hit, named: set[str], asked: tuple[str, ...]) -> Hit:
        bonus = 0.0
        if hit.passage.document in named:
            bonus = _SUBJECT_BONUS + self._aspect_bonus(hit.passage, asked)
        return Hit(hit.passage, hit.score + bonus, (*hit.parts, ("named", bonus)))

    def _aspect_bonus(self, passage: Passage, asked: tuple[str, ...]) -> float:
        if passage.aspect in asked:
            return _ASPECT_BONUS
        fallbacks = {name for aspect in asked for name in FALLBACK.get(aspect, ())}
        return _FALLBACK_BONUS if passage.aspect in fallbacks else 0.0


def _vocabulary(passages: Iterable[Passage]) -> dict[str, tuple[str, ...]]:
    """Return the library's words of four letters and more by their first letter."""
    found: set[str] = set()
    for passage in passages:
        found.update(re.findall(r"[a-z]{4,}", passage.text.lower()))
        found.update(re.findall(r"[a-z]{4,}", " ".join(passage.synonyms).lower()))
    out: dict[str, list[str]] = defaultdict(list)
    for word in sorted(found):
        out[word[0]].append(word)
    return {letter: tuple(listed) for letter, listed in out.items()}

"""Training groups for the reranker: a question, texts that answer it, texts that don't.

Every source is split by its independent unit before anything is sampled: SciFact claims by the
abstracts that they cite, BioASQ questions by the articles that they share, MedQuAD by disease (the
published split of the data folder). Negatives are chosen to look alike: the same disease under
another aspect, the same aspect of another disease, sentences that repeat the question's words and
say nothing, and what the untrained search ranks high. Knows nothing of models or training.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune import _encoder_templates as templates
from retrieval import sentences
from retrieval.errors import InputError

if TYPE_CHECKING:
    from retrieval.search import Searcher

HELD_OUT_PERCENT = 25
# Sentences of MedQuAD's pages that speak of the page.
_BOILERPLATE = re.compile(
    r"these resources|phenotype ontology|medlineplus|web ?site|click|clinicaltrials|genereviews|"
    r"you can use|for more information|\?$",
    re.IGNORECASE,
)
NEGATIVES = 4


@dataclass(frozen=True, slots=True)
class Group:
    """A question with one text that answers it and several that don't.

    Attributes:
        kind: the source, for reporting.
        question: the first text of every pair.
        texts: the second texts; the first of them answers.
    """

    kind: str
    question: str
    texts: tuple[str, ...]


def rows(path: Path) -> list[dict[str, Any]]:
    """Read a gzip-JSONL file.

    Raises:
        InputError: if it is missing or a line is no JSON.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"The training file {path} can't be read: {error}.") from error


def held_out(key: str, percent: int = HELD_OUT_PERCENT) -> bool:
    """Whether the unit `key` belongs to the held-out part; the same on every machine."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % 100 < percent


def components(members: Iterable[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Map each item to its component's name, where items that share a document hang together."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    listed = [(item, list(documents)) for item, documents in members]
    for item, documents in listed:
        for document in documents:
            a, b = sorted((root(f"item {item}"), root(f"document {document}")))
            parent[b] = a
    return {item: root(f"item {item}") for item, _ in listed}


def scifact_split(data: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return SciFact's training claims in two parts that share no cited abstract."""
    claims = rows(data / "retrieval/scifact_claims_train.jsonl.gz")
    return _split(claims, "claim_id", "cited_doc_ids")


def bioasq_split(data: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return BioASQ's training questions in two parts that share no relevant article."""
    return _split(rows(data / "qa/bioasq_train.jsonl.gz"), "id", "pmids")


def _split(
    items: list[dict[str, Any]], key: str, documents: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    part = components((str(item[key]), item[documents]) for item in items)
    kept = [item for item in items if not held_out(part[str(item[key])])]
    other = [item for item in items if held_out(part[str(item[key])])]
    return kept, other


class Pairs:
    """Makes groups from the data folder with one seeded generator."""

    def __init__(self, data: Path, seed: int) -> None:
        """Open nothing yet; sources are read when their groups are asked for."""
        self.data = data
        self.rng = np.random.default_rng(seed)

    def medquad(self, part: str, limit: int, per_source: int) -> Iterator[Group]:
        """Yield (question, sentence) groups from MedQuAD's `part`, diseases disjoint by part."""
        items = rows(self.data / f"qa/medquad_{part}.jsonl.gz")
        by_focus, by_type = defaultdict(list), defaultdict(list)
        for item in items:
            item["sentences"] = [
                s for s in _sentences(item["answer"]) if not _BOILERPLATE.search(s)
            ]
            by_focus[item["focus"]].append(item)
            by_type[item["qtype"]].append(item)
        seen: dict[str, int] = defaultdict(int)
        made = 0
        for index in self.rng.permutation(len(items)):
            item = items[index]
            if made >= limit or item["qtype"] not in templates.ASPECTS or not item["sentences"]:
                continue
            if seen[item["source"]] >= per_source:
                continue
            group = self._medquad_group(item, by_focus[item["focus"]], by_type[item["qtype"]])
            if group is not None:
                seen[item["source"]] += 1
                made += 1
                yield group

    def _medquad_group(
        self, item: dict[str, Any], same: list[dict[str, Any]], alike: list[dict[str, Any]]
    ) -> Group | None:
        question = templates.question(item["focus"], item["qtype"], item["question"], self.rng)
        style = int(self.rng.integers(4))
        answer = self._informative(item, question)
        if answer is None:
            return None
        texts = [templates.dress(style, item["focus"], item["qtype"], answer)]
        own = set(item["sentences"])
        aside = [
            (_overlap(question, s), s, other["qtype"])
            for other in same
            if other["qtype"] not in {item["qtype"], "information"}
            for s in other["sentences"]
            if s not in own
        ]
        aside.sort(reverse=True)
        for _, sentence, kind in aside[:2]:
            texts.append(templates.dress(style, item["focus"], kind, sentence))
        echo = templates.echo(item["focus"], item["qtype"], question, self.rng)
        texts.append(templates.dress(style, item["focus"], item["qtype"], echo))
        if style or _overlap(item["focus"], answer) > 0:
            texts += self._others(item, alike, style, NEGATIVES + 1 - len(texts))
        return Group("medquad", question, tuple(texts)) if len(texts) > 2 else None

    def _informative(self, item: dict[str, Any], question: str) -> str | None:
        """Pick a sentence that says something beyond the question's own words."""
        asked = set(_words(question))
        scored = []
        reach = 2 if item["qtype"] == "information" else 10
        for place, sentence in enumerate(item["sentences"][:reach]):
            fresh = [w for w in _words(sentence) if w not in asked]
            if len(fresh) >= 4:
                digits = sum(any(c.isdigit() for c in w) for w in fresh)
                scored.append((min(len(fresh), 14) + 2 * digits - 0.7 * place, sentence))
        if not scored:
            return None
        scored.sort(reverse=True)
        return scored[int(self.rng.integers(min(4, len(scored))))][1]

    def _others(
        self, item: dict[str, Any], alike: list[dict[str, Any]], style: int, wanted: int
    ) -> list[str]:
        picks = self.rng.integers(len(alike), size=24)
        found: list[tuple[float, str]] = []
        for index in picks:
            other = alike[index]
            if other["focus"] != item["focus"] and other["sentences"]:
                text = other["sentences"][int(self.rng.integers(len(other["sentences"])))]
                dressed = templates.dress(style, other["focus"], other["qtype"], text)
                found.append((_overlap(item["focus"], other["focus"]), dressed))
        found.sort(reverse=True)
        return [text for _, text in found[: max(wanted, 0)]]

    def bioasq_sentences(self, questions: Sequence[dict[str, Any]], limit: int) -> Iterator[Group]:
        """Yield groups of snippets that hold the exact answer against those that don't."""
        snippets = {
            row["snippet_id"]: row["text"]
            for row in rows(self.data / "retrieval/bioasq_snippets_corpus.jsonl.gz")
        }
        made = 0
        for index in self.rng.permutation(len(questions)):
            item = questions[index]
            answers = [a.lower() for a in _flat(item.get("exact_answer")) if len(a) > 2]
            gold = [snippets[i] for i in item["snippet_ids"] if i in snippets]
            pieces = [s for text in gold for s in _sentences(text)]
            hits = [s for s in pieces if any(a in s.lower() for a in answers)]
            miss = [s for s in pieces if not any(a in s.lower() for a in answers)]
            miss.sort(key=lambda s: -_overlap(item["question"], s))
            if not answers or not hits or not miss or made >= limit:
                continue
            made += 1
            answer = hits[int(self.rng.integers(len(hits)))]
            texts = (answer, *miss[: NEGATIVES - 1], item["question"])
            yield Group("bioasq answers", item["question"], texts)

    def searched(
        self,
        kind: str,
        queries: Sequence[tuple[str, set[str]]],
        searcher: Searcher,
        positives: int,
    ) -> Iterator[Group]:
        """Yield groups of relevant passages against what the untrained search ranks high.

        Args:
            kind: name of the source.
            queries: (query, ids of its relevant documents).
            searcher: over the corpus, without a reranker.
            positives: groups a query, at most.
        """
        texts = passage_texts(searcher)
        for query, relevant in queries:
            hits = [h.passage.document for h in searcher.search(query, k=40, mode="fused")]
            wrong = [d for d in dict.fromkeys(hits) if d not in relevant]
            right = sorted(d for d in relevant if d in texts)
            for index in self.rng.permutation(len(right))[:positives]:
                picked = wrong[:2] + self._sample(wrong[2:], NEGATIVES - 2)
                yield Group(kind, query, (texts[right[index]], *(texts[d] for d in picked)))

    def articles(self, searcher: Searcher, forbidden: set[str], limit: int) -> Iterator[Group]:
        """Yield groups of an abstract for its own title or one of its sentences.

        The sentence is taken out of the abstract (the inverse cloze task, Lee et al. 2019).
        """
        passages, vectors = searcher.index.passages, searcher.index.vectors
        made = 0
        for row in self.rng.permutation(len(passages)):
            passage = passages[row]
            parts = _sentences(passage.text)
            if passage.document in forbidden or len(parts) < 4 or made >= limit:
                continue
            made += 1
            near = np.argsort(-(vectors @ vectors[row]))[1:40].tolist()
            near = near[:2] + self._sample(near[2:], NEGATIVES - 2)
            if passage.title and self.rng.random() < 0.4:
                query, own = passage.title, passage.text
                texts = [own, *(passages[i].text for i in near)]
            else:
                query = parts[-1 - int(self.rng.integers(2))]
                own = f"{passage.title}. {passage.text.replace(query, ' ')}"
                texts = [own, *(f"{passages[i].title}. {passages[i].text}" for i in near)]
            yield Group("articles", query, tuple(texts))

    def pubmedqa(self, limit: int) -> Iterator[Group]:
        """Yield groups of a conclusion against the background that repeats the question's words."""
        made = 0
        for item in rows(self.data / "qa/pubmedqa_train.jsonl.gz"):
            pool = [
                s
                for label, text in item["contexts"]
                for s in _sentences(text)
                if not label.startswith(("RESULT", "FINDING", "CONCLUSION"))
            ]
            answers = _sentences(item["long_answer"])
            pool.sort(key=lambda s: -_overlap(item["question"], s))
            if answers and len(pool) >= 2 and made < limit:
                made += 1
                yield Group("pubmedqa", item["question"], (answers[0], *pool[:NEGATIVES]))

    def evidence(self, part: str, limit: int) -> Iterator[Group]:
        """Yield groups of annotated evidence against the article's other sentences."""
        articles = {
            row["pmcid"]: row for row in rows(self.data / "literature/rct_articles_open.jsonl.gz")
        }
        made = 0
        for item in rows(self.data / f"qa/evidence_inference_v2_{part}.jsonl.gz"):
            article = articles.get(item["pmcid"])
            if article is None or made >= limit or not item["evidence"]:
                continue
            answer = min(item["evidence"], key=len)[:600]
            parts = [s for _, text in article["abstract"] for s in _sentences(text)]
            known = [answer, *item["evidence"]]
            pool = [s for s in parts if max(_overlap(e, s) for e in known) < 0.5]
            pool.sort(key=lambda s: -_overlap(item["question"], s))
            if len(pool) >= 2:
                made += 1
                yield Group("evidence inference", item["question"], (answer, *pool[:NEGATIVES]))

    def _sample(self, pool: Sequence[Any], wanted: int) -> list[Any]:
        picked = self.rng.permutation(len(pool))[:wanted]
        return [pool[i] for i in picked]


def passage_texts(searcher: Searcher) -> dict[str, str]:
    """Return each document's first passage as the search shows it to the reranker."""
    from retrieval.index.store import embedded_text

    texts: dict[str, str] = {}
    for passage in searcher.index.passages:
        texts.setdefault(passage.document, embedded_text(passage))
    return texts


def _sentences(text: str) -> list[str]:
    return [s.text for s in sentences.split(text) if 6 <= len(s.text.split()) <= 70]


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]{3,}", text.lower())


def _overlap(question: str, text: str) -> float:
    """Share of the question's words that the text repeats."""
    asked = set(_words(question))
    return len(asked & set(_words(text))) / max(len(asked), 1)


def _flat(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for part in value or [] for text in _flat(part)]

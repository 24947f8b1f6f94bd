"""The query adapter's task: queries learn to find, document vectors stay what they are.

Only the query's side of the encoder is adapted. Documents keep the base's vectors, so an index
serves with and without the adapter, other uses of the base's cosines are untouched, and every passage
of a collection is a negative in every step. The loss is the softmax cross-entropy of the relevant
documents over the whole collection (InfoNCE, van den Oord et al. 2018). Queries of other kinds are
held where the base puts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from finetune import _encoder_embed_queries as asking
from finetune import _encoder_pairs as pairs
from finetune import _encoder_rerank as rerank
from finetune._encoder_embed_queries import Collection
from retrieval import fusion
from retrieval.encoder import Encoder, Tokens

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

QUERY_TOKENS = 64
SERVED_TOKENS = 256
CHUNK = 32
HELD_OUT_PERCENT = 3
# Relevant documents of a query that a step draws to.
POSITIVES = 5
TRAINING_DATA = [
    {"name": "BioASQ tasks 7B to 10B (questions and snippets)", "licence": "CC BY 2.5"},
    {"name": "MedQuAD, OpenStax glossary, MeQSum, PubMedQA, SciFact titles: queries held in place",
     "licence": "CC BY 4.0; PubMedQA MIT; SciFact abstracts ODC-By 1.0"},
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Batch:
    """Queries of one collection with the relevant documents to draw to, and queries to hold.

    Attributes:
        kind: the collection.
        rows: positions of the queries in the collection.
        drawn: rows of each drawn document's passages, by query.
        held: positions of the queries that are to stay.
    """

    kind: str
    rows: tuple[int, ...]
    drawn: tuple[tuple[tuple[int, ...], ...], ...]
    held: tuple[int, ...]


class Embed:
    """Collections and queries, tokenised once."""

    def __init__(
        self,
        encoder: Encoder,
        recipe: Recipe,
        collections: Sequence[Collection],
        held: Sequence[str],
    ) -> None:
        """Tokenise the queries and set a small part of each collection's aside."""
        self.steps = int(recipe.options.get("steps", 200))
        self.scale = float(recipe.options.get("scale", 20.0))
        self.size = int(recipe.options.get("pairs", 48))
        self.hold = float(recipe.options.get("hold", 10.0))
        self.collections = {c.kind: c for c in collections}
        self.vectors = {c.kind: torch.from_numpy(c.vectors) for c in collections}
        self.tokens = {
            c.kind: encoder.tokenize([a.query for a in c.asked], max_tokens=QUERY_TOKENS)
            for c in collections
        }
        self.training, self.validation = {}, {}
        for c in collections:
            aside = _aside(c)
            self.training[c.kind] = [i for i in range(len(c.asked)) if i not in aside]
            self.validation[c.kind] = sorted(aside)
        self.held = encoder.tokenize(held, max_tokens=QUERY_TOKENS)
        self.anchors = torch.from_numpy(encoder.embed(held, max_tokens=QUERY_TOKENS))

    def batches(self, rng: np.random.Generator) -> list[Batch]:
        """Return an epoch's batches: the collections in turn, whatever their sizes."""
        kinds = sorted(self.training)
        pools: dict[str, list[int]] = {kind: [] for kind in kinds}
        out = []
        for step in range(self.steps):
            kind = kinds[step % len(kinds)]
            while len(pools[kind]) < self.size:
                pools[kind] += rng.permutation(self.training[kind]).tolist()
            rows, pools[kind] = pools[kind][: self.size], pools[kind][self.size :]
            asked = self.collections[kind].asked
            drawn = tuple(_sample(asked[i].relevant, rng) for i in rows)
            held = rng.choice(len(self.held), min(len(self.held), 32), replace=False)
            out.append(Batch(kind, tuple(rows), drawn, tuple(held.tolist())))
        return out

    def loss(self, model: AdapterModel, batch: Batch) -> Tensor:
        """Return the batch's mean loss."""
        tokens = self.tokens[batch.kind]
        made = vectors(model, [tokens[i] for i in batch.rows] + [self.held[i] for i in batch.held])
        cosines = made[: len(batch.rows)] @ self.vectors[batch.kind].T
        found = torch.log_softmax(self.scale * cosines, dim=1)
        drawn = [
            torch.stack([torch.logsumexp(row[list(passages)], 0) for passages in documents]).mean()
            for row, documents in zip(found, batch.drawn, strict=True)
        ]
        moved = 1 - (made[len(batch.rows) :] * self.anchors[list(batch.held)]).sum(1)
        return self.hold * moved.mean() - torch.stack(drawn).mean()

    def fused(self, kind: str, rows: Sequence[int], made: Tensor) -> Tensor:
        """Return what the fused search would give every passage, (queries, passages)."""
        lexical = torch.zeros(len(rows), len(self.vectors[kind]))
        for place, row in enumerate(rows):
            asked = self.collections[kind].asked[row]
            lexical[place, torch.from_numpy(asked.rows)] = torch.from_numpy(asked.lexical)
        return made @ self.vectors[kind].T + fusion.LEXICAL_WEIGHT * lexical

    def validate(self, model: AdapterModel) -> float:
        """Return the mean reciprocal rank of the first relevant passage, averaged over sources."""
        return float(np.mean(list(self.by_kind(model).values())))

    def by_kind(self, model: AdapterModel) -> dict[str, float]:
        """Return each collection's mean reciprocal rank on the queries set aside."""
        out = {}
        for kind, rows in self.validation.items():
            made = vectors(model, [self.tokens[kind][i] for i in rows])
            ranks = []
            for scores, row in zip(self.fused(kind, rows, made), rows, strict=True):
                asked = self.collections[kind].asked[row]
                best = max(float(scores[i]) for passages in asked.relevant for i in passages)
                ranks.append(1.0 / (1 + int((scores > best).sum())))
            out[kind] = float(np.mean(ranks))
        return out


def vectors(model: AdapterModel, items: Sequence[Tokens]) -> Tensor:
    """Return unit vectors, float32 (items, width), with gradients."""
    order = sorted(range(len(items)), key=lambda i: len(items[i].ids))
    parts = []
    for at in range(0, len(order), CHUNK):
        ids, mask, types = (
            t.to(model.device) for t in rerank.pad([items[i] for i in order[at : at + CHUNK]])
        )
        weight = mask[:, :, None].float()
        mean = (model.hidden(ids, mask, types) * weight).sum(1) / weight.sum(1)
        parts.append(functional.normalize(mean, dim=1))
    back = torch.argsort(torch.tensor(order))
    return torch.cat(parts)[back].cpu()


def _aside(given: Collection) -> set[int]:
    """Return positions of a few queries, with all that share a relevant passage with one."""
    members = [(a.key, [str(r) for d in a.relevant for r in d]) for a in given.asked]
    part = pairs.components(members)
    aside = {i for i, a in enumerate(given.asked)
             if pairs.held_out(f"embed {part[a.key]}", HELD_OUT_PERCENT)}  # fmt: skip
    return aside or {0}


def _sample(
    documents: Sequence[tuple[int, ...]], rng: np.random.Generator
) -> tuple[tuple[int, ...], ...]:
    return tuple(documents[i] for i in rng.permutation(len(documents))[:POSITIVES])


def build(recipe: Recipe, encoder: Encoder, data: Path, cache: Path) -> Embed:
    """Make the task; `cache` keeps the indexes.

    `options.collections` names what is learnt, `options.without` queries to leave out.
    """
    without = set(recipe.options.get("without", ()))
    collections = []
    for kind in recipe.options.get("collections", asking.KINDS):
        asked = {k: v for k, v in asking.queries(data, kind).items() if k not in without}
        searcher = rerank.searcher(encoder, data, cache, f"{kind}-train")
        collections.append(asking.collection(kind, asked, searcher))
    rng = np.random.default_rng(recipe.seed)
    held = asking.kept(data, rng, int(recipe.options.get("kept", 4000)))
    return Embed(encoder, recipe, collections, held)


def head(recipe: Recipe, encoder: Encoder) -> dict[str, Any]:
    """Return the head's configuration: the vector is the mean of the states, so there is none."""
    return {"kind": "none", "width": encoder.width}


def card(model: AdapterModel, task: Embed, recipe: Recipe) -> dict[str, Any]:
    """Return what the card says of data, input, calibration and results."""
    return {
        "purpose": "Maps queries to unit vectors that are compared with the base's of passages.",
        "input": {"text": "a question", "max_tokens": SERVED_TOKENS, "language": "English"},
        "output": "mean of the last hidden states, of unit length; compare by dot product",
        "served": "questions only (retrieval.fusion.is_question): key words, headlines and statements "
        "keep the base's vectors",
        "calibration": None,
        "training_data": TRAINING_DATA,
        "results": {
            "metric": "mean reciprocal rank of the first relevant passage in the fused search",
            "measured_on": f"{HELD_OUT_PERCENT}% of the training queries, set aside by document",
            "mrr": task.by_kind(model),
        },
    }

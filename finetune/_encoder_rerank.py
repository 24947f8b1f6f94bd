"""The reranker's task: batches of groups, a listwise loss, and validation by reciprocal rank.

The loss is the softmax cross-entropy of the answering text among its group (Cao et al. 2007,
"ListNet") with a share of binary cross-entropy, which keeps scores comparable between questions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from finetune import _encoder_pairs as pairs
from retrieval.encoder import Encoder, Tokens

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

POINTWISE = 0.3
# Serving reads more of a long passage than training did, to keep training short.
SERVED_TOKENS = 256
# Groups a source: (training, validation).
AMOUNTS = {
    "medquad": (1500, 60),
    "bioasq answers": (350, 40),
    "bioasq": (400, 40),
    "scifact": (350, 40),
    "articles": (120, 10),
    "pubmedqa": (150, 0),
    "evidence inference": (200, 20),
}
TRAINING_DATA = [
    {"name": "MedQuAD (training part, split by disease)", "licence": "CC BY 4.0"},
    {"name": "BioASQ tasks 7B to 10B (questions and snippets)", "licence": "CC BY 2.5"},
    {
        "name": "SciFact training claims; corpus for title and sentence queries",
        "licence": "CC BY 4.0; abstracts ODC-By 1.0",
    },
    {"name": "PubMedQA (expert-labelled training part)", "licence": "MIT"},
    {"name": "Evidence Inference 2.0 (training part)", "licence": "MIT"},
]


@dataclass(frozen=True, slots=True)
class Batch:
    """Groups of similar length: tokenised pairs, and how many pairs each group has."""

    items: tuple[Tokens, ...]
    sizes: tuple[int, ...]


class Rerank:
    """Groups of pairs, tokenised once."""

    def __init__(
        self,
        encoder: Encoder,
        recipe: Recipe,
        training: Sequence[pairs.Group],
        validation: Sequence[pairs.Group],
    ) -> None:
        """Tokenise the groups of both parts."""
        self.recipe = recipe
        self.training = [_tokenise(encoder, group, recipe.max_tokens) for group in training]
        self.validation = [_tokenise(encoder, group, recipe.max_tokens) for group in validation]
        self.kinds = [group.kind for group in validation]

    def batches(self, rng: np.random.Generator) -> list[Batch]:
        """Return an epoch's batches: groups of similar length together, batches shuffled."""
        longest = np.array([max(len(t.ids) for t in group) for group in self.training])
        order = np.argsort(longest + rng.uniform(0, 12, size=len(longest)))
        out: list[Batch] = []
        now: list[int] = []
        for index in order.tolist():
            count = sum(len(self.training[i]) for i in [*now, index])
            if now and count * longest[index] > self.recipe.batch_tokens:
                out.append(self._batch(now))
                now = []
            now.append(index)
        if now:
            out.append(self._batch(now))
        return [out[i] for i in rng.permutation(len(out))]

    def _batch(self, rows: Sequence[int]) -> Batch:
        groups = [self.training[i] for i in rows]
        return Batch(tuple(t for g in groups for t in g), tuple(len(g) for g in groups))

    def loss(self, model: AdapterModel, batch: Batch) -> Tensor:
        """Return the batch's mean loss."""
        logits = _logits(model, batch.items)
        listwise, targets, at = [], torch.zeros_like(logits), 0
        for size in batch.sizes:
            listwise.append(-functional.log_softmax(logits[at : at + size], dim=0)[0])
            targets[at] = 1.0
            at += size
        weight = torch.where(targets > 0, len(targets) / targets.sum() - 1, torch.tensor(1.0))
        pointwise = functional.binary_cross_entropy_with_logits(logits, targets, weight)
        return torch.stack(listwise).mean() + POINTWISE * pointwise

    def validate(self, model: AdapterModel) -> float:
        """Return the mean reciprocal rank of the answering text, averaged over the sources."""
        return float(np.mean(list(self.by_kind(model).values())))

    def by_kind(self, model: AdapterModel) -> dict[str, float]:
        """Return the mean reciprocal rank for each source of the validation groups."""
        found: dict[str, list[float]] = defaultdict(list)
        for kind, scores in zip(self.kinds, self.scores(model), strict=True):
            found[kind].append(1.0 / (1 + int((scores[1:] >= scores[0]).sum())))
        return {kind: float(np.mean(values)) for kind, values in found.items()}

    def scores(self, model: AdapterModel) -> list[NDArray[np.float32]]:
        """Return the validation groups' logits."""
        flat = [t for group in self.validation for t in group]
        order = sorted(range(len(flat)), key=lambda i: len(flat[i].ids))
        logits = np.zeros(len(flat), dtype=np.float32)
        for at in range(0, len(order), 32):
            rows = order[at : at + 32]
            logits[rows] = _logits(model, [flat[i] for i in rows]).numpy()
        out, at = [], 0
        for group in self.validation:
            out.append(logits[at : at + len(group)])
            at += len(group)
        return out

    def calibrate(self, model: AdapterModel) -> dict[str, float]:
        """Fit `sigmoid(scale * logit + offset)` on the validation pairs (Platt 1999)."""
        from scipy.optimize import minimize

        groups = self.scores(model)
        logits = np.concatenate(groups)
        truth = np.concatenate([np.arange(len(g)) == 0 for g in groups]).astype(np.float64)

        def cost(x: NDArray[np.float64]) -> float:
            z = np.exp(x[0]) * logits + x[1]
            return float(np.mean(np.logaddexp(0, z) - truth * z))

        fitted = minimize(cost, np.zeros(2), method="Nelder-Mead").x
        return {"scale": float(np.exp(fitted[0])), "offset": float(fitted[1])}


def build(recipe: Recipe, encoder: Encoder, data: Path, cache: Path) -> Rerank:
    """Make the task's groups from the data folder; `cache` keeps the search indexes."""
    made: dict[str, list[list[pairs.Group]]] = {"training": [], "validation": []}
    for column, part in enumerate(("training", "validation")):
        maker = pairs.Pairs(data, recipe.seed + column)
        amounts = {**AMOUNTS, **recipe.options.get("amounts", {})}
        limits = {kind: int(value[column]) for kind, value in amounts.items()}
        made[part] = _groups(maker, limits, encoder, data, cache, column)
    flat = {part: [g for groups in sources for g in groups] for part, sources in made.items()}
    return Rerank(encoder, recipe, flat["training"], flat["validation"])


def _groups(
    maker: pairs.Pairs,
    limits: dict[str, int],
    encoder: Encoder,
    data: Path,
    cache: Path,
    column: int,
) -> list[list[pairs.Group]]:
    """Return each source's groups; `column` is 0 for the training part, 1 for the held-out one."""
    name = ("train", "validation")[column]
    claims, questions = pairs.scifact_split(data), pairs.bioasq_split(data)
    cited = {d for claim in claims[1] for d in claim["cited_doc_ids"]}
    scifact, bioasq = (searcher(encoder, data, cache, n) for n in ("scifact-train", "bioasq-train"))
    about = [(c["claim"], set(c["cited_doc_ids"])) for c in claims[column]]
    asked = [(q["question"], set(q["pmids"])) for q in questions[column]]
    sources = {
        "medquad": maker.medquad(name, limits["medquad"], max(400, limits["medquad"] // 6)),
        "bioasq answers": maker.bioasq_sentences(questions[column], limits["bioasq answers"]),
        "bioasq": maker.searched("bioasq", asked, bioasq, 2),
        "scifact": maker.searched("scifact", about, scifact, 2),
        "articles": maker.articles(scifact, cited, limits["articles"]),
        "pubmedqa": maker.pubmedqa(limits["pubmedqa"]),
        "evidence inference": maker.evidence(name, limits["evidence inference"]),
    }
    out = []
    for kind, groups in sources.items():
        if limits[kind]:
            found = [group for group, _ in zip(groups, range(limits[kind]), strict=False)]
            out.append(found)
    return out


def searcher(encoder: Encoder, data: Path, cache: Path, name: str) -> Any:
    """Return a searcher without reranker over a BEIR folder, indexed in `cache` on first use."""
    from retrieval.errors import IndexError_
    from retrieval.index.store import Index
    from retrieval.search import Searcher
    from retrieval.sources import beir
    from retrieval.types import Document

    folder = cache / "index" / name
    try:
        index = Index.open(folder, encoder)
    except IndexError_:
        read = beir.build().read(data / "retrieval/beir" / name)
        documents = (item for item in read if isinstance(item, Document))
        index = Index.build(folder, documents, encoder)
    return Searcher((index,), encoder, None)


def _tokenise(encoder: Encoder, group: pairs.Group, max_tokens: int) -> list[Tokens]:
    return encoder.tokenize([group.question] * len(group.texts), group.texts, max_tokens)


def _logits(model: AdapterModel, items: Sequence[Tokens]) -> Tensor:
    ids, mask, types = (tensor.to(model.device) for tensor in pad(items))
    return model.head(model.hidden(ids, mask, types), mask, types).cpu()


def pad(items: Sequence[Tokens]) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, mask and types, int64 (items, longest)."""
    length = max(len(item.ids) for item in items)
    out = np.zeros((3, len(items), length), dtype=np.int64)
    for row, item in enumerate(items):
        n = len(item.ids)
        out[0, row, :n], out[1, row, :n], out[2, row, :n] = item.ids, 1, item.types
    ids, mask, types = torch.from_numpy(out)
    return ids, mask, types


def head(recipe: Recipe, encoder: Encoder) -> dict[str, Any]:
    """Return the head's configuration."""
    return {"kind": "pair", "width": encoder.width, "hidden": recipe.hidden}


def card(model: AdapterModel, task: Rerank, recipe: Recipe) -> dict[str, Any]:
    """Return what the card says of data, input, calibration and results."""
    counts: dict[str, int] = defaultdict(int)
    for kind in task.kinds:
        counts[kind] += 1
    return {
        "purpose": "Scores how well a text answers a question: reranks passages and sentences.",
        "input": {
            "pair": "question, text; a passage as 'title: section. text', a sentence bare",
            "max_tokens": SERVED_TOKENS,
            "language": "English",
        },
        "output": "probability in [0, 1] that the text answers, among look-alikes",
        "calibration": task.calibrate(model),
        "training_data": TRAINING_DATA,
        "results": {
            "metric": "mean reciprocal rank of the answering text among its look-alikes",
            "measured_on": "held-out documents, diseases and questions, which also chose the step",
            "mrr": task.by_kind(model),
            "groups": dict(counts),
        },
    }

"""The tagger's task: entities of a text as BIO tags, with partial labels and several styles.

Corpora that annotate by different rules, or not every label, are styles of one head: the encoder
learns from all of them, each style's last layer from its own. Where a style lacks annotations of a
label that it should know, the loss is that of the set of tags left open (Tsuboi et al. 2008). A part
of the validation documents chooses the step; the card gives figures on all, and on the others alone.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from finetune._encoder_entities_data import LABELS, Document, Span, Window, read, tags, windows
from finetune._encoder_rerank import pad
from retrieval import tagging
from retrieval.encoder import Encoder

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

# Whose rules: BC5CDR marks diseases and chemicals, the NCBI disease corpus diseases alone.
STYLES = ("bc5cdr", "ncbi")
# Share of each style's validation documents that chooses the step.
SELECTION = 0.4
SERVED_TOKENS = 256
TRAINING_DATA = [
    {"name": "BioCreative V CDR (BC5CDR), training part", "licence": "public domain"},
]
NCBI_DATA = {
    "name": "NCBI disease corpus, training part",
    "licence": "public domain (US government work)",
}
VALIDATION_DATA = {"name": "the validation parts of the same corpora", "licence": "public domain"}
log = logging.getLogger(__name__)


class Entities:
    """Windows of annotated documents."""

    def __init__(
        self,
        encoder: Encoder,
        recipe: Recipe,
        training: Sequence[Document],
        validation: Sequence[Document],
    ) -> None:
        """Keep both parts; the first validation documents of each style select."""
        self.recipe = recipe
        self.encoder = encoder
        self.labels = labels(recipe)
        self.styles = styles(recipe)
        self.final = bool(recipe.options.get("selected"))
        self.validations = 0
        self.training = [*training, *(validation if self.final else ())]
        self.validation = list(validation)
        self.selection: list[Document] = []
        self.measuring: list[Document] = []
        for style in range(len(self.styles)):
            own = [d for d in validation if d.style == style]
            aside = round(SELECTION * len(own))
            self.selection += own[:aside]
            self.measuring += own[aside:]

    def batches(self, rng: np.random.Generator) -> list[list[Window]]:
        """Return an epoch's batches; each epoch cuts documents and hides tokens elsewhere."""
        shift = int(rng.integers(0, self.recipe.max_tokens // 2))
        cut = windows(self.encoder, self.training, self.recipe.max_tokens, shift, self.labels)
        hidden = float(self.recipe.options.get("hide", 0))
        cut = [self._hide(window, hidden, rng) for window in cut]
        lengths = np.array([len(w.item.ids) for w in cut]) + rng.uniform(0, 16, size=len(cut))
        out: list[list[Window]] = [[]]
        for index in np.argsort(lengths).tolist():
            if (len(out[-1]) + 1) * len(cut[index].item.ids) > self.recipe.batch_tokens and out[-1]:
                out.append([])
            out[-1].append(cut[index])
        return [out[i] for i in rng.permutation(len(out))]

    def _hide(self, window: Window, share: float, rng: np.random.Generator) -> Window:
        """Put [MASK] over a share of the tokens, so that the tagger learns from the context too."""
        mask = self.encoder.tokenizer.token_to_id("[MASK]")
        if not share or mask is None:
            return window
        over = rng.random(len(window.item.ids)) < share
        over[[0, -1]] = False
        ids = tuple(mask if o else i for i, o in zip(window.item.ids, over, strict=True))
        return replace(window, item=replace(window.item, ids=ids))

    def loss(self, model: AdapterModel, batch: Sequence[Window]) -> Tensor:
        """Return the mean negative log probability of the open tags."""
        scores, mask = _scores(model, batch)
        allowed = torch.ones(scores.shape, dtype=torch.bool)
        for row, window in enumerate(batch):
            allowed[row, : len(window.open)] = torch.from_numpy(window.open)
        log = torch.log_softmax(scores, dim=2).masked_fill(~allowed, -1e4)
        return -(torch.logsumexp(log, dim=2) * mask).sum() / mask.sum()

    def validate(self, model: AdapterModel) -> float:
        """Return the strict-span F1 on the selection documents, in [0, 1].

        A final run has seen them: it keeps its last step, which always counts as the best.
        """
        if self.final:
            self.validations += 1
            return float(self.validations)
        return float(np.mean(list(self.figures(model, self.selection).values())))

    def resumed(self, validations: int) -> None:
        """Take up the count of validations that an interrupted run has left."""
        self.validations = validations

    def figures(self, model: AdapterModel, documents: Sequence[Document]) -> dict[str, float]:
        """Return the strict-span F1 of each style's labels, in [0, 1]."""
        out: dict[str, float] = {}
        for style, name in enumerate(self.styles):
            own = [d for d in documents if d.style == style]
            if own:
                found = strict(self.marked(model, own), [set(d.spans) for d in own], self.labels)
                judged = self.labels if own[0].complete else self.labels[:1]
                out |= {f"{name} {n.lower()}".strip(): found[f"f1_{n.lower()}"] for n in judged}
        log.info("%s", {name: round(value, 4) for name, value in out.items()})
        return out

    def marked(self, model: AdapterModel, documents: Sequence[Document]) -> list[set[Span]]:
        """Return what the tagger marks in each document."""
        found: list[list[tuple[int, int, str, float]]] = [[] for _ in documents]
        cut = windows(self.encoder, documents, SERVED_TOKENS, labels=self.labels)
        cut.sort(key=lambda w: len(w.item.ids))
        for at in range(0, len(cut), 16):
            part = cut[at : at + 16]
            scores, _ = _scores(model, part)
            for row, window in enumerate(part):
                n = len(window.inside)
                own, places = scores[row, 1 : n + 1].numpy(), window.item.offsets[1:-1]
                found[window.document] += tagging.decode(own, window.inside, places, self.labels)
        if self.recipe.options.get("consistent"):
            found = [
                tagging.consistent(d.text, sorted(spans))
                for d, spans in zip(documents, found, strict=True)
            ]
        return [{(s, e, label) for s, e, label, _ in spans} for spans in found]


def labels(recipe: Recipe) -> tuple[str, ...]:
    """Return the names that a recipe's tagger gives, `options.labels`."""
    return tuple(recipe.options.get("labels", LABELS))


def styles(recipe: Recipe) -> tuple[str, ...]:
    """Return whose rules a recipe's tagger learns; one without a name for data of one's own."""
    if recipe.data is not None:
        return ("",)
    return STYLES if recipe.options.get("ncbi") else STYLES[:1]


def strict(
    found: Sequence[set[Span]], truth: Sequence[set[Span]], names: Sequence[str] = LABELS
) -> dict[str, float]:
    """Return precision, recall and F1 of exact (start, end, label), overall and of each label."""
    out: dict[str, float] = {}
    for label in (None, *names):
        a = [{s for s in spans if label in (None, s[2])} for spans in found]
        b = [{s for s in spans if label in (None, s[2])} for spans in truth]
        hits = sum(len(x & y) for x, y in zip(a, b, strict=True))
        precision = hits / max(sum(map(len, a)), 1)
        recall = hits / max(sum(map(len, b)), 1)
        f1 = 2 * hits / max(sum(map(len, a)) + sum(map(len, b)), 1)
        suffix = f"_{label.lower()}" if label else ""
        out |= {f"precision{suffix}": precision, f"recall{suffix}": recall, f"f1{suffix}": f1}
    return out


def build(recipe: Recipe, encoder: Encoder, data: Path, cache: Path) -> Entities:
    """Read the corpora from the data folder, or the recipe's own files; `cache` is not used."""
    if recipe.data is not None:
        names = labels(recipe)
        own = (
            read(data / path, labels=names) for path in (recipe.data.train, recipe.data.validation)
        )
        return Entities(encoder, recipe, *own)
    training = read(data / "ner/bc5cdr_train.jsonl.gz")
    validation = read(data / "ner/bc5cdr_validation.jsonl.gz")
    if recipe.options.get("ncbi"):
        folder = data / "ner"
        training += read(folder / "ncbi_disease_train.jsonl.gz", complete=False, style=1)
        validation += read(folder / "ncbi_disease_validation.jsonl.gz", complete=False, style=1)
    return Entities(encoder, recipe, training, validation)


def head(recipe: Recipe, encoder: Encoder) -> dict[str, Any]:
    """Return the head's configuration."""
    return {"kind": "tag", "width": encoder.width, "hidden": recipe.hidden,
            "tags": tags(labels(recipe)), "styles": len(styles(recipe))}  # fmt: skip


def card(model: AdapterModel, task: Entities, recipe: Recipe) -> dict[str, Any]:
    """Return what the card says of labels, input, data and results."""
    public = [*TRAINING_DATA, *([NCBI_DATA] if recipe.options.get("ncbi") else ())]
    if task.final:
        public.append(VALIDATION_DATA)
    own = [{"name": "data of one's own", "licence": recipe.licence}]
    return {
        "purpose": f"Marks {' and '.join(name.lower() + 's' for name in task.labels)} in text.",
        "labels": list(task.labels),
        "styles": list(task.styles),
        "consistent": bool(recipe.options.get("consistent")),
        "input": {
            "text": "abstracts and alike",
            "max_tokens": SERVED_TOKENS,
            "language": "English",
        },
        "output": "character spans with the mean probability of their tags, in [0, 1]",
        "calibration": None,
        "training_data": own if recipe.data is not None else public,
        "results": _results(model, task, recipe),
    }


def _results(model: AdapterModel, task: Entities, recipe: Recipe) -> dict[str, Any]:
    """Return measured figures; of a final run, those of the run that chose its recipe."""
    if task.final:
        path = Path(recipe.options["selected"])
        before = json.loads(path.read_text(encoding="utf-8"))["results"]
        note = "an adapter of the same recipe trained on the training part alone, on "
        return {**before, "measured_on": note + before["measured_on"]}
    parts = {"f1": task.validation, "f1_unseen": task.measuring}
    figures = {name: task.figures(model, documents) for name, documents in parts.items()}
    return {
        "metric": "F1 of strict spans by style and label",
        "measured_on": f"all {len(task.validation)} validation documents (f1); the "
        f"{len(task.measuring)} of them that did not choose the step (f1_unseen)",
        **{part: {k: round(v, 4) for k, v in found.items()} for part, found in figures.items()},
    }


def _scores(model: AdapterModel, batch: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """Return scores (windows, length, tags) and the mask (windows, length)."""
    ids, mask, types = (t.to(model.device) for t in pad([window.item for window in batch]))
    shapes = torch.zeros_like(ids)
    for row, window in enumerate(batch):
        shapes[row, : len(window.shapes)] = torch.from_numpy(window.shapes)
    styles = torch.tensor([window.style for window in batch], device=ids.device)
    return model.head(model.hidden(ids, mask, types), mask, shapes, styles).cpu(), mask.cpu()

"""The tagger's task: diseases and chemicals in abstracts, as BIO tags with partial labels.

BC5CDR marks both; the NCBI disease corpus marks diseases only, so there a token outside a disease
may be anything but a disease, and its loss is that of the set of tags left open (Tsuboi et al.
2008). Selected on a part of BC5CDR's validation documents, measured on the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune._encoder_pairs import rows
from finetune._encoder_rerank import pad
from retrieval import tagging
from retrieval.encoder import Encoder, Tokens

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

LABELS = ("Disease", "Chemical")
TAGS = 2 * len(LABELS) + 1
SELECTION_DOCUMENTS = 150
SERVED_TOKENS = 256
TRAINING_DATA = [
    {"name": "BioCreative V CDR (BC5CDR), training part", "licence": "public domain"},
]
NCBI_DATA = {
    "name": "NCBI disease corpus, training part",
    "licence": "public domain (US government work)",
}
Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Document:
    """An annotated text.

    Attributes:
        text: what the spans refer to.
        spans: (start, end, label), without overlaps.
        complete: whether every label is annotated, or diseases only.
    """

    text: str
    spans: tuple[Span, ...]
    complete: bool


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of a tokenised document.

    Attributes:
        item: tokens with [CLS] and [SEP].
        shapes: the spelling class of each token, (tokens,).
        inside: whether a token goes on a word, (tokens - 2,).
        open: which tags the annotation leaves open, bool (tokens, TAGS).
        document: number of the document.
    """

    item: Tokens
    shapes: NDArray[np.int64]
    inside: NDArray[np.bool_]
    open: NDArray[np.bool_]
    document: int


def read(path: Path, *, complete: bool) -> list[Document]:
    """Read documents with title, abstract and entities over `title + " " + abstract`."""
    out = []
    for row in rows(path):
        spans: list[Span] = []
        for start, end, _, kind, *_ in sorted(row["entities"], key=lambda e: (e[0], -e[1])):
            if not spans or start >= spans[-1][1]:
                spans.append((start, end, kind if kind in LABELS else LABELS[0]))
        out.append(Document(f"{row['title']} {row['abstract']}", tuple(spans), complete))
    return out


def windows(
    encoder: Encoder, documents: Iterable[Document], max_tokens: int, shift: int = 0
) -> list[Window]:
    """Cut documents into windows of up to `max_tokens`; `shift` moves the first cut."""
    start, stop = encoder.special
    out = []
    for number, document in enumerate(documents):
        item = encoder.tokenize([document.text], max_tokens=1 << 30)[0]
        shapes, inside = tagging.features(encoder, document.text, item)
        allowed = _open_tags(document, item.offsets[1:-1])
        size = max_tokens - 2
        cuts = [0, *range(size - shift if shift else size, len(inside), size), len(inside)]
        for first, last in pairwise(cuts):
            ids = item.ids[1:-1][first:last]
            out.append(
                Window(
                    Tokens(
                        (start, *ids, stop),
                        (0,) * (len(ids) + 2),
                        ((0, 0), *item.offsets[1:-1][first:last], (0, 0)),
                    ),
                    np.array([0, *shapes[first:last], 0]),
                    inside[first:last],
                    np.vstack([_all(), allowed[first:last], _all()]),
                    number,
                )
            )
    return out


def _all() -> NDArray[np.bool_]:
    return np.ones((1, TAGS), dtype=np.bool_)


def _open_tags(document: Document, offsets: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Return the tags that the annotation leaves open, bool (tokens, TAGS)."""
    out = np.zeros((len(offsets), TAGS), dtype=np.bool_)
    out[:, 0] = True
    if not document.complete:
        out[:, 3:] = True
    for start, end, label in document.spans:
        tag = 1 + 2 * LABELS.index(label)
        covered = [i for i, (s, e) in enumerate(offsets) if s < end and e > start]
        for place, index in enumerate(covered):
            out[index] = False
            out[index, tag + (place > 0)] = True
    return out


class Entities:
    """Windows of annotated documents."""

    def __init__(
        self,
        encoder: Encoder,
        recipe: Recipe,
        training: Sequence[Document],
        validation: Sequence[Document],
    ) -> None:
        """Tokenise both parts; the first validation documents select, the others measure."""
        self.recipe = recipe
        self.encoder = encoder
        self.final = bool(recipe.options.get("selected"))
        self.validations = 0
        self.training = [*training, *(validation if self.final else ())]
        self.selection = list(validation[:SELECTION_DOCUMENTS])
        self.measuring = list(validation[SELECTION_DOCUMENTS:])

    def batches(self, rng: np.random.Generator) -> list[list[Window]]:
        """Return an epoch's batches; each epoch cuts documents and hides tokens elsewhere."""
        shift = int(rng.integers(0, self.recipe.max_tokens // 2))
        cut = windows(self.encoder, self.training, self.recipe.max_tokens, shift)
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
        return self.measure(model, self.selection)["f1"]

    def measure(self, model: AdapterModel, documents: Sequence[Document]) -> dict[str, float]:
        """Return strict-span precision, recall and F1, overall and of each label, in [0, 1]."""
        found: list[set[Span]] = [set() for _ in documents]
        cut = windows(self.encoder, documents, SERVED_TOKENS)
        cut.sort(key=lambda w: len(w.item.ids))
        for at in range(0, len(cut), 16):
            part = cut[at : at + 16]
            scores, _ = _scores(model, part)
            for row, window in enumerate(part):
                n = len(window.inside)
                spans = tagging.decode(
                    scores[row, 1 : n + 1].numpy(), window.inside, window.item.offsets[1:-1], LABELS
                )
                found[window.document] |= {(s, e, label) for s, e, label, _ in spans}
        return strict(found, [set(d.spans) for d in documents])


def strict(found: Sequence[set[Span]], truth: Sequence[set[Span]]) -> dict[str, float]:
    """Return precision, recall and F1 of exact (start, end, label), overall and of each label."""
    out: dict[str, float] = {}
    for label in (None, *LABELS):
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
    """Read the corpora from the data folder; `cache` is not used."""
    training = read(data / "ner/bc5cdr_train.jsonl.gz", complete=True)
    if recipe.options.get("ncbi"):
        training += read(data / "ner/ncbi_disease_train.jsonl.gz", complete=False)
    validation = read(data / "ner/bc5cdr_validation.jsonl.gz", complete=True)
    return Entities(encoder, recipe, training, validation)


def head(recipe: Recipe, encoder: Encoder) -> dict[str, Any]:
    """Return the head's configuration."""
    return {"kind": "tag", "width": encoder.width, "hidden": recipe.hidden, "tags": TAGS}


def card(model: AdapterModel, task: Entities, recipe: Recipe) -> dict[str, Any]:
    """Return what the card says of labels, input, data and results."""
    data, results = list(TRAINING_DATA), _results(model, task, recipe)
    if recipe.options.get("ncbi"):
        data.append(NCBI_DATA)
    if task.final:
        data.append({"name": "BC5CDR, validation part", "licence": "public domain"})
    return {
        "purpose": "Marks diseases and chemicals (drugs among them) in biomedical text.",
        "labels": list(LABELS),
        "input": {
            "text": "abstracts and alike",
            "max_tokens": SERVED_TOKENS,
            "language": "English",
        },
        "output": "character spans with the mean probability of their tags, in [0, 1]",
        "calibration": None,
        "training_data": data,
        "results": results,
    }


def _results(model: AdapterModel, task: Entities, recipe: Recipe) -> dict[str, Any]:
    """Return measured figures; of a final run, those of the run that chose its recipe."""
    if task.final:
        path = Path(recipe.options["selected"])
        before = json.loads(path.read_text(encoding="utf-8"))["results"]
        note = "an adapter of the same recipe trained on the training part alone, on "
        return {**before, "measured_on": note + before["measured_on"]}
    figures = task.measure(model, task.measuring)
    return {
        "metric": "strict-span precision, recall and F1",
        "measured_on": f"{len(task.measuring)} BC5CDR validation documents that selected nothing; "
        f"the first {len(task.selection)} chose the step",
        **{key: round(value, 4) for key, value in figures.items()},
    }


def _scores(model: AdapterModel, batch: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """Return scores (windows, length, TAGS) and the mask (windows, length)."""
    ids, mask, types = (t.to(model.device) for t in pad([window.item for window in batch]))
    shapes = torch.zeros_like(ids)
    for row, window in enumerate(batch):
        shapes[row, : len(window.shapes)] = torch.from_numpy(window.shapes)
    return model.head(model.hidden(ids, mask, types), mask, shapes).cpu(), mask.cpu()

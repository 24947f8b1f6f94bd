"""Classes of pairs, served: does a text support a claim, what does an abstract answer?

A `Classifier` is an adapter of the text encoder (`retrieval.adapters`) with a head of classes: the
`support` adapter says support, contradict or neither of a claim and a text, `verdict` says yes, no or
maybe of a question and an abstract. The sentences of the text that bear most on the first part are
chosen before anything is encoded. Immutable, shared by threads. Knows nothing of training.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (temperature scaling).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval import _claims, _cues
from retrieval.adapters import PAIR_BATCH, Adapter, _fill, _head
from retrieval.encoder import Encoder
from retrieval.errors import ModelError

if TYPE_CHECKING:
    from retrieval.heads import ClassHead


@dataclass(frozen=True, eq=False)
class Classifier:
    """Gives pairs of texts the probabilities of a card's labels.

    Attributes:
        encoder: tokenises and batches.
        adapter: the merged encoder, the head's tensors and the card.
        head: maps hidden states and cues to a logit a class.
    """

    encoder: Encoder
    adapter: Adapter
    head: ClassHead

    @classmethod
    def load(cls, encoder: Encoder, name: str, task: str | None = None) -> Classifier:
        """Load a classifier by name or folder.

        Args:
            encoder: the base that it was trained on.
            name: a shipped adapter ("support", "verdict"), or the path of an adapter's folder.
            task: what it has to be for; by default the name of the shipped adapter.

        Raises:
            ModelError: as `Adapter.load`, and where the card lists no labels or its text reader
                gives other cues than this version's.
        """
        adapter = Adapter.load(encoder, name, task or name)
        labels, head = adapter.card.get("labels"), adapter.card["head"]
        listed = isinstance(labels, list) and len(labels) == head.get("classes")
        if head.get("kind") != "classes" or not listed:
            raise ModelError(
                f"The adapter {name!r} is no classifier with a label for each class: restore its "
                "card.json from its release."
            )
        if head.get("cues") != _cues.CUES:
            raise ModelError(
                f"The adapter {name!r} reads {head.get('cues')} cues, this version gives "
                f"{_cues.CUES}: train it again with 'auscult finetune {adapter.card['task']}'."
            )
        return cls(encoder, adapter, _head(adapter))

    @property
    def card(self) -> dict[str, Any]:
        """The adapter's card."""
        return self.adapter.card

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return tuple(self.card["labels"])

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return calibrated probabilities, float32 (len(pairs), labels), rows summing to 1.

        Args:
            pairs: (claim or question, text), the text a sentence, a passage or an abstract, whose
                sections may be marked as "RESULTS: ..."; a text of many sentences is cut to the
                card's number of those that bear most on the claim.
        """
        scaled = float(self.card["calibration"]["scale"]) * self.logits(pairs)
        return _softmax(scaled).astype(np.float32)

    def decide(self, probabilities: NDArray[np.float32]) -> list[str]:
        """Return the label of each row of `probabilities`.

        The card's offsets weigh rare classes up or down against the likeliest (logit adjustment,
        Menon et al. 2021); without any it is the likeliest.
        """
        offsets = np.asarray(self.card["calibration"].get("offsets", [0.0] * len(self.labels)))
        log = np.log(np.maximum(probabilities.astype(np.float64), 1e-12)) + offsets
        return [self.labels[place] for place in log.argmax(1).tolist()]

    def logits(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Return uncalibrated scores, (len(pairs), labels)."""
        import torch

        out = np.zeros((len(pairs), len(self.labels)))
        if not pairs:
            return out
        limits = self.card["input"]
        count = int(limits["sentences"])
        chosen = [(first, _claims.choose(first, text, count)) for first, text in pairs]
        cues = np.stack([_cues.cues(*pair) for pair in chosen])
        items = self.encoder.tokenize(
            [a for a, _ in chosen], [b for _, b in chosen], int(limits["max_tokens"])
        )
        for rows, hidden, mask in self.encoder.batches(items, self.adapter.bert, PAIR_BATCH):
            types = _fill([items[i].types for i in rows], hidden.shape[1])
            with torch.inference_mode():
                scores = self.head(hidden, mask, types, torch.from_numpy(cues[rows]))
            out[rows] = scores.double().numpy()
        return out


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True)) if len(scores) else scores
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)

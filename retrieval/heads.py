"""The heads that adapters put on the encoder's hidden states, the same for training and serving.

Small float32 modules; their tensors travel in an adapter's file under `head.`. They know nothing of
texts, cards or training. Imports torch: import this module late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

SHAPES = 8


class PairHead(nn.Module):
    """Scores a pair of texts that were encoded together.

    Each text's tokens are averaged (Reimers & Gurevych 2019); beside the two averages, their product
    and difference stands how well every token of the first text is met by one of the second
    (the late interaction of Khattab & Zaharia 2020, "ColBERT").
    """

    def __init__(self, width: int, hidden: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(4 * width + 2, hidden)
        self.drop = nn.Dropout(dropout)
        self.outer = nn.Linear(hidden, 1)
        self.skip = nn.Linear(2, 1)
        nn.init.constant_(self.skip.weight, 4.0)
        nn.init.constant_(self.skip.bias, -4.0)

    def forward(self, hidden: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """Return logits, float32 (batch,).

        Args:
            hidden: last hidden states (batch, length, width).
            mask: 1 for tokens, 0 for padding (batch, length).
            types: 0 for the first and 1 for the second text (batch, length).
        """
        states = self.norm(hidden.float())
        second = (types * mask).float()
        first = mask.float() - second
        left, right = _mean(states, first), _mean(states, second)
        unit = functional.normalize(states, dim=-1)
        met = (unit @ unit.transpose(1, 2)).masked_fill(second[:, None, :] == 0, -1.0).amax(2)
        late = (met * first).sum(1) / first.sum(1).clamp(min=1)
        scalars = torch.stack([functional.cosine_similarity(left, right), late], dim=1)
        features = torch.cat([left, right, left * right, (left - right).abs(), scalars], dim=1)
        deep = self.outer(self.drop(functional.gelu(self.inner(features))))
        return (deep + self.skip(scalars)).squeeze(1)


class TagHead(nn.Module):
    """Gives every token a score for every tag, from its state, its neighbours' and its spelling.

    A bidirectional LSTM (Lample et al. 2016) reads the states together with an embedding of the
    word's case and digits, which an uncased encoder can't see. Corpora that draw the borders of an
    entity by different rules are styles of one head, told apart by an embedding and a last layer.
    """

    def __init__(
        self, width: int, tags: int, hidden: int = 128, dropout: float = 0.3, styles: int = 1
    ) -> None:
        super().__init__()
        self.tags = tags
        self.shapes = nn.Embedding(SHAPES, 16)
        self.styles = nn.Embedding(styles, 16) if styles > 1 else None
        self.drop = nn.Dropout(dropout)
        self.reader = nn.LSTM(width + 16, hidden, batch_first=True, bidirectional=True)
        self.outer = nn.Linear(2 * hidden + width, tags * styles)

    def forward(
        self, hidden: Tensor, mask: Tensor, shapes: Tensor, style: Tensor | None = None
    ) -> Tensor:
        """Return scores, float32 (batch, length, tags).

        Args:
            hidden: last hidden states (batch, length, width).
            mask: 1 for tokens, 0 for padding (batch, length); padding comes last.
            shapes: the class of each token's word, int64 in [0, SHAPES) (batch, length).
            style: the style of each text, int64 in [0, styles) (batch,); by default the first.
        """
        states = self.drop(hidden.float())
        spelt = self.shapes(shapes)
        if self.styles is not None:
            style = torch.zeros_like(shapes[:, 0]) if style is None else style
            spelt = spelt + self.styles(style)[:, None, :]
        packed = pack_padded_sequence(
            torch.cat([states, spelt], dim=2),
            mask.sum(1).cpu(),
            batch_first=True,
            enforce_sorted=False,
        )
        read, _ = pad_packed_sequence(
            self.reader(packed)[0], batch_first=True, total_length=hidden.shape[1]
        )
        scores = self.outer(torch.cat([self.drop(read), states], dim=2))
        if self.styles is None or style is None:
            return scores
        each = scores.unflatten(2, (-1, self.tags))
        return each[torch.arange(len(each)), :, style]


class ClassHead(nn.Module):
    """Gives a pair of texts that were encoded together a score for every class.

    Reads the two averages, their product and difference and how well each token of the first text
    is met by the second, as `PairHead` does. Plain cues of agreement have a straight way of their own
    beside it, which counts where there is little data.
    """

    def __init__(
        self, width: int, classes: int, cues: int, hidden: int = 128, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(4 * width + 2, hidden)
        self.drop = nn.Dropout(dropout)
        self.outer = nn.Linear(hidden, classes)
        self.skip = nn.Linear(2 + cues, classes)
        nn.init.zeros_(self.skip.weight)
        nn.init.zeros_(self.skip.bias)

    def forward(self, hidden: Tensor, mask: Tensor, types: Tensor, cues: Tensor) -> Tensor:
        """Return logits, float32 (batch, classes).

        Args:
            hidden: last hidden states (batch, length, width).
            mask: 1 for tokens, 0 for padding (batch, length).
            types: 0 for the first and 1 for the second text (batch, length).
            cues: plain signs of agreement, float32 (batch, cues).
        """
        deep, likeness = self.read(hidden, mask, types)
        return deep + self.skip(torch.cat([likeness, cues], dim=1))

    def read(self, hidden: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, Tensor]:
        """Return the encoder's own logits (batch, classes), and two likenesses (batch, 2)."""
        states = self.norm(hidden.float())
        second = (types * mask).float()
        first = mask.float() - second
        left, right = _mean(states, first), _mean(states, second)
        unit = functional.normalize(states, dim=-1)
        met = (unit @ unit.transpose(1, 2)).masked_fill(second[:, None, :] == 0, -1.0).amax(2)
        late = (met * first).sum(1) / first.sum(1).clamp(min=1)
        likeness = torch.stack([functional.cosine_similarity(left, right), late], dim=1)
        features = torch.cat([left, right, left * right, (left - right).abs(), likeness], dim=1)
        return self.outer(self.drop(functional.gelu(self.inner(self.drop(features))))), likeness


def build(config: Mapping[str, Any]) -> PairHead | TagHead | ClassHead:
    """Return a fresh head for a card's `head` entry.

    Its keys: kind ("pair", "tag" or "classes"), width and hidden; tags and styles for "tag"; classes
    and cues for "classes".
    """
    if config["kind"] == "classes":
        sizes = (int(config[key]) for key in ("width", "classes", "cues", "hidden"))
        return ClassHead(*sizes)
    if config["kind"] == "pair":
        return PairHead(int(config["width"]), int(config["hidden"]))
    styles = int(config.get("styles", 1))
    return TagHead(int(config["width"]), int(config["tags"]), int(config["hidden"]), styles=styles)


def _mean(states: Tensor, weight: Tensor) -> Tensor:
    return (states * weight[:, :, None]).sum(1) / weight.sum(1, keepdim=True).clamp(min=1)

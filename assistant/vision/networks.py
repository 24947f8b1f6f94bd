"""Which network a card describes: the residual film network, a dense one, or plain convolutions.

All have the same parts: `early` and `late` maps, `classify`, and the two together, so that scores
and heatmaps are made the same way. Knows nothing of files, thresholds or training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from assistant.vision.network import FilmNet, equalise, local_contrast, standardise

KINDS = ("film", "seed", "densenet")


def build(architecture: Mapping[str, Any]) -> FilmNet | SeedNet | DenseNet:
    """Return the untrained network that a card's `architecture` describes.

    Raises:
        KeyError, TypeError, ValueError: if the description lacks a part or can't be right.
    """
    kind = str(architecture.get("kind", "film"))
    if kind == "film":
        return FilmNet.from_card(architecture)
    outputs, side = int(architecture.get("outputs", 1)), int(architecture["side"])
    if kind == "seed":
        return SeedNet(side, outputs)
    if kind == "densenet":
        return DenseNet(
            side,
            outputs,
            stem=int(architecture["widths"][0]),
            blocks=[int(count) for count in architecture["blocks"]],
            growth=int(architecture["growth"]),
            normalise=str(architecture.get("normalise", "standard")),
        )
    raise ValueError(f"network kind {kind!r} is none of {', '.join(KINDS)}")


def _sized(films: Tensor, side: int) -> Tensor:
    if films.shape[-1] == side and films.shape[-2] == side:
        return films
    return functional.interpolate(
        films, (side, side), mode="bilinear", align_corners=False, antialias=True
    )


class SeedNet(nn.Module):
    """The plain network that others are compared against: five convolutions, two dense layers.

    Args:
        side: side that films are resampled to inside, in pixels.
        outputs: logits a film.
    """

    def __init__(self, side: int = 150, outputs: int = 1) -> None:
        super().__init__()
        self.side = side
        self.first = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.second = nn.Sequential(
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
            nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.features = 128
        self.hidden = nn.Linear(128 * (side // 8) ** 2, 64)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(64, outputs)

    def early(self, films: Tensor) -> Tensor:
        """Return the maps after two poolings, (N, 64, side / 4, side / 4), of (N, 1, H, W) films."""
        maps: Tensor = self.first(_sized(films, self.side))
        return maps

    def late(self, maps: Tensor) -> Tensor:
        """Return the last maps, (N, 128, side / 8, side / 8)."""
        last: Tensor = self.second(maps)
        return last

    def maps(self, films: Tensor) -> Tensor:
        """Return the last maps of (N, 1, H, W) films."""
        return self.late(self.early(films))

    def classify(self, maps: Tensor) -> Tensor:
        """Return the logits, (N,) for one output and (N, outputs) for more, of the last maps."""
        inner = self.drop(functional.relu(self.hidden(maps.flatten(1))))
        logits: Tensor = self.head(inner)
        return logits.squeeze(1) if logits.shape[1] == 1 else logits

    def forward(self, films: Tensor) -> Tensor:
        """Return the logits of (N, 1, H, W) films in [0, 1]."""
        return self.classify(self.maps(films))


class _Dense(nn.Module):
    """One dense layer: its maps are added to what it was given, as further channels."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth), nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )  # fmt: skip

    def forward(self, values: Tensor) -> Tensor:
        return torch.cat([values, self.body(values)], 1)


class DenseNet(nn.Module):
    """A small densely connected network (Huang et al. 2017), with halving transitions.

    Args:
        side: side that films are resampled to inside, in pixels.
        outputs: logits a film.
        stem: channels of the first convolution.
        blocks: dense layers of each block.
        growth: channels that a layer adds.
        normalise: "standard" or "ranks", as in `FilmNet`.
    """

    def __init__(
        self,
        side: int = 128,
        outputs: int = 1,
        *,
        stem: int = 32,
        blocks: Sequence[int] = (4, 6, 8, 6),
        growth: int = 16,
        normalise: str = "standard",
    ) -> None:
        super().__init__()
        if normalise not in ("ranks", "standard"):
            raise ValueError(f"normalise is {normalise!r}: it must be ranks or standard")
        self.side, self.normalise = side, normalise
        parts: list[nn.Module] = [
            nn.Conv2d(2 if normalise == "ranks" else 1, stem, 5, 2, 2, bias=False),
            nn.BatchNorm2d(stem), nn.ReLU(), nn.MaxPool2d(2),
        ]  # fmt: skip
        channels = stem
        for place, count in enumerate(blocks):
            if place == len(blocks) - 1:
                self.first = nn.Sequential(*parts)
                parts = []
            for _ in range(count):
                parts.append(_Dense(channels, growth))
                channels += growth
            if place < len(blocks) - 1:
                parts += [
                    nn.BatchNorm2d(channels), nn.ReLU(),
                    nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2),
                ]  # fmt: skip
                channels //= 2
        self.second = nn.Sequential(*parts, nn.BatchNorm2d(channels), nn.ReLU())
        self.features = channels
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(channels, outputs)

    def early(self, films: Tensor) -> Tensor:
        """Return the maps before the last dense block, of (N, 1, H, W) films."""
        films = _sized(films, self.side)
        with torch.autocast(films.device.type, enabled=False):
            if self.normalise == "standard":
                seen = standardise(films.float())
            else:
                ranks = equalise(films.float())
                seen = torch.cat([ranks, local_contrast(ranks, self.side // 10 * 2 + 1)], 1)
        maps: Tensor = self.first(seen.contiguous(memory_format=torch.channels_last))
        return maps

    def late(self, maps: Tensor) -> Tensor:
        """Return the last block's maps."""
        last: Tensor = self.second(maps)
        return last

    def maps(self, films: Tensor) -> Tensor:
        """Return the last maps of (N, 1, H, W) films."""
        return self.late(self.early(films))

    def classify(self, maps: Tensor) -> Tensor:
        """Return the logits, (N,) for one output and (N, outputs) for more, of the last maps."""
        logits: Tensor = self.head(self.drop(maps.mean((2, 3))))
        return logits.squeeze(1) if logits.shape[1] == 1 else logits

    def forward(self, films: Tensor) -> Tensor:
        """Return the logits of (N, 1, H, W) films in [0, 1]."""
        return self.classify(self.maps(films))

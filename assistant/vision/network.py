"""The convolutional networks: from squashed grey films in [0, 1] to one logit each.

The exposure normalisation is part of the network, so that training, inference, calibration and
heatmap can't disagree about it. Knows nothing of files, cards, thresholds or augmentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Side of the square that films are squashed to before they reach any network, in pixels.
FILM_SIDE = 224


def equalise(films: Tensor) -> Tensor:
    """Return each film's grey values replaced by their rank among its own mid-tones.

    Global histogram equalisation removes whatever a monotone exposure curve did to a film. Values
    next to pure black and white (collimation, burned-in letters) don't count towards the ranks.

    Args:
        films: (N, 1, H, W), values in [0, 1].

    Returns:
        (N, 1, H, W), values in about [-1.73, 1.73]: uniform ranks with mean 0 and deviation 1.
    """
    count, _, height, width = films.shape
    levels = (films.detach().clamp(0, 1) * 255).round().long().view(count, -1)
    margin_y, margin_x = height // 20, width // 20
    core = levels.view(count, height, width)[
        :, margin_y : height - margin_y, margin_x : width - margin_x
    ].reshape(count, -1)
    offsets = torch.arange(count, device=films.device).view(-1, 1) * 256
    histogram = torch.bincount((core + offsets).view(-1), minlength=count * 256).view(count, 256)
    weights = histogram.float()
    weights[:, :4] = 0
    weights[:, 252:] = 0
    weights = weights + 1e-3  # A blank film has no mid-tones at all.
    ranks = weights.cumsum(1) - weights / 2
    ranks = ranks / weights.sum(1, keepdim=True)
    return ((ranks.gather(1, levels) - 0.5) * 12**0.5).view_as(films)


def standardise(films: Tensor) -> Tensor:
    """Return (N, 1, H, W) films with mean 0 and deviation 1 each; a blank film stays near 0."""
    middle = films.mean((2, 3), keepdim=True)
    spread = films.std((2, 3), keepdim=True)
    return (films - middle) / (spread + 1e-2)


def local_contrast(films: Tensor, window: int) -> Tensor:
    """Return each pixel's distance from its surroundings' mean, in their standard deviations.

    Args:
        films: (N, 1, H, W).
        window: side of the square surroundings in pixels, odd.

    Returns:
        (N, 1, H, W), clipped to [-3, 3].
    """

    def mean(values: Tensor) -> Tensor:
        return _box(_box(values, window, 2), window, 3)

    middle = mean(films)
    spread = (mean(films * films) - middle * middle).clamp_min(0).sqrt()
    return ((films - middle) / (spread + 0.1)).clamp(-3, 3)


def _box(values: Tensor, window: int, axis: int) -> Tensor:
    """Return the running mean over `window` pixels along `axis`, by differences of running sums."""
    pad = window // 2
    sums = functional.pad(values.cumsum(axis), (1, 0) if axis == 3 else (0, 0, 1, 0))
    size = values.shape[axis]
    places = torch.arange(size, device=values.device)
    low, high = (places - pad).clamp_min(0), (places + pad + 1).clamp_max(size)
    counts = (high - low).view((-1, 1) if axis == 2 else (1, -1))
    return (sums.index_select(axis, high) - sums.index_select(axis, low)) / counts


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2016; the shortcut pools, He et al. 2019)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, values: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        inner = functional.relu(self.first_norm(self.first(values)))
        return functional.relu(self.second_norm(self.second(inner)) + self.shortcut(values))


class FilmNet(nn.Module):
    """A compact residual network over a film whose exposure it normalises itself.

    Args:
        width: channels of the first stage; each of the four stages doubles them.
        side: side that films are resampled to inside, in pixels.
        dropout: share of pooled features dropped in training.
        outputs: logits a film.
        widths: channels of each stage, instead of `width`.
        blocks: residual blocks of each stage.
        normalise: "ranks" gives two exposure-free views (ranks and local contrast), "standard" one
            (mean 0, deviation 1).
        deep: a second convolution in the stem, and averaging (not sampling) where films are shrunk.
    """

    def __init__(  # noqa: PLR0913 - the keys of a card's architecture
        self,
        width: int = 32,
        side: int = 160,
        dropout: float = 0.3,
        outputs: int = 1,
        *,
        widths: Sequence[int] = (),
        blocks: Sequence[int] = (),
        normalise: str = "ranks",
        deep: bool = False,
    ) -> None:
        super().__init__()
        if normalise not in ("ranks", "standard"):
            raise ValueError(f"normalise is {normalise!r}: it must be ranks or standard")
        self.side = side
        self.deep = deep
        self.normalise = normalise
        widths = tuple(widths) or tuple(width * 2**stage for stage in range(4))
        counts = tuple(blocks) or (2,) * len(widths)
        views = 2 if normalise == "ranks" else 1
        stem: list[nn.Module] = [
            nn.Conv2d(views, widths[0], 5, 2, 2, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        if deep:
            stem += [
                nn.Conv2d(widths[0], widths[0], 3, 1, 1, bias=False),
                nn.BatchNorm2d(widths[0]),
                nn.ReLU(),
            ]
        self.stem = nn.Sequential(*stem, nn.MaxPool2d(2))
        stages: list[nn.Module] = []
        channels = widths[0]
        for stage, (wider, count) in enumerate(zip(widths, counts, strict=True)):
            for place in range(count):
                stride = 2 if stage and place == 0 else 1
                stages.append(Residual(channels, wider, stride))
                channels = wider
        self.stages = nn.Sequential(*stages)
        self.last = len(stages) - counts[-1]  # Where the last stage begins.
        self.features = channels
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(channels, outputs)

    @classmethod
    def from_card(cls, architecture: Mapping[str, Any]) -> FilmNet:
        """Return the untrained network that a card's `architecture` describes.

        Raises:
            KeyError, TypeError, ValueError: if the description lacks a part or can't be right.
        """
        return cls(
            int(architecture.get("width", 32)),
            int(architecture["side"]),
            outputs=int(architecture.get("outputs", 1)),
            widths=[int(width) for width in architecture.get("widths", ())],
            blocks=[int(count) for count in architecture.get("blocks", ())],
            normalise=str(architecture.get("normalise", "ranks")),
            deep=bool(architecture.get("deep", False)),
        )

    def maps(self, films: Tensor) -> Tensor:
        """Return the last feature maps, (N, features, side / 32, side / 32), of (N, 1, H, W) films."""
        return self.late(self.early(films))

    def views(self, films: Tensor) -> Tensor:
        """Return what the first layer sees: (N, 1 or 2, side, side) of (N, 1, H, W) films."""
        if films.shape[-1] != self.side or films.shape[-2] != self.side:
            films = functional.interpolate(
                films,
                (self.side, self.side),
                mode="bilinear",
                align_corners=False,
                antialias=self.deep,
            )
        with torch.autocast(films.device.type, enabled=False):
            if self.normalise == "standard":
                views = standardise(films.float())
            else:
                ranks = equalise(films.float())
                views = torch.cat([ranks, local_contrast(ranks, self.side // 10 * 2 + 1)], 1)
        return views.contiguous(memory_format=torch.channels_last)

    def early(self, films: Tensor) -> Tensor:
        """Return the maps before the last stage, (N, features / 2, side / 16, side / 16)."""
        maps: Tensor = self.stages[: self.last](self.stem(self.views(films)))
        return maps

    def late(self, maps: Tensor) -> Tensor:
        """Return the last stage's maps from those before it."""
        last: Tensor = self.stages[self.last :](maps)
        return last

    def classify(self, maps: Tensor) -> Tensor:
        """Return the logits, (N,) for one output and (N, outputs) for more, of feature maps."""
        logits: Tensor = self.head(self.drop(maps.mean((2, 3))))
        return logits.squeeze(1) if logits.shape[1] == 1 else logits

    def forward(self, films: Tensor) -> Tensor:
        """Return the logits, (N,) or (N, outputs), of (N, 1, H, W) films in [0, 1]."""
        return self.classify(self.maps(films))


class BaselineNet(nn.Module):
    """The plain network that is compared against: five convolutions, three poolings, two dense."""

    def __init__(self, side: int = 150) -> None:
        super().__init__()
        self.side = side
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
            nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(128 * (side // 8) ** 2, 64), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(64, 1),
        )  # fmt: skip

    def forward(self, films: Tensor) -> Tensor:
        """Return one logit a film, (N,), of (N, 1, H, W) films in [0, 1]."""
        films = functional.interpolate(
            films, (self.side, self.side), mode="bilinear", align_corners=False
        )
        return self.body(films).squeeze(1)

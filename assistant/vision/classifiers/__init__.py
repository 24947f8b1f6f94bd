"""Image classifiers: one contract, one file a kind; which ones judge is a setting.

A spec string names one: a shipped or trained folder ("pneumonia", a path, `film:<folder>`), an
`ensemble:<folder>` of such, `hub:<folder or hub id>` for transformers' image classifiers, or
`monai:<bundle folder>`. Results are keyed by the model's own labels, from its own card. Loads nothing
heavy until one is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from assistant.findings import OperatingPoint
from assistant.settings import Settings
from retrieval import plugins

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assistant.vision.calibration import Calibration
    from assistant.vision.conformal import Conformal

PACKAGE = "assistant.vision.classifiers"
DEFAULT_KIND = "film"
# What a modality in a card is among the gate's kinds, by a word in it; the first match counts.
KINDS_BY_WORD = (
    ("mri", "mr"),
    ("mr ", "mr"),
    ("ultrasound", "ultrasound"),
    ("ct", "ct"),
    ("mammogra", "mammogram"),
    ("chest", "film"),
    ("film", "film"),
)


@dataclass(frozen=True, slots=True)
class Population:
    """Whom a model was trained on.

    Attributes:
        words: for example "chest films of children aged 1 to 5 from one hospital"; "" if not said.
        age_from_years: youngest, or None.
        age_to_years: oldest, or None.
    """

    words: str = ""
    age_from_years: float | None = None
    age_to_years: float | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """What a model says of itself, checked.

    Attributes:
        name: of the model.
        version: of its weights.
        labels: in the order of its outputs; two or more.
        positive: the label that the probability and the points are of; None where the model tells
            several findings apart and the likeliest is said.
        negative: the label that means nothing was found, or None.
        modality: what it judges, in words, such as "chest film" or "brain MRI".
        kinds: the gate's names for that, such as ("film",).
        side: height and width in pixels of what the network is given.
        channels: 1 for grey, 3 where grey is repeated.
        value_range: what uint8 0 and 255 become.
        views: what logits are averaged over; see `assistant.vision.inputs.VIEWS`.
        calibration: from logits to probabilities.
        points: operating points; empty where none were measured.
        conformal: quantiles of prediction sets, or None.
        population: whom it was trained on.
        limits: caveats as sentences.
        licence: of the weights, or "".
        after: label of another model that must be suspected before this one is asked, or "".
    """

    name: str
    version: str
    labels: tuple[str, ...]
    positive: str | None
    negative: str | None
    modality: str
    kinds: tuple[str, ...]
    side: int
    channels: int
    value_range: tuple[float, float]
    views: tuple[str, ...]
    calibration: Calibration
    points: tuple[OperatingPoint, ...] = ()
    conformal: Conformal | None = None
    population: Population = field(default_factory=Population)
    limits: tuple[str, ...] = ()
    licence: str = ""
    after: str = ""

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}".strip()

    def point(self, name: str) -> OperatingPoint | None:
        """Return an operating point by its name, or None."""
        return next((point for point in self.points if point.name == name), None)

    def place(self, probabilities: NDArray[np.float64]) -> int:
        """Return the number of the label that is reported: the positive one, else the likeliest."""
        if self.positive is not None:
            return self.labels.index(self.positive)
        return int(probabilities.argmax())


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a classifier gives for one image.

    Attributes:
        logits: (K,) mean over views and members, before calibration.
        probabilities: (K,) calibrated, sum 1, in the order of the card's labels.
        spread: standard deviation of the reported label's calibrated probability over views or
            members, in [0, 0.5]; None where there is one only.
    """

    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    spread: float | None = None


class Classifier(Protocol):
    """One image classifier. Thread-safe once built: nothing changes any more."""

    @property
    def card(self) -> Card:
        """The model's card."""
        ...

    @property
    def files(self) -> Sequence[Path]:
        """The files of its weights, for their digests."""
        ...

    def read(self, images: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        """Return a reading for each (H, W) uint8 image, bright where dense; sizes may differ."""
        ...

    def attention(self, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return where the image speaks for the reported label, (h, w) in [0, 1]; None if unknown."""
        ...

    def together(self, image: NDArray[np.uint8]) -> tuple[Reading, NDArray[np.float32] | None]:
        """Return reading and attention from one pass over the image."""
        ...


def build(spec: str, settings: Settings) -> Classifier:
    """Build the classifier that a spec string names.

    Raises:
        ConfigError: if there is no such kind.
        ModelError: if its files are missing, damaged, or not what its card says.
    """
    kind, argument = split(spec)
    built: Classifier = plugins.load(PACKAGE, kind).build(argument, settings)
    return built


def split(spec: str) -> tuple[str, str]:
    """Return kind and argument of a spec string; without a kind it names a folder."""
    kind, colon, argument = spec.strip().partition(":")
    # A drive letter is no kind.
    if not colon or len(kind) < 2 or "/" in kind or "\\" in kind:
        return DEFAULT_KIND, spec.strip()
    return kind, argument.strip()


def kinds_of(modality: str) -> tuple[str, ...]:
    """Return the gate's kinds for a modality in words; () where no word of it is known."""
    words = f"{modality.lower()} "
    return next(((kind,) for word, kind in KINDS_BY_WORD if word in words), ())

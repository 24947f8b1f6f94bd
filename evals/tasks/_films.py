"""What the tasks on films share: the samples of a CSV, and the films opened as the chat opens them.

Knows nothing of figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.settings import Settings
from evals.tasks import _image_data
from evals.types import Dataset
from retrieval.errors import InputError

if TYPE_CHECKING:
    from assistant.vision.decode import RadiographImage
    from assistant.vision.judge import ImageJudge


class Judging:
    """What every task on images starts with: settings, seed, and a judge that loads when needed."""

    def __init__(self, settings: Settings, seed: int) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed
        self._judge: ImageJudge | None = None

    def weights(self) -> Sequence[Path]:
        """Return the weight files of the gate and of every classifier in use."""
        return self._loaded().files

    def _loaded(self) -> ImageJudge:
        from assistant.vision.judge import ImageJudge

        if self._judge is None:
            self._judge = ImageJudge(self.settings)
        return self._judge


def load(data: Path | None, limit: int | None, judge: ImageJudge, task: str) -> Dataset:
    """Read the index; the built-in synthetic films where `data` is None.

    Every sample gets `truth`, whether its label is the positive one of the classifier that knows it.

    Raises:
        InputError: naming the file and line that can't be used, or if that classifier tells several
            findings apart.
    """
    path = data or built_in()
    if not path.is_file():
        raise InputError(f"There is no file {path}: give the path of an existing file.")
    samples, card = _image_data.read(path, judge.cards, limit)
    if card.positive is None:
        raise InputError(
            f"{card.title} tells several findings apart, and the task {task} is of one that is there "
            "or not: use the task image, or set image_classifiers to a model of two labels."
        )
    kept = tuple({**sample, "truth": sample["label"] == card.positive} for sample in samples)
    unit = "patients" if kept[0]["patient_id"] else "films"
    files = (path, *(sample["path"] for sample in kept))
    name = path.name if data else "built-in synthetic films"
    return Dataset(name, kept, files, unit, {"card": card})


def built_in() -> Path:
    """Return the index of the synthetic films that ship."""
    from assistant import vision

    return Path(vision.__file__).parent / "samples" / "index.csv"


def opened(samples: Sequence[dict[str, Any]], settings: Settings) -> list[RadiographImage | str]:
    """Return each sample's film, or the reason why it can't be opened."""
    from assistant.errors import AttachmentError
    from assistant.intake import accept_file
    from assistant.vision.decode import decode_many

    out: list[RadiographImage | str] = [""] * len(samples)
    taken = []
    for number, sample in enumerate(samples):
        try:
            taken.append((number, accept_file(sample["path"], settings, number + 1)))
        except AttachmentError as error:
            out[number] = str(error)
    decoded = decode_many((attachment for _, attachment in taken), settings, settings.threads)
    for (number, _), film in zip(taken, decoded, strict=True):
        out[number] = str(film) if isinstance(film, AttachmentError) else film
    return out

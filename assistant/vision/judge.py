"""The image judge: an attachment in, a `Finding` out, either a calibrated probability or a refusal.

Decoding, gate, classifier and heatmap meet here. Weights load on first use, once, whichever thread
comes first; after that nothing changes, so one judge serves any number of sessions at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from assistant.settings import Settings
from assistant.types import Attachment, Finding
from assistant.vision import weights
from assistant.vision.decode import RadiographImage, decode

if TYPE_CHECKING:  # torch is heavy: it comes with the first film
    from assistant.vision.classifier import Classifier
    from assistant.vision.gate import Gate

RESEARCH = "For research use only; not a diagnosis. A clinician must read the film."
BATCH = 32


class ImageJudge:
    """Judges chest films.

    Args:
        settings: limits for decoding, and threads.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._parts: tuple[Gate, Classifier] | None = None

    @property
    def model(self) -> str:
        """Name and version of the classifier, from its card; loads no weights."""
        card = weights.read_card(weights.SHIPPED / "pneumonia")
        return f"{card['name']} {card['version']}"

    def judge(self, attachment: Attachment) -> Finding:
        """Decode and judge one attachment.

        Raises:
            AttachmentError: if it can't be decoded.
            ModelError: if the shipped weights are missing or damaged.
        """
        return self.judge_image(decode(attachment, self._settings), attachment.name)

    def judge_image(self, image: RadiographImage, name: str) -> Finding:
        """Judge one decoded image; the finding carries a heatmap unless it is a refusal."""
        return next(self.judge_many([image], [name], heatmap=True))

    def judge_many(
        self,
        images: Iterable[RadiographImage],
        names: Iterable[str] | None = None,
        heatmap: bool = False,
    ) -> Iterator[Finding]:
        """Judge decoded images in batches, in order; lazily, so that any number fits in memory.

        Args:
            images: decoded images.
            names: their names; by default "image 1", "image 2", ...
            heatmap: whether findings carry one (it takes longer than the judgement).
        """
        gate, classifier = self._load()
        stream = iter(images)
        named = iter(names) if names is not None else (f"image {n}" for n in _count())
        while batch := list(islice(stream, BATCH)):
            labels = list(islice(named, len(batch)))
            verdicts = gate.check_many(batch)
            passed = [i for i, v in zip(batch, verdicts, strict=True) if v.passed]
            chances = iter(_chances(classifier, passed))
            for image, name, verdict in zip(batch, labels, verdicts, strict=True):
                if not verdict.passed:
                    yield _refusal(name, verdict.reason, classifier.name, image)
                else:
                    yield _finding(classifier, image, name, next(chances), heatmap)

    def _load(self) -> tuple[Gate, Classifier]:
        with self._lock:
            if self._parts is None:
                import torch

                from assistant.vision.classifier import Classifier
                from assistant.vision.gate import Gate

                if self._settings.threads:
                    torch.set_num_threads(self._settings.threads)
                gate = Gate(weights.SHIPPED / "film_gate")
                self._parts = (gate, Classifier(weights.SHIPPED / "pneumonia"))
            return self._parts


def _count() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


def _chances(classifier: Classifier, images: list[RadiographImage]) -> np.ndarray:
    from assistant.vision.classifier import squash

    if not images:
        return np.zeros(0)
    return classifier.probabilities(np.stack([squash(image.pixels) for image in images]))


def _refusal(name: str, reason: str, model: str, image: RadiographImage) -> Finding:
    return Finding(name, "", None, None, True, reason, model, None, (RESEARCH, *image.notes))


def _finding(
    classifier: Classifier, image: RadiographImage, name: str, chance: float, heatmap: bool
) -> Finding:
    from assistant.vision.classifier import squash
    from assistant.vision.heatmap import overlay

    heat = None
    if heatmap:
        # Scaled by the probability: a film that says no must not glow.
        heat = overlay(image.pixels, classifier.attention(squash(image.pixels)) * chance)
    return Finding(
        image=name,
        label=classifier.label,
        probability=float(chance),
        operating_point=classifier.points["balanced"],
        refused=False,
        reason=_reason(classifier, float(chance)),
        model=classifier.name,
        heatmap=heat,
        notes=_notes(classifier, image),
    )


def _reason(classifier: Classifier, chance: float) -> str:
    """Say how the probability stands to the operating points."""
    point = classifier.points["balanced"]
    low = min(classifier.points["rule out"].threshold, point.threshold)
    high = max(classifier.points["rule in"].threshold, point.threshold)
    label = classifier.label
    side = "at or above" if chance >= point.threshold else "below"
    stand = (
        f"Probability {chance:.2f} is {side} the operating point {point.threshold:.2f} "
        f"(sensitivity {point.sensitivity:.2f}, specificity {point.specificity:.2f})"
    )
    if low <= chance < high:
        return (
            f"{stand} and between the rule-out ({low:.2f}) and rule-in ({high:.2f}) thresholds: "
            f"uncertain, {label} neither suspected nor ruled out."
        )
    said = "suspected" if chance >= point.threshold else "not suspected"
    return f"{stand}: {label} {said}."


def _notes(classifier: Classifier, image: RadiographImage) -> tuple[str, ...]:
    notes = [RESEARCH, f"Trained on {classifier.population}."]
    age = image.age_years
    low, high = classifier.age_range
    if age is None:
        notes.append("The patient's age is not known here; see the training population.")
    elif not low <= age <= high + 0.99:
        notes.append(
            f"The patient's age ({age:.0f}) is outside the training population "
            f"({low:.0f} to {high:.0f} years): the probability may be wrong."
        )
    return (*notes, *image.notes)

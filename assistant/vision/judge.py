"""The image judge: an attachment in, a `Finding` out, either a calibrated probability or a refusal.

Decoding, gate, classifiers and heatmap meet here. What the gate saw chooses the classifier: the first
listed one that judges that kind of picture; where there is none, the picture is refused in words.
Weights load on first use, once, whichever thread comes first; after that nothing changes, so one
judge serves any number of sessions at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assistant.errors import ConfigError
from assistant.findings import SecondReading
from assistant.settings import Settings
from assistant.types import Attachment, Finding
from assistant.vision import classifiers, statement, weights
from assistant.vision.classifiers import Card, Classifier, Reading
from assistant.vision.decode import RadiographImage, decode
from assistant.vision.inputs import BATCH, FILM_SIDE
from assistant.vision.statement import RESEARCH

if TYPE_CHECKING:  # torch is heavy: it comes with the first film
    from assistant.vision.gate import Gate, Screened

__all__ = ["BATCH", "RESEARCH", "ImageJudge"]

# Shipped weights that refine a suspected label, where they are there.
REFINES = {"pneumonia": "bacterial_viral"}
Reader = Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is loaded.

    Attributes:
        gate: the input gate.
        listed: the classifiers of the setting, in its order.
        refining: by suspected label, the classifier that is asked next.
    """

    gate: Gate
    listed: tuple[Classifier, ...]
    refining: dict[str, Classifier]

    @property
    def judged(self) -> tuple[str, ...]:
        """The kinds of picture that some listed classifier judges."""
        return tuple(dict.fromkeys(kind for part in self.listed for kind in part.card.kinds))

    def of(self, kind: str) -> list[Classifier]:
        """Return the listed classifiers that judge a kind of picture."""
        return [part for part in self.listed if kind in part.card.kinds]


class ImageJudge:
    """Judges images.

    Args:
        settings: which classifiers, limits for decoding, the prevalence, and threads.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._parts: Parts | None = None

    @property
    def model(self) -> str:
        """Name and version of the first classifier, from its card; loads no weights."""
        kind, argument = classifiers.split(self._settings.image_classifiers[0])
        for folder in (weights.SHIPPED / argument, Path(argument).expanduser()):
            if kind in ("film", "ensemble") and (folder / weights.CARD_FILE).is_file():
                card = weights.read_card(folder)
                return f"{card.get('name', '')} {card.get('version', '')}".strip()
        return argument

    @property
    def cards(self) -> tuple[Card, ...]:
        """The cards of the listed classifiers, in order; loads them."""
        return tuple(part.card for part in self._load().listed)

    @property
    def files(self) -> tuple[Path, ...]:
        """The weight files of everything that takes part in a finding; loads it."""
        parts = self._load()
        found = [weights.SHIPPED / "film_gate" / weights.MODEL_FILE]
        for classifier in (*parts.listed, *parts.refining.values()):
            found += classifier.files
        return tuple(dict.fromkeys(found))

    def judge(self, attachment: Attachment) -> Finding:
        """Decode and judge one attachment.

        Raises:
            AttachmentError: if it can't be decoded.
            ConfigError: if a classifier that is set can't be used.
            ModelError: if weights are missing or damaged.
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
            heatmap: whether findings carry one, and the image as judged.
        """
        parts = self._load()
        stream = iter(images)
        named = iter(names) if names is not None else (f"image {n}" for n in count(1))
        while batch := list(islice(stream, BATCH)):
            labels = list(islice(named, len(batch)))
            screened = parts.gate.screen_many(batch, judged=parts.judged)
            rows = [row for row, seen in enumerate(screened) if seen.passed]
            read = dict(zip(rows, _read(parts, [screened[r] for r in rows], heatmap), strict=True))
            for row, (seen, name) in enumerate(zip(screened, labels, strict=True)):
                if row in read:
                    yield self._finding(parts, seen, name, *read[row], heatmap=heatmap)
                else:
                    yield self._refusal(seen, name)

    def reader(self, name: str = "") -> Reader:
        """Return a function from (H, W) uint8 images to probabilities (N,), without gate or words.

        Args:
            name: a label or a model's name (with or without version); "" is the first classifier.
                The probability is of that label, else of the model's positive or last one.

        Raises:
            ConfigError: if no classifier in use has that name or label.
        """
        parts = self._load()
        for part in (*parts.listed, *parts.refining.values()):
            card = part.card
            if name not in ("", card.name, card.title, *card.labels):
                continue
            label = name if name in card.labels else card.positive or card.labels[-1]
            place = card.labels.index(label)
            return lambda images, part=part, place=place: np.array(  # type: ignore[misc]
                [reading.probabilities[place] for reading in part.read(images)]
            )
        known = [part.card.title for part in parts.listed]
        raise ConfigError(f"No image classifier is called {name!r}: there is {', '.join(known)}.")

    def _load(self) -> Parts:
        with self._lock:
            if self._parts is None:
                import torch

                from assistant.vision.gate import Gate

                if self._settings.threads:
                    torch.set_num_threads(self._settings.threads)
                gate = Gate(weights.SHIPPED / "film_gate")
                self._parts = Parts(gate, *_classifiers(self._settings))
            return self._parts

    def _refusal(self, seen: Screened, name: str) -> Finding:
        notes = dict.fromkeys((RESEARCH, *seen.report.warnings, *seen.image.notes))
        return Finding(
            image=name,
            label="",
            probability=None,
            operating_point=None,
            refused=True,
            reason=seen.reason,
            model=self.model,
            notes=tuple(notes),
            gate=seen.report,
        )

    def _finding(
        self,
        parts: Parts,
        seen: Screened,
        name: str,
        reading: Reading,
        heat: NDArray[np.float32] | None,
        *,
        heatmap: bool,
    ) -> Finding:
        main = parts.of(seen.report.kind)[0].card
        place = main.place(reading.probabilities)
        chance = float(reading.probabilities[place])
        age = seen.image.age_years
        decision = statement.decide(main, reading, age)
        shown = _Pictures()
        if heatmap:
            lungs = "film" in main.kinds and decision != statement.RULED_OUT
            shown = _Pictures.of(seen.image.pixels, heat, chance, lungs=lungs)
        notes = statement.notes(
            main, reading, decision, seen.image, seen.report, self._settings.prevalence
        )
        return Finding(
            image=name,
            label=main.labels[place],
            probability=chance,
            operating_point=main.point("balanced"),
            refused=False,
            reason=statement.reason(main, reading, decision, age),
            model=main.title,
            heatmap=shown.overlay,
            notes=(*notes, *shown.notes),
            decision=decision,
            points=main.points,
            spread=reading.spread,
            labels=statement.members(main, reading),
            scores=tuple(zip(main.labels, map(float, reading.probabilities), strict=True)),
            second=tuple(_second(parts, seen, main.labels[place], decision)),
            gate=seen.report,
            heat=shown.bare,
            picture=shown.picture,
            lung_share=shown.lung_share,
        )


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The pictures of a finding."""

    overlay: bytes | None = None
    bare: bytes | None = None
    picture: bytes | None = None
    lung_share: float | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        pixels: NDArray[np.uint8],
        heat: NDArray[np.float32] | None,
        chance: float,
        *,
        lungs: bool,
    ) -> _Pictures:
        """Draw the pictures; `lungs` asks what share of the heat lies on them, and says if little."""
        from assistant.vision import heatmap

        picture = heatmap.plain(pixels)
        if heat is None:
            return cls(picture=picture)
        share, said = _on_lungs(pixels, heat) if lungs else (None, None)
        # Scaled by the probability: a film that says no must not glow.
        scaled = heat * chance
        return cls(
            heatmap.overlay(pixels, scaled),
            heatmap.bare(scaled, pixels.shape),
            picture,
            share,
            (said,) if said else (),
        )


def _on_lungs(
    pixels: NDArray[np.uint8], heat: NDArray[np.float32]
) -> tuple[float | None, str | None]:
    """Return the share of the heat on the lungs, where they can be found, and what to say of it."""
    from assistant.vision import lungs

    fields = lungs.mask(pixels)
    if fields is None:
        return None, None
    share = lungs.share(heat, fields)
    return share, lungs.sentence(share)


def _classifiers(settings: Settings) -> tuple[tuple[Classifier, ...], dict[str, Classifier]]:
    """Build the classifiers of the setting, and the shipped ones that refine their labels."""
    from assistant.vision.gate import KINDS

    built = [classifiers.build(spec, settings) for spec in settings.image_classifiers]
    refining = {part.card.after: part for part in built if part.card.after}
    listed = tuple(part for part in built if not part.card.after)
    for part in built:
        if unknown := sorted(set(part.card.kinds) - set(KINDS)):
            raise ConfigError(
                f"{part.card.title} judges {unknown[0]!r}, which the input gate can't tell: it "
                f"tells {', '.join(KINDS)}."
            )
    if not listed:
        raise ConfigError(
            "The setting image_classifiers names only models that refine another's finding: name "
            "one that stands alone too."
        )
    for part in listed:
        label = part.card.positive or ""
        folder = weights.SHIPPED / REFINES.get(label, "-")
        if label not in refining and (folder / weights.CARD_FILE).is_file():
            refining[label] = classifiers.build(folder.name, settings)
    return listed, refining


def _read(
    parts: Parts, passed: list[Screened], heatmap: bool
) -> list[tuple[Reading, NDArray[np.float32] | None]]:
    """Return reading and map of each passed image, those of one classifier in one batch."""
    found: list[tuple[Reading, NDArray[np.float32] | None] | None] = [None] * len(passed)
    for classifier in parts.listed:
        rows = [
            row
            for row, seen in enumerate(passed)
            if found[row] is None and parts.of(seen.report.kind)[0] is classifier
        ]
        given = [_pixels(passed[row], classifier) for row in rows]
        if heatmap:
            for row, pixels in zip(rows, given, strict=True):
                found[row] = classifier.together(pixels)
        else:
            for row, reading in zip(rows, classifier.read(given), strict=True):
                found[row] = (reading, None)
    return [pair for pair in found if pair is not None]


def _pixels(seen: Screened, classifier: Classifier) -> NDArray[np.uint8]:
    """Return what a classifier is given: the gate's own squash where it is of the right size."""
    fits = classifier.card.side == FILM_SIDE and classifier.card.channels == 1
    return seen.small if fits else seen.image.pixels


def _second(parts: Parts, seen: Screened, label: str, decision: str) -> Iterator[SecondReading]:
    """Yield what other models of the same pictures say, and what refines a suspected label."""
    for other in parts.of(seen.report.kind)[1:]:
        reading = other.read([_pixels(seen, other)])[0]
        yield statement.second(other.card, reading, "")
    if decision == statement.SUSPECTED and label in parts.refining:
        refining = parts.refining[label]
        reading = refining.read([_pixels(seen, refining)])[0]
        yield statement.second(refining.card, reading, label)

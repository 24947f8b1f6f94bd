"""The input gate: what is this picture, may it be judged, and if not, why, in words.

First what the file says of itself, then what is plainly measurable, then a small network that tells
kinds of pictures apart and sees how a chest film is turned, inverted or tilted. A turned or inverted
film is put right, which is said; one whose way up can't be told is refused. Knows nothing of diseases
and nothing of the patient: an adult's chest film is a chest film.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assistant.findings import GateReport
from assistant.vision import _gate_measured as measured
from assistant.vision import _gate_stated as stated
from assistant.vision.decode import RadiographImage
from assistant.vision.inputs import squash

if TYPE_CHECKING:
    from assistant.vision._gate_network import Looks

# What the gate tells apart, in words.
KINDS: dict[str, str] = {
    "film": "a frontal chest radiograph",
    "lateral": "a lateral chest radiograph",
    "radiograph": "a radiograph of another body part",
    "mammogram": "a mammogram",
    "ct": "a CT slice",
    "mr": "an MR slice",
    "ultrasound": "an ultrasound picture",
    "nuclear": "a nuclear medicine picture",
    "angiogram": "an angiogram or a fluoroscopy",
    "photo": "a photograph",
    "document": "a document, a drawing or a screenshot",
    "noise": "noise or a pattern",
    "blank": "a blank picture",
    "other": "another kind of picture, or a part of one",
}
# The same, of those that a classifier may judge, in the plural.
_MANY = {
    "film": "frontal chest radiographs", "radiograph": "radiographs of other body parts",
    "mammogram": "mammograms", "ct": "CT slices", "mr": "MR slices",
    "ultrasound": "ultrasound pictures",
}  # fmt: skip
# Probability of standing upright that is enough, and the least that both CT and MR need together.
UPRIGHT, SLICE = 0.4, 0.5
# Share of held-out training-hospital films that lie nearer, beyond which a film is warned of.
FAR = 0.99


@dataclass(frozen=True, eq=False, slots=True)
class Screened:
    """What the gate says of one image.

    Attributes:
        passed: whether it may be judged.
        reason: why not, as a sentence or two; "" where it passed.
        image: put right: upright, dense bright, without a white border.
        report: what was seen and done.
        small: (224, 224) uint8, the corrected image squashed, so that no one does it again.
    """

    passed: bool
    reason: str
    image: RadiographImage
    report: GateReport
    small: np.ndarray = field(repr=False)


@dataclass(slots=True)
class _Case:
    """An image on its way through the gate."""

    image: RadiographImage
    says: stated.Stated
    small: np.ndarray
    warnings: list[str]
    kind: str = ""
    share: float = 1.0
    reason: str = ""
    fault: str = ""
    done: bool = False
    turn: int = 0
    inverted: bool = False
    distance: float | None = None


def can(judged: Collection[str] = ("film",)) -> str:
    """Return the sentence that says which kinds of pictures can be judged."""
    words = [_MANY.get(kind, kind) for kind in KINDS if kind in judged]
    if not words:
        return "The image tool judges nothing: no classifier is set."
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"The image tool judges {listed} only."


class Gate:
    """The gate with its verified network.

    Args:
        folder: where its `model.safetensors` and `card.json` are.

    Raises:
        ModelError: if they are missing, damaged, or not what the card says.
    """

    def __init__(self, folder: Path) -> None:
        from assistant.vision._gate_network import GateNetwork

        self.network = GateNetwork(folder)

    def screen(self, image: RadiographImage, judged: Collection[str] = ("film",)) -> Screened:
        """Screen one image."""
        return self.screen_many([image], judged)[0]

    def screen_many(
        self, images: Sequence[RadiographImage], judged: Collection[str] = ("film",)
    ) -> list[Screened]:
        """Screen images, in order; those that need the network share its passes.

        Args:
            images: as decoded.
            judged: kinds of `KINDS` that some classifier judges; others are refused.
        """
        cases = [_case(image, judged) for image in images]
        open_ = [case for case in cases if not case.done]
        if open_:
            looks = self.network.look(np.stack([case.small for case in open_]))
            films = [
                (case, row)
                for row, case in enumerate(open_)
                if self._kind(case, looks, row, judged)
            ]
            self._upright(films, looks, judged)
        return [_screened(case) for case in cases]

    def shares(self, films: np.ndarray) -> np.ndarray:
        """Return the network's softmax over its kinds (the first is `film`), (N, 11).

        Args:
            films: (N, 224, 224) uint8.
        """
        return self.network.look(films).shares

    def _kind(self, case: _Case, looks: Looks, row: int, judged: Collection[str]) -> bool:
        """Decide on the kind; return whether it is a film whose pose is still to be seen to."""
        from assistant.vision._gate_network import SEEN

        shares = dict(zip(SEEN, looks.shares[row].tolist(), strict=True))
        grey = case.image.colour <= measured.MAX_COLOUR
        if max(shares.values()) == shares["film"] >= self.network.threshold:
            case.kind, case.share = "film", shares["film"]
            if not grey:
                case.kind = "other"
                _refuse(case, "This looks like a chest radiograph in false colours: send the grey "
                        "film.", judged)  # fmt: skip
                return False
            if case.fault:
                _refuse(case, case.fault, judged)
                return False
            if "film" in judged:
                return True
            _refuse(case, "This picture can't be judged: it looks like "
                    f"{KINDS['film']}.", judged)  # fmt: skip
            return False
        others = {kind: share for kind, share in shares.items() if kind != "film"}
        case.kind = max(others, key=lambda kind: others[kind])
        case.share = others[case.kind]
        _slice(case, others, judged)
        if case.fault:
            _refuse(case, case.fault, judged)
        elif not grey and not (case.kind == "ultrasound" and case.kind in judged):
            _refuse(case, "This is a colour picture, not a radiograph.", judged)
        elif case.kind not in judged:
            _refuse(
                case, f"This picture can't be judged: it looks like {KINDS[case.kind]}.", judged
            )
        case.done = True
        return False

    def _upright(
        self, films: list[tuple[_Case, int]], looks: Looks, judged: Collection[str]
    ) -> None:
        """Put turned and inverted films right, look again, and see to distance and quality."""
        again = []
        for case, row in films:
            case.turn = int(looks.turns[row].argmax())
            case.inverted = bool(looks.inverted[row] >= 0.5)
            if case.turn or case.inverted:
                again.append(case)
                case.small = _corrected(case.small, case)
            else:
                self._settle(case, looks, row, judged)
        if again:
            looks = self.network.look(np.stack([case.small for case in again]))
            for row, case in enumerate(again):
                self._settle(case, looks, row, judged)

    def _settle(self, case: _Case, looks: Looks, row: int, judged: Collection[str]) -> None:
        """Refuse a film that still does not stand right or lies too far off; warn otherwise."""
        case.done = True
        case.share = float(looks.shares[row, 0])
        settled = (
            case.share >= self.network.threshold
            and looks.turns[row, 0] >= UPRIGHT
            and looks.inverted[row] < 0.5
        )
        if not settled:
            case.turn, case.inverted = 0, False
            _refuse(case, "This looks like a chest radiograph, but which way is up, or whether its "
                    "grey scale is inverted, can't be told: send it upright with dense parts "
                    "bright.", judged)  # fmt: skip
            return
        case.distance = float(looks.distance[row])
        if looks.far[row] > self.network.farthest:
            _refuse(case, "This looks like a chest radiograph, but unlike any that the tool was "
                    "trained on or tried with.", judged)  # fmt: skip
            return
        _correct(case)
        if case.distance > FAR:
            case.warnings.append(
                f"The film lies farther from the training films than {FAR:.0%} of held-out films of "
                "the training hospital: the finding may be less reliable than stated."
            )
        if abs(looks.tilt[row]) > measured.TILTED:
            case.warnings.append(f"The film is tilted by about {abs(looks.tilt[row]):.0f} degrees.")
        case.warnings += measured.warnings(case.image.pixels, case.small)


def _case(image: RadiographImage, judged: Collection[str]) -> _Case:
    """Begin with an image: mirror it and cut its white border off, and read what the file says."""
    says = stated.read(image)
    warnings = []
    if says.mirrored:
        image = replace(image, pixels=np.ascontiguousarray(image.pixels[:, ::-1]))
        warnings.append("The film was mirrored, as the file says, and was mirrored back.")
    if (inside := measured.inner(image.pixels)) is not None:
        image = replace(image, pixels=np.ascontiguousarray(image.pixels[inside]))
        warnings.append("A white border was cut off.")
    case = _Case(image, says, squash(image.pixels), warnings, says.kind)
    if says.kind and says.kind not in judged:
        _refuse(case, f"This file says that it {says.words}.", judged)
    elif (fault := measured.fault(image, case.small)) is not None:
        case.kind, case.fault = says.kind or fault.kind, fault.sentence
        if case.kind:
            _refuse(case, fault.sentence, judged)
    elif says.kind:
        case.done = True
    return case


def _slice(case: _Case, shares: dict[str, float], judged: Collection[str]) -> None:
    """Call a slice by the one of CT and MR that is judged: pixels alone don't tell them apart."""
    pair = ("ct", "mr")
    both = shares["ct"] + shares["mr"]
    asked = [kind for kind in pair if kind in judged]
    if len(asked) == 1 and case.kind in pair and both >= SLICE:
        case.kind, case.share = asked[0], both
        case.warnings.append(
            "The file does not say whether this is a CT or an MR slice, and the picture alone does "
            f"not tell for sure: it is taken for {KINDS[asked[0]]}."
        )


def _refuse(case: _Case, sentence: str, judged: Collection[str]) -> None:
    case.reason = f"{sentence} {can(judged)}"
    case.done = True


def _corrected(pixels: np.ndarray, case: _Case) -> np.ndarray:
    """Return (H, W) pixels turned clockwise by the case's quarter turns and turned over if inverted."""
    upright = np.ascontiguousarray(np.rot90(pixels, -case.turn))
    return 255 - upright if case.inverted else upright


def _correct(case: _Case) -> None:
    """Put a film's pixels right and say so."""
    if not case.turn and not case.inverted:
        return
    case.image = replace(case.image, pixels=_corrected(case.image.pixels, case))
    if case.turn:
        case.warnings.append(
            f"The film was turned by {90 * case.turn} degrees clockwise to stand upright."
        )
    if case.inverted:
        case.warnings.append("The film's grey scale was inverted; dense parts are bright now.")


def _screened(case: _Case) -> Screened:
    view = case.says.view or ("frontal" if case.kind == "film" else "")
    view = "lateral" if case.kind == "lateral" else view
    report = GateReport(
        kind=case.kind or "other",
        share=case.share,
        view=view,
        turned=90 * case.turn,
        mirrored=case.says.mirrored,
        inverted=case.inverted,
        warnings=tuple(case.warnings),
        distance=case.distance,
    )
    return Screened(not case.reason, case.reason, case.image, report, case.small)

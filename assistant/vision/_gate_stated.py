"""What an image file says of itself: the kind of picture, the body part, the view.

Knows nothing of pixels: a file that says nothing, or something that may mean anything, gives no kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant.vision.decode import RadiographImage

# Modalities (PS3.3 C.7.3.1.1.1) and the kinds that they mean; those of radiography mean none yet.
_MODALITIES = {
    "CT": "ct", "MR": "mr", "MA": "mr", "US": "ultrasound", "IVUS": "ultrasound", "MG": "mammogram",
    "NM": "nuclear", "PT": "nuclear", "XA": "angiogram", "RF": "angiogram", "XC": "photo",
    "DOC": "document", "GM": "other", "SM": "other", "ES": "photo", "OP": "other", "OPT": "other",
    "IO": "radiograph", "PX": "radiograph", "BMD": "radiograph", "ECG": "document",
}  # fmt: skip
_RADIOGRAPHY = {"CR", "DX", "RG", "DR"}
# Whatever was captured or converted: the words tell nothing of the picture.
_ANY = {"", "SC", "OT"}
_CHEST = ("CHEST", "THORAX", "LUNG", "TORAX", "RIB")
# Decubitus films (LLD, RLD) are frontal, but of a patient on the side: air and fluid lie elsewhere.
_SIDEWAYS = {"LL", "RL", "LATERAL", "LAT", "LLO", "RLO", "XTABLE", "LLD", "RLD"}
_FRONTAL = {"AP", "PA", "AP SUPINE", "AP ERECT", "PA ERECT", "ANTERO POSTERIOR", "FRONTAL"}


@dataclass(frozen=True, slots=True)
class Stated:
    """What a file says.

    Attributes:
        kind: one of `gate.KINDS`, or "" where it says none for sure.
        words: what it says, to be put after "it says that it ", or "".
        view: "frontal", "lateral" or "".
        mirrored: whether its rows run from the patient's left to right.
    """

    kind: str = ""
    words: str = ""
    view: str = ""
    mirrored: bool = False


def read(image: RadiographImage) -> Stated:
    """Return what the tags of an image say of its kind."""
    view = "lateral" if image.view in _SIDEWAYS else "frontal" if image.view in _FRONTAL else ""
    mirrored = _mirrored(image.orientation)
    modality = image.modality
    if modality in _MODALITIES:
        return Stated(_MODALITIES[modality], f"is of the modality {modality}", "", mirrored)
    if modality not in _RADIOGRAPHY | _ANY:
        return Stated("other", f"is of the modality {modality}", "", mirrored)
    if image.body_part and not any(part in image.body_part for part in _CHEST):
        kind = "radiograph" if modality in _RADIOGRAPHY else "other"
        return Stated(kind, f"shows the body part {image.body_part}", view, mirrored)
    if view == "lateral":
        return Stated("lateral", f"is a lateral view ({image.view})", view, mirrored)
    return Stated("", "", view, mirrored)


def _mirrored(orientation: str) -> bool:
    r"""Say whether a frontal film's rows run to the patient's right (PS3.3 C.7.6.1.1.1).

    As a reader sees a frontal film, rows run to the patient's left and columns to the feet: `L\F`.
    """
    row, _, column = orientation.upper().partition("\\")
    return row.startswith("R") and column.startswith("F")

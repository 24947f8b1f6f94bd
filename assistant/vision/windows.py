"""Display windows: from values to the 256 greys of a screen, as a radiologist would set them.

The functions of PS3.3 C.11.2.1 on numbers, and named presets. A preset is a window in Hounsfield
units where a CT gives them; on any other picture it stretches the range of greys that shows the same
tissue best. A window is for the eye: what is judged is always the picture as stored. Imports numpy
only; knows no files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assistant.errors import InputError

AS_STORED = "as stored"


@dataclass(frozen=True, slots=True)
class Preset:
    """A named window.

    Attributes:
        words: what it is good for.
        centre: in Hounsfield units, for CT; None where the preset isn't a fixed window.
        width: likewise.
        low: share of the pixels, in [0, 1], that a picture without units shows as black.
        high: share of the pixels above which it shows white.
        gamma: exponent of the stretched greys; below 1 opens the dark parts.
    """

    words: str
    centre: float | None = None
    width: float | None = None
    low: float = 0.0
    high: float = 1.0
    gamma: float = 1.0


# Windows for CT as radiology departments commonly set them; shares for films chosen by eye.
PRESETS: dict[str, Preset] = {
    AS_STORED: Preset("the window that the file itself asks for"),
    "full range": Preset("every value that occurs, from black to white"),
    "lung": Preset("air-filled tissue", -600.0, 1500.0, 0.01, 0.75, 0.8),
    "mediastinum": Preset("heart and vessels", 40.0, 400.0, 0.35, 0.99),
    "bone": Preset("bone and metal", 400.0, 1800.0, 0.5, 0.999, 1.4),
    "soft tissue": Preset("muscle and fat", 50.0, 350.0, 0.15, 0.97),
}


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        InputError: naming those that there are.
    """
    try:
        return PRESETS[name]
    except KeyError:
        known = ", ".join(PRESETS)
        raise InputError(f"There is no window {name!r}: choose one of {known}.") from None


def linear(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Return values in [0, 1] by the function LINEAR (PS3.3 C.11.2.1.2.1); width at least 1."""
    span = max(width - 1, 1e-9)
    return ((values - (centre - 0.5)) / span + 0.5).clip(0, 1)


def linear_exact(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Return values in [0, 1] by LINEAR_EXACT (PS3.3 C.11.2.1.3.2); width above 0."""
    return ((values - centre) / max(width, 1e-9) + 0.5).clip(0, 1)


def sigmoid(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Return values in (0, 1) by SIGMOID (PS3.3 C.11.2.1.3.1)."""
    return 1 / (1 + np.exp((-4 * (values - centre) / max(width, 1e-9)).clip(-700, 700)))


FUNCTIONS = {"LINEAR": linear, "LINEAR_EXACT": linear_exact, "SIGMOID": sigmoid}


def stretch(values: np.ndarray, chosen: Preset, sample: np.ndarray) -> np.ndarray:
    """Return `values` in [0, 1] between the shares of `sample` that a preset names.

    Args:
        values: any shape, finite.
        chosen: the preset.
        sample: the picture's own values, from which the shares are taken.
    """
    low, high = np.quantile(sample, (chosen.low, chosen.high))
    scaled = ((values - low) / max(float(high - low), 1e-9)).clip(0, 1)
    return np.asarray(scaled**chosen.gamma)


def apply(pixels: np.ndarray, name: str = AS_STORED, invert: bool = False) -> np.ndarray:
    """Return a decoded picture under a preset.

    Args:
        pixels: (H, W) uint8, bright where dense.
        name: a key of `PRESETS`.
        invert: show dense parts dark.

    Returns:
        (H, W) uint8.

    Raises:
        InputError: if there is no such preset.
    """
    chosen = preset(name)
    shown = pixels
    if name != AS_STORED and pixels.size:
        table = stretch(np.arange(256.0), chosen, pixels[:: max(1, len(pixels) // 512)])
        shown = np.rint(table * 255).astype(np.uint8)[pixels]
    return 255 - shown if invert else shown

"""How colourful a picture is once a uniform tint is taken out. Imports numpy only.

A grey film that was scanned on a blue base, saved by a phone, or toned sepia has one colour for each
brightness. A photograph, a colour-coded map or a histology slide has several. Knows nothing of what
may be judged.
"""

from __future__ import annotations

import numpy as np

# Side that pictures are thinned to, in pixels.
THINNED = 256
# Mean spread between channels, in [0, 1], that a tint may have and count as none.
TINT = 0.2
_BANDS = 16


def colourfulness(pixels: np.ndarray) -> float:
    """Return how colourful a picture is beyond one tint, in [0, 1]; 0 is grey or a tinted grey.

    Chroma is averaged in bands of brightness; what is left around those averages counts, and so
    does a tint stronger than any film's.

    Args:
        pixels: (H, W, 3 or more) uint8; channels after the third are left out.
    """
    thinned = pixels[
        :: max(1, pixels.shape[0] // THINNED), :: max(1, pixels.shape[1] // THINNED), :3
    ].astype(np.float32)
    spread = float((thinned.max(-1) - thinned.min(-1)).mean()) / 255
    if spread == 0:
        return 0.0
    chroma = (thinned[..., :2] - thinned[..., 2:]).reshape(-1, 2)
    light = thinned @ np.array([0.299, 0.587, 0.114], np.float32)
    band = np.minimum(light.ravel() * _BANDS / 256, _BANDS - 1).astype(np.intp)
    count = np.maximum(np.bincount(band, minlength=_BANDS), 1)
    rest = 0.0
    for channel in chroma.T:
        # float64: sums of up to 65,536 values.
        mean = np.bincount(band, channel.astype(np.float64), _BANDS) / count
        rest += float(np.abs(channel - mean[band]).mean()) / 255
    return max(rest / 2, spread - TINT)

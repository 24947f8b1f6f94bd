"""Fixed changes of a film that leave the diagnosis as it is, at three strengths.

The kinds are those of published corruption benchmarks (Hendrycks & Dietterich 2019; Islam et al.
2023 for chest films): exposure, contrast, blur, noise, crop, JPEG. Noise is drawn from a fixed seed,
so a corrupted film is the same in every run. Imports torch only when one is applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Kind -> its parameter at strengths 1, 2, 3: gamma, gamma, factor, factor, pixels of 224,
# deviation, share of the sides that is left, JPEG quality.
KINDS: dict[str, tuple[float, float, float]] = {
    "bright": (0.7, 0.5, 0.35),
    "dark": (1.4, 2.0, 2.8),
    "low contrast": (0.6, 0.4, 0.25),
    "high contrast": (1.4, 1.8, 2.4),
    "blur": (1.0, 2.0, 3.0),
    "noise": (0.03, 0.06, 0.1),
    "crop": (0.92, 0.85, 0.75),
    "jpeg": (40, 20, 10),
}
NAMES: tuple[str, ...] = tuple(f"{kind} {level}" for kind in KINDS for level in (1, 2, 3))
_SEED = 5


def apply(films: Tensor, name: str) -> Tensor:
    """Return (N, 1, H, W) films in [0, 1] under a corruption of `NAMES`, rounded to 256 greys."""
    import torch

    kind, _, level = name.rpartition(" ")
    strength = KINDS[kind][int(level) - 1]
    if kind in {"bright", "dark"}:
        changed = films**strength
    elif kind in {"low contrast", "high contrast"}:
        changed = (films - 0.5) * strength + 0.5
    elif kind == "noise":
        generator = torch.Generator().manual_seed(_SEED)
        changed = films + torch.randn(films.shape, generator=generator).to(films.device) * strength
    else:
        changed = _spatial(films, kind, strength)
    return (changed.clamp(0, 1) * 255).round() / 255


def _spatial(films: Tensor, kind: str, strength: float) -> Tensor:
    import torch

    from finetune.image import augment

    if kind == "blur":
        return augment.blur(films, strength)
    if kind == "crop":
        return augment.reframe(films, strength)
    return torch.stack([augment.jpeg(film[0], int(strength))[None] for film in films])

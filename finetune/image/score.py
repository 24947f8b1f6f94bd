"""Scores of a network on pictures, and the figures that are made of them.

Knows nothing of training. Every figure of a card comes from here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from finetune.image import corruptions

BATCH = 64


def logits(
    network: nn.Module, pixels: np.ndarray, corruption: str = "", *, bf16: bool = False
) -> np.ndarray:
    """Return the mean logits of pictures and their mirror images, as serving computes them.

    Args:
        network: in evaluation mode, on any device.
        pixels: (N, S, S) uint8.
        corruption: one of `corruptions.NAMES` that is applied first; "" for none.
        bf16: whether to compute in bfloat16.

    Returns:
        (N,) for a network of one output, (N, K) for more; float32.
    """
    device = next(network.parameters()).device
    found = []
    for start in range(0, len(pixels), BATCH):
        films = torch.from_numpy(np.array(pixels[start : start + BATCH])).unsqueeze(1)
        films = films.to(device).float() / 255
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            if corruption:
                films = corruptions.apply(films, corruption)
            both = (network(films).float() + network(films.flip(3)).float()) / 2
        found.append(both.cpu().numpy())
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the ROC curve by the rank sum (Mann & Whitney 1947); nan for one class."""
    from scipy.stats import rankdata

    positive = labels == 1
    count, rest = int(positive.sum()), int((~positive).sum())
    if not count or not rest:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))


def mean_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the AUROC; of more than two classes, the mean of each against the rest.

    Args:
        scores: (N,), or (N, K) logits or probabilities.
        labels: (N,) places of the classes.
    """
    if scores.ndim == 1:
        return auroc(scores, labels)
    # Against the rest, a logit means as much as it stands out among the picture's own.
    shifted = scores - scores.max(1, keepdims=True)
    shares = np.exp(shifted)
    shares = shares / shares.sum(1, keepdims=True)
    each = [auroc(shares[:, k], labels == k) for k in range(scores.shape[1])]
    known = [value for value in each if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def ece(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error over equal bins (Naeini et al. 2015), in [0, 1].

    Of two classes the last one's probability counts, of more that of the likeliest (Guo et al. 2017).

    Args:
        probabilities: (N, K).
        labels: (N,) places of the classes.
        bins: how many.
    """
    if probabilities.shape[1] == 2:
        chances, hits = probabilities[:, 1], labels == 1
    else:
        chances, hits = probabilities.max(1), probabilities.argmax(1) == labels
    places = np.minimum((chances * bins).astype(int), bins - 1)
    total = 0.0
    for place in range(bins):
        inside = places == place
        if inside.any():
            gap = abs(float(chances[inside].mean()) - float(hits[inside].mean()))
            total += gap * float(inside.mean())
    return total


def figures(
    probabilities: np.ndarray, labels: np.ndarray, threshold: float | None = None
) -> dict[str, Any]:
    """Return the figures of one set of pictures, rounded to 4 places.

    Args:
        probabilities: (N, K) calibrated.
        labels: (N,) places of the classes.
        threshold: of the last of two classes; None calls the likeliest.
    """
    two = probabilities.shape[1] == 2
    if two and threshold is not None:
        called = (probabilities[:, 1] >= threshold).astype(int)
    else:
        called = probabilities.argmax(1)
    present = np.unique(labels)
    recalls = {int(k): float((called[labels == k] == k).mean()) for k in present}
    out = {
        "auroc": mean_auroc(probabilities[:, 1] if two else np.log(probabilities + 1e-12), labels),
        "accuracy": float((called == labels).mean()),
        "balanced_accuracy": float(np.mean(list(recalls.values()))),
        "ece": ece(probabilities, labels),
    }
    if two:
        out |= {"sensitivity": recalls.get(1, float("nan")),
                "specificity": recalls.get(0, float("nan"))}  # fmt: skip
    return {
        "films": len(labels),
        **{k: None if np.isnan(v) else round(v, 4) for k, v in out.items()},
    }


def figure(
    network: nn.Module,
    pixels: np.ndarray,
    labels: np.ndarray,
    names: tuple[str, ...],
    *,
    bf16: bool,
) -> float:
    """Return what selects a step: mean AUROC of pictures as they are and under each corruption."""
    return float(
        np.mean(
            [mean_auroc(logits(network, pixels, name, bf16=bf16), labels) for name in ("", *names)]
        )
    )

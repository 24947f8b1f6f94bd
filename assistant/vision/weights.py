"""Shipped and trained weights of the image models: a safetensors file and its card, verified.

Knows the card's form and the digest; knows nothing of what the tensors mean.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.errors import ModelError
from retrieval.files import sha256

SHIPPED = Path(__file__).resolve().parents[1] / "weights"
MODEL_FILE = "model.safetensors"
CARD_FILE = "card.json"


@dataclass(frozen=True)
class Weights:
    """Verified tensors and the card that describes them."""

    card: dict[str, Any]
    tensors: dict[str, Any]


def load(folder: Path) -> Weights:
    """Read the card and the weights in `folder`, in single precision.

    Raises:
        ModelError: if one is missing or damaged, or the digest is not the card's.
    """
    card = read_card(folder)
    path = folder / MODEL_FILE
    if not path.is_file():
        raise ModelError(f"There are no weights at {path}: reinstall, or train them again.")
    if sha256(path) != card.get("sha256"):
        raise ModelError(
            f"{path} is not the file that its card describes (SHA-256 differs): reinstall it."
        )
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} can't be read ({error}): reinstall it.") from error
    return Weights(card, {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})


def read_card(folder: Path) -> dict[str, Any]:
    """Read the card in `folder` without its weights.

    Raises:
        ModelError: if it is missing or no JSON object.
    """
    path = folder / CARD_FILE
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be read ({error}): reinstall, or train again.") from error
    if not isinstance(card, dict):
        raise ModelError(f"{path} is not a card: it must hold one JSON object.")
    return card

"""Small drawn pictures in three kinds, two a patient, with an index, and the recipe of each task."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from finetune import recipe as recipes

KINDS = ("across", "down", "blob")


def draw(kind: str, generator: np.random.Generator) -> np.ndarray:
    """Return one (72, 80) picture: stripes across, stripes down, or a blob."""
    y, x = np.mgrid[:72, :80]
    phase, width = generator.uniform(0, 6), generator.uniform(3, 5)
    if kind == "blob":
        top, left = generator.uniform(20, 50, 2)
        values = np.exp(-((y - top) ** 2 + (x - left) ** 2) / 200)
    else:
        values = np.sin((y if kind == "across" else x) / width + phase) * 0.4 + 0.5
    return ((values + generator.normal(0, 0.08, values.shape)).clip(0, 1) * 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    kept = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(kept)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 pictures of 24 patients; two patients share a copy group."""
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(1)
    rows = []
    for number in range(48):
        patient = number // 2
        kind = KINDS[patient % 3]
        Image.fromarray(draw(kind, generator)).save(root / f"{number}.png")
        rows.append(
            {"file": f"{number}.png", "label": kind.upper(), "patient_id": f"p{patient}",
             "dup_group": "d1" if number in (0, 6) else "", "orig_width": "120",
             "orig_height": "100" if number % 5 else ""}
        )  # fmt: skip
    with (root / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


TWO = {"no": ["across"], "yes": ["down", "blob"]}
THREE = {kind: [kind] for kind in KINDS}


@pytest.fixture
def make() -> Callable[..., Any]:
    """Return a tiny image recipe with values replaced; dotted keys reach into blocks."""

    def made(**changes: Any) -> Any:
        values: dict[str, Any] = {
            "task": "image", "name": "tiny", "modality": "drawing", "licence": "CC0", "seed": 3,
            "data": {"index": "index.csv", "classes": TWO, "group": ["patient_id", "dup_group"],
                     "held_out": 0.2, "validation": 0.25, "licence": "CC0"},
            "side": 32, "store": 64, "widths": [4, 8], "blocks": [1, 1], "epochs": 4, "batch": 8,
            "average": 0.9, "corruptions": ["dark 2"], "validate_every": 4, "checkpoint_every": 4,
            "threads": 1, "precision": "fp32", "augment": {"erase": 0.2},
        }  # fmt: skip
        return recipes.build(recipes.changed(values, changes), "test")

    return made

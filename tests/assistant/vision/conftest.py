from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assistant.settings import Settings
from assistant.vision.judge import ImageJudge
from retrieval import files

SAMPLES = Path(__file__).resolve().parents[3] / "assistant" / "vision" / "samples"


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(threads=1, state_dir=tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def judge(settings: Settings) -> ImageJudge:
    return ImageJudge(settings)


@pytest.fixture(scope="session")
def samples() -> list[Path]:
    found = sorted(SAMPLES.glob("*.png"))
    assert len(found) >= 3
    return found


POINTS = [
    {"name": name, "threshold": t, "sensitivity": 0.9, "specificity": 0.9, "measured_on": "made up"}
    for name, t in (("balanced", 0.5), ("rule out", 0.2), ("rule in", 0.8))
]
ARCHITECTURE = {"kind": "film", "side": 64, "widths": [4, 8, 8, 16], "normalise": "standard",
                "deep": True}  # fmt: skip


def write_tiny(folder: Path, seed: int = 1, outputs: int = 1, **parts: Any) -> Path:
    """Write an untrained network, its norms run in on noise, and its card; return the folder."""
    import torch
    from safetensors.torch import save_file

    from assistant.vision import networks

    raw = {
        "name": "tiny", "version": "1", "labels": ["well", "ill"],
        "architecture": {**ARCHITECTURE, "outputs": outputs},
        "calibration": {"method": "platt", "slope": 1.0, "offset": 0.0},
        "operating_points": POINTS, **parts,
    }  # fmt: skip
    torch.manual_seed(seed)
    network = networks.build(raw["architecture"]).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(8, 1, 64, 64))
    folder.mkdir(parents=True)
    tensors = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    raw["sha256"] = files.sha256(folder / "model.safetensors")
    (folder / "card.json").write_text(json.dumps(raw))
    return folder


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Path]:
    """Write a small real classifier to a folder; keyword arguments go into its card."""
    return write_tiny

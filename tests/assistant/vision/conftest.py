from __future__ import annotations

from pathlib import Path

import pytest

from assistant.settings import Settings
from assistant.vision.judge import ImageJudge

SAMPLES = Path(__file__).resolve().parents[3] / "assistant" / "vision" / "samples"


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(threads=1)


@pytest.fixture(scope="session")
def judge(settings: Settings) -> ImageJudge:
    return ImageJudge(settings)


@pytest.fixture(scope="session")
def samples() -> list[Path]:
    found = sorted(SAMPLES.glob("*.png"))
    assert len(found) >= 3
    return found

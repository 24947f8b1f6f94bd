"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import importlib.util
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from assistant.app import Assistant
    from retrieval.types import Document

Script = Callable[..., "Assistant"]

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of shared measuring data, or skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("AUSCULT_DATA", default))
    if not (folder / "README.md").is_file():
        pytest.skip(f"the shared data is not at {folder}; set AUSCULT_DATA")
    return folder


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the user's own settings file."""
    monkeypatch.delenv("AUSCULT_CONFIG", raising=False)


@pytest.fixture(scope="session")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    """An assistant over the whole starter library, with its index built; shared and immutable."""
    from assistant.app import Assistant
    from assistant.settings import Settings

    made = Assistant.create(Settings(state_dir=tmp_path_factory.mktemp("state")))
    made.warm()
    return made


@pytest.fixture(scope="session")
def documents() -> dict[str, Document]:
    """Every document of the starter library by its id, read from its own file."""
    from retrieval import library

    return {document.id: document for document in library.documents()}


@pytest.fixture
def scripted(assistant: Assistant, tmp_path: Path) -> Script:
    """Make an assistant that shares all parts but whose chat model says these steps."""
    from assistant.app import Assistant

    def make(*steps: dict[str, Any]) -> Assistant:
        path = tmp_path / "script.json"
        path.write_text(json.dumps(steps), encoding="utf-8")
        settings = assistant.settings.model_copy(update={"chat_model": f"scripted:{path}"})
        return Assistant(settings, assistant.resources)

    return make


@pytest.fixture(scope="session")
def picture() -> Callable[[int], bytes]:
    """Make a coloured PNG that is no chest film; another number makes another picture."""
    import numpy as np
    from PIL import Image

    def make(number: int) -> bytes:
        generator = np.random.default_rng(number)
        pixels = generator.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        return stream.getvalue()

    return make


@pytest.fixture(scope="session")
def tiny_models() -> ModuleType:
    """The maker of small chat models with random weights (`tests/tiny_models.py`)."""
    import sys

    path = Path(__file__).with_name("tiny_models.py")
    spec = importlib.util.spec_from_file_location("tiny_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_models"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_chat(
    tiny_models: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Give the folder of a small chat model of a style; made once a session, not to be changed."""
    made: dict[str, Path] = {}

    def give(style: str) -> Path:
        if style not in made:
            made[style] = tiny_models.make(style, tmp_path_factory.mktemp(f"tiny_{style}"))
        return made[style]

    return give


@pytest.fixture(scope="session")
def tiny_image_chat(tiny_models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small chat model that sees images; not to be changed."""
    return tiny_models.make_image_text(tmp_path_factory.mktemp("tiny_image_chat"))

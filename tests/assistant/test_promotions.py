"""Promoted adapters: kept whole, verified at every change, rolled back, shared by processes."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from assistant import doctor
from assistant.errors import ConfigError, InputError, ModelError
from assistant.promotions import Fixed, Promotions
from assistant.serving import Serving
from assistant.settings import Settings
from retrieval import files

WEIGHTS = "adapter_model.safetensors"
# A dictionary as the fourth protocol writes it.
PICKLED = b"\x80\x04\x95\x0d\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x06weight\x94K\x01s."


def adapter(folder: Path, number: int = 0, task: str = "rerank", **card: object) -> Path:
    """Write an adapter's folder whose files are whole."""
    folder.mkdir(parents=True)
    save_file({"head.weight": np.full((2, 3), number, dtype=np.float32)}, folder / WEIGHTS)
    told = {
        "name": f"number {number}", "task": task, "base": {"name": "tiny", "sha256": "0" * 64},
        "lora": {"r": 4, "alpha": 8}, "head": {}, "input": {},
        "sha256": files.sha256(folder / WEIGHTS), **card,
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(told))
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return adapter(tmp_path / "first", 1)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return adapter(tmp_path / "second", 2)


def test_promoting_and_rolling_back_to_what_is_shipped(state, first, second) -> None:
    registry, other = Promotions(state), Promotions(state)
    assert registry.current("rerank") is None
    registry.promote("rerank", first, {"file": "decisions/a", "forced": True})
    place = registry.current("rerank")
    assert place is not None
    assert place.is_relative_to(state / "adapters" / "store" / "rerank")
    assert (place / WEIGHTS).read_bytes() == (first / WEIGHTS).read_bytes()
    assert registry.entry("rerank").forced
    assert registry.entry("rerank").decision == "decisions/a"
    # Another process sees it at its next look, and an adapter's own folder is no longer needed.
    assert other.current("rerank") == place
    (first / WEIGHTS).unlink()
    other.promote("rerank", second, {})
    assert json.loads((registry.current("rerank") / "card.json").read_text())["name"] == "number 2"
    assert registry.current("verdict") is None
    back = registry.rollback("rerank")
    assert back is not None
    assert back.name == "number 1"
    assert other.current("rerank") == place
    assert registry.rollback("rerank") is None
    assert other.current("rerank") is None
    told = [(e.action, e.name) for e in other.history("rerank")]
    assert told == [
        ("promote", "number 1"), ("promote", "number 2"),
        ("rollback", "number 1"), ("rollback", ""),
    ]  # fmt: skip
    assert all(e.who and e.when.endswith("+00:00") for e in other.history("rerank"))
    with pytest.raises(InputError, match="shipped one serves already"):
        registry.rollback("rerank")
    with pytest.raises(ConfigError, match="no slot 'nosuch'"):
        registry.current("nosuch")


def test_a_damaged_copy_is_not_served_until_it_is_whole_again(state, first, caplog) -> None:
    registry = Promotions(state)
    registry.promote("rerank", first, {})
    place = registry.current("rerank")
    whole = (place / WEIGHTS).read_bytes()
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    (place / WEIGHTS).write_bytes(bytes(flipped))
    assert registry.current("rerank") is None
    assert registry.current("rerank") is None
    assert "is damaged" in registry.problem("rerank")
    assert len([r for r in caplog.records if "is damaged" in r.message]) == 1
    (place / WEIGHTS).unlink()
    assert "is missing" in registry.problem("rerank")
    assert Promotions(state).current("rerank") is None
    (place / WEIGHTS).write_bytes(whole)
    assert registry.current("rerank") == place
    assert registry.problem("rerank") == ""


def test_a_damaged_copy_is_mended_by_promoting_again(state, first) -> None:
    registry = Promotions(state)
    registry.promote("rerank", first, {})
    (registry.current("rerank") / "card.json").write_text("{}")
    assert registry.current("rerank") is None
    registry.promote("rerank", first, {})
    assert registry.current("rerank") is not None
    with pytest.raises(InputError, match="serves in the slot 'rerank' already"):
        registry.promote("rerank", first, {})


def test_rolling_back_passes_over_what_is_damaged(state, tmp_path) -> None:
    registry = Promotions(state)
    for number in (1, 2, 3):
        registry.promote("rerank", adapter(tmp_path / f"n{number}", number), {})
    (state / "adapters" / registry.history("rerank")[1].folder / WEIGHTS).unlink()
    assert registry.rollback("rerank").name == "number 1"


def test_a_damaged_register_leaves_the_shipped_adapters_serving(state, first, second) -> None:
    registry = Promotions(state)
    registry.promote("rerank", first, {})
    whole = registry.file.read_text()
    escaping = whole.replace("store/rerank/", "../../store/")
    for broken in (whole[:50], "[]", '{"format": 2}', escaping, "\x00", "[" * 100_000):
        registry.file.write_text(broken)
        assert registry.current("rerank") is None
        assert "can't be read" in registry.problem("rerank")
        with pytest.raises(ModelError, match="move it away"):
            registry.promote("rerank", second, {})
        assert registry.file.read_text() == broken
    registry.file.write_text(whole)
    assert registry.current("rerank") is not None


def test_what_is_wrong_is_refused_before_anything_is_written(state, first, tmp_path) -> None:
    registry = Promotions(state)
    posing = adapter(tmp_path / "posing")
    (posing / WEIGHTS).write_bytes(PICKLED)
    flipped = adapter(tmp_path / "flipped")
    data = bytearray((flipped / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (flipped / WEIGHTS).write_bytes(bytes(data))
    beside = adapter(tmp_path / "beside")
    (beside / "optimizer.pt").write_bytes(b"x")
    torn = adapter(tmp_path / "torn")
    (torn / "card.json").write_text("{")
    for folder, sentence in (
        (posing, "pickle"), (flipped, "damaged"), (beside, "may hold code"), (torn, "can't be read"),
        (tmp_path / "nosuch", "has no adapter_model.safetensors"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=sentence):
            registry.promote("rerank", folder, {})
    assert not registry.file.exists()
    assert not (state / "adapters" / "store").exists()
    (state / "adapters").mkdir(parents=True)
    (state / "adapters" / "store").write_text("no folder")
    with pytest.raises(InputError, match="what serves is unchanged"):
        registry.promote("rerank", first, {})
    assert registry.current("rerank") is None


def test_many_at_once_lose_nothing(state, tmp_path) -> None:
    folders = [adapter(tmp_path / f"n{number}", number) for number in range(12)]
    failed: list[BaseException] = []

    def promote(part: list[Path]) -> None:
        try:
            for folder in part:
                Promotions(state).promote("rerank", folder, {})
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    threads = [threading.Thread(target=promote, args=(folders[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    history = Promotions(state).history("rerank")
    assert {e.name for e in history} == {f"number {n}" for n in range(12)}
    for expected in reversed([e.name for e in history[:-1]]):
        assert Promotions(state).rollback("rerank").name == expected


def test_the_doctor_tells_of_promoted_adapters(state, first) -> None:
    settings = Settings(state_dir=state)
    registry = Promotions(state)
    assert doctor._promoted(settings) == []
    registry.promote("rerank", first, {"forced": True})
    (found,) = doctor._promoted(settings)
    assert not found.ok  # Its card names a base of zeros.
    assert "another encoder" in found.detail
    assert found.mend == "auscult rollback rerank"
    digest = files.sha256(first / WEIGHTS)
    card = json.loads((first / "card.json").read_text())
    from retrieval import encoder

    base = files.sha256(encoder.locate(settings.encoder) / "model.safetensors")
    (first / "card.json").write_text(json.dumps(card | {"base": {"name": "e", "sha256": base}}))
    registry.promote("rerank", first, {"forced": True})
    (found,) = doctor._promoted(settings)
    assert found.ok
    assert "by force" in found.detail
    assert digest
    (registry.current("rerank") / WEIGHTS).unlink()
    (found,) = doctor._promoted(settings)
    assert not found.ok
    assert "is missing" in found.detail
    registry.file.write_text("{")
    assert [c.ok for c in doctor.checks(settings) if c.name == "promoted adapters"] == [False]


def test_what_serves_follows_what_is_promoted(state, first, second) -> None:
    settings = Settings(state_dir=state)
    serving, registry = Serving(settings), Promotions(state)
    assert {s: serving.name(s) for s in ("rerank", "embed", "chat")} == {
        "rerank": "rerank", "embed": "embed", "chat": "",
    }  # fmt: skip
    before = serving.frozen()
    registry.promote("rerank", first, {})
    serving.refresh()
    assert serving.name("rerank") == str(registry.current("rerank"))
    assert before.name("rerank") == "rerank"
    assert not before.keeps("scorer", serving.name("rerank"))
    assert before.keeps("judge", "")
    # One that can't be loaded is left out until another is promoted.
    serving.refuse("rerank", serving.name("rerank"), ModelError("It does not fit."))
    serving.refresh()
    assert serving.name("rerank") == "rerank"
    registry.promote("rerank", second, {})
    serving.refresh()
    assert serving.name("rerank") == str(registry.current("rerank"))
    assert Serving(settings, {"rerank": "rerank"}).name("rerank") == "rerank"
    with pytest.raises(ConfigError, match="no slot"):
        serving.name("nosuch")


def test_an_adapter_for_questions_that_was_set_by_hand_stays(state, tmp_path) -> None:
    Promotions(state).promote("embed", adapter(tmp_path / "e", 1, "embed"), {})
    assert Serving(Settings(state_dir=state)).name("embed").startswith(str(state))
    assert Serving(Settings(state_dir=state, embed_adapter="")).name("embed") == ""


def test_an_evaluation_serves_what_it_was_given(state, first, second) -> None:
    Promotions(state).promote("chat", first, {})
    assert Fixed(state, {"chat": ""}).current("chat") is None
    assert Fixed(state, {"chat": str(second)}).current("chat") == second
    assert Fixed(state, {"rerank": "rerank"}).current("chat") is not None

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from assistant import doctor
from assistant.settings import Settings


def look(settings: Settings) -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.checks(settings)}


def test_a_sound_installation_has_nothing_to_mend_but_says_what_it_saw(tmp_path: Path) -> None:
    found = look(Settings(state_dir=tmp_path / "new"))
    for name in ("python", "packages", "torch", "bfloat16", "encoder", "state folder", "index"):
        assert found[name].ok, found[name]
        assert found[name].detail
    assert "not built yet" in found["index"].detail
    assert found["browser tests"].ok


def test_every_failure_names_its_mend(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    failed = [c for c in doctor.checks(Settings(state_dir=blocked, encoder="nowhere")) if not c.ok]
    assert {"state folder"} <= {check.name for check in failed}
    assert len(failed) >= 2
    assert all(check.mend for check in failed)


def test_a_damaged_index_is_found_without_loading_it(tmp_path: Path) -> None:
    from retrieval.encoder import Encoder
    from retrieval.index.store import Index
    from retrieval.types import Document, Section

    folder = tmp_path / "index"
    gout = Document("gout", "Gout", (Section("", "", "Gout is an arthritis from urate crystals."),))
    Index.build(folder, [gout], Encoder.load())
    assert look(Settings(state_dir=tmp_path))["index"].ok
    vectors = next(folder.glob("g*/s*/vectors.f16"))
    whole = bytearray(vectors.read_bytes())
    whole[5] ^= 1
    vectors.unlink()  # It may be linked into another generation: the copy alone is damaged.
    vectors.write_bytes(whole)
    check = look(Settings(state_dir=tmp_path))["index"]
    assert not check.ok
    assert "vectors.f16" in check.detail
    assert check.mend == "auscult ingest --rebuild"
    (folder / "CURRENT").write_text("g000099\n")
    assert not look(Settings(state_dir=tmp_path))["index"].ok


def test_weights_are_held_against_their_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("retrieval", "assistant"):
        (tmp_path / package / "weights").mkdir(parents=True)
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    assert not look(Settings(state_dir=tmp_path))["weights"].ok
    part = tmp_path / "assistant" / "weights" / "part"
    part.mkdir()
    (part / "model.safetensors").write_bytes(b"weights")
    from retrieval import files

    card = {"sha256": files.sha256(part / "model.safetensors")}
    (part / "card.json").write_text(json.dumps(card))
    assert look(Settings(state_dir=tmp_path))["weights part"].ok
    (part / "model.safetensors").write_bytes(b"weightz")
    assert not look(Settings(state_dir=tmp_path))["weights part"].ok
    (part / "model.safetensors").unlink()
    assert "missing" in look(Settings(state_dir=tmp_path))["weights part"].detail
    (part / "card.json").write_text("{")
    assert not look(Settings(state_dir=tmp_path))["weights part"].ok


def test_little_space_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    check = look(Settings(state_dir=tmp_path))["state folder"]
    assert not check.ok
    assert "500 MB are needed" in check.detail


def test_pins_are_read_and_a_difference_is_a_note_not_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "constraints.txt").write_text("# comment\npytest==0.0.1\n")
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    check = look(Settings(state_dir=tmp_path))["tested versions"]
    assert not check.ok
    assert not check.essential
    assert "(tested: 0.0.1)" in check.detail

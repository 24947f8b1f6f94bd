"""Settings: their layers, what is refused, and that no secret is ever printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from assistant import settings
from assistant.errors import ConfigError
from assistant.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SECRET = "sk-very-secret-0123"  # noqa: S105 - made up


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder without any of our variables."""
    import os

    for name in list(os.environ):
        if name.startswith(settings.PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def toml(folder: Path, text: str) -> Path:
    path = folder / "given.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(file: Path | None = None, overrides: dict[str, Any] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        settings.load(file, overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


def test_every_setting_is_described_and_has_a_default() -> None:
    for name, field in Settings.model_fields.items():
        assert (field.description or "").endswith("."), name
        assert not field.is_required(), name
    assert Settings().chat_model == "extractive"


def test_a_setting_with_a_unit_carries_it_in_its_name() -> None:
    for name, field in Settings.model_fields.items():
        if re.search(r"\bMB\b|\bin seconds\b|^Seconds", field.description or ""):
            assert re.search(r"_(mb|s)$", name), name


def test_defaults_come_from_nowhere_else() -> None:
    loaded, origins = settings.load()
    assert loaded == Settings()
    assert set(origins) == set(Settings.model_fields)
    assert set(origins.values()) == {"default"}


def test_each_layer_covers_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = toml(tmp_path, "port = 1000\nthreads = 1\nmax_upload_mb = 5\n")
    monkeypatch.setenv("AUSCULT_PORT", "2000")
    monkeypatch.setenv("AUSCULT_THREADS", "2")
    loaded, origins = settings.load(file, {"port": 3000, "host": None})
    assert (loaded.port, loaded.threads, loaded.max_upload_mb) == (3000, 2, 5)
    assert loaded.host == "127.0.0.1"
    assert origins["port"] == "command line"
    assert origins["threads"] == "environment"
    assert origins["max_upload_mb"] == str(file)
    assert origins["host"] == "default"


def test_a_file_in_the_current_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / settings.FILE_NAME).write_text("port = 1234\n", encoding="utf-8")
    assert settings.load()[0].port == 1234


def test_a_variable_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUSCULT_CONFIG", str(toml(tmp_path, "port = 4321\n")))
    assert settings.load()[0].port == 4321
    monkeypatch.setenv("AUSCULT_CONFIG", str(tmp_path / "absent.toml"))
    assert "absent.toml" in refusal()


def test_variables_are_turned_into_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUSCULT_SUPPORT_THRESHOLD", "0.75")
    monkeypatch.setenv("AUSCULT_STATE_DIR", "some/where")
    loaded, _ = settings.load()
    assert loaded.support_threshold == 0.75
    assert loaded.state_dir == Path("some/where")


def test_variables_of_other_use_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.RESERVED - {"AUSCULT_CONFIG"}:
        monkeypatch.setenv(name, "x")
    assert settings.load()[0] == Settings()


def test_an_unknown_key_is_refused_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = refusal(toml(tmp_path, 'chat_modl = "extractive"\n'))
    assert "'chat_modl'" in message
    assert "'chat_model'" in message
    assert "given.toml" in message
    assert "xyzzy" in refusal(None, {"xyzzy": 1})
    monkeypatch.setenv("AUSCULT_THREDS", "2")
    message = refusal()
    assert "'threads'" in message
    assert "environment" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", 70000),
        ("port", "seven"),
        ("threads", -1),
        ("support_threshold", 1.5),
        ("passages_per_question", 0),
        ("decode_timeout_s", 0),
        ("decode_memory_mb", 1),
    ],
)
def test_a_value_out_of_range_is_named(key: str, value: object) -> None:
    message = refusal(None, {key: value})
    assert repr(key) in message
    assert repr(value) in message
    assert "command line" in message


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    assert "given.toml" in refusal(toml(tmp_path, "port = = 1"))
    (tmp_path / "given.toml").write_bytes(b"\xff\xfe\x00")
    assert "given.toml" in refusal(tmp_path / "given.toml")
    assert "absent.toml" in refusal(tmp_path / "absent.toml")


def test_a_secret_is_kept_and_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUSCULT_OPENAI_API_KEY", SECRET)
    loaded, _ = settings.load()
    assert loaded.openai_api_key is not None
    assert loaded.openai_api_key.get_secret_value() == SECRET
    for shown in (repr(loaded), str(loaded), loaded.model_dump_json()):
        assert SECRET not in shown


def test_a_secret_of_the_wrong_type_is_not_printed_either(tmp_path: Path) -> None:
    message = refusal(toml(tmp_path, f'openai_api_key = ["{SECRET}"]\n'))
    assert "'openai_api_key'" in message
    assert SECRET not in message


def test_settings_cannot_be_changed_or_extended() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings(color="red")  # type: ignore[call-arg]


def test_every_shipped_settings_file_loads() -> None:
    for path in [
        *ROOT.glob("*.toml"),
        *ROOT.glob("deploy/**/*.toml"),
        *ROOT.glob("docs/**/*.toml"),
    ]:
        if path.name.startswith("auscult"):
            settings.load(path)

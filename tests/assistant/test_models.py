"""Chat models are picked by a spec string; an unknown one is named with its nearest match."""

from __future__ import annotations

import pytest

from assistant import models
from assistant.app import Assistant
from assistant.errors import ConfigError
from assistant.resources import Resources
from assistant.settings import Settings


@pytest.fixture
def resources() -> Resources:
    """Parts of which none is loaded."""
    return Resources(Settings())


@pytest.mark.parametrize("spec", ["extractive", " extractive ", "extractive:"])
def test_a_spec_picks_its_model(resources: Resources, spec: str) -> None:
    assert models.resolve(spec, resources)._llm_type == "extractive"


@pytest.mark.parametrize(
    ("spec", "offered"),
    [
        ("extractiv", "'extractive'"),
        ("Extractive", "'extractive'"),
        ("script:x.json", "'scripted'"),
        ("gpt-17", "extractive"),
        ("", "extractive"),
        ("_plan", "extractive"),
        ("../models/extractive", "extractive"),
        ("extractive.py", "'extractive'"),
    ],
)
def test_an_unknown_model_is_named_with_what_there_is(
    resources: Resources, spec: str, offered: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        models.resolve(spec, resources)
    assert repr(spec.partition(":")[0]) in str(caught.value)
    assert offered in str(caught.value)
    assert "scripted" in str(caught.value)


def test_an_unknown_model_is_said_before_anything_is_loaded() -> None:
    assistant = Assistant.create(Settings(chat_model="extractiv", encoder="nowhere/at-all"))
    with pytest.raises(ConfigError, match="extractive"):
        assistant.answer("How is asthma treated?")


def test_resolving_loads_no_part(resources: Resources) -> None:
    models.resolve("extractive", resources)
    assert resources._parts == {}

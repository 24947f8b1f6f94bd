"""Recipes: the right schema by task, one sentence for what is wrong, every key explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from finetune import _explain, recipe
from retrieval.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path):
    def write(**keys: object) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(keys))
        return str(path)

    return write


CHAT = {"task": "chat", "name": "mine", "base": "some/model", "data": {"train": "a.jsonl"}}


def wrong(*arguments: object) -> str:
    with pytest.raises(ConfigError) as caught:
        recipe.load(*arguments)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("name", recipe.names())
def test_every_shipped_recipe_loads_under_its_task(name: str) -> None:
    found = recipe.load(name)
    assert isinstance(found, recipe.schema(found.task))
    assert found.allow_personal_data is False


def test_the_task_chooses_the_schema(file) -> None:
    chat = recipe.load(file(**CHAT))
    assert type(chat).__name__ == "ChatRecipe"
    encoder = recipe.load(file(task="rerank", name="mine"))
    assert type(encoder).__name__ == "Recipe"
    assert encoder.language == chat.language == "en"


def test_changes_reach_into_blocks_and_keep_their_neighbours(file) -> None:
    path = file(**{**CHAT, "data": {"train": "a.jsonl", "limit": 7}})
    changes = recipe.pairs(["rank=4", "data.train=b.jsonl", "learning_rate=1.0e-3"])
    found = recipe.load(path, changes)
    assert (found.rank, found.learning_rate) == (4, 0.001)
    assert (found.data.train, found.data.limit) == ("b.jsonl", 7)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({**CHAT, "rnk": 4}, "unknown key 'rnk'. Did you mean 'rank'?"),
        ({**CHAT, "data": {"train": "a", "limmit": 4}}, "Did you mean 'data.limit'?"),
        ({**CHAT, "rank": "many"}, "key 'rank' is 'many': "),
        ({**CHAT, "language": "English"}, "key 'language' is 'English': "),
        ({**CHAT, "task": "chatt"}, "There is no task 'chatt'. Did you mean 'chat'?"),
        ({"task": "chat", "name": "x", "base": "y"}, "the key 'data' is missing"),
        ({"name": "x"}, "'task' first"),
        ({**CHAT, "search": {"rank": {"low": 4, "high": 2}}}, "low (4) has to lie below high (2)"),
        ({**CHAT, "search": {"rank": {"low": 0, "high": 2, "log": True}}}, "above 0"),
    ],
)
def test_a_wrong_key_or_value_is_one_sentence(file, keys: dict, said: str) -> None:
    assert said in wrong(file(**keys))


def test_unknown_recipes_and_broken_files_are_named(tmp_path: Path) -> None:
    assert "Did you mean 'rerank'?" in wrong("reranke")
    broken = tmp_path / "broken.yaml"
    broken.write_text("task: [chat\n")
    assert "not valid YAML" in wrong(str(broken))
    broken.write_text("- task\n")
    assert "is no recipe" in wrong(str(broken))


@pytest.mark.parametrize("pair", ["rank", "=4", "rank=[4"])
def test_a_change_has_a_key_and_a_value(pair: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        recipe.pairs([pair])


@pytest.mark.parametrize("task", recipe.TASKS)
def test_every_key_is_explained(task: str) -> None:
    said = recipe.explain(task)
    for name in _explain.keys(recipe.schema(task)):
        (line,) = re.findall(rf"^ *{re.escape(name)}: (.+)$", said, re.MULTILINE)
        assert "required" in line or "default" in line
        meaning = said.split(f"{name}: {line}\n", 1)[1].split("\n", 1)[0]
        assert len(meaning.strip()) > 10, name


def test_an_explanation_gives_type_range_and_default() -> None:
    said = recipe.explain("chat")
    assert "rank: whole number, at least 1 and at most 512, default 16" in said
    assert 'method: one of lora, dora, rslora, qlora, default "lora"' in said
    assert "data.limit: whole number or null, at least 1, default null" in said
    assert "base: text, 1 or more" in said

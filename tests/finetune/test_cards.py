"""Cards: complete, without paths or words of the data, readable as a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune import cards, recipe, validation
from retrieval.errors import InputError

FILE = validation.FileReport("train.jsonl", "train", "messages", 12, 340, 51, {"en": 12}, "ab" * 32)
ISSUE = validation.Issue("duplicate", "train.jsonl", "train.jsonl: 1 row repeat (row 4).", 1, (4,))
REPORT = validation.DataReport((FILE,), (), (ISSUE,), {"date": 3}, {"rows": 12, "duplicate": 1})
CARD = {
    "name": "mine", "task": "chat", "base": {"name": "small", "sha256": "c" * 64},
    "lora": {"r": 4, "alpha": 8}, "results": {"validation_loss": 1.25}, "training": {"steps": 3},
    "recipe": {"seed": 5}, "sha256": "d" * 64,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    return tmp_path


def spec(**more: object):
    keys = {"task": "chat", "name": "mine", "base": "b", "data": {"train": "t"}, "seed": 5, **more}
    return recipe.build(keys, "test")


def test_a_card_is_completed_and_keeps_what_the_trainer_wrote(folder: Path) -> None:
    cards.complete(folder, spec(licence="CC BY 4.0"), REPORT, {"peak_memory_bytes": 7})
    card = json.loads((folder / "card.json").read_text())
    assert {k: card[k] for k in CARD if k != "training"} == {
        k: v for k, v in CARD.items() if k != "training"
    }
    assert card["training"] == {"steps": 3, "peak_memory_bytes": 7}
    assert card["licence"] == "CC BY 4.0"
    assert card["seed"] == 5
    assert card["data_card"]["files"][0]["sha256"] == "ab" * 32
    assert card["data_card"]["identifiers"] == {"date": 3}
    assert list(card)[-1] == "sha256"
    assert json.loads((folder / "data_report.json").read_text())["counts"] == {
        "rows": 12,
        "duplicate": 1,
    }


def test_a_page_says_the_same_to_a_person(folder: Path) -> None:
    cards.complete(folder, spec(), REPORT)
    page = (folder / "CARD.md").read_text()
    for said in ("# mine", "task: chat", "licence: not stated", "validation_loss: 1.25", "seed: 5",
                 "| train.jsonl | train | messages | 12 |", "date 3", "let pass", "torch: "):  # fmt: skip
        assert said in page


def test_a_value_cannot_open_a_heading_or_a_cell(folder: Path) -> None:
    page = cards.markdown({**CARD, "results": {"note": "a\n# b | c"}})
    assert "\n# b" not in page
    assert "- note: a # b \\| c" in page


def test_versions_name_the_libraries_and_the_code() -> None:
    found = cards.versions()
    assert {"python", "torch", "transformers", "peft", "code"} <= set(found)
    assert found["code"] == f"sha256:{cards.code_digest()}"
    assert len(cards.code_digest()) == 64


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no readable card\.json"):
        cards.write_markdown(tmp_path)
    (tmp_path / "card.json").write_text("[]")
    with pytest.raises(InputError, match="no JSON object"):
        cards.write_markdown(tmp_path)


def test_shipped_adapters_have_readable_pages() -> None:
    root = Path(cards.__file__).parents[1] / "retrieval" / "weights"
    found = sorted(root.glob("*/card.json"))
    assert found
    for path in found:
        page = cards.markdown(json.loads(path.read_text()))
        assert "## Results" in page
        assert "## Use" in page

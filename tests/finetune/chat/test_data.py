"""Rows become conversations; a wrong column, an empty field or a broken file is one sentence."""

from __future__ import annotations

import gzip
import json

import pytest

from assistant.models import _prompting
from finetune._chat_recipe import ChatData
from finetune.chat import data, formats
from retrieval.errors import InputError

DIALOGUE = "Doctor: What brings you in?\nPatient: A cough for three days."
ROWS = {
    "messages": {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]},
    "dialogue_note": {"dialogue": DIALOGUE, "section_header": "CC", "section_text": "Cough."},
    "note_summary": {"note": "Cough for three days.", "summary": "Cough."},
    "extraction": {"note": "Takes metformin.", "json": {"drugs": ["metformin"], "allergies": None}},
    "grounded_qa": {
        "question": "What treats asthma?",
        "contexts": [{"id": "d7", "title": "Asthma", "text": "Steroids help."}, "Rest is good."],
        "answer": "Steroids [d7].",
    },
    "preference": {"prompt": "What treats asthma?", "chosen": "Steroids.", "rejected": "Nothing."},
}  # fmt: skip


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def load(path, **more):
    return data.conversations(path, ChatData(train=str(path), **more))


@pytest.mark.parametrize("name", ROWS)
def test_auto_tells_the_format_by_its_columns(name, tmp_path):
    found, kind = load(write(tmp_path / "a.jsonl", ROWS[name]))
    assert kind == name
    assert found[0].messages[-1]["role"] == "assistant"
    served = found[0].messages[0] == {"role": "system", "content": _prompting.system_prompt()}
    assert served is (name not in {"messages", "preference"})


def test_other_spellings_of_messages_are_read(tmp_path):
    share = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}]}
    pair = {"prompt": "Hi", "completion": "Yes?"}
    found, _ = load(write(tmp_path / "a.jsonl", ROWS["messages"], share, pair))
    assert len({c.messages[0]["content"] + c.messages[1]["content"] for c in found}) == 1
    assert [m["role"] for m in found[1].messages] == ["user", "assistant"]


def test_a_table_and_a_gzipped_file_are_read(tmp_path):
    (tmp_path / "a.csv").write_text('note,summary\n"Cough, fever",Cough\n', encoding="utf-8")
    found, kind = load(tmp_path / "a.csv", system="none")
    assert kind == "note_summary"
    assert found[0].messages[0]["content"].endswith("Cough, fever")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(json.dumps(ROWS["note_summary"]).encode()))
    assert (
        load(tmp_path / "b.jsonl.gz", system="Be brief.")[0][0].messages[0]["content"]
        == "Be brief."
    )


def test_a_grounded_question_is_the_prompt_that_is_served(tmp_path):
    found, _ = load(write(tmp_path / "a.jsonl", ROWS["grounded_qa"]))
    *prompt, answer = found[0].messages
    passages = [
        formats.Passage("S1", "Asthma", "", "Steroids help."),
        formats.Passage("S2", "", "", "Rest is good."),
    ]
    expected = _prompting.grounded_messages("What treats asthma?", passages)
    assert [{k: v for k, v in m.items() if k != "weight"} for m in prompt] == expected
    assert [m["weight"] for m in prompt if m["role"] == "assistant"] == [0]
    assert answer["content"] == "Steroids [S1]."


def test_a_citation_of_no_passage_is_refused(tmp_path):
    row = {**ROWS["grounded_qa"], "answer": "Steroids [S9]."}
    with pytest.raises(InputError, match=r"row 1: the answer cites \[S9\]"):
        load(write(tmp_path / "a.jsonl", row))


def test_wrong_columns_are_named_with_those_that_are_needed(tmp_path):
    path = write(tmp_path / "a.jsonl", {"text": "x", "label": 1})
    with pytest.raises(InputError, match=r"label, text.*dialogue, section_text or note") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="needs note, summary"):
        load(path, format="note_summary")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"messages": [{"role": "user", "content": "Hi"}]}, "no turn of the assistant"),
        ({"messages": [{"role": "wizard", "content": "Hi"}]}, "'wizard'"),
        ({"messages": [{"role": "user", "content": ""}]}, "no text"),
        ({"messages": "not json"}, "valid JSON"),
        ({"completion": "Yes"}, "'prompt'"),
        ({"dialogue": " ", "note": "x"}, "'dialogue' has no text"),
        ({"note": "x", "json": []}, "no JSON object"),
        ({"question": "q", "passages": [{"title": "t"}], "answer": "a"}, "S1 has no text"),
        ({"prompt": "q", "chosen": "a", "rejected": "a"}, "the same"),
    ],
)
def test_a_row_that_can_not_be_learned_from_is_named(row, says, tmp_path):
    with pytest.raises(InputError, match=f"row 1: .*{says}"):
        load(write(tmp_path / "a.jsonl", row))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"note": 1', "line 1 is no JSON object"),
        ("a.jsonl", b"\xff\xfe", "no JSON object|UTF-8"),
        ("a.jsonl", b"", "no rows"),
        ("a.jsonl.gz", gzip.compress(b'{"note": "x", "summary": "y"}')[:-9], "to its end"),
        ("a.jsonl.gz", b"plain", "can't be read"),
        ("a.csv", b"note,summary\n1,2,3\n", "row 1 has more or fewer"),
        ("a.pkl", b"\x80\x04", "jsonl"),
    ],
)
def test_a_file_that_is_damaged_is_one_sentence(name, content, says, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        load(tmp_path / name)


def test_a_part_is_held_back_by_whole_groups(tmp_path):
    rows = [{**ROWS["note_summary"], "patient_id": n // 4} for n in range(80)]
    path = write(tmp_path / "a.jsonl", *rows)
    found = data.load(ChatData(train="a.jsonl", held_back=0.2), tmp_path)
    sides = [{c.group for c in side} for side in (found.train, found.validation)]
    assert [len(side) for side in sides] == [16, 4]
    assert not sides[0] & sides[1]
    assert found.files[0][0] == path.name
    with pytest.raises(InputError, match="one group"):
        data.load(ChatData(train=str(write(tmp_path / "b.jsonl", rows[0]))))
    with pytest.raises(InputError, match="There is no data file"):
        data.load(ChatData(train="none.jsonl"), tmp_path)

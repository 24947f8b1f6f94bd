"""Data checks: every fault is found before weights are loaded, told by row, and never quoted."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path
from typing import ClassVar

import pytest

from finetune import _validation_language as language
from finetune import _validation_similar as similar
from finetune import recipe, validation
from retrieval.errors import ConfigError, InputError

DISEASES = ("asthma", "gout", "migraine", "anaemia", "psoriasis", "glaucoma", "sepsis", "angina")


def chat_row(n: int, **more: object) -> dict:
    disease = DISEASES[n % len(DISEASES)]
    return {
        "messages": [
            {"role": "user", "content": f"What is the first treatment of {disease} in case {n}?"},
            {"role": "assistant", "content": f"The treatment of {disease} depends on its stage."},
        ],
        **more,
    }


class Project:
    """A data folder with two files and a chat recipe that reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.train = [chat_row(n, document=f"t{n}") for n in range(8)]
        self.validation = [chat_row(n, document=f"v{n}") for n in range(100, 104)]

    def write(self) -> None:
        for name, rows in (("train", self.train), ("val", self.validation)):
            path = self.folder / f"{name}.jsonl"
            if rows is not None:
                path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")

    def recipe(self, **more: object):
        data = {"train": "train.jsonl", "validation": "val.jsonl"}
        keys = {"task": "chat", "name": "x", "base": "b", "data": data, **more}
        return recipe.build(keys, "test")

    def check(self, *, write: bool = True, count=None, **more: object) -> validation.DataReport:
        if write:
            self.write()
        return validation.check(self.recipe(**more), self.folder, count=count)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def kinds(issues) -> dict[str, int]:
    return {issue.kind: issue.count for issue in issues}


def test_clean_data_passes_with_counts_and_digests(project: Project) -> None:
    report = project.check()
    assert report.errors == report.warnings == ()
    report.enforce()
    assert [(f.name, f.part, f.format, f.rows) for f in report.files] == [
        ("train.jsonl", "train", "messages", 8),
        ("val.jsonl", "validation", "messages", 4),
    ]
    assert all(len(f.sha256) == 64 for f in report.files)
    assert "nothing is wrong" in validation.table(report)


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        (["user", "user", "assistant"], "the user's message follows the user's"),
        (["assistant", "user", "assistant"], "the assistant's message follows nothing"),
        (["user", "assistant", "user"], "the last message is not an answer"),
        (["user", "nurse"], "role"),
    ],
)
def test_turns_must_alternate_and_end_with_the_assistant(project, turns, said) -> None:
    project.train[2]["messages"] = [
        {"role": role, "content": f"something on gout, part {n}"} for n, role in enumerate(turns)
    ]
    report = project.check()
    assert kinds(report.errors) == {"schema": 1}
    assert said in report.errors[0].message
    assert report.errors[0].rows == (3,)


def test_empty_turns_and_answers_stop_a_run(project: Project) -> None:
    project.train[1]["messages"][-1]["content"] = " "
    report = project.check()
    assert [issue.rows for issue in report.errors] == [(2,)]
    with pytest.raises(InputError, match=r"train\.jsonl: in 1 row.*\(row 2\)"):
        report.enforce()


def test_repeated_rows_are_warned_of(project: Project) -> None:
    long = "The patient came with chest pain that grew over two days and went to the left arm. "
    project.train[3]["messages"][-1]["content"] = long * 3
    project.train[4] = json.loads(json.dumps(project.train[3]))
    project.train[4]["messages"][-1]["content"] = (long * 3).replace("two days", "THREE days", 1)
    project.train[5] = json.loads(json.dumps(project.train[0]))
    project.train[5]["messages"][0]["content"] = project.train[5]["messages"][0]["content"].upper()
    report = project.check()
    assert report.errors == ()
    assert kinds(report.warnings) == {"duplicate": 1, "near_duplicate": 1}
    assert {issue.rows for issue in report.warnings} == {(6,), (5,)}


@pytest.mark.parametrize("column", ["patient_id", "subject_id", "encounter_id", "pmid", "doc_id"])
def test_shared_patients_and_documents_are_leakage(project: Project, column: str) -> None:
    project.train[0][column] = project.validation[1][column] = 4711
    report = project.check()
    assert kinds(report.errors) == {"leakage": 1}
    assert report.errors[0].file == "val.jsonl"
    assert report.errors[0].rows == (2,)
    assert "4711" not in report.errors[0].message
    allowed = project.check(allow_leakage=True)
    assert kinds(allowed.warnings) == {"leakage": 1}
    assert allowed.errors == ()


def test_the_same_question_in_both_parts_is_leakage(project: Project) -> None:
    asked = project.train[0]["messages"][0]["content"]
    project.validation[0]["messages"][0]["content"] = f"  {asked.upper()} "
    assert kinds(project.check().errors) == {"leakage": 1}


def test_personal_data_stop_a_run_and_stay_out_of_what_is_said(project: Project) -> None:
    private = "Call Mrs. Johanna Wexford on 555-201-8834, MRN 88231907, johanna.w@example.org."
    project.train[6]["messages"][0]["content"] = private
    report = project.check()
    assert kinds(report.errors) == {"personal": 1}
    assert sum(report.personal.values()) >= 3
    assert {"phone", "email"} <= set(report.personal)
    shown = validation.table(report) + json.dumps(report.as_json())
    for word in ("Wexford", "8834", "88231907", "example.org"):
        assert word not in shown
    allowed = project.check(allow_personal_data=True)
    assert allowed.errors == ()
    assert kinds(allowed.warnings) == {"personal": 1}


def test_long_samples_are_counted(project: Project) -> None:
    project.train[1]["messages"][-1]["content"] = "a b c d " * 50

    def words(_format: str, row) -> tuple[int, int]:
        n = len(json.dumps(row).split())
        return n, n // 2

    report = project.check(count=words, max_tokens=64)
    (issue,) = [i for i in report.warnings if i.kind == "long"]
    assert (issue.count, issue.rows) == (1, (2,))
    assert report.files[0].longest > 200
    assert f"{report.files[0].longest} tokens" in issue.message
    assert max(report.lengths.tokens) == 64
    assert len(report.lengths.learned) == 8


def test_rows_in_another_language_are_told_with_their_share(project: Project) -> None:
    for n in (0, 1):
        project.train[n]["messages"] = [
            {
                "role": "user",
                "content": f"Was ist die erste Wahl für den Patienten {n}, und warum?",
            },
            {"role": "assistant", "content": "Das ist mit der Leitlinie und dem Alter zu klären."},
        ]
    (issue,) = project.check().warnings
    assert issue.kind == "language"
    assert "(25%)" in issue.message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The patient was in the hospital for two days with a fever.", "en"),
        ("Le patient est à l'hôpital pour une fièvre et des douleurs dans le dos.", "fr"),
        ("El paciente está en el hospital por la fiebre y los dolores.", "es"),
        ("患者发烧三天，伴有咳嗽和头痛。", "zh"),
        ("患者は三日間の発熱と咳で来院しました。", "ja"),
        ("У пациента третий день температура и кашель.", "ru"),
        ("BP 120/80 HR 72", None),
        ("", None),
    ],
)
def test_languages_are_guessed_or_left_open(text: str, code: str | None) -> None:
    assert language.guess(text) == code


def test_near_duplicates_are_found_at_their_threshold() -> None:
    words = [f"word{n}" for n in range(200)]
    found = similar.Similar()
    assert found.alike(0, " ".join(words)) is None
    # Of 196 shingles, four changed words in a row touch eight.
    assert found.alike(1, " ".join([*words[:50], "a", "b", "c", "d", *words[54:]])) == 0
    changed = [w if n % 4 else f"other{n}" for n, w in enumerate(words)]
    assert found.alike(2, " ".join(changed)) is None
    assert similar.jaccard(similar.shingles(words), similar.shingles(words)) == 1.0


def broken(project: Project, content: bytes, name: str = "train.jsonl") -> str:
    project.write()
    (project.folder / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        project.check(write=False, data={"train": name, "validation": "val.jsonl"})
    return str(caught.value)


def test_broken_files_are_one_sentence_each(project: Project) -> None:
    good = json.dumps(chat_row(1)).encode()
    assert "holds no rows" in broken(project, b"\n\n")
    assert "line 2" in broken(project, good + b"\n{broken\n")
    assert "line 1" in broken(project, b"[1, 2]\n")
    packed = gzip.compress(good * 400)
    assert "train.jsonl.gz" in broken(project, packed[:-20], "train.jsonl.gz")
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    assert "train.jsonl.gz" in broken(project, bytes(flipped), "train.jsonl.gz")
    with pytest.raises(InputError, match=r"nowhere\.jsonl"):
        project.check(data={"train": "nowhere.jsonl"})


def test_wrong_columns_are_named_with_those_there(project: Project) -> None:
    said = broken(project, b'{"ask": "x", "reply": "y"}\n')
    assert "ask" in said
    assert "reply" in said
    assert "messages" in said


class TestEncoderRows:
    """Own rows of the encoder's tasks."""

    @pytest.fixture
    def check(self, tmp_path: Path):
        def run(task: str, train: list, held: list | None = None) -> validation.DataReport:
            for name, rows in (("t", train), ("v", held or [])):
                text = "\n".join(json.dumps(row) for row in rows)
                (tmp_path / f"{name}.jsonl").write_text(text)
            keys = {
                "task": task,
                "name": "x",
                "data": {"train": "t.jsonl", "validation": "v.jsonl"},
            }
            return validation.check(recipe.build(keys, "test"), tmp_path)

        return run

    SPANS: ClassVar = {
        "text": "Gout was treated with colchicine.",
        "entities": [[0, 4, "Gout", "Disease"]],
    }
    OTHER: ClassVar = {"text": "Asthma was treated with steroids at home.", "entities": []}

    def test_spans_must_stand_where_they_say(self, check) -> None:
        moved = {**self.SPANS, "entities": [[1, 5, "Gout", "Disease"]]}
        outside = {**self.SPANS, "text": "Gut", "entities": [[0, 4, "Gout", "Disease"]]}
        strange = {**self.SPANS, "text": "Gout it is", "entities": [[0, 4, "Gout", "Animal"]]}
        report = check("entities", [self.SPANS, moved, outside, strange], [self.OTHER])
        said = " ".join(issue.message for issue in report.errors)
        assert "not what stands at its span" in said
        assert "outside the text" in said
        assert "none of Disease, Chemical" in said
        assert {issue.rows for issue in report.errors} == {(2,), (3,), (4,)}

    def test_groups_and_labels_are_checked(self, check) -> None:
        good = {"question": "What treats gout?", "texts": ["Colchicine does.", "Rest."]}
        held = {"question": "What treats asthma?", "texts": ["Steroids do.", "Tea."]}
        bad = {"question": "What treats pain?", "texts": ["Only one."]}
        assert [i.rows for i in check("rerank", [good, bad], [held]).errors] == [(2,)]
        claim = {"claim": "It helps.", "evidence": "It did help.", "label": "maybe"}
        other = {"claim": "It harms.", "evidence": "It did not.", "label": "contradict"}
        (issue,) = check("support", [claim], [other]).errors
        assert "support, contradict, neither" in issue.message

    def test_missing_columns_come_with_a_hint(self, check) -> None:
        with pytest.raises(InputError, match=r"no 'texts'; it has 'query', 'passages'\. Rename"):
            check("rerank", [{"query": "x", "passages": ["y"]}], [])

    def test_a_task_without_own_data_says_so(self, check) -> None:
        with pytest.raises(ConfigError, match="embed can't be trained on files of your own"):
            check("embed", [{"question": "x", "text": "y"}], [])


def test_public_sets_need_a_data_folder_that_has_them(tmp_path: Path) -> None:
    spec = recipe.load("entities")
    with pytest.raises(InputError, match="AUSCULT_DATA"):
        validation.check(spec, None)
    with pytest.raises(InputError, match=r"ner/bc5cdr_train\.jsonl\.gz"):
        validation.check(spec, tmp_path)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", ["entities", "rerank", "embed"])
def test_the_shipped_recipes_data_pass(name: str, shared_data: Path) -> None:
    report = validation.check(recipe.load(name), shared_data)
    report.enforce()
    assert all(f.rows > 100 for f in report.files)


def test_a_report_is_stored_without_lengths(project: Project, tmp_path: Path) -> None:
    report = dataclasses.replace(project.check(), lengths=validation.Lengths((1,), (1,)))
    stored = json.loads(validation.write(report, tmp_path).read_text())
    assert set(stored) == {"files", "errors", "warnings", "personal", "counts"}
    assert stored["counts"]["rows"] == 12

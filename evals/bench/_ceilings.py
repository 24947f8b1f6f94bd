"""What the machine itself can do on one thread: matrix products by type, and reading memory.

A figure near its ceiling can't be improved by better code, one far from it can. Measured beside the
benchmarks, in the same process.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from evals.bench._table import Figure, figure

# The shapes of the encoder's widest layer at a full batch: 16 texts of 128 tokens, 384 to 1,536.
_ROWS, _INNER, _COLUMNS = 2_048, 384, 1_536
_READ_MB = 512


def figures(rounds: int = 5, *, read_mb: int = _READ_MB) -> dict[str, Figure]:
    """Return the ceilings: 10^9 operations a second by type, and 10^9 bytes read a second.

    Args:
        rounds: measurements of each.
        read_mb: size of the array that is read, in MB; well above the processor's caches.
    """
    import torch

    found: dict[str, Figure] = {}
    operations = 2 * _ROWS * _INNER * _COLUMNS
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a = torch.randn(_ROWS, _INNER).to(dtype)
        b = torch.randn(_INNER, _COLUMNS).to(dtype)
        work = functools.partial(torch.matmul, a, b)
        found[f"ceiling: {name} product"] = _rate(work, operations, rounds, "GF/s")
    product = _int8_product()
    if product is not None:
        found["ceiling: int8 product"] = _rate(product, operations, rounds, "GOP/s")
    array = np.ones(read_mb * 250_000, dtype=np.float32)
    found["ceiling: memory read"] = _rate(lambda: array @ array, array.nbytes, rounds, "GB/s")
    return found


def _int8_product() -> Callable[[], Any] | None:
    """Return oneDNN's product of int8 matrices, weights packed, result in bfloat16; None without."""
    import torch

    a = torch.randint(-128, 127, (_ROWS, _INNER), dtype=torch.int8)
    weight = torch.randint(-128, 127, (_COLUMNS, _INNER), dtype=torch.int8)
    scales, zeros = torch.ones(_COLUMNS), torch.zeros(_COLUMNS, dtype=torch.int64)
    try:
        packed = torch.ops.onednn.qlinear_prepack(weight, a.shape)
        after: tuple[Any, ...] = (torch.bfloat16, "none", [], "")

        def product() -> Any:
            return torch.ops.onednn.qlinear_pointwise(
                a, 0.1, 0, packed, scales, zeros, None, 1.0, 0, *after
            )

        product()
    except (AttributeError, RuntimeError):  # a build without oneDNN, or a processor without int8
        return None
    return product


def _rate(work: Callable[[], Any], amount: int, rounds: int, unit: str) -> Figure:
    """Return billions of `amount` a second of processor time; a round lasts at least 20 ms."""
    began = time.process_time()
    work()
    times = max(1, int(0.02 / max(time.process_time() - began, 1e-6)))
    rates = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            work()
        rates.append(times * amount / max(time.process_time() - began, 1e-9) / 1e9)
    return figure(rates, unit)

"""Which samples go through the model together, and the tensors of them.

Samples of like length share a batch of a fixed number of tokens, so that almost nothing is padding.
Padding stands at the end, where causal attention never looks, so no mask is needed and attention
takes its fast path. `packed` lays samples end to end instead, told apart by position ids alone
(`use_cache=False`, no mask: only then do transformers' models isolate them). Logits are asked for
at the positions that are learned and nowhere else. Knows nothing of optimisers or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.chat.render import Sample


@dataclass(frozen=True, slots=True)
class Micro:
    """What goes through the model in one pass on one device.

    Attributes:
        items: numbers of the samples.
        weight: what its summed loss is divided by, together with the others of its step: tokens
            that are learned, or pairs.
        tokens: real tokens, padding left out.
    """

    items: tuple[int, ...]
    weight: float
    tokens: int


Step = tuple[Micro, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """A micro-batch as tensors.

    Attributes:
        ids: (rows, columns) int64; padding is 0.
        positions: (rows, columns) int64 where samples are packed; else None.
        places: (learned,) int64, index into the flattened (rows * columns) of each position whose
            next token is learned.
        targets: (learned,) int64, the token that is learned there.
        lengths: (rows, columns) float32, tokens of the sample that each token belongs to; 1 for
            padding.
    """

    ids: Tensor
    positions: Tensor | None
    places: Tensor
    targets: Tensor
    lengths: Tensor


def micros(
    lengths: Sequence[int],
    weights: Sequence[float],
    most: int,
    rng: np.random.Generator,
    *,
    packed: bool = False,
) -> list[Micro]:
    """Return an epoch's micro-batches in random order.

    Args:
        lengths: tokens of each sample.
        weights: of each sample.
        most: tokens of a micro-batch, padding included, unless one sample is longer.
        rng: draws the order.
        packed: whether samples are laid end to end, so that nothing is padding.
    """
    count = np.asarray(lengths)
    if packed:
        order = rng.permutation(len(count))
    else:
        # Lengths are shaken a little, so that the same samples do not meet in every epoch.
        order = np.argsort(count * rng.uniform(0.95, 1.05, len(count)), kind="stable")
    groups: list[list[int]] = []
    longest = total = 0
    for index in order.tolist():
        length = int(count[index])
        area = (
            total + length
            if packed
            else max(longest, length) * (len(groups[-1]) + 1 if groups else 1)
        )
        if not groups or area > most:
            groups.append([])
            longest = total = 0
        groups[-1].append(index)
        longest, total = max(longest, length), total + length
    made = [
        Micro(
            tuple(group),
            float(sum(weights[i] for i in group)),
            int(sum(int(count[i]) for i in group)),
        )
        for group in groups
    ]
    return [made[i] for i in rng.permutation(len(made))]


def steps(made: Sequence[Micro], together: int) -> list[Step]:
    """Return micro-batches as steps of `together` of them; the last step may have fewer."""
    return [tuple(made[i : i + together]) for i in range(0, len(made), together)]


def shares(step: Step, processes: int, rank: int) -> list[tuple[Micro, bool]]:
    """Return what one process does of a step: each micro-batch, and whether it counts.

    Every process gets as many, so that all meet at the same collective calls; one that has none
    left goes through the step's first micro-batch, which then does not count.
    """
    own = [(micro, True) for micro in step[rank::processes]]
    rounds = -(-len(step) // processes)
    return own + [(step[0], False)] * (rounds - len(own))


def collate(samples: Sequence[Sample], device: Any, *, packed: bool = False) -> Batch:
    """Return samples as one batch on `device`."""
    rows = [samples] if packed else [[sample] for sample in samples]
    width = max(sum(len(s.ids) for s in row) for row in rows)
    shape = (len(rows), width)
    ids, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    lengths = np.ones(shape, np.float32)
    places: list[np.ndarray[Any, Any]] = []
    targets: list[np.ndarray[Any, Any]] = []
    for number, row in enumerate(rows):
        at = 0
        for sample in row:
            size = len(sample.ids)
            ids[number, at : at + size] = sample.ids
            positions[number, at : at + size] = np.arange(size)
            lengths[number, at : at + size] = size
            learned = np.flatnonzero(sample.said)
            # The token before a learned one is where it is foretold.
            places.append(number * width + at + learned - 1)
            targets.append(sample.ids[learned].astype(np.int64))
            at += size
    return Batch(
        _tensor(ids, device),
        _tensor(positions, device) if packed else None,
        _tensor(np.concatenate(places), device),
        _tensor(np.concatenate(targets), device),
        _tensor(lengths, device),
    )


def _tensor(array: np.ndarray[Any, Any], device: Any) -> Tensor:
    import torch

    return torch.from_numpy(array).to(device, non_blocking=True)

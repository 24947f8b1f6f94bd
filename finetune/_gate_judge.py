"""What follows from the figures: each metric's outcome, and whether the adapter may serve.

A metric is worse or better where the 95% interval of the paired difference lies on one side of zero. A
safety metric is broken where its value has fallen by more than its tolerance, interval or not: too few
samples are no excuse there. Pure functions; knows nothing of how figures come about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from finetune._gate_types import Comparison, Interval, Measured, Row
from finetune.recipe_gate import GateTask

# Rounding of sums must not break a safety metric that has not moved.
_EXACT = 1e-9


def row(wanted: GateTask, comparison: Comparison, read: Mapping[str, str]) -> Row:
    """Return a metric's line of the table.

    Args:
        wanted: what the recipe says of it.
        comparison: its task in all arms.
        read: the part of each file that the adapter's training read, by digest.
    """
    parts = {
        read[digest]: name.removeprefix("data/")
        for name, digest in comparison.digests.items()
        if name.startswith("data/") and digest in read
    }
    if "train" in parts:
        return missing(wanted, f"{parts['train']} is what the adapter was trained on")
    measured = next(m for m in comparison.metrics if m.metric == wanted.metric)
    outcome, note = _outcome(wanted, measured)
    if parts:
        note = note or f"{next(iter(parts.values()))} also chose the step of the training"
    return Row(
        task=wanted.task,
        metric=wanted.metric,
        safety=wanted.safety,
        dataset=comparison.dataset,
        n=comparison.n,
        unit=comparison.unit,
        arms={name: _plain(interval) for name, interval in measured.arms.items()},
        difference=_plain(measured.difference),
        without=None if measured.without is None else _plain(measured.without),
        outcome=outcome,
        note=note or comparison.note,
    )


def missing(wanted: GateTask, why: str) -> Row:
    """Return the line of a metric that could not be measured."""
    return Row(task=wanted.task, metric=wanted.metric, safety=wanted.safety, note=why)


def reasons(rows: Sequence[Row], *, allow_equal: bool) -> tuple[str, ...]:
    """Return why an adapter with these figures is refused; nothing if it may serve."""
    measured = [r for r in rows if r.outcome != "not measured"]
    if not measured:
        why = rows[0].note if rows else "none is named"
        return (f"no evaluation could be run ({why.rstrip('.')})",)
    out = [
        f"{r.task} {r.metric} could not be measured ({r.note.rstrip('.')})"
        for r in rows
        if r.outcome == "not measured"
    ]
    out += [
        f"the safety metric {r.task} {r.metric} falls from {_arm(r, 0)} to {_arm(r, 1)}"
        for r in rows
        if r.outcome == "broken"
    ]
    out += [
        f"{r.task} {r.metric} is significantly worse, {_arm(r, 1)} after {_arm(r, 0)} "
        f"(difference {_span(r.difference)})"
        for r in rows
        if r.outcome == "worse"
    ]
    if not out and not allow_equal and not any(r.outcome == "better" for r in rows):
        shown = ", ".join(f"{r.task} {r.metric} {_span(r.difference)}" for r in measured)
        out.append(f"it is no better than what serves (difference {shown})")
    return tuple(out)


def _outcome(wanted: GateTask, measured: Measured) -> tuple[str, str]:
    sign = -1.0 if wanted.lower_is_better else 1.0
    before, after = _pair(measured)
    difference = measured.difference
    if before is None and after is None:
        # Neither makes a claim that could be wrong: there is nothing to break, and nothing to gain.
        return "no difference", "neither arm gives this metric a value"
    if before is None or after is None or difference.value is None:
        return "not measured", "one of the two arms gives this metric no value"
    low, high = difference.low or 0.0, difference.high or 0.0
    if sign < 0:
        low, high = -high, -low
    if wanted.safety and sign * difference.value < -wanted.tolerance - _EXACT:
        return "broken", ""
    if wanted.safety:
        return "better" if low > 0 else "kept", ""
    if high < 0:
        return "worse", ""
    return "better" if low > 0 else "no difference", ""


def _pair(measured: Measured) -> tuple[float | None, float | None]:
    """Return the values of base and adapter in the way that serves: the last two arms."""
    before, after = list(measured.arms.values())[-2:]
    values = (before.value, after.value)
    return values if not any(v is not None and math.isnan(v) for v in values) else (None, 0.0)


def _plain(interval: Interval) -> dict[str, float | None]:
    return {
        key: None if value is None or math.isnan(value) else round(value, 6)
        for key, value in (
            ("value", interval.value), ("low", interval.low), ("high", interval.high),
        )
    }  # fmt: skip


def _arm(found: Row, place: int) -> str:
    value = list((found.arms or {}).values())[-2:][place]["value"]
    return "-" if value is None else f"{value:.3f}"


def _span(found: Mapping[str, float | None] | None) -> str:
    if found is None or found["value"] is None:
        return "unknown"
    return f"{found['value']:+.3f}, 95% {found['low']:+.3f} to {found['high']:+.3f}"

"""From a card.json to a checked `Card`: one clear sentence on whatever is missing or can't be.

The schema is in docs/classifiers.md. Knows nothing of tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assistant.errors import ModelError
from assistant.findings import OperatingPoint
from assistant.vision import calibration, conformal, points
from assistant.vision.classifiers import Card, Population, kinds_of
from assistant.vision.inputs import FILM_SIDE, VIEWS

DEFAULT_VIEWS = ("plain", "mirror")
MOST_LABELS = 10_000
_MOST_SIDE = 2048


def parse(
    raw: Mapping[str, Any],
    where: Path | str,
    kinds: tuple[str, ...] = (),
    *,
    measured: bool = True,
) -> Card:
    """Check a card.

    Args:
        raw: the JSON object.
        where: the folder or model that it is of, for the message.
        kinds: the gate's kinds that it judges, where a spec string names them.
        measured: whether a card with a positive label has to have operating points.

    Raises:
        ModelError: naming the part that is missing or can't be, and the next step.
    """
    try:
        return _card(raw, kinds, measured=measured)
    except KeyError as error:
        problem = f"it has no {error.args[0]!r}"
    except (TypeError, ValueError, AttributeError) as error:
        problem = str(error) or type(error).__name__
    raise ModelError(
        f"The card in {where} can't be used: {problem}. Mend the card, or train or install the "
        "model again."
    )


def _card(raw: Mapping[str, Any], kinds: tuple[str, ...], *, measured: bool) -> Card:
    labels = _labels(raw["labels"])
    modality = _words(raw.get("modality", "chest film"), "modality")
    positive, negative = _sides(raw, labels)
    shape = raw.get("input", {}).get("shape", [1, FILM_SIDE, FILM_SIDE])
    channels, side = _shape(shape)
    low, high = (float(end) for end in raw.get("input", {}).get("range", (0, 1)))
    if not low < high:
        raise ValueError(f"the input range {low:g} to {high:g} is empty")
    judged = kinds or tuple(raw.get("kinds") or kinds_of(modality))
    if not judged:
        raise ValueError(
            f"it does not say which pictures it judges (modality {modality!r} is not known, and "
            "'kinds' is missing)"
        )
    sets = raw.get("conformal")
    return Card(
        name=_words(raw["name"], "name"),
        version=str(raw.get("version", "")),
        labels=labels,
        positive=positive,
        negative=negative,
        modality=modality,
        kinds=judged,
        side=side,
        channels=channels,
        value_range=(low, high),
        views=_views(raw),
        calibration=calibration.from_card(raw["calibration"], len(labels)),
        points=_points(
            raw.get("operating_points") or (), required=measured and positive is not None
        ),
        conformal=conformal.from_card(sets, labels) if sets else None,
        population=_population(raw.get("population") or {}),
        limits=tuple(str(limit) for limit in raw.get("limits", ())),
        licence=str(raw.get("licence", "")),
        after=str(raw.get("after", "")),
    )


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) and v for v in value):
        raise TypeError("'labels' must be a list of names")
    if not 2 <= len(value) <= MOST_LABELS or len(set(value)) != len(value):
        raise ValueError(f"'labels' must be two or more different names, not {len(value)}")
    return tuple(value)


def _sides(raw: Mapping[str, Any], labels: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return the positive and the negative label; of two labels, the last and the first."""
    binary = len(labels) == 2
    positive = raw.get("positive", labels[-1] if binary else None)
    if binary and positive is None:
        positive = labels[-1]
    other = next((name for name in labels if name != positive), None) if binary else None
    negative = raw.get("negative") or other
    for what, label in (("positive", positive), ("negative", negative)):
        if label is not None and label not in labels:
            raise ValueError(f"the {what} label {label!r} is none of its labels")
    return positive, negative


def _shape(value: Any) -> tuple[int, int]:
    channels, height, width = (int(number) for number in value)
    if channels not in (1, 3) or height != width or not 16 <= height <= _MOST_SIDE:
        raise ValueError(
            f"the input shape {list(value)} is not [1 or 3, side, side] with a side of 16 to "
            f"{_MOST_SIDE}"
        )
    return channels, height


def _views(raw: Mapping[str, Any]) -> tuple[str, ...]:
    named = raw.get("views") or raw.get("input", {}).get("views") or DEFAULT_VIEWS
    views = tuple(str(name) for name in named)
    if unknown := sorted(set(views) - set(VIEWS)):
        raise ValueError(f"the view {unknown[0]!r} is none of {', '.join(VIEWS)}")
    if "plain" not in views:
        raise ValueError("the views lack 'plain', the film as it is")
    # The film as it is comes first: it is the one that is mapped.
    return ("plain", *(name for name in dict.fromkeys(views) if name != "plain"))


def _points(blocks: Any, *, required: bool) -> tuple[OperatingPoint, ...]:
    found = []
    for block in blocks:
        point = OperatingPoint(
            str(block["name"]),
            float(block["threshold"]),
            float(block["sensitivity"]),
            float(block["specificity"]),
            str(block["measured_on"]),
        )
        shares = (point.threshold, point.sensitivity, point.specificity)
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"the operating point {point.name!r} is not within 0 to 1")
        found.append(point)
    named = {point.name: point.threshold for point in found}
    if missing := [name for name in points.NAMES if name not in named]:
        if found or required:
            raise ValueError(f"it lacks the operating point {missing[0]!r}")
        return ()
    if named["rule out"] > named["rule in"]:
        raise ValueError("its rule-out threshold lies above its rule-in threshold")
    return tuple(found)


def _population(block: Mapping[str, Any]) -> Population:
    def years(key: str) -> float | None:
        value = block.get(key)
        return None if value is None else float(value)

    return Population(str(block.get("words", "")), years("age_from_years"), years("age_to_years"))


def _words(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{what!r} must be words")
    return value.strip()

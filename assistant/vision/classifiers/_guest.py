"""What classifiers from elsewhere share: a spec's parts, and a card made up from what they say.

A `card.json` beside the model gives calibration, points and what it judges. Without one, its
probabilities are taken as they are, nothing is called on them, and the card says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assistant.errors import ConfigError, ModelError
from assistant.vision import weights
from assistant.vision.classifiers import Card, _card

UNMEASURED = (
    "This model comes from elsewhere: its probabilities are not calibrated here and no operating "
    "point was measured, so it calls nothing."
)


def split(argument: str, kind: str) -> tuple[str, tuple[str, ...]]:
    """Return the model and the kinds of picture of "<model>[@<kind of picture>]".

    Raises:
        ConfigError: if there is no model, or the gate knows no such kind.
    """
    model, at, judged = argument.partition("@")
    if not model:
        raise ConfigError(
            f"The image classifier {kind}: needs a model: {kind}:<model>[@<kind of picture>]."
        )
    if not at:
        return model, ()
    from assistant.vision import gate

    known = tuple(gate.KINDS)
    if judged not in known:
        raise ConfigError(
            f"{kind}:{argument} is to judge {judged!r}, which the input gate can't tell: it tells "
            f"{', '.join(known)}."
        )
    return model, (judged,)


def card(
    folder: Path | None,
    name: str,
    labels: Sequence[str],
    kinds: tuple[str, ...],
    shape: tuple[int, int],
    value_range: tuple[float, float] = (0.0, 1.0),
) -> Card:
    """Return the model's card: the folder's own, else one that claims nothing.

    Args:
        folder: where a card.json may be.
        name: of the model.
        labels: in the order of its outputs.
        kinds: the gate's kinds that it judges; chest films where () and no card says.
        shape: channels, and side of its input in pixels.
        value_range: what uint8 0 and 255 become.

    Raises:
        ModelError: if the card can't be used or names other labels.
    """
    made: dict[str, Any] = {
        "name": name,
        "version": "",
        "labels": list(labels),
        "modality": "chest film" if not kinds else f"{kinds[0]} pictures",
        "kinds": list(kinds or ("film",)),
        "input": {"shape": [shape[0], shape[1], shape[1]], "range": list(value_range)},
        "calibration": {"method": "none"},
        "views": ["plain"],
        "limits": [],
    }
    where = folder or Path(name)
    if folder is not None and (folder / weights.CARD_FILE).is_file():
        own = weights.read_card(folder)
        if "modality" in own and not kinds:
            made.pop("kinds")  # Its own words say what it judges.
        made = {**made, **own}
        if list(made["labels"]) != list(labels):
            raise ModelError(
                f"The card in {folder} names other labels than the model's {', '.join(labels)}: "
                "write them in that order."
            )
    if not made.get("operating_points"):
        made = {**made, "operating_points": [], "limits": [*made.get("limits", ()), UNMEASURED]}
    return _card.parse(made, where, kinds, measured=False)

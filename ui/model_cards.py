"""The card of a model that judged an image, in a few lines for a reader.

Cards come from folders that a user may have trained or fetched, so nothing of their form is taken for
granted. Knows nothing of HTML, and loads no weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assistant.errors import ModelError
from assistant.settings import Settings

# Results that a reader is shown, by their names in a card.
_FIGURES = ("auroc", "sensitivity", "specificity", "ece")


def lines(model: str, settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return (key, sentence) of what a reader should know of a model; () where it has no card.

    Args:
        model: name and version, as a finding has them.
        settings: for the models that are in use.

    Returns:
        Keys are "population", "training", "results", "limits" and "licence", some more than once.
    """
    for folder in _folders(settings):
        card = _read(folder)
        title = f"{card.get('name', '')} {card.get('version', '')}".strip()
        if title and title == model.strip():
            return tuple(_said(card))
    return ()


def _folders(settings: Settings) -> Iterator[Path]:
    from assistant.vision import classifiers, weights

    for spec in settings.image_classifiers:
        _, argument = classifiers.split(spec)
        yield from (weights.SHIPPED / argument, Path(argument).expanduser())
    yield from sorted(path.parent for path in weights.SHIPPED.glob(f"*/{weights.CARD_FILE}"))


def _read(folder: Path) -> dict[str, Any]:
    from assistant.vision import weights

    try:
        return weights.read_card(folder) if (folder / weights.CARD_FILE).is_file() else {}
    except ModelError:
        return {}


def _said(card: dict[str, Any]) -> Iterator[tuple[str, str]]:
    words = _part(card, "population").get("words")
    if words:
        yield "population", str(words)
    training = _part(card, "training")
    data = _part(training, "data")
    known = [str(data[key]) for key in ("name", "doi", "licence") if data.get(key)]
    films = training.get("films")
    if isinstance(films, int):
        known.insert(0, f"{films:,} films")
    if known:
        yield "training", ", ".join(known)
    for name, measured in _part(card, "results").items():
        figures = measured if isinstance(measured, dict) else {}
        told = [f"{figures['films']} films"] if isinstance(figures.get("films"), int) else []
        told += [
            f"{key.upper() if key in ('auroc', 'ece') else key} {figures[key]:.3f}"
            for key in _FIGURES
            if isinstance(figures.get(key), float | int)
        ]
        if told:
            yield "results", f"{name}: {', '.join(told)}"
    limits = card.get("limits")
    for limit in limits if isinstance(limits, list) else ():
        yield "limits", str(limit)
    if card.get("licence"):
        yield "licence", str(card["licence"])


def _part(card: dict[str, Any], name: str) -> dict[str, Any]:
    found = card.get(name)
    return found if isinstance(found, dict) else {}

"""The words of the page, one JSON file a language, chosen by what the browser asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

DEFAULT = "en"


def names() -> list[str]:
    """Return the languages that there are words for."""
    files = resources.files(__name__).iterdir()
    return sorted(f.name.removesuffix(".json") for f in files if f.name.endswith(".json"))


@cache
def words(language: str) -> Mapping[str, str]:
    """Return the words of a language; what it lacks is filled with English."""
    english = _read(DEFAULT)
    return english if language == DEFAULT else {**english, **_read(language)}


def choose(accept_language: str) -> str:
    """Return the language that a browser wants most of those there are.

    Args:
        accept_language: the header of that name (RFC 9110, section 12.5.4).
    """
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept_language.split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        wanted.append((-quality, place, tag.partition("-")[0].lower()))
    known = names()
    return next((tag for _, _, tag in sorted(wanted) if tag in known), DEFAULT)


def _read(language: str) -> dict[str, str]:
    text = resources.files(__name__).joinpath(f"{language}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))

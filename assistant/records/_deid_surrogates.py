"""Stand-ins for identifiers: the same name gets the same other name, dates move by the same days.

Promises that a stand-in tells nothing of the original to a reader without the key, and that dates of
one text keep their distances (Sweeney's and the i2b2 2014 challenge's practice: Stubbs and Uzuner,
J Biomed Inform 58, 2015). Knows nothing of how identifiers are found.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import date, timedelta

from assistant.records import dates

_FIRST = (
    "Alex",
    "Jamie",
    "Taylor",
    "Morgan",
    "Casey",
    "Jordan",
    "Riley",
    "Avery",
    "Quinn",
    "Robin",
)
_LAST = ("Adler", "Brook", "Carver", "Dunmore", "Ellwood", "Farrow", "Garland", "Hartwell", "Ingleby", "Kirkwood")  # fmt: skip
_TOWNS = ("Ashford", "Brookdale", "Clearwater", "Dunmore", "Eastfield", "Fairview")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")  # fmt: skip


class Surrogates:
    """Makes stand-ins with one key.

    Args:
        key: secret of at least 16 bytes; the same key gives the same stand-ins.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._days = 30 + self._number("days", "") % 335

    def _number(self, kind: str, value: str) -> int:
        message = f"{kind}\0{' '.join(value.lower().split())}".encode()
        return int.from_bytes(hmac.new(self._key, message, hashlib.sha256).digest()[:8], "big")

    def of(self, kind: str, value: str) -> str:
        """Return the stand-in of an identifier of a kind."""
        if kind == "name":
            return self._name(value)
        if kind == "date":
            return self._date(value)
        if kind == "age_over_89":
            return "90"
        pick = self._number(kind, value)
        if kind in {"place", "facility"}:
            town = _TOWNS[pick % len(_TOWNS)]
            return town if kind == "place" else f"{town} Hospital"
        if kind == "email":
            return f"person{pick % 10_000}@example.org"
        if kind == "url":
            return f"https://example.org/{pick % 10_000}"
        if kind == "ip":
            return f"192.0.2.{pick % 254 + 1}"
        if kind == "address":
            return f"{pick % 90 + 10} {_LAST[pick % len(_LAST)]} Street"
        return self._shape(kind, value)

    def _name(self, value: str) -> str:
        words = value.split()
        out = []
        for place, word in enumerate(words):
            names = _LAST if place == len(words) - 1 else _FIRST
            pick = names[self._number("name", word.strip(".,")) % len(names)]
            out.append(pick[0] + "." if len(word.strip(".")) == 1 else pick)
        return " ".join(out)

    def _date(self, value: str) -> str:
        found = dates.find(value)
        if not found or len(found[0].iso) != 10:
            return "[date]"
        try:
            moved = date.fromisoformat(found[0].iso) + timedelta(days=self._days)
        except (ValueError, OverflowError):
            return "[date]"
        if re.match(r"\d{4}-", value):
            return moved.isoformat()
        if re.search(r"[A-Za-z]", value):
            return f"{_MONTHS[moved.month - 1]} {moved.day}, {moved.year}"
        return f"{moved.month:02d}/{moved.day:02d}/{moved.year}"

    def _shape(self, kind: str, value: str) -> str:
        """Return other digits and letters in the same shape."""
        out, state = [], self._number(kind, value)
        for character in value:
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            if character.isdigit():
                out.append(str(state >> 33)[-1])
            elif character.isalpha():
                out.append(chr((65 if character.isupper() else 97) + (state >> 33) % 26))
            else:
                out.append(character)
        return "".join(out)

"""Which adapter serves in each slot, looked at no more than once a second.

What an evaluation is given comes first, then what is promoted, then what the product ships. Knows
nothing of how an adapter is loaded; an adapter that could not be loaded is told to it and left out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from assistant.errors import ConfigError, ModelError
from assistant.promotions import SLOTS, Promotions
from assistant.settings import Settings

log = logging.getLogger(__name__)
LOOK_AGAIN_S = 1.0
# The parts that are made of an adapter, and its slot.
PARTS = {
    "encoder": "embed",
    "scorer": "rerank",
    "tagger": "entities",
    "support": "support",
    "verdict": "verdict",
}


class Serving:
    """The names of the adapters in use; safe for threads."""

    def __init__(
        self,
        settings: Settings,
        given: Mapping[str, str] | None = None,
        promotions: Promotions | None = None,
    ) -> None:
        """Look at nothing yet.

        Args:
            settings: name the state folder and the shipped adapters.
            given: adapters of slots that are used whatever is promoted.
            promotions: the register; by default that of the state folder.
        """
        self._settings, self.given = settings, dict(given or {})
        self._promotions = promotions or Promotions(settings.state_dir)
        self._names: dict[str, str] = {}
        self._looked = float("-inf")
        self._refused: frozenset[tuple[str, str]] = frozenset()
        self._lock = threading.Lock()

    def name(self, slot: str) -> str:
        """Return the adapter that serves in a slot: a shipped name or a folder; "" for none.

        Raises:
            ConfigError: if there is no such slot.
        """
        if slot not in SLOTS:
            known = ", ".join(SLOTS)
            raise ConfigError(f"There is no slot {slot!r} for adapters: name one of {known}.")
        if time.monotonic() - self._looked >= LOOK_AGAIN_S:
            with self._lock:
                if time.monotonic() - self._looked >= LOOK_AGAIN_S:
                    self._names = {each: self._find(each) for each in SLOTS}
                    self._looked = time.monotonic()
        return self._names[slot]

    def shipped(self, slot: str) -> str:
        """Return the adapter that serves where none is promoted."""
        if slot == "embed":
            return self._settings.embed_adapter
        return "" if slot == "chat" else slot

    def refuse(self, slot: str, name: str, error: ModelError) -> None:
        """Leave out a promoted adapter that can't be loaded, from now on; say so once."""
        with self._lock:
            if (slot, name) not in self._refused:
                log.warning("%s The shipped adapter serves instead.", error)
            self._refused |= {(slot, name)}
            self._names = {**self._names, slot: self.shipped(slot)}

    def refresh(self) -> None:
        """Look again at the next question."""
        self._looked = float("-inf")

    def frozen(self) -> Serving:
        """Return the same names, fixed from now on."""
        return _Frozen(self)

    def keeps(self, part: str, made_of: str) -> bool:
        """Whether a part that was made of this adapter is still the one to use."""
        return part not in PARTS or self.name(PARTS[part]) == made_of

    def _find(self, slot: str) -> str:
        if slot in self.given:
            return self.given[slot]
        default = type(self._settings).model_fields["embed_adapter"].default
        if slot == "embed" and self._settings.embed_adapter != default:
            return self._settings.embed_adapter  # The operator has chosen one.
        promoted = self._promotions.current(slot)
        name = str(promoted) if promoted is not None else self.shipped(slot)
        return self.shipped(slot) if (slot, name) in self._refused else name


class _Frozen(Serving):
    def __init__(self, source: Serving) -> None:
        super().__init__(source._settings, source.given, source._promotions)
        self._names = {slot: source.name(slot) for slot in SLOTS}
        self._looked = float("inf")

    def refresh(self) -> None:
        return

"""The parts that every turn shares: loaded once, on first use, and immutable afterwards.

Knows how to load each part from the settings; holds nothing of any session.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.types import Attachment, Record
    from assistant.vision.judge import ImageJudge
    from retrieval.encoder import Encoder
    from retrieval.librarian import Librarian
    from retrieval.search import PairScores

Part = TypeVar("Part")
Progress = Callable[[str, int, int], None]


class Resources:
    """Loads parts on first use; safe to call from any number of threads."""

    def __init__(self, settings: Settings, progress: Progress | None = None) -> None:
        self.settings = settings
        self._progress = progress
        self._parts: dict[str, object] = {}
        self._lock = threading.RLock()

    @property
    def encoder(self) -> Encoder:
        """The text encoder."""
        return self._once("encoder", self._load_encoder)

    @property
    def scorer(self) -> PairScores:
        """The pair scorer that reranks passages and sentences."""
        return self._once("scorer", self._load_scorer)

    @property
    def librarian(self) -> Librarian:
        """The library; builds the index on first use."""
        return self._once("librarian", self._load_librarian)

    @property
    def judge(self) -> ImageJudge:
        """The image judge."""
        return self._once("judge", self._load_judge)

    def read_record(self, attachment: Attachment) -> Record:
        """Read a record attachment."""
        from assistant.records import reader

        return reader.read_attachment(attachment)

    def replace_librarian(self, librarian: Librarian) -> None:
        """Publish a new library to the turns that begin from now on."""
        with self._lock:
            self._parts["librarian"] = librarian

    def index_folder(self) -> Path:
        """Return the folder of the index."""
        return self.settings.state_dir / "index"

    def _once(self, name: str, load: Callable[[], Part]) -> Part:
        part = self._parts.get(name)
        if part is None:
            with self._lock:
                part = self._parts.get(name)
                if part is None:
                    part = load()
                    self._parts[name] = part
        return cast("Part", part)

    def _load_encoder(self) -> Encoder:
        from retrieval.encoder import Encoder

        if self.settings.threads:
            import torch

            torch.set_num_threads(self.settings.threads)
        return Encoder.load(self.settings.encoder)

    def _load_scorer(self) -> PairScores:
        from retrieval.adapters import PairScorer

        return PairScorer.load(self.encoder, "rerank")

    def _load_librarian(self) -> Librarian:
        from assistant import library

        return library.open_or_build(self)

    def report(self, name: str, done: int, total: int) -> None:
        """Tell the caller how far a long step has come."""
        if self._progress is not None:
            self._progress(name, done, total)

    def _load_judge(self) -> ImageJudge:
        from assistant.vision.judge import ImageJudge

        return ImageJudge(self.settings)

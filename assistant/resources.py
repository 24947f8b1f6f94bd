"""The parts that every turn shares: loaded once, on first use, and immutable afterwards.

Knows how to load each part from the settings; holds nothing of any session. The library is the
exception to "once": a newer generation of any of its collections is picked up within a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from assistant.settings import Settings
from retrieval.collections import CollectionInfo, Collections

if TYPE_CHECKING:
    from assistant.types import Attachment, Record
    from assistant.vision.judge import ImageJudge
    from retrieval.encoder import Encoder
    from retrieval.index.store import Index
    from retrieval.index.vector_store import VectorStores
    from retrieval.librarian import Librarian
    from retrieval.search import PairScores

Part = TypeVar("Part")
Progress = Callable[[str, int, int], None]
_LOOK_AGAIN_S = 1.0


_MAX_SHELVES = 256


@dataclass(frozen=True, slots=True)
class _Opened:
    """An index that is in use: its folder, and what `CURRENT` said when it was opened."""

    folder: str
    current: str
    index: Index


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What a user may search: the generations, and when they were last looked at."""

    key: tuple[tuple[str, str], ...]
    looked: float


class Resources:
    """Loads parts on first use; safe to call from any number of threads."""

    def __init__(self, settings: Settings, progress: Progress | None = None) -> None:
        self.settings = settings
        self.collections = Collections(settings.state_dir)
        self._progress = progress
        self._parts: dict[str, object] = {}
        self._lock = threading.RLock()
        self._indexes: dict[str, _Opened] = {}
        self._shelves: dict[str, _Shelf] = {}
        # Users who see the same generations share one.
        self._librarians: dict[tuple[tuple[str, str], ...], Librarian] = {}
        self._library_lock = threading.RLock()

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
        """The library that everybody shares; builds the index on first use."""
        return self.librarian_for("")

    def librarian_for(self, user: str) -> Librarian:
        """Return the library as a user may search it: common, shared and own collections.

        Nothing of another user's collections is opened for it. What was published since is picked
        up, looked for once a second.

        Raises:
            IndexError_: if one of these indexes is damaged; the message names the next step.
        """
        librarian = self._recent(user)
        if librarian is not None:
            return librarian
        with self._library_lock:
            librarian = self._recent(user)
            if librarian is not None:
                return librarian
            found = [self._index(info) for info in self.collections.visible(user)]
            # A collection that everything was removed from has nothing to search.
            opened = [o for o in found if o and (len(o.index.documents) or not o.index.name)]
            key = tuple((o.folder, o.current) for o in opened)
            librarian = self._librarians.get(key)
            if librarian is None:
                librarian = self._load_librarian([o.index for o in opened])
            self._shelve(user, key, librarian)
            return librarian

    def view(self, user: str) -> Resources:
        """Return the same parts with the library of one user, which stays the same for a turn."""
        return _View(self, user)

    @property
    def judge(self) -> ImageJudge:
        """The image judge."""
        return self._once("judge", self._load_judge)

    def read_record(self, attachment: Attachment) -> Record:
        """Read a record attachment."""
        from assistant.records import reader

        return reader.read_attachment(attachment)

    def refresh(self) -> None:
        """Have the next question look at once for what was published."""
        with self._library_lock:
            self._shelves = {
                user: _Shelf(shelf.key, float("-inf")) for user, shelf in self._shelves.items()
            }

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
        return Encoder.load(self.settings.encoder, adapter=self.settings.embed_adapter)

    def _load_scorer(self) -> PairScores:
        from retrieval.adapters import PairScorer

        return PairScorer.load(self.encoder, "rerank")

    def _recent(self, user: str) -> Librarian | None:
        """Return a user's librarian if its generations were looked at just now."""
        shelf = self._shelves.get(user)
        if shelf is None or time.monotonic() - shelf.looked >= _LOOK_AGAIN_S:
            return None
        return self._librarians.get(shelf.key)

    def _shelve(self, user: str, key: tuple[tuple[str, str], ...], librarian: Librarian) -> None:
        """Keep a user's librarian, and let go of what no user searches any more."""
        shelves = {u: shelf for u, shelf in self._shelves.items() if u != user}
        while len(shelves) >= _MAX_SHELVES:
            del shelves[next(iter(shelves))]
        shelves[user] = _Shelf(key, time.monotonic())
        keys = {shelf.key for shelf in shelves.values()}
        kept = {k: made for k, made in self._librarians.items() if k in keys}
        # Replaced whole, and read without the lock.
        self._librarians, self._shelves = kept | {key: librarian}, shelves
        folders = {folder for k in keys for folder, _ in k}
        self._indexes = {f: opened for f, opened in self._indexes.items() if f in folders}

    def _index(self, info: CollectionInfo) -> _Opened | None:
        """Return a collection's published generation, or None where nothing was put in yet."""
        from assistant import library

        folder = str(info.folder)
        opened = self._indexes.get(folder)
        current = _current(info)
        if opened is not None and opened.current == current:
            return opened
        if info.name and not current:
            return None
        index = library.open_index(self, info, opened.index if opened is not None else None)
        published = _current(info)
        if published.startswith(index.generation):  # the common library may just have been built
            current = published
        opened = self._indexes[folder] = _Opened(folder, current, index)
        return opened

    def _vectors(self) -> VectorStores | None:
        """Return what stands in for the dense half of every index, or None for its own."""
        if self.settings.vectors == "faiss":
            return None
        from retrieval.index import vector_store

        return self._once(
            "vectors",
            lambda: vector_store.stores(
                self.settings.vectors, self.encoder, self.settings.state_dir / "vectors"
            ),
        )

    def _load_librarian(self, indexes: list[Index]) -> Librarian:
        from assistant.records import drug_names
        from retrieval.librarian import Librarian
        from retrieval.search import Searcher

        searcher = Searcher(indexes, self.encoder, self.scorer, dense=self._vectors())
        return Librarian(searcher, drug_names.is_name)

    def report(self, name: str, done: int, total: int) -> None:
        """Tell the caller how far a long step has come."""
        if self._progress is not None:
            self._progress(name, done, total)

    def _load_judge(self) -> ImageJudge:
        from assistant.vision.judge import ImageJudge

        return ImageJudge(self.settings)


class _View(Resources):
    """Another one's parts, with the library of one user, fixed at its first use."""

    def __init__(self, base: Resources, user: str) -> None:
        # None of the base's state is copied: everything is asked of it.
        self._base, self._user = base, user
        self.settings, self.collections = base.settings, base.collections
        self._pinned: Librarian | None = None

    def librarian_for(self, user: str) -> Librarian:
        if user != self._user:
            return self._base.librarian_for(user)
        if self._pinned is None:
            self._pinned = self._base.librarian_for(user)
        return self._pinned

    @property
    def librarian(self) -> Librarian:
        return self.librarian_for(self._user)

    def view(self, user: str) -> Resources:
        return self._base.view(user)

    def refresh(self) -> None:
        self._base.refresh()

    def report(self, name: str, done: int, total: int) -> None:
        self._base.report(name, done, total)

    def _once(self, name: str, load: Callable[[], Part]) -> Part:
        del load
        return cast("Part", getattr(self._base, name))


def _current(info: CollectionInfo) -> str:
    """Return which generation is published, or "" where there is none."""
    try:
        return (info.folder / "CURRENT").read_text(encoding="utf-8")
    except OSError:
        return ""

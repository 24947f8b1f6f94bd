"""The parts that every turn shares: loaded once, on first use, and immutable afterwards.

Knows how to load each part from the settings; holds nothing of any session. The library is the
exception to "once": a newer generation of any of its collections is picked up within a second. So is
an adapter that was promoted or rolled back; a turn keeps the parts that it began with.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from assistant import promotions
from assistant.errors import ModelError
from assistant.serving import Serving
from assistant.settings import Settings
from retrieval.collections import CollectionInfo, Collections

if TYPE_CHECKING:
    from assistant.types import Attachment, Record
    from assistant.vision.judge import ImageJudge
    from retrieval.adapters import Tagger
    from retrieval.classifier import Classifier
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

    def __init__(
        self,
        settings: Settings,
        progress: Progress | None = None,
        adapters: Mapping[str, str] | None = None,
    ) -> None:
        """Load nothing yet.

        Args:
            settings: all settings.
            progress: called with (name, done, total) during long steps.
            adapters: adapters of slots that serve whatever is promoted, a name or a folder each; for
                "chat" also "" for none. By default all follow what is promoted.
        """
        self.settings = settings
        self.promotions = promotions.of(settings.state_dir, adapters or {})
        self._serving = Serving(settings, adapters, self.promotions)
        self.collections = Collections(settings.state_dir)
        self._progress = progress
        # Each part with what it was made of: an adapter's name or folder, "" for what never changes.
        self._parts: dict[str, tuple[str, object]] = {}
        self._lock = threading.RLock()
        self._indexes: dict[str, _Opened] = {}
        self._shelves: dict[str, _Shelf] = {}
        # Users who see the same generations share one.
        self._librarians: dict[tuple[tuple[str, str], ...], Librarian] = {}
        self._library_lock = threading.RLock()

    @property
    def encoder(self) -> Encoder:
        """The text encoder, with the adapter that turns questions into vectors."""
        return self._fitted("encoder", "embed", self._load_encoder)

    @property
    def scorer(self) -> PairScores:
        """The pair scorer that reranks passages and sentences."""
        return self._fitted("scorer", "rerank", self._load_scorer)

    @property
    def tagger(self) -> Tagger:
        """The tagger of diseases and chemicals; errors as in `Tagger.load`."""
        return self._fitted("tagger", "entities", self._load_tagger)

    @property
    def support(self) -> Classifier:
        """Whether a text supports a sentence; errors as in `Classifier.load`."""
        return self._fitted("support", "support", lambda n: self._load_classifier(n, "support"))

    @property
    def verdict(self) -> Classifier:
        """What a text answers to a yes-no question; errors as in `Classifier.load`."""
        return self._fitted("verdict", "verdict", lambda n: self._load_classifier(n, "verdict"))

    def adapter_name(self, slot: str) -> str:
        """Return the adapter that serves in a slot now: a shipped name or a folder; "" for none.

        Raises:
            ConfigError: if there is no such slot.
        """
        return self._serving.name(slot)

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
            if librarian is None or not self._up_to_date(librarian):
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

        return reader.read_attachment(attachment, lambda texts: self.tagger.tag(texts))

    def refresh(self) -> None:
        """Have the next question look at once for what was published or promoted."""
        self._serving.refresh()
        with self._library_lock:
            self._shelves = {
                user: _Shelf(shelf.key, float("-inf")) for user, shelf in self._shelves.items()
            }

    def _once(self, name: str, load: Callable[[], Part], of: str = "") -> Part:
        """Return a part, loaded on first use and again where it is to be made `of` something else."""
        found = self._parts.get(name)
        if found is None or found[0] != of:
            with self._lock:
                found = self._parts.get(name)
                if found is None or found[0] != of:
                    found = self._parts[name] = (of, load())
        return cast("Part", found[1])

    def _fitted(self, name: str, slot: str, load: Callable[[str], Part]) -> Part:
        """Return a part made of what serves in a slot; of the shipped adapter if that can't be."""
        adapter = self._serving.name(slot)
        try:
            return self._once(name, lambda: load(adapter), adapter)
        except ModelError as error:
            shipped = self._serving.shipped(slot)
            if adapter == shipped or slot in self._serving.given:
                raise
            self._serving.refuse(slot, adapter, error)
            return self._once(name, lambda: load(shipped), shipped)

    def _plain(self) -> Encoder:
        return self._once("base", self._load_base)

    def _load_base(self) -> Encoder:
        from retrieval import forms
        from retrieval.encoder import Encoder

        if self.settings.threads:
            import torch

            torch.set_num_threads(self.settings.threads)
        chosen = forms.chosen(self.settings.state_dir)
        return Encoder.load(self.settings.encoder, forms=chosen)

    def _load_encoder(self, adapter: str) -> Encoder:
        return self._plain().asking_with(adapter) if adapter else self._plain()

    def _load_scorer(self, adapter: str) -> PairScores:
        from retrieval.adapters import PairScorer

        return PairScorer.load(self._plain(), adapter)

    def _load_tagger(self, adapter: str) -> Tagger:
        from retrieval.adapters import Tagger

        return Tagger.load(self._plain(), adapter)

    def _load_classifier(self, adapter: str, task: str) -> Classifier:
        from retrieval.classifier import Classifier

        return Classifier.load(self._plain(), adapter, task)

    def _up_to_date(self, librarian: Librarian) -> bool:
        """Whether a librarian searches with the adapters that serve now."""
        searcher = librarian.searcher
        return searcher.encoder is self.encoder and searcher.reranker is self.scorer

    def _recent(self, user: str) -> Librarian | None:
        """Return a user's librarian if its generations were looked at just now."""
        shelf = self._shelves.get(user)
        if shelf is None or time.monotonic() - shelf.looked >= _LOOK_AGAIN_S:
            return None
        librarian = self._librarians.get(shelf.key)
        return librarian if librarian is not None and self._up_to_date(librarian) else None

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
                self.settings.vectors, self._plain(), self.settings.state_dir / "vectors"
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
        self.promotions, self._serving = base.promotions, base._serving.frozen()
        self._pinned: Librarian | None = None
        # A turn ends with the parts that it began with, whatever is promoted meanwhile. Copied at
        # once, because another thread may be adding to it.
        loaded = dict(base._parts)
        self._parts = {name: p for name, p in loaded.items() if self._serving.keeps(name, p[0])}

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

    def _once(self, name: str, load: Callable[[], Part], of: str = "") -> Part:
        del load, of
        if name not in self._parts:
            self._parts[name] = ("", getattr(self._base, name))
        return cast("Part", self._parts[name][1])

    def _fitted(self, name: str, slot: str, load: Callable[[str], Part]) -> Part:
        return self._once(name, lambda: load(slot))


def _current(info: CollectionInfo) -> str:
    """Return which generation is published, or "" where there is none."""
    try:
        return (info.folder / "CURRENT").read_text(encoding="utf-8")
    except OSError:
        return ""

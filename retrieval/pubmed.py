"""PubMed by query: what matches, page by page, resumable after a kill.

The list of PMIDs is taken first and is the truth from then on: pages come from PubMed's history,
and what a page lacks is asked for by number, so that an expired history, a changed order or a
broken page loses nothing without a word. Searches of more than 9,999 matches, where PubMed's list
ends, are split by the date of entry, newest first. What is sent is the query as given; nothing
else leaves. Knows nothing of indexes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from retrieval import files
from retrieval._eutils import BASE_URL, LIMIT, Client, Server
from retrieval._eutils_answers import Broken, Expired, Found
from retrieval.errors import InputError, SourceError
from retrieval.sources import Item, Reader, Removed, Skipped
from retrieval.types import Document

__all__ = ["BASE_URL", "LIMIT", "Pace", "Plan", "Server", "fetch"]

FORMAT = 1
_FIRST_ENTRY = date(1500, 1, 1)
_MAX_EMPTY_SEARCHES = 64  # splitting a day off four centuries takes 18
_MAX_REPAIRS = 40  # requests by number for one page; finding one bad record among 200 takes 16
_NO_LIST = "PubMed at {} counts matches and lists none: try again later."
_MAX_AGE_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fetch is about to do, known before the first document.

    Attributes:
        query: as given.
        translation: how PubMed understood it, or "".
        found: matches in all, as PubMed counts them.
        wanted: how many of them are fetched.
        resumed_from: how many an earlier, interrupted run had fetched; 0 for a new one.
        warnings: sentences on what PubMed left out, and on how the matches are fetched.
    """

    query: str
    translation: str
    found: int
    wanted: int
    resumed_from: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is asked for and held at a time.

    Attributes:
        page: records a request.
        in_hand: documents that the caller may hold without having stored them: a resumed run goes
            back by as many.
        sleep: waits a number of seconds.
    """

    page: int = 200
    in_hand: int = 1_000
    sleep: Callable[[float], object] = time.sleep


@dataclass
class _State:
    """Where a run stands; what a killed one leaves behind."""

    url: str
    query: str
    since: str
    split: bool = False
    found: int = 0
    translation: str = ""
    warnings: list[str] = field(default_factory=list)
    windows: list[list[str]] = field(default_factory=list)  # yet to search; the next one last
    window: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    web_env: str = ""
    query_key: str = ""
    at: int = 0  # position in `ids`
    taken: int = 0  # of all windows
    listed: int = 0  # of all windows

    def copy(self) -> _State:
        return _State(**{**vars(self), "windows": list(self.windows)})


def fetch(
    query: str,
    max_documents: int,
    *,
    state: Path,
    server: Server | None = None,
    since: date | None = None,
    announce: Callable[[Plan], None] | None = None,
    pace: Pace | None = None,
) -> Iterator[Document | Skipped | Removed]:
    """Yield the documents that match `query` in PubMed, one page of records in memory.

    Args:
        query: in PubMed's own syntax; sent as it is.
        max_documents: how many at most, 1 or more. Up to 9,999 come in PubMed's order of
            relevance, more of them by date of entry, newest first.
        state: a folder for what an interrupted run leaves behind, one for each collection; a run
            with the same query, date and server within seven days goes on there.
        server: which E-utilities are asked, and as whom; NCBI's by default.
        since: only records that entered PubMed on this day or later.
        announce: is told the plan once, before the first document.
        pace: sizes and the clock.

    Yields:
        Documents, and `Skipped` for a match that can't be had, with the reason.

    Raises:
        InputError: if the query is empty or nothing matches.
        ConfigError: if the address or the key is refused.
        SourceError: if the server can't be reached or talks nonsense; the message says how to go on.
    """
    if not query.strip():
        raise InputError("The PubMed query is empty: write what to look for.")
    if max_documents < 1:
        raise InputError(f"At least 1 document must be asked for, not {max_documents}.")
    asked = server or Server()
    with closing(Client(asked, (pace or Pace()).sleep)) as client:
        run = _Run(client, _State(asked.url, query, since.isoformat() if since else ""), state)
        run.pace = pace or Pace()
        run.wanted = max_documents
        yield from run.items(announce)


class _Run:
    """One run over one query."""

    def __init__(self, client: Client, state: _State, folder: Path) -> None:
        from retrieval.sources import pubmed_xml

        self.client = client
        self.state = state
        self.path = folder / f"{_name(state)}.json"
        self.pace = Pace()
        self.wanted = LIMIT
        self.reader: Reader = pubmed_xml.build()
        self.repairs = 0
        self.behind: deque[_State] = deque()

    def items(self, announce: Callable[[Plan], None] | None) -> Iterator[Item]:
        """Search or take up the state, announce, and yield page after page."""
        resumed = self._resume() or self._search_all()
        if announce is not None:
            announce(self._plan(resumed))
        while self.state.taken < self.wanted:
            state = self.state
            size = min(self.pace.page, self.wanted - state.taken)
            page = state.ids[state.at : state.at + size]
            if not page:
                if not state.windows:
                    break
                yield from self._next_window()
                continue
            yield from self._page(page)
            state.at += len(page)
            state.taken += len(page)
            self._keep()
        if self.state.listed < min(self.state.found, self.wanted):
            yield Skipped(
                "PubMed", f"it counted {self.state.found} matches and listed {self.state.listed}"
            )
        self.path.unlink(missing_ok=True)

    def _plan(self, resumed: bool) -> Plan:
        state = self.state
        return Plan(
            query=state.query,
            translation=state.translation,
            found=state.found,
            wanted=min(self.wanted, state.found),
            resumed_from=state.taken if resumed else 0,
            warnings=tuple(state.warnings),
        )

    # Searching

    def _search_all(self) -> bool:
        """Search for the whole query; False, as nothing is resumed."""
        state = self.state
        found = self._search([state.since, ""])
        if found.count and not found.ids:
            raise SourceError(_NO_LIST.format(self.client.host))
        if not found.count:
            reason = f" {' '.join(found.warnings)}" if found.warnings else ""
            raise InputError(
                f"PubMed finds nothing for {state.query!r}.{reason} "
                "Check the spelling, or try it on pubmed.ncbi.nlm.nih.gov."
            )
        state.found, state.translation = found.count, found.translation
        state.warnings = list(found.warnings)
        state.split = found.count > LIMIT and self.wanted > LIMIT
        if not state.split:
            self._take([state.since, ""], found)
            return False
        state.warnings.append(
            f"There are more than {LIMIT:,} matches: they come by date of entry, newest first."
        )
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        state.windows = [[state.since or _FIRST_ENTRY.isoformat(), tomorrow.isoformat()]]
        return False

    def _next_window(self) -> Iterator[Skipped]:
        """Search the next windows until one has matches, halving those with too many."""
        state = self.state
        for _ in range(_MAX_EMPTY_SEARCHES):
            if not state.windows:
                return
            window = state.windows.pop()
            found = self._search(window)
            first, last = (date.fromisoformat(day) for day in window)
            if found.count > LIMIT and first < last:
                middle = first + (last - first) // 2
                state.windows.append([window[0], middle.isoformat()])
                state.windows.append([(middle + timedelta(days=1)).isoformat(), window[1]])
                continue
            if found.count > LIMIT:
                yield Skipped(
                    f"PubMed, entries of {window[0]}",
                    f"{found.count} matches entered on one day and only {LIMIT} are listed: "
                    "narrow the query",
                )
            if found.ids:
                self._take(window, found)
                return
        raise SourceError(_NO_LIST.format(self.client.host))

    def _search(self, window: list[str]) -> Found:
        since, until = (date.fromisoformat(day) if day else None for day in window)
        return self.client.search(self.state.query, since, until, LIMIT)

    def _take(self, window: list[str], found: Found) -> None:
        state = self.state
        state.window, state.ids, state.at = window, list(found.ids[:LIMIT]), 0
        state.listed += len(state.ids)
        self._use_history(found)

    def _use_history(self, found: Found) -> None:
        usable = bool(found.web_env and found.query_key)
        self.state.web_env = found.web_env if usable else ""
        self.state.query_key = found.query_key if usable else ""

    # Fetching

    def _page(self, page: list[str]) -> Iterator[Item]:
        self.repairs = 0
        items = self._from_history(page)
        yield from (item for item in items if not isinstance(item, Skipped))
        missing = _missing(page, items)
        if missing:
            yield from self._by_number(missing)

    def _from_history(self, page: list[str]) -> list[Item]:
        """Return what the history holds of a page; nothing where it is gone or broken."""
        for _ in range(2):
            state = self.state
            if not state.web_env:
                return []
            asked = {
                "WebEnv": state.web_env,
                "query_key": state.query_key,
                "retstart": str(state.at),
                "retmax": str(len(page)),
            }
            try:
                return _only(page, self.client.page(asked, self._read))
            except Broken:
                return []
            except Expired:
                self._renew()
        return []

    def _renew(self) -> None:
        """Search again; a history in another order is of no use, the list is."""
        found = self._search(self.state.window)
        self._use_history(found)
        if list(found.ids[:LIMIT]) != self.state.ids:
            self.state.web_env = ""

    def _by_number(self, ids: list[str]) -> Iterator[Item]:
        """Yield records by their PMIDs; a page that can't be read is halved until it can."""
        self.repairs += 1
        if self.repairs > _MAX_REPAIRS:
            raise SourceError(
                f"PubMed at {self.client.host} sends records that can't be read: run the same "
                "command again later, and it goes on where it stopped."
            )
        try:
            items = self.client.page({"id": ",".join(ids)}, self._read)
        except Broken as error:
            if len(ids) > 1:
                half = len(ids) // 2
                yield from self._by_number(ids[:half])
                yield from self._by_number(ids[half:])
            else:
                yield Skipped(f"PMID {ids[0]}", f"its record can't be read: {error}")
            return
        except Expired as error:
            raise SourceError(
                f"PubMed at {self.client.host} refuses records by number ({error}): try again later."
            ) from error
        yield from (item for item in _only(ids, items) if not isinstance(item, Skipped))
        reasons = [item.reason for item in items if isinstance(item, Skipped)]
        for number, pmid in enumerate(_missing(ids, items)):
            known = reasons[number] if number < len(reasons) else "PubMed lists it, sends it not"
            yield Skipped(f"PMID {pmid}", known)

    def _read(self, path: Path) -> list[Item]:
        try:
            return list(self.reader.read(path))
        except SourceError as error:
            raise Broken(str(error).replace(str(path), "the answer")) from error

    # Resuming

    def _keep(self) -> None:
        """Write the newest state that is as far behind as the caller may be."""
        self.behind.append(self.state.copy())
        ready: _State | None = None
        while self.behind and self.behind[0].taken <= self.state.taken - self.pace.in_hand:
            ready = self.behind.popleft()
        if ready is not None:
            files.write_json(self.path, {"format": FORMAT, **asdict(ready)})

    def _resume(self) -> bool:
        """Take up what an interrupted run left; True if there is something to take up."""
        try:
            if time.time() - self.path.stat().st_mtime > _MAX_AGE_S:
                return False
            values = json.loads(self.path.read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                return False
            left = _State(**values)
            same = (left.url, left.query, left.since) == (
                self.state.url, self.state.query, self.state.since,
            )  # fmt: skip
            fits = left.split or left.found <= LIMIT or self.wanted <= LIMIT
            usable = left.taken < self.wanted and 0 <= left.at <= len(left.ids)
            if not (same and fits and usable):
                return False
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return False  # an unreadable state costs a new search and nothing else
        self.state = left
        return True


def _name(state: _State) -> str:
    key = json.dumps([state.url, state.query, state.since])
    return hashlib.sha256(key.encode()).hexdigest()[:24]


def _only(page: list[str], items: list[Item]) -> list[Item]:
    """Return the items without documents that were not asked for."""
    asked = {f"pmid:{pmid}" for pmid in page}
    return [item for item in items if not isinstance(item, Document) or item.id in asked]


def _missing(page: list[str], items: list[Item]) -> list[str]:
    got = {item.id for item in items if isinstance(item, Document)}
    return [pmid for pmid in page if f"pmid:{pmid}" not in got]

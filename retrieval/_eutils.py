"""NCBI E-utilities over HTTP: a polite client for esearch and efetch.

It promises NCBI's rates (3 requests a second, 10 with a key), certificate checks, no redirects,
bounded answers, retries with growing pauses, and one clear sentence where all of that fails. What
it sends is the query, the key and the address in a POST body, so that no log of URLs holds them.
Knows nothing of documents or of what has been fetched before.

Source: "The E-utilities In-Depth", Entrez Programming Utilities Help, NCBI Bookshelf NBK25499.
"""

from __future__ import annotations

import email.utils
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from retrieval._eutils_answers import (
    HEAD_BYTES,
    Broken,
    Expired,
    Found,
    Transient,
    complain,
    error_text,
    records,
    search_answer,
    wrong_key,
)
from retrieval.errors import ConfigError, SourceError

if TYPE_CHECKING:
    import httpx

BASE_URL = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/"
TOOL = "auscult"
LIMIT = 9_999  # PubMed lists no more records than these for one search
TRIES = 6
CONNECT_TRIES = 3
BROKEN_TRIES = 3
MAX_PAUSE_S = 120.0
MAX_SEARCH_BYTES = 4 << 20
MAX_PAGE_BYTES = 256 << 20
PATIENCE = 10  # an answer may take this many times the timeout in all
_LOCAL = {"127.0.0.1", "::1", "localhost"}
_RETRIED = {408, 425, 429, 500, 502, 503, 504}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    """Which E-utilities are asked, and as whom.

    Attributes:
        url: the folder of esearch.fcgi and efetch.fcgi; https, or http on this machine.
        api_key: NCBI's key, or "".
        email: where NCBI can write to about the requests, or "".
        timeout_s: seconds of silence after which a request is given up and tried again.
    """

    url: str = BASE_URL
    api_key: str = ""
    email: str = ""
    timeout_s: float = 60.0

    def __repr__(self) -> str:
        return f"Server({self.url!r})"  # the key stays out of logs and tracebacks


class Client:
    """Asks one server, one request at a time."""

    def __init__(self, server: Server, sleep: Callable[[float], object] = time.sleep) -> None:
        """Check the address; nothing is sent yet.

        Raises:
            ConfigError: if the address is not https and not this machine's.
        """
        import httpx

        parts = urlsplit(server.url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
        if not safe or not parts.hostname:
            raise ConfigError(
                f"The PubMed address {server.url!r} is not an https address: "
                f"set pubmed_url to one such as {BASE_URL}."
            )
        self.server = server
        self.host = parts.hostname
        self._sleep = sleep
        self._free_at = 0.0
        self._interval_s = 0.1 if server.api_key else 0.34
        self._http = httpx.Client(
            timeout=server.timeout_s,
            follow_redirects=False,
            headers={"User-Agent": TOOL, "Accept-Encoding": "gzip"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def search(self, term: str, since: date | None, until: date | None, limit: int) -> Found:
        """Return the matches of `term`, best first, entered in [since, until] where given.

        Raises:
            InputError: if PubMed can't read the term.
            SourceError: if the server doesn't answer as it should.
        """
        data = {
            "term": term, "usehistory": "y", "sort": "relevance",
            "retstart": "0", "retmax": str(min(limit, LIMIT)),
        }  # fmt: skip
        if since or until:
            data["datetype"] = "edat"
            data["mindate"] = (since or date(1500, 1, 1)).strftime("%Y/%m/%d")
            data["maxdate"] = (until or date(3000, 1, 1)).strftime("%Y/%m/%d")
        try:
            return self.call("esearch.fcgi", data, search_answer, MAX_SEARCH_BYTES)
        except Expired as error:
            raise SourceError(
                f"{self.host} refuses the search ({error}): try again later."
            ) from error

    def page(self, data: Mapping[str, str], use: Callable[[Path], T]) -> T:
        """Fetch records as XML and return what `use` makes of the file, which is removed then.

        Args:
            data: `id`, or `WebEnv`, `query_key`, `retstart` and `retmax`.
            use: reads the file; raises `Transient` to have it fetched again.

        Raises:
            Expired: if the history is gone.
            SourceError: if the server doesn't answer as it should.
        """
        asked = {**data, "rettype": "xml"}
        return self.call("efetch.fcgi", asked, lambda path: use(records(path)), MAX_PAGE_BYTES)

    def call(
        self, tool: str, data: Mapping[str, str], use: Callable[[Path], T], max_bytes: int
    ) -> T:
        """POST to a tool and return what `use` makes of the answer; tried again where sensible."""
        asked = {"db": "pubmed", "retmode": "xml", "tool": TOOL, **data}
        if self.server.email:
            asked["email"] = self.server.email
        if self.server.api_key:
            asked["api_key"] = self.server.api_key
        tried = 0
        while True:
            tried += 1
            try:
                with self._answer(tool, asked, max_bytes) as path:
                    return use(path)
            except Transient as error:
                if isinstance(error, Broken) and tried >= BROKEN_TRIES:
                    raise
                if tried >= (TRIES if error.connected else CONNECT_TRIES):
                    raise self._given_up(error) from error
                pause_s = error.pause_s if error.pause_s is not None else 2.0 ** (tried - 1)
                if pause_s > MAX_PAUSE_S:
                    raise SourceError(
                        f"{self.host} asks to wait {pause_s:.0f} seconds: run the same command "
                        "again then, and it goes on where it stopped."
                    ) from error
                self._sleep(pause_s)

    def _given_up(self, error: Transient) -> SourceError:
        if not error.connected:
            return SourceError(
                f"PubMed at {self.host} can't be reached ({self._hidden(str(error))}): check the "
                "network and pubmed_url, and run the same command again."
            )
        return SourceError(
            f"PubMed at {self.host} gave no usable answer in {TRIES} tries "
            f"({self._hidden(str(error))}): run the same command again later, and it goes on "
            "where it stopped."
        )

    @contextmanager
    def _answer(self, tool: str, data: Mapping[str, str], max_bytes: int) -> Iterator[Path]:
        import httpx

        self._wait()
        with tempfile.TemporaryDirectory(prefix="auscult-pubmed-") as folder:
            path = Path(folder) / "answer.xml"
            url = self.server.url.rstrip("/") + "/" + tool
            try:
                with self._http.stream("POST", url, data=dict(data)) as response:
                    self._store(response, path, max_bytes)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
                if "CERTIFICATE" in str(error).upper():
                    raise SourceError(
                        f"The certificate of {self.host} can't be verified: set SSL_CERT_FILE to "
                        "your site's authorities, or mend pubmed_url."
                    ) from error
                raise Transient(str(error) or type(error).__name__, connected=False) from error
            except (httpx.TransportError, httpx.DecodingError) as error:
                raise Transient(str(error) or type(error).__name__) from error
            yield path

    def _store(self, response: httpx.Response, path: Path, max_bytes: int) -> None:
        """Write the body to `path`, bounded in size and time, and judge the status."""
        good = response.status_code == 200
        bound = max_bytes if good else HEAD_BYTES
        deadline = time.monotonic() + PATIENCE * self.server.timeout_s
        size = 0
        with path.open("wb") as stream:
            for block in response.iter_bytes():
                size += len(block)
                if time.monotonic() > deadline:
                    raise Transient("the answer came too slowly")
                if size > bound and good:
                    raise SourceError(
                        f"{self.host} sent more than {max_bytes >> 20} MB for one request: "
                        "mend pubmed_url, or ask for fewer documents."
                    )
                stream.write(block[: max(0, bound - (size - len(block)))])
                if size > bound:
                    break
        if not good:
            self._refused(response, path.read_bytes())

    def _refused(self, response: httpx.Response, body: bytes) -> None:
        status = response.status_code
        text = error_text(body)
        if wrong_key(text):
            raise ConfigError(f"{self.host} doesn't know the API key: mend pubmed_api_key.")
        if status in _RETRIED:
            raise Transient(f"HTTP {status}", _retry_after(response.headers.get("Retry-After")))
        if 300 <= status < 400:
            to = urlsplit(response.headers.get("Location", "")).netloc or "another address"
            raise ConfigError(
                f"{self.host} redirects to {to}, which is not followed: set pubmed_url to the "
                "address that is meant."
            )
        if status == 400 and text:
            complain(text)
        shown = f": {self._hidden(text)}" if text else ""
        raise SourceError(
            f"{self.host} refuses the request (HTTP {status}{shown}): check pubmed_url and "
            "whether your site may use it."
        )

    def _wait(self) -> None:
        """Keep to the rate; one client is used by one thread."""
        now = time.monotonic()
        if now < self._free_at:
            self._sleep(self._free_at - now)
        self._free_at = max(now, self._free_at) + self._interval_s

    def _hidden(self, text: str) -> str:
        shown = text.replace(self.server.api_key, "***") if self.server.api_key else text
        return " ".join(shown.split())[:200]


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3)."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())

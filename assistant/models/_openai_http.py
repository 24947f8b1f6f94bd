"""One request to a chat server, read piece by piece, that can be given up at any moment.

A thread of its own reads the connection, so that a server which falls silent holds nobody: the
turn looks every tenth of a second whether it was stopped or has run out of time. Follows no redirect,
asks for no compression, bounds what it reads. Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import functools
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from assistant.errors import ModelError
from assistant.models._openai_errors import Transient, clean
from assistant.models._openai_spec import Place

CONNECT_S = 10.0
MAX_BYTES = 16_000_000
_LOOK_S = 0.1
_AHEAD = 64  # pieces read ahead of the turn


@dataclass(frozen=True, slots=True)
class Server:
    """Whom to ask, and how long.

    Attributes:
        place: model and address.
        key: sent as a bearer token; "" for none.
        timeout_s: for a whole reply, tries again included.
        backoff_s: the first pause before trying again; it doubles.
    """

    place: Place
    key: str = field(repr=False)
    timeout_s: float
    backoff_s: float = 0.5


class Stopped(Exception):
    """The turn was given up."""


class Exchange:
    """A request and its answer; a context manager, in which `status` and `headers` are known.

    Attributes:
        status: of HTTP.
        headers: by lower-case name.
    """

    def __init__(
        self,
        server: Server,
        path: str,
        body: Mapping[str, Any] | None,
        deadline: float,
        stop: threading.Event,
    ) -> None:
        """Prepare a request; nothing is sent yet.

        Args:
            server: whom to ask.
            path: behind the server's address, with its slash.
            body: sent by POST as JSON; None for GET.
            deadline: on the monotonic clock.
            stop: given up when it is set.
        """
        self.status = 0
        self.headers: dict[str, str] = {}
        self._server = server
        self._url = server.place.url + path
        self._body = body
        self._deadline = deadline
        self._stop = stop
        self._came: queue.Queue[Any] = queue.Queue(_AHEAD)
        self._left = threading.Event()
        self._socket: socket.socket | None = None

    def __enter__(self) -> Exchange:
        """Send the request and wait for the answer's head.

        Raises:
            Stopped: if the turn was given up.
            Transient: if the server can't be reached.
            ModelError: if it can't be talked to, or the time is over.
        """
        threading.Thread(target=self._work, name="chat-server", daemon=True).start()
        try:
            self.status, self.headers = self._next()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection, whatever is still on its way."""
        self._leave()

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it comes; errors as in `__enter__`."""
        size = 0
        while (block := self._next()) is not None:
            size += len(block)
            if size > MAX_BYTES:
                raise ModelError(
                    f"The chat server {self._host} sent more than {MAX_BYTES // 1_000_000} MB for "
                    "one reply: check that chat_model names the right server."
                )
            yield block

    def body(self, most: int = 100_000) -> bytes:
        """Return the body, cut off at `most` bytes."""
        out = b""
        for block in self.blocks():
            out += block
            if len(out) >= most:
                break
        return out[:most]

    @property
    def _host(self) -> str:
        return self._server.place.host

    def _next(self) -> Any:
        while True:
            if self._stop.is_set():
                raise Stopped
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise ModelError(
                    f"The chat server {self._host} gave no whole reply within "
                    f"{self._server.timeout_s:g} seconds: set chat_timeout_s higher, or choose a "
                    "smaller or faster model."
                )
            try:
                item = self._came.get(timeout=min(_LOOK_S, left))
            except queue.Empty:
                continue
            if isinstance(item, BaseException):
                raise _told(self._host, item, self._server.key) from item
            return item

    def _work(self) -> None:
        """Read the connection; runs in a thread of its own."""
        import httpx

        headers = {"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"}
        if self._server.key:
            headers["Authorization"] = f"Bearer {self._server.key}"
        left = max(0.1, self._deadline - time.monotonic())
        timeout = httpx.Timeout(left, connect=min(CONNECT_S, left))
        method = "GET" if self._body is None else "POST"
        try:
            with (
                # Plain http stays on the private network: no proxy of the environment sees it.
                httpx.Client(
                    verify=_authorities(
                        os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
                    ),
                    trust_env=self._server.place.encrypted,
                    timeout=timeout,
                    follow_redirects=False,
                ) as client,
                client.stream(
                    method,
                    self._url,
                    json=self._body,
                    headers=headers,
                    extensions={"trace": self._connected},
                ) as response,
            ):
                self._put(
                    (response.status_code, {k.lower(): v for k, v in response.headers.items()})
                )
                for block in response.iter_raw():
                    if not self._put(block):
                        return
                self._put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the reply is read
            self._put(error)

    def _put(self, item: Any) -> bool:
        while not self._left.is_set():
            try:
                self._came.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
            return True
        return False

    def _connected(self, event: str, info: Mapping[str, Any]) -> None:
        """Take the connection's socket as soon as there is one; httpx tells of every step."""
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        found = info["return_value"].get_extra_info("socket")
        if isinstance(found, socket.socket):
            self._socket = found
            if self._left.is_set():  # given up while it was being made
                self._leave()

    def _leave(self) -> None:
        self._left.set()
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
            except OSError:
                return  # closed already


@functools.lru_cache(maxsize=4)
def _authorities(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Return the context that verifies servers; reading the authorities takes a while."""
    import httpx

    del file, folder  # httpx reads them from the environment; they tell contexts apart here
    return httpx.create_ssl_context()


def _told(host: str, error: BaseException, key: str) -> BaseException:
    """Return an error of the connection as a sentence."""
    import httpx

    if not isinstance(error, httpx.HTTPError | httpx.InvalidURL | OSError | UnicodeError):
        return error
    said = clean(str(error) or type(error).__name__, key)
    if "CERTIFICATE" in said.upper():
        return ModelError(
            f"The certificate of the chat server {host} can't be verified: set SSL_CERT_FILE to "
            "your site's authorities, or mend the address in chat_model."
        )
    if "SSL" in said.upper() or "TLS" in said.upper():
        return ModelError(
            f"The chat server {host} does not speak TLS as it should ({said}): check whether the "
            "address in chat_model has to begin with http:// or https://."
        )
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return Transient(
            f"The chat server {host} can't be reached ({said}): check that it runs, and the "
            "address in chat_model."
        )
    if isinstance(error, httpx.TimeoutException):
        return ModelError(
            f"The chat server {host} fell silent: set chat_timeout_s higher, or look at its log."
        )
    return Transient(
        f"The chat server {host} broke the connection off ({said}): ask again, or look at its log."
    )

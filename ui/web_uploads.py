"""Binds uploads and conversations to the browser that made them, and sets the page's headers.

Gradio serves any upload to whoever knows its path. Here a random cookie marks each browser; a path
that `/gradio_api/upload` gave to one browser is served to that browser only, and nothing else is
served by path. Plain ASGI; knows nothing of chat.
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import unquote

COOKIE = "auscult_browser"
API = "/gradio_api"
_KEPT = 4096
# Everything comes from this server; inline styles and scripts are Gradio's own way of starting.
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "worker-src 'self' blob:; connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


class Owners:
    """Remembers which browser uploaded which path; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._owner: OrderedDict[str, str] = OrderedDict()

    def give(self, path: str, browser: str) -> None:
        """Note that `browser` uploaded `path`."""
        self._owner[path] = browser
        self._owner.move_to_end(path)
        while len(self._owner) > _KEPT:
            self._owner.popitem(last=False)

    def owns(self, path: str, browser: str) -> bool:
        """Say whether `browser` uploaded `path`."""
        return bool(browser) and self._owner.get(path) == browser

    def forget(self, path: str) -> None:
        """Forget a path that has been read and removed."""
        self._owner.pop(path, None)


class Browsers:
    """ASGI middleware: gives each browser its cookie and guards uploads and files by it."""

    def __init__(self, app: Any, owners: Owners) -> None:
        self._app = app
        self._owners = owners

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or refuse a file that belongs to another browser."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        browser = browser_of(dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))
        path = scope["path"]
        if path.startswith(f"{API}/file="):
            wanted = unquote(path.removeprefix(f"{API}/file="))
            if not self._owners.owns(wanted, browser):
                await _refuse(send)
                return
        fresh = browser or secrets.token_urlsafe(32)
        answer = _Answer(send, "" if browser else fresh)
        if path == f"{API}/upload":
            # Uncompressed, so that the paths in the answer can be read here.
            headers = [(k, v) for k, v in scope["headers"] if k != b"accept-encoding"]
            scope = {**scope, "headers": headers}
            answer = _Answer(send, answer.cookie, lambda path: self._owners.give(path, fresh))
        await self._app(scope, receive, answer)


class _Answer:
    """Adds headers to an answer; of an upload's answer, notes the paths before they are sent."""

    def __init__(self, send: Any, cookie: str, note: Callable[[str], None] | None = None) -> None:
        self.cookie = cookie
        self._send = send
        self._note = note
        self._body = b""

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), *_HEADERS]
            if self.cookie:
                value = f"{COOKIE}={self.cookie}; Path=/; HttpOnly; SameSite=Strict"
                headers.append((b"set-cookie", value.encode()))
            message = {**message, "headers": headers}
            if message["status"] != 200:
                self._note = None
        elif self._note is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                for path in _paths(self._body):
                    self._note(path)
        await self._send(message)


def _paths(body: bytes) -> list[str]:
    try:
        paths = json.loads(body)
    except ValueError:
        return []
    return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []


def browser_of(cookie_header: str) -> str:
    """Return the browser's mark from a Cookie header, or ""."""
    try:
        morsel = SimpleCookie(cookie_header).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


async def _refuse(send: Any) -> None:
    body = b"Not found."
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})

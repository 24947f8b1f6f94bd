"""Pictures and files of conversations, each served to the browser whose conversation it is of.

What lies on the shelf has an address of 192 random bits and an owner; another browser that learns the
address gets the same answer as for an address that was never given. Files are made when they are
asked for, and kept in memory only. Knows nothing of films or of Gradio.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assistant.errors import AuscultError
from ui.web_uploads import browser_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

PATH = "films"
MOST_OF_ONE, MOST = 1024, 8192


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be fetched.

    Attributes:
        browser: the mark of the browser that it is for.
        group: the conversation that it belongs to.
        media: its MIME type.
        make: returns its bytes; may be called more than once, by several threads.
        name: file name of a download, or "" for what is shown on the page.
        asked: whether it is work that must be asked for (POST), not fetched (GET).
    """

    browser: str
    group: str
    media: str
    make: Callable[[], bytes] = field(repr=False)
    name: str = ""
    asked: bool = False


class Shelf:
    """What can be fetched now; a browser's oldest items leave first, then the oldest of all."""

    def __init__(self, most_of_one: int = MOST_OF_ONE, most: int = MOST) -> None:
        self._most_of_one = most_of_one
        self._most = most
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, item: Item) -> str:
        """Return the address, relative to the page, where an item can be had from now on."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._items[token] = item
            own = [key for key, other in self._items.items() if other.browser == item.browser]
            for key in own[: max(0, len(own) - self._most_of_one)]:
                del self._items[key]
            while len(self._items) > self._most:
                self._items.popitem(last=False)
        return f"{PATH}/{token}"

    def find(self, token: str, browser: str, *, asked: bool = False) -> Item | None:
        """Return an item of this browser, or None."""
        with self._lock:
            item = self._items.get(token)
        known = item is not None and bool(browser) and item.browser == browser
        return item if known and item is not None and item.asked == asked else None

    def forget(self, group: str) -> None:
        """Take away everything of a conversation."""
        with self._lock:
            for token in [key for key, item in self._items.items() if item.group == group]:
                del self._items[token]


def add_to(app: FastAPI, shelf: Shelf, on_bug: Callable[[BaseException], str]) -> None:
    """Serve a shelf at `/films/...`: GET for pictures and files, POST for work.

    Args:
        app: gets the routes; add them before anything is mounted at `/`.
        shelf: what is served.
        on_bug: saves an unexpected error and returns the sentence for the reader.
    """

    def give(request: Request) -> Response:
        return _give(shelf, request, on_bug)

    app.add_route(f"/{PATH}/{{token}}", give, methods=["GET"])
    app.add_route(f"/{PATH}/{{token}}", give, methods=["POST"])


def _give(shelf: Shelf, request: Request, on_bug: Callable[[BaseException], str]) -> Response:
    from starlette.responses import PlainTextResponse, Response

    browser = browser_of(request.headers.get("cookie", ""))
    item = shelf.find(request.path_params["token"], browser, asked=request.method == "POST")
    if item is None:
        return PlainTextResponse("Not found.", 404)
    try:
        body = item.make()
    except AuscultError as error:
        return PlainTextResponse(str(error), 409)
    except Exception as error:  # noqa: BLE001 - a request's last frame; saved and shown
        return PlainTextResponse(on_bug(error), 500)
    headers = {"cache-control": "private, no-store"}
    if item.name:
        headers["content-disposition"] = f'attachment; filename="{item.name}"'
    return Response(body, 200, headers, item.media)

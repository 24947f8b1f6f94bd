from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ui.web_uploads import COOKIE, Browsers, Owners, browser_of

FILE = "/cache/abc/film one.png"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer uploads as Gradio does, and anything else with its path."""
    upload = scope["path"] == "/gradio_api/upload"
    body = json.dumps([FILE]).encode() if upload else scope["path"].encode()
    assert not upload or b"accept-encoding" not in dict(scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body[:5], "more_body": True})
    await send({"type": "http.response.body", "body": body[5:]})


def ask(guard: Browsers, path: str, cookie: str = "") -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"accept-encoding", b"gzip")]
    if cookie:
        headers.append((b"cookie", f"other=1; {COOKIE}={cookie}".encode()))
    scope = {"type": "http", "path": path, "headers": headers}
    asyncio.run(guard(scope, None, send))
    body = b"".join(m.get("body", b"") for m in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


@pytest.fixture
def guard() -> Browsers:
    return Browsers(app, Owners())


def mark(guard: Browsers) -> str:
    header = ask(guard, "/")[1][b"set-cookie"].decode()
    assert "HttpOnly" in header
    assert "SameSite=Strict" in header
    return browser_of(header.split(";")[0])


def test_each_browser_gets_its_own_long_mark_once(guard: Browsers) -> None:
    one, two = mark(guard), mark(guard)
    assert one != two
    assert min(len(one), len(two)) >= 40
    assert b"set-cookie" not in ask(guard, "/", one)[1]


def test_an_upload_is_served_to_the_browser_that_made_it_only(guard: Browsers) -> None:
    mine, other = mark(guard), mark(guard)
    status, _, body = ask(guard, "/gradio_api/upload", mine)
    assert (status, json.loads(body)) == (200, [FILE])
    wanted = f"/gradio_api/file={FILE}"
    assert ask(guard, wanted, mine)[0] == 200
    assert ask(guard, wanted.replace(" ", "%20"), mine)[0] == 200
    assert ask(guard, wanted, other)[0] == 404
    assert ask(guard, wanted)[0] == 404


@pytest.mark.parametrize("path", ["/etc/passwd", FILE, "https://example.org/x", "../../x"])
def test_nothing_is_served_by_path_that_was_not_uploaded(guard: Browsers, path: str) -> None:
    assert ask(guard, f"/gradio_api/file={path}", mark(guard))[0] == 404


def test_the_page_may_load_from_this_server_only(guard: Browsers) -> None:
    policy = ask(guard, "/")[1][b"content-security-policy"].decode()
    assert "default-src 'self'" in policy
    assert "http" not in policy


def test_the_oldest_uploads_are_forgotten() -> None:
    owners = Owners()
    for number in range(5000):
        owners.give(f"/f{number}", "me")
    assert not owners.owns("/f0", "me")
    assert owners.owns("/f4999", "me")
    owners.forget("/f4999")
    assert not owners.owns("/f4999", "me")
    assert not owners.owns("/nothing", "")


def test_a_broken_cookie_is_no_cookie() -> None:
    assert browser_of('auscult_browser="; \x00=') == ""
    assert browser_of("") == ""

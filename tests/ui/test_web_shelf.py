from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from assistant.errors import InputError
from ui import web_shelf
from ui.web_shelf import Item, Shelf
from ui.web_uploads import COOKIE


def item(browser: str = "ann", group: str = "g", **more: object) -> Item:
    return Item(browser, group, "image/png", lambda: b"picture", **more)  # type: ignore[arg-type]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(most_of_one=3, most=5)


@pytest.fixture
def client(shelf: Shelf) -> TestClient:
    app = FastAPI()
    web_shelf.add_to(app, shelf, lambda error: f"saved: {type(error).__name__}")
    return TestClient(app)


def asked(client: TestClient, path: str, browser: str, method: str = "GET") -> tuple[int, str]:
    answer = client.request(method, f"/{path}", headers={"cookie": f"{COOKIE}={browser}"})
    return answer.status_code, answer.text


def test_only_the_browser_that_it_is_for_gets_an_item(shelf: Shelf, client: TestClient) -> None:
    path = shelf.put(item())
    assert asked(client, path, "ann") == (200, "picture")
    assert (
        asked(client, path, "bob") == asked(client, "films/unknown", "ann") == (404, "Not found.")
    )
    assert asked(client, path, "")[0] == 404
    assert asked(client, shelf.put(item(browser="")), "")[0] == 404


def test_work_is_asked_for_and_never_fetched(shelf: Shelf, client: TestClient) -> None:
    path = shelf.put(item(asked=True))
    assert asked(client, path, "ann")[0] == 404
    assert asked(client, path, "ann", "POST") == (200, "picture")
    assert asked(client, path, "bob", "POST")[0] == 404
    assert asked(client, shelf.put(item()), "ann", "POST")[0] == 404


def test_nothing_is_kept_by_a_cache_and_a_download_has_its_name(
    shelf: Shelf, client: TestClient
) -> None:
    path = shelf.put(item(name="film-1.pdf"))
    answer = client.get(f"/{path}", headers={"cookie": f"{COOKIE}=ann"})
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-disposition"] == 'attachment; filename="film-1.pdf"'


def test_a_conversation_that_is_over_takes_its_items_along(shelf: Shelf) -> None:
    gone, stays = shelf.put(item(group="one")), shelf.put(item(group="two"))
    shelf.forget("one")
    assert shelf.find(gone.rpartition("/")[2], "ann") is None
    assert shelf.find(stays.rpartition("/")[2], "ann") is not None


def test_a_browser_pushes_out_its_own_items_first(shelf: Shelf) -> None:
    bobs = shelf.put(item("bob")).rpartition("/")[2]
    paths = [shelf.put(item()).rpartition("/")[2] for _ in range(6)]
    assert [shelf.find(path, "ann") is not None for path in paths] == [False] * 3 + [True] * 3
    assert shelf.find(bobs, "bob") is not None


def test_an_error_is_one_sentence(shelf: Shelf, client: TestClient) -> None:
    def bad() -> bytes:
        raise InputError("There is no heatmap.")

    def worse() -> bytes:
        raise KeyError("x")

    assert asked(client, shelf.put(Item("ann", "g", "x/y", bad)), "ann") == (
        409, "There is no heatmap.",
    )  # fmt: skip
    assert asked(client, shelf.put(Item("ann", "g", "x/y", worse)), "ann") == (
        500, "saved: KeyError",
    )  # fmt: skip

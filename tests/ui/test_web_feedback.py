"""Thumbs and corrections in a real browser, up to the reviewed dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assistant.feedback import Feedback
from assistant.settings import Settings
from tests.ui.test_web import address, ask, chromium, opened  # noqa: F401 - two are fixtures

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

QUESTION = "How is community-acquired pneumonia treated?"
PLANTED = "Mrs. Okonkwo, MRN 00447123, phone 617-555-0134"


def thumb(page: Any, name: str) -> Any:
    return page.locator(f"#au-chat button[aria-label='{name}']").last


def thanked(page: Any) -> None:
    page.wait_for_selector("#au-thanks p[role=status]")


def stored(state: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(state.glob("store*")))


def test_a_thumb_down_and_a_correction_become_a_reviewed_pair(
    chromium: Any,  # noqa: F811
    address: str,  # noqa: F811
    state: Path,
    tmp_path: Path,
) -> None:
    with opened(chromium, address, (1280, 860)) as page:
        ask(page, f"{PLANTED}: {QUESTION}")
        # By keyboard alone.
        thumb(page, "Dislike").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#au-correction textarea")
        page.wait_for_function(
            "() => document.activeElement.closest('#au-correction') !== null", timeout=10_000
        )
        page.keyboard.type(f"Give {PLANTED} doxycycline. [S1]")
        page.locator("#au-reasons input").nth(2).focus()
        page.keyboard.press("Space")
        page.locator("#au-send").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#au-feedback", state="hidden")
        thanked(page)
    feedback = Feedback(Settings(state_dir=state))
    (entry,) = [e for e in feedback.pending() if e.correction]
    assert entry.reasons == ("incomplete",)
    assert entry.passages
    for value in ("Okonkwo", "00447123", "555-0134"):
        assert value.encode() not in stored(state)
    feedback.accept(entry.id, "Reviewer")
    done = feedback.export(tmp_path / "out")
    files = list(done.folder.glob("preference_*.jsonl"))
    (pair,) = (json.loads(line) for path in files for line in path.read_text().splitlines())
    assert pair["chosen"] == "Give Mrs. [name], MRN [mrn], phone [phone] doxycycline. [S1]"
    assert pair["rejected"] == entry.answer
    assert "Okonkwo" not in json.dumps(pair)


def test_a_thumb_up_is_stored_and_taken_back_and_belongs_to_its_browser(
    chromium: Any,  # noqa: F811
    address: str,  # noqa: F811
    state: Path,
) -> None:
    feedback = Feedback(Settings(state_dir=state))
    before = len(feedback.store.entries())
    with opened(chromium, address, (390, 844), locale="zh-CN") as page:
        ask(page, QUESTION)
        buttons = page.locator("#au-chat .bot-row").last.locator(".icon-button-wrapper button")
        assert buttons.count() == 2
        buttons.nth(1).click()
        thanked(page)
        assert not page.locator("#au-correction").is_visible()
        assert "谢谢" in page.inner_text("#au-thanks")
        entries = feedback.store.entries()
        assert len(entries) == before + 1
        assert entries[-1].thumb == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        buttons.nth(1).click()
        page.wait_for_function(
            "() => document.querySelector('#au-thanks').innerText.includes('撤回')"
        )
    assert len(feedback.store.entries()) == before

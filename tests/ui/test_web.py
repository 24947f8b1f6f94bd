"""The page in a real browser, against the real assistant."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.ui.conftest import COMMAND, environment
from ui import facts

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

CHROMIUM = os.environ.get("AUSCULT_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]  # fmt: skip
WAIT_MS = 240_000
RECORD = """Problems: hypertension, type 2 diabetes.
Allergies: penicillin (rash).
Medications: lisinopril 10 mg daily.
Note: <script>document.title = "owned"</script><img src=x onerror="document.title='owned'">
"""


@pytest.fixture(scope="module")
def address(state: Path) -> Iterator[str]:
    """Serve the page on a free port until the module is done."""
    with subprocess.Popen(
        [*COMMAND, "chat", "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=state,
        env=environment(state),
    ) as server:  # fmt: skip
        assert server.stdout is not None
        line = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, line + server.stdout.read()
        yield found.group()
        server.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not Path(CHROMIUM).is_file():
        pytest.skip(f"there is no Chromium at {CHROMIUM}; set AUSCULT_CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:
    """Open the page in a fresh browser profile; nothing may be asked of another server."""
    with opened(chromium, address, (1280, 860)) as page:
        elsewhere: list[str] = []
        page.on("request", lambda r: elsewhere.append(r.url) if outside(r.url, address) else None)
        yield page
        assert not elsewhere


def outside(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))


@contextlib.contextmanager
def opened(chromium: Any, address: str, size: tuple[int, int], **options: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    page.wait_for_selector("#au-box textarea")
    # The line is there until models and index are loaded.
    page.wait_for_function("() => !document.querySelector('#au-status p')", timeout=WAIT_MS)
    yield page
    context.close()


def ask(page: Any, words: str, *files: dict[str, Any]) -> Any:
    """Send a message as a user does; return the answer once it is whole."""
    answers = page.locator(".au-answer")
    before = answers.count()
    if files:
        page.set_input_files("#au-box input[type=file]", list(files))
        page.wait_for_selector("#au-box .thumbnail-item")
    page.fill("#au-box textarea", words)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "n => { const all = [...document.querySelectorAll('.au-answer')];"
        " return all.length > n && all.at(-1).dataset.state !== 'busy'; }",
        arg=before,
        timeout=WAIT_MS,
    )
    # The composer is given back when the turn is over.
    page.wait_for_selector("#au-box textarea:enabled")
    return answers.last


def film(name: str = "film.png") -> dict[str, Any]:
    """Return a picture as an upload: what it shows is the image tool's to judge."""
    import io

    import numpy as np
    from PIL import Image

    grey = np.linspace(20, 220, 256 * 256).reshape(256, 256).astype("uint8")
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": out.getvalue()}


def test_an_answer_streams_in_and_its_passage_opens_with_the_quote_marked(page: Any) -> None:
    answer = ask(page, "How is gout treated?")
    chips = answer.locator(".au-cite")
    assert chips.count() >= 1
    assert answer.locator(".au-sources li").count() >= 1
    chips.first.click()
    panel = page.locator(".au-panel:popover-open")
    panel.wait_for()
    quote = panel.locator("mark").inner_text()
    assert len(quote) > 10
    assert quote in panel.locator(".au-passage").inner_text()
    assert " ".join(quote.split()) in " ".join(answer.inner_text().split())
    assert panel.locator("a.au-open").get_attribute("href").startswith("http")
    panel.locator(".au-close").click()
    panel.wait_for(state="hidden")


def test_a_citation_can_be_opened_and_left_by_keyboard_alone(page: Any) -> None:
    answer = ask(page, "What are the symptoms of gout?")
    answer.locator(".au-cite").first.focus()
    page.keyboard.press("Enter")
    panel = page.locator(".au-panel:popover-open")
    panel.wait_for()
    assert page.evaluate("() => document.activeElement.className") == "au-close"
    page.keyboard.press("Escape")
    panel.wait_for(state="hidden")
    assert page.evaluate("() => document.activeElement.className") == "au-cite"


def sample(name: str = "film.png") -> dict[str, Any]:
    """Return the package's own synthetic film as an upload."""
    folder = resources.files("assistant.vision").joinpath("samples")
    data = folder.joinpath("pneumonia-1.png").read_bytes()
    return {"name": name, "mimeType": "image/png", "buffer": data}


# Mean grey of the film as it is drawn, and how it is laid out.
DRAWN = """() => {
  const viewer = document.querySelector('.au-viewer');
  const film = viewer.querySelector('.au-grey');
  const data = film.getContext('2d').getImageData(0, 0, film.width, film.height).data;
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += data[i];
  const glow = viewer.querySelector('.au-glow');
  return {
    mean: sum / (data.length / 4), sheet: viewer.querySelector('.au-sheet').style.transform,
    glow: glow.style.display === 'none' ? 0 : Number(glow.style.opacity), width: film.width,
  };
}"""


def drawn(page: Any, change: str = "true") -> dict[str, Any]:
    """Return how the film stands once `change`, of what is drawn as `d`, holds."""
    page.wait_for_function(f"() => {{ const d = ({DRAWN})(); return {change}; }}")
    return dict(page.evaluate(DRAWN))


def test_a_film_is_judged_and_its_viewer_works_by_keyboard(page: Any) -> None:
    answer = ask(page, "Is there pneumonia on this film?", sample())
    card = answer.locator(".au-finding")
    assert "Research use only" in card.inner_text()
    assert "SYNTHETIC" in card.locator("header").inner_text()
    assert card.get_attribute("data-refused") == "false"
    assert card.locator("header .au-called").inner_text().split()[-1] in "suspected uncertain out"
    assert page.locator(".au-question img").evaluate("e => e.naturalWidth") > 0
    before = drawn(page, "d.mean > 5")
    assert before["glow"] == 0
    page.locator(".au-stage").focus()
    page.keyboard.press("i")
    inverted = drawn(page, f"Math.abs(d.mean - {before['mean']}) > 1")
    assert inverted["mean"] == pytest.approx(255 - before["mean"], abs=1.5)
    page.keyboard.press("i")
    page.keyboard.press("h")
    assert drawn(page, "d.glow > 0")["glow"] == pytest.approx(0.6)
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    assert "scale(1.2)" in drawn(page, "d.sheet.includes('scale(1.2)')")["sheet"]
    page.locator("[data-do=preset]").select_option(label="bone")
    bone = drawn(page, f"d.mean < {before['mean']} - 5")
    assert bone["width"] == before["width"]
    # What the reader has set stays when the conversation goes on.
    ask(page, "What is gout?")
    assert "scale(1.2)" in drawn(page, f"d.mean < {before['mean']} - 5")["sheet"]


def test_predictive_values_follow_the_prevalence_and_files_stay_with_their_browser(
    chromium: Any, page: Any, address: str
) -> None:
    card = ask(page, "Is there pneumonia on this film?", sample()).locator(".au-finding")
    row = card.locator("tr[data-sensitivity]").first
    sensitivity, specificity = (
        float(row.get_attribute(f"data-{name}")) for name in ("sensitivity", "specificity")
    )
    card.locator("[data-do=prevalence]").fill("50")
    true, false = sensitivity * 0.5, (1 - specificity) * 0.5
    expected = facts.probability(true / (true + false)) if true + false else "–"
    page.wait_for_function(
        "v => document.querySelector('[data-say=ppv]').textContent === v", arg=expected
    )
    link = card.locator(".au-downloads a", has_text="JSON").get_attribute("href")
    picture = card.locator("img.au-film").get_attribute("src")
    assert page.request.get(address + link).json()
    assert page.request.get(address + picture).headers["cache-control"] == "private, no-store"
    other = chromium.new_context()
    assert [other.request.get(address + path).status for path in (link, picture)] == [404, 404]
    other.close()


def test_a_picture_that_is_no_film_is_refused_and_can_still_be_looked_at(page: Any) -> None:
    card = ask(page, "Is there pneumonia on this film?", film()).locator(".au-finding")
    assert card.get_attribute("data-refused") == "true"
    assert "Not judged" in card.inner_text()
    assert card.locator("[role=meter]").count() == 0
    assert drawn(page, "d.mean > 5")["width"] == 256


def test_a_record_is_shown_as_tables_and_nothing_in_it_runs(page: Any) -> None:
    upload = {"name": "note.txt", "mimeType": "text/plain", "buffer": RECORD.encode()}
    answer = ask(page, "What are the allergies and medications?", upload)
    record = answer.locator(".au-record")
    record.wait_for()
    assert "penicillin" in record.inner_text()
    assert record.locator("[data-assertion=present]").count() >= 2
    answer = ask(page, "<img src=x onerror=\"document.title='owned'\"> What is gout?")
    assert page.title() == "Auscult"
    assert page.locator("#au-chat script").count() == 0
    assert page.locator("#au-chat img[src=x]").count() == 0
    assert page.locator(".au-said").last.inner_text().startswith("<img src=x")


def test_a_question_that_the_library_cannot_answer_is_declined(page: Any) -> None:
    answer = ask(page, "Who won the football world cup in 1974?")
    assert answer.locator(".au-abstained").count() == 1
    assert answer.locator(".au-cite").count() == 0


def test_an_emergency_stands_on_top(page: Any) -> None:
    answer = ask(page, "My father suddenly has a drooping face and slurred speech, what is it?")
    first = answer.locator("> *").first
    assert first.get_attribute("class") == "au-emergency"


def test_a_file_that_cannot_be_used_is_refused_in_the_chat(page: Any) -> None:
    upload = {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture at all"}
    answer = ask(page, "What is on it?", upload)
    assert "named .png" in answer.locator(".au-error").inner_text()


def test_an_example_can_be_asked_and_a_new_conversation_begun(page: Any) -> None:
    page.locator("#au-chat .example").first.click()
    page.wait_for_selector(".au-answer[data-state=done]")
    assert page.locator(".au-question").count() == 1
    page.click("#au-new")
    page.wait_for_selector(".au-question", state="detached")
    page.wait_for_selector("#au-chat .example")


def test_two_browsers_at_once_see_their_own_answers_only(
    chromium: Any, page: Any, address: str
) -> None:
    with opened(chromium, address, (1280, 860)) as other:
        asked = {"What is gout?": page, "What is asthma?": other}
        for words, each in asked.items():
            each.fill("#au-box textarea", words)
            each.keyboard.press("Enter")
        for words, each in asked.items():
            each.wait_for_selector(".au-answer[data-state=done]")
            assert each.locator(".au-said").all_inner_texts() == [words]
            assert words.split()[-1].strip("?") in each.locator(".au-text").inner_text().lower()


def test_an_upload_is_served_to_its_own_browser_only(
    chromium: Any, page: Any, address: str
) -> None:
    with page.expect_response(lambda r: "/gradio_api/upload" in r.url) as uploaded:
        page.set_input_files("#au-box input[type=file]", [film("mine.png")])
    (path,) = uploaded.value.json()
    url = f"{address}gradio_api/file={path}"
    assert page.request.get(url).status == 200
    other = chromium.new_context()
    assert other.request.get(url).status == 404
    other.close()
    ask(page, "Is there pneumonia?")
    assert not Path(path).exists()


def test_a_phone_can_do_it_all_without_scrolling_sideways(chromium: Any, address: str) -> None:
    with opened(chromium, address, (390, 844), color_scheme="dark", has_touch=True) as page:
        answer = ask(page, "How is gout treated?")
        answer.locator(".au-cite").first.tap()
        panel = page.locator(".au-panel:popover-open")
        panel.wait_for()
        box = panel.bounding_box()
        assert box["width"] == 390
        assert box["y"] + box["height"] <= 845
        page.keyboard.press("Escape")
        upload = {"name": "note.txt", "mimeType": "text/plain", "buffer": RECORD.encode()}
        ask(page, "Which medications?", upload)
        ask(page, "Is there pneumonia on this film?", sample())
        wide = "() => document.scrollingElement.scrollWidth"
        assert page.evaluate(wide) <= 390
        assert (
            page.evaluate("() => document.querySelector('#au-chat [role=log]').scrollWidth") <= 390
        )


def test_a_chinese_browser_gets_a_chinese_page(chromium: Any, address: str) -> None:
    with opened(chromium, address, (1280, 860), locale="zh-CN") as page:
        page.wait_for_function("() => document.body.innerText.includes('新对话')")
        assert (
            page.locator("#au-box textarea").get_attribute("placeholder")
            == "输入问题，或附上胸片、病历"
        )

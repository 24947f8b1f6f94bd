from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from assistant.events import Answered
from tests.ui import samples
from ui import locales, web_html
from ui.web_turn import View, apply


class Reader(HTMLParser):
    """Collects elements, so that what a browser would make of a fragment can be asked."""

    def __init__(self, fragment: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"img", "br", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, css: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.elements if css in (a.get("class") or "").split()]


def scene(language: str = "en") -> web_html.Scene:
    return web_html.Scene(locales.words(language), lambda citation: samples.SECTION)


def page(answer: object, language: str = "en") -> Reader:
    view = apply(View(emergency=getattr(answer, "emergency", None)), Answered(answer))  # type: ignore[arg-type]
    read = Reader(web_html.turn(view, scene(language)))
    assert not read.open
    return read


def test_every_claim_has_a_chip_that_opens_its_passage() -> None:
    read = page(samples.answered())
    chips, panels = read.having("au-cite"), read.having("au-panel")
    assert [chip["popovertarget"] for chip in chips] == [panel["id"] for panel in panels]
    assert [chip["aria-label"] for chip in chips] == [
        "Source 1: Gout: Treatment", "Source 1: Gout: Treatment", "Source 2: Gout: Treatment",
    ]  # fmt: skip
    assert len({panel["id"] for panel in panels}) == 3
    assert all("popover" in panel for panel in panels)


def test_two_answers_share_no_ids() -> None:
    one, two = page(samples.answered()), page(samples.answered())
    assert not {p["id"] for p in one.having("au-panel")} & {p["id"] for p in two.having("au-panel")}


def test_the_quote_is_marked_in_its_passage() -> None:
    quote = "Colchicine relieves a flare."
    out = web_html.highlighted(samples.citation("S1", quote), samples.SECTION)
    assert out == f"Rest the joint. <mark>{quote}</mark> Ice helps."


def test_offsets_that_do_not_hold_the_quote_are_not_trusted() -> None:
    moved = replace(samples.citation("S1", "Ice helps."), start=0, end=10)
    assert web_html.highlighted(moved, samples.SECTION).endswith("<mark>Ice helps.</mark>")
    assert web_html.highlighted(moved, "Something else.") == "<mark>Ice helps.</mark>"


def test_a_long_record_is_shown_around_the_quote_only() -> None:
    whole = "word " * 4000 + "NEEDLE" + " word" * 4000
    found = replace(samples.citation("R1", "x"), quote="NEEDLE", start=20000, end=20006)
    out = web_html.highlighted(found, whole)
    assert "<mark>NEEDLE</mark>" in out
    assert out.startswith("… ")
    assert out.endswith(" …")
    assert len(out) < 2 * web_html.WINDOW + 200


@pytest.mark.parametrize("answer", [samples.hostile(), replace(samples.hostile(), abstained=True,
                                    nearest=samples.hostile().claims[0].citations)])  # fmt: skip
def test_nothing_from_outside_becomes_markup(answer: object) -> None:
    read = page(answer)
    tags = {tag for tag, _ in read.elements}
    assert "script" not in tags
    assert not [a for _, a in read.elements for name in a if name.startswith("on")]
    assert not [a for _, a in read.elements if (a.get("href") or "").startswith("javascript")]
    sources = [a["src"] for tag, a in read.elements if tag == "img"]
    assert all((src or "").startswith("data:image/") for src in sources)
    assert '<script>document.title="owned"</script>' in read.text
    assert "\x1b" not in read.text


def test_a_question_is_escaped() -> None:
    read = Reader(web_html.question(samples.HOSTILE, [(samples.HOSTILE, "")]))
    assert {tag for tag, _ in read.elements} <= {"div", "span"}


def test_a_finding_shows_its_operating_point_and_a_refusal_its_reason() -> None:
    answer = replace(samples.answered(), findings=(samples.judged(), samples.refused()))
    read = page(answer)
    judged, refused = read.having("au-finding")
    assert (judged["data-refused"], refused["data-refused"]) == ("false", "true")
    (meter,) = [a for _, a in read.elements if a.get("role") == "meter"]
    assert meter["aria-valuenow"] == "0.870"
    assert "It is a CT slice, not a chest film." in read.text
    assert len(read.having("au-tag")) == 2
    (heatmap,) = [a for tag, a in read.elements if tag == "img"]
    assert (heatmap["src"] or "").startswith("data:image/png;base64,")


def test_a_record_shows_every_assertion() -> None:
    read = page(replace(samples.answered(), record=samples.record()))
    assert [chip["data-assertion"] for chip in read.having("au-chip")] == ["negated", "present"]


def test_an_abstention_is_marked_and_offers_the_nearest_passages() -> None:
    read = page(samples.abstained())
    assert len(read.having("au-abstained")) == 1
    assert len(read.having("au-near")) == len(read.having("au-panel")) == 1
    assert not read.having("au-cite")


def test_an_emergency_stands_before_everything_else() -> None:
    read = page(samples.urgent())
    classes = [a.get("class") for _, a in read.elements]
    assert classes.index("au-emergency") < classes.index("au-text")


def test_the_page_speaks_the_readers_language() -> None:
    assert "现有资料无法回答这个问题" in page(samples.abstained(), "zh").text


def test_a_turn_under_way_a_stopped_one_and_a_failed_one_can_be_told_apart() -> None:
    busy = Reader(web_html.turn(View(running="literature", text="So far [S1]"), scene()))
    assert "Working: literature" in busy.text
    assert "[S1]" not in busy.text
    assert "Stopped" in Reader(web_html.turn(View(stopped=True), scene())).text
    failed = Reader(web_html.turn(View(error="It <b>broke</b>."), scene()))
    assert "It <b>broke</b>." in failed.text

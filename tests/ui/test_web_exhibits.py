from __future__ import annotations

import io
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assistant.settings import Settings
from assistant.types import Attachment, Finding, GateReport
from assistant.vision import windows
from tests.ui import samples
from ui import model_cards, web_exhibits, web_images
from ui.web_exhibits import Exhibits
from ui.web_shelf import Shelf

SAMPLE = resources.files("assistant.vision").joinpath("samples").joinpath("pneumonia-1.png")


def attachment(name: str = "film.png", number: int = 1) -> Attachment:
    return Attachment(f"A{number}", name, "image", "png", SAMPLE.read_bytes())


@pytest.fixture
def exhibits(tmp_path: Path) -> Exhibits:
    assistant: Any = SimpleNamespace(settings=Settings(state_dir=tmp_path))
    return Exhibits(assistant, Shelf(), "ann", "g")


def fetch(exhibits: Exhibits) -> Callable[[str], bytes]:
    def get(address: str) -> bytes:
        item = exhibits.shelf.find(address.rpartition("/")[2], "ann")
        assert item is not None
        return item.make()

    return get


def film(**more: Any) -> Finding:
    from dataclasses import replace

    return replace(samples.decided(), picture=SAMPLE.read_bytes(), **more)


@pytest.mark.parametrize("name", list(windows.PRESETS))
def test_a_preset_on_the_page_is_the_one_of_the_image_tool(name: str) -> None:
    with Image.open(io.BytesIO(SAMPLE.read_bytes())) as picture:
        pixels = np.asarray(picture.convert("L"))
    found, size = web_exhibits.presets(SAMPLE.read_bytes())
    assert size == pixels.shape[::-1]
    preset = next(preset for preset in found if preset.name == name)
    # What the page's script does with it.
    part = ((pixels - preset.low) / (preset.high - preset.low)).clip(0, 1)
    drawn = np.rint(255 * part**preset.gamma)
    assert np.abs(drawn - windows.apply(pixels, name)).max() <= 2


def test_a_finding_is_shown_as_judged_and_each_thing_has_one_address(exhibits: Exhibits) -> None:
    exhibits.add(attachment())
    value = film(heat=SAMPLE.read_bytes())
    first = exhibits.of(value)
    assert first is exhibits.of(value)
    assert first.judged
    assert first.synthetic
    assert fetch(exhibits)(first.picture) == value.picture
    assert exhibits.show(value.picture) == first.picture
    assert [form for form, _ in first.downloads] == list(web_exhibits.FORMS)


def test_a_large_film_is_shown_larger_than_it_was_judged_only_if_it_is_the_same_picture() -> None:
    from dataclasses import replace

    pixels = web_images.grey(SAMPLE.read_bytes())
    small = io.BytesIO()
    Image.fromarray(pixels).resize((160, 144), Image.Resampling.BILINEAR, reducing_gap=3.0).save(
        small, "PNG"
    )
    report = GateReport("film", 1.0, turned=90, inverted=True)
    value = replace(samples.decided(), picture=small.getvalue(), gate=report)
    # As uploaded: inverted, and turned so that 90 degrees clockwise put it right.
    uploaded = web_images.png(255 - np.rot90(pixels))
    assert np.array_equal(web_images.grey(web_images.sharper(uploaded, value)), pixels)
    assert web_images.sharper(web_images.png(np.rot90(pixels)), value) == b""
    assert web_images.sharper(web_images.png(pixels), value) == b""


def test_a_refusal_is_shown_as_uploaded_with_what_can_be_had_of_it(exhibits: Exhibits) -> None:
    exhibits.add(attachment("ct.dcm"))
    shown = exhibits.of(samples.refused())
    assert not shown.judged
    assert Image.open(io.BytesIO(fetch(exhibits)(shown.picture))).size == (320, 288)
    assert [form for form, _ in shown.downloads] == ["pdf", "json", "fhir"]
    assert not shown.check


def test_two_films_of_one_name_are_told_apart_by_their_ids(exhibits: Exhibits) -> None:
    other = io.BytesIO()
    Image.new("L", (64, 48), 90).save(other, "PNG")
    exhibits.add(attachment())
    exhibits.add(Attachment("A2", "film.png", "image", "png", other.getvalue()))
    assert exhibits.uploads["film.png (A1)"].size == (320, 288)
    assert exhibits.uploads["film.png (A2)"].size == (64, 48)


def test_a_download_is_made_when_it_is_fetched_and_names_no_file(exhibits: Exhibits) -> None:
    exhibits.add(attachment("Jane Doe.png"))
    addresses = dict(exhibits.of(film(image="Jane Doe.png")).downloads)
    item = exhibits.shelf.find(addresses["json"].rpartition("/")[2], "ann")
    assert item is not None
    assert item.name.startswith("film-")
    assert "Jane" not in item.name
    assert json.loads(item.make())


def test_only_a_synthetic_film_is_called_so() -> None:
    assert web_images.synthetic(SAMPLE.read_bytes())
    plain = io.BytesIO()
    Image.new("L", (64, 48), 90).save(plain, "PNG")
    assert not web_images.synthetic(plain.getvalue())


def test_the_card_of_the_model_that_judged_is_told() -> None:
    from assistant.vision import weights

    shipped = weights.read_card(weights.SHIPPED / "pneumonia")
    told = model_cards.lines(f"{shipped['name']} {shipped['version']}", Settings())
    assert ("population", shipped["population"]["words"]) in told
    assert [said for key, said in told if key == "limits"] == shipped["limits"]
    assert model_cards.lines("another 1", Settings()) == ()


def test_a_card_of_another_form_does_no_harm(tmp_path: Path) -> None:
    card = {"name": "mine", "version": 1, "population": 3, "training": [], "results": {"x": "y"}}
    (tmp_path / "card.json").write_text(json.dumps(card), encoding="utf-8")
    settings = Settings(image_classifiers=[str(tmp_path)])
    assert model_cards.lines("mine 1", settings) == ()

"""The input gate: what it says of files' words, of plain measurements, and of pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from assistant.errors import ModelError
from assistant.vision import _gate_measured as measured
from assistant.vision import _gate_stated as stated
from assistant.vision import weights
from assistant.vision.decode import RadiographImage
from assistant.vision.gate import KINDS, Gate, can
from assistant.vision.inputs import squash
from assistant.vision.tint import colourfulness


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate(weights.SHIPPED / "film_gate")


@pytest.fixture(scope="module")
def films(samples: list[Path]) -> list[np.ndarray]:
    return [np.asarray(Image.open(path).convert("L")) for path in samples]


def image(pixels: np.ndarray, **words: object) -> RadiographImage:
    return RadiographImage(np.ascontiguousarray(pixels), "png", **words)  # type: ignore[arg-type]


def head(side: int = 256) -> np.ndarray:
    """Nested ellipses like a slice of a head."""
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    level = np.hypot(rows / 0.42, columns / 0.33)
    pixels = np.where(level < 1, 190, 0)
    pixels = np.where(level < 0.93, 20, pixels)
    wave = 12 * np.sin(rows * 90) * np.sin(columns * 80)
    pixels = np.where(level < 0.87, 110 + wave, pixels)
    for at in (-0.05, 0.05):
        pixels = np.where(np.hypot((rows + 0.02) / 0.1, (columns - at) / 0.03) < 1, 25, pixels)
    return pixels.astype(np.uint8)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ({"modality": "CT"}, "ct"),
        ({"modality": "MR", "body_part": "BRAIN"}, "mr"),
        ({"modality": "US"}, "ultrasound"),
        ({"modality": "MG"}, "mammogram"),
        ({"modality": "PT"}, "nuclear"),
        ({"modality": "RTDOSE"}, "other"),
        ({"modality": "CR", "body_part": "HAND"}, "radiograph"),
        ({"modality": "DX", "body_part": "CHEST", "view": "LL"}, "lateral"),
        ({"modality": "DX", "body_part": "CHEST", "view": "PA"}, ""),
        ({"modality": "OT"}, ""),
        ({}, ""),
    ],
)
def test_a_files_own_words_give_its_kind(words: dict[str, str], kind: str) -> None:
    said = stated.read(image(np.zeros((4, 4), np.uint8), **words))
    assert said.kind == kind
    assert kind == "" or (kind in KINDS and said.words)


def test_what_the_file_says_is_refused_in_words(gate: Gate, films: list[np.ndarray]) -> None:
    found = gate.screen(image(films[0], modality="MR"))
    assert not found.passed
    assert found.report.kind == "mr"
    assert found.report.share == 1
    assert found.reason == (
        "This file says that it is of the modality MR. "
        "The image tool judges frontal chest radiographs only."
    )
    lateral = gate.screen(image(films[0], modality="DX", view="LATERAL"))
    assert not lateral.passed
    assert lateral.report.view == "lateral"


def test_a_kind_that_a_classifier_judges_passes(gate: Gate, films: list[np.ndarray]) -> None:
    assert gate.screen(image(films[0], modality="MR"), judged=("film", "mr")).passed
    assert not gate.screen(image(films[0], modality="CT"), judged=("film", "mr")).passed
    blank = gate.screen(image(np.zeros((200, 200), np.uint8), modality="MR"), judged=("mr",))
    assert not blank.passed
    assert "blank" in blank.reason


def test_the_sentence_names_what_can_be_judged() -> None:
    assert can(("film",)) == "The image tool judges frontal chest radiographs only."
    assert can({"ultrasound", "film", "mr"}) == (
        "The image tool judges frontal chest radiographs, MR slices and ultrasound pictures only."
    )
    assert "no classifier" in can(())


def test_films_pass_upright_and_unchanged(gate: Gate, films: list[np.ndarray]) -> None:
    for film, found in zip(films, gate.screen_many([image(f) for f in films]), strict=True):
        assert found.passed, found.reason
        assert found.report.kind == "film"
        assert (found.report.turned, found.report.inverted) == (0, False)
        assert found.report.distance is not None
        assert np.array_equal(found.image.pixels, film)
        assert np.array_equal(found.small, squash(film))


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_film_is_put_upright_and_said(
    gate: Gate, films: list[np.ndarray], turn: int
) -> None:
    right = 0
    for film, found in zip(
        films, gate.screen_many([image(np.rot90(f, turn)) for f in films]), strict=True
    ):
        if found.passed:
            assert found.report.turned == 90 * turn
            assert np.array_equal(found.image.pixels, film)
            assert any(f"turned by {90 * turn} degrees" in w for w in found.report.warnings)
            right += 1
    assert right >= len(films) - 1


def test_an_inverted_film_is_turned_over_and_said(gate: Gate, films: list[np.ndarray]) -> None:
    right = 0
    for film, found in zip(films, gate.screen_many([image(255 - f) for f in films]), strict=True):
        if found.passed:
            assert found.report.inverted
            assert np.array_equal(found.image.pixels, film)
            assert any("inverted" in warning for warning in found.report.warnings)
            right += 1
    assert right >= len(films) - 1


def test_only_the_file_can_say_that_a_film_is_mirrored(gate: Gate, films: list[np.ndarray]) -> None:
    mirrored = films[0][:, ::-1]
    said = gate.screen(image(mirrored, modality="DX", orientation="R\\F"))
    assert said.passed
    assert said.report.mirrored
    assert np.array_equal(said.image.pixels, films[0])
    unsaid = gate.screen(image(mirrored, modality="DX", orientation="L\\F"))
    assert not unsaid.report.mirrored
    assert np.array_equal(unsaid.image.pixels, mirrored)


def test_a_white_border_is_cut_off(gate: Gate, films: list[np.ndarray]) -> None:
    framed = np.pad(films[0], 20, constant_values=255)
    found = gate.screen(image(framed))
    assert found.passed
    assert np.array_equal(found.image.pixels, films[0])
    assert "A white border was cut off." in found.report.warnings


def test_a_slice_is_called_the_one_that_is_judged(gate: Gate) -> None:
    found = gate.screen(image(head()), judged=("film", "mr"))
    assert found.passed
    assert found.report.kind == "mr"
    assert any("CT or an MR slice" in warning for warning in found.report.warnings)
    refused = gate.screen(image(head()))
    assert not refused.passed
    assert refused.report.kind in {"ct", "mr"}


def _text() -> np.ndarray:
    page = Image.new("L", (400, 520), 252)
    draw = ImageDraw.Draw(page)
    for row in range(30):
        draw.text((24, 20 + row * 16), "the patient was seen in clinic on tuesday", fill=15)
    return np.array(page)


def _pictures() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    rows, columns = np.mgrid[:256, :256]
    noise = generator.random((256, 256))
    coarse = Image.fromarray((generator.random((8, 8)) * 255).astype(np.uint8))
    marker = np.full((256, 256), 12, np.uint8)
    marker[20:50, 200:215] = 255
    return {
        "black": np.zeros((256, 256), np.uint8),
        "marker on black": marker,
        "white noise": (noise * 255).astype(np.uint8),
        "smooth noise": np.asarray(coarse.resize((256, 256), Image.Resampling.BICUBIC)),
        "gradient": ((rows + columns) / 2).astype(np.uint8),
        "stripes": (127 + 120 * np.sin(columns / 5)).astype(np.uint8),
        "checkerboard": ((rows // 32 + columns // 32) % 2 * 255).astype(np.uint8),
        "code": (np.kron(noise[:32, :32] > 0.5, np.ones((8, 8))) * 255).astype(np.uint8),
        "text": _text(),
        "head": head(),
    }


@pytest.mark.parametrize("name", list(_pictures()))
def test_what_is_no_film_is_refused(gate: Gate, name: str) -> None:
    found = gate.screen(image(_pictures()[name]))
    assert not found.passed
    assert found.report.kind != "film"
    assert found.reason.endswith("The image tool judges frontal chest radiographs only.")


def test_small_and_narrow_pictures_are_refused(gate: Gate, films: list[np.ndarray]) -> None:
    small = gate.screen(image(films[0][:60, :60]))
    assert "too small to be judged (60 by 60 pixels" in small.reason
    narrow = gate.screen(image(np.tile(films[0][:100], (1, 4))[:, :600]))
    assert "too narrow" in narrow.reason


def test_a_tint_is_no_colour_and_a_heat_map_is(gate: Gate, films: list[np.ndarray]) -> None:
    grey = films[0].astype(np.float64)[..., None]
    tinted = np.rint(grey * [1.0, 0.9, 0.75]).astype(np.uint8)
    assert colourfulness(tinted) < measured.MAX_COLOUR
    ramp = grey / 255
    jet = (1.5 - np.abs(4 * ramp - [3.0, 2.0, 1.0])).clip(0, 1) * 255
    assert colourfulness(jet.astype(np.uint8)) > measured.MAX_COLOUR
    assert colourfulness(np.repeat(films[0][..., None], 3, 2)) == 0
    found = gate.screen(image(films[0], colour=0.3))
    assert "in false colours" in found.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f * 0.2).astype(np.uint8), "dark"),
        (lambda f: (215 + f * 0.15).astype(np.uint8), "bright|contrast"),
        (lambda f: (f.astype(int) * 4).clip(0, 255).astype(np.uint8), "white"),
        (lambda f: (110 + f * 0.1).astype(np.uint8), "contrast"),
        (lambda f: np.pad(f, 90), "frame"),
    ],
)
def test_quality_is_warned_of(films: list[np.ndarray], change, words: str) -> None:
    assert measured.warnings(films[0], squash(films[0])) == []
    changed = change(films[0])
    found = measured.warnings(changed, squash(changed))
    assert any(word in sentence for sentence in found for word in words.split("|"))


def test_enlargement_is_warned_of(films: list[np.ndarray]) -> None:
    tiny = Image.fromarray(films[0]).resize((64, 64), Image.Resampling.LANCZOS)
    large = np.asarray(tiny.resize((256, 256), Image.Resampling.BICUBIC))
    assert any("enlarged" in found for found in measured.warnings(large, squash(large)))


def test_a_card_of_another_gate_is_refused(tmp_path: Path) -> None:
    shutil.copytree(weights.SHIPPED / "film_gate", tmp_path / "gate")
    path = tmp_path / "gate" / "card.json"
    card = json.loads(path.read_text())
    card["labels"] = card["labels"][::-1]
    path.write_text(json.dumps(card))
    with pytest.raises(ModelError, match="doesn't fit its weights"):
        Gate(tmp_path / "gate")


def test_batches_say_what_single_pictures_say(gate: Gate, films: list[np.ndarray]) -> None:
    mixed = [
        image(films[0]),
        image(head()),
        image(np.rot90(films[1])),
        image(films[2], modality="CT"),
    ]
    together = gate.screen_many(mixed)
    for one, other in zip(mixed, together, strict=True):
        alone = gate.screen(one)
        assert (alone.passed, alone.report.kind, alone.report.turned) == (
            other.passed, other.report.kind, other.report.turned,
        )  # fmt: skip


@pytest.mark.shared
@pytest.mark.parametrize(
    ("pattern", "step", "least", "most"),
    [
        ("external_nih/*/*", 4, 0.0, 0.05),
        ("kermany224/val/*/*", 1, 0.0, 0.02),
        ("brain_mri/*/*/*", 15, 0.98, 1.0),
        ("breast_us/*/*", 5, 0.98, 1.0),
    ],
)
def test_shared_pictures(
    gate: Gate, shared_data: Path, pattern: str, step: int, least: float, most: float
) -> None:
    paths = sorted((shared_data / "images").glob(pattern))[::step]
    assert paths
    images = [image(np.asarray(Image.open(path).convert("L"))) for path in paths]
    refused = np.mean([not found.passed for found in gate.screen_many(images)])
    assert least <= refused <= most

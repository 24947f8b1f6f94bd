"""Films beside earlier ones: known maps are found again, changes are stated only beyond the spread."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from assistant.settings import Settings
from assistant.vision import _difference, _register, prior

SIDE = _register.SIDE


def film(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("L"))


def affine(angle: float, zoom: float, shift: tuple[float, float]) -> NDArray[np.float64]:
    turn = np.deg2rad(angle)
    cosine, sine = zoom * np.cos(turn), zoom * np.sin(turn)
    return np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]])


def exposed(values: NDArray[np.float64], gamma: float, seed: int) -> NDArray[np.uint8]:
    bent = (values.clip(0, 255) / 255) ** gamma * 0.8 + 0.1
    noisy = bent + np.random.default_rng(seed).normal(0, 0.02, bent.shape)
    return (noisy.clip(0, 1) * 255).astype(np.uint8)


def corner_error(found: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Mean distance of the mapped corners, in pixels of 224."""
    corners = np.array([[-1, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]], dtype=np.float64)
    return float(np.linalg.norm(corners @ (found - true).T, axis=1).mean() * SIDE / 2)


@pytest.mark.parametrize(
    ("angle", "zoom", "shift", "gamma"),
    [(0, 1, (0, 0), 1.0), (9, 1.1, (0.1, -0.08), 0.7), (-11, 0.9, (-0.06, 0.1), 1.6)],
)
def test_a_known_map_is_found_again_whatever_the_exposure(
    samples: list[Path], angle: float, zoom: float, shift: tuple[float, float], gamma: float
) -> None:
    true = affine(angle, zoom, shift)
    for number, path in enumerate(samples[:2]):
        older = film(path)
        values, inside = _register.warp(older, true, 256)
        found = _register.register(exposed(values * inside, gamma, number), older)
        assert found.plausible
        assert found.score > prior.SURE_FIT
        assert corner_error(found.matrix, true) < 2


def test_a_film_and_noise_are_not_laid_over_each_other(samples: list[Path]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (300, 300)).astype(np.uint8)
    assert _register.register(film(samples[0]), noise).score < prior.LEAST_FIT


def test_what_became_denser_is_orange_and_the_rest_stays_grey(samples: list[Path]) -> None:
    older = np.rint(_register.squashed(film(samples[0]), SIDE)).astype(np.uint8)
    newer = older.copy()
    newer[90:130, 50:85] = np.maximum(newer[90:130, 50:85], 205)
    same = np.eye(2, 3)
    change = _difference.differences(newer, older, same)
    assert change[95:125, 55:80].mean() > 0.3
    outside = np.ones_like(change, dtype=bool)
    outside[80:140, 40:95] = False
    assert np.abs(change[outside]).mean() < 0.05
    assert (_difference.differences(older, newer, same)[95:125, 55:80] < 0).mean() > 0.5
    shown = Image.open(io.BytesIO(_difference.picture(newer, older, same)))
    assert (shown.format, shown.mode, min(shown.size)) == ("PNG", "RGB", 512)
    red, _, blue = np.asarray(shown.resize((SIDE, SIDE)), dtype=float)[110, 67]
    assert red > blue + 40


def test_exposure_alone_is_no_difference(samples: list[Path]) -> None:
    older = np.rint(_register.squashed(film(samples[0]), SIDE)).astype(np.uint8)
    newer = np.rint((older / 255.0) ** 0.7 * 255).astype(np.uint8)
    assert np.abs(_difference.differences(newer, older, np.eye(2, 3))).mean() < 0.02


@pytest.mark.parametrize(
    ("now", "before", "change"),
    [
        ([0.8, 0.85, 0.9], [0.1, 0.2, 0.15], "higher"),
        ([0.1, 0.2, 0.15], [0.8, 0.85, 0.9], "lower"),
        ([0.3, 0.8, 0.5], [0.4, 0.6, 0.2], "unchanged"),
        ([0.995, 0.996, 0.997], [0.97, 0.975, 0.972], "unchanged"),
    ],
)
def test_a_change_is_one_beyond_the_spread_that_matters(
    now: Sequence[float], before: Sequence[float], change: str
) -> None:
    found, low, high = prior.judged(np.array(now), np.array(before))
    assert found == change
    assert low < np.mean(now) - np.mean(before) < high


A = prior.Film("a.png", np.zeros((9, 9), np.uint8))
B = prior.Film("b.png", np.zeros((9, 9), np.uint8))


def dated(one: prior.Film, taken: str, patient: str = "p") -> prior.Film:
    return prior.Film(one.name, one.pixels, True, taken, patient)


@pytest.mark.parametrize(
    ("first", "second", "older", "earlier", "why"),
    [
        (A, B, "", "a.png", "order of upload"),
        (A, B, "b.png", "b.png", "as the question says"),
        (dated(A, "20240105"), dated(B, "20240101"), "", "b.png", "dates in the files"),
        (dated(A, "20240105"), dated(B, "20240101"), "a.png", "b.png", "says otherwise"),
        (dated(A, "20240105"), dated(B, "20240101", "q"), "", "a.png", "order of upload"),
    ],
)
def test_the_order_is_the_files_then_the_users_then_the_uploads(
    first: prior.Film, second: prior.Film, older: str, earlier: str, why: str
) -> None:
    newer, found, words = prior.ordered(first, second, older)
    assert found.name == earlier
    assert newer.name != earlier
    assert why in words


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (A, prior.Film("b.png", B.pixels, judged=False), "because b.png was not judged"),
        (dated(A, "1", "p"), dated(B, "2", "q"), "name different patients"),
        (A, prior.Film("b.png", B.pixels, model="brain 1"), "different classifiers"),
    ],
)
def test_what_cant_be_compared_is_refused_in_words(
    first: prior.Film, second: prior.Film, said: str
) -> None:
    def never(films: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        raise AssertionError("nothing is read")

    found = prior.compare(first, second, "pneumonia", never)
    assert said in " ".join(found.statements)
    assert (found.change, found.difference, found.registered) == ("", None, False)
    assert found.to_json()["difference"] is None


@pytest.fixture(scope="module")
def read(settings: Settings) -> Callable[..., NDArray[np.float64]]:
    """The shipped classifier itself."""
    from assistant.vision import classifiers

    built = classifiers.build("pneumonia", settings)
    place = built.card.labels.index("pneumonia")
    return lambda films: np.array([r.probabilities[place] for r in built.read(films)])


def test_a_comparison_says_what_changed_and_how_sure_it_is(
    samples: list[Path], read: Callable[..., NDArray[np.float64]]
) -> None:
    well = prior.Film("before.png", film(next(p for p in samples if "normal" in p.name)))
    ill = prior.Film("after.png", film(next(p for p in samples if "pneumonia" in p.name)))
    found = prior.compare(well, ill, "pneumonia", read)
    assert found.change == "higher"
    assert found.low is not None
    assert found.low > 0
    words = " ".join(found.statements)
    assert "pneumonia is higher on after.png" in words
    assert "taken for granted and not checked" in words
    assert found.registered is (found.difference is not None)
    assert prior.compare(well, ill, "pneumonia", read, older="after.png").change == "lower"


def test_a_film_beside_itself_has_not_changed(
    samples: list[Path], read: Callable[..., NDArray[np.float64]]
) -> None:
    one = film(samples[0])
    found = prior.compare(prior.Film("a", one), prior.Film("b", one), "pneumonia", read)
    assert found.change == "unchanged"
    assert found.registered
    assert found.score is not None
    assert found.score > 0.95
    assert "no change beyond the reading's own spread" in " ".join(found.statements)
    assert str(found.to_json()["difference"]).startswith("data:image/png;base64,")

"""A film beside an earlier one: laid over each other, what differs, and whether the reading changed.

A change is stated only where it is larger than what small shifts, turns and exposures of the same
two films do to the reading. Promises to show no difference picture of films that can't be laid over
each other. Knows nothing of attachments, tools or records; that both films are of one patient is
the caller's word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assistant.comparisons import Change, Comparison
from assistant.vision import _difference
from assistant.vision._register import register, squashed
from assistant.vision._register import warp as laid
from assistant.vision.statement import digits

# Calibrated probabilities, (N,), of (H, W) uint8 films.
Read = Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float64]]

# Fit from which a difference picture is shown, and below which it comes with a warning, because films
# of different patients often fit as well; docs/image-comparison.md has what was measured.
LEAST_FIT = 0.55
SURE_FIT = 0.7
VIEWS = 12
# Smallest difference of probabilities that is called a change: two readings of 0.97 and 0.995
# differ beyond their spread and mean the same.
LEAST_CHANGE = 0.05
_SIDE = 256
_SEED = 20


@dataclass(frozen=True, eq=False)
class Film:
    """A film to be compared.

    Attributes:
        name: for the words.
        pixels: (H, W) uint8, upright, dense bright.
        judged: whether the input gate let it pass.
        taken: when it was taken, a string that sorts by time among one patient's; or "".
        patient: a pseudonym that is the same for one patient's files, or "".
        model: the classifier that judged it, or "".
    """

    name: str
    pixels: NDArray[np.uint8] = field(repr=False)
    judged: bool = True
    taken: str = ""
    patient: str = ""
    model: str = ""


def ordered(first: Film, second: Film, older: str = "") -> tuple[Film, Film, str]:
    """Return the later film, the earlier one, and a sentence on what the order rests on.

    Args:
        first: uploaded first.
        second: uploaded after it.
        older: name of the film that the user calls the earlier one, or "". Dates that both files
            carry count for more.
    """
    newer, earlier = second, first
    # Shifted dates tell the order of one patient's films only.
    dated = first.patient == second.patient and first.taken and second.taken
    if dated and first.taken != second.taken:
        newer, earlier = (first, second) if first.taken > second.taken else (second, first)
        why = "by the dates in the files"
        if older and older != earlier.name:
            why += ", although the question says otherwise"
    elif older in (first.name, second.name):
        newer, earlier = (second, first) if older == first.name else (first, second)
        why = "as the question says"
    else:
        why = "by the order of upload, since the files carry no different dates"
    return newer, earlier, f"{earlier.name} is taken as the earlier film and {newer.name} as the later one, {why}."  # fmt: skip


def compare(first: Film, second: Film, label: str, read: Read, older: str = "") -> Comparison:
    """Compare two films.

    Args:
        first: uploaded first.
        second: uploaded after it.
        label: the finding whose probability `read` gives.
        read: the classifier.
        older: name of the film that the user calls the earlier one, or "".
    """
    newer, earlier, order = ordered(first, second, older)
    why = _apart(newer, earlier)
    if why:
        refused = (order, why)
        return Comparison(
            newer.name, earlier.name, order, "", None, None, "", None, None, None, False, refused
        )
    now, before = read(views(newer.pixels)), read(views(earlier.pixels))
    change, low, high = judged(now, before)
    same = bool(newer.patient) and newer.patient == earlier.patient
    placed = register(newer.pixels, earlier.pixels)
    fits = placed.plausible and placed.score >= LEAST_FIT
    picture = _difference.picture(newer.pixels, earlier.pixels, placed.matrix) if fits else None
    chances = (float(np.mean(now)), float(np.mean(before)))
    said = (
        order,
        _of_patient(same=same),
        _of_change((newer.name, earlier.name), label, change, chances, (low, high)),
        _of_fit(newer.name, placed.score, fits),
    )
    return Comparison(
        newer=newer.name,
        older=earlier.name,
        order=order,
        label=label,
        newer_probability=chances[0],
        older_probability=chances[1],
        change=change,
        low=low,
        high=high,
        score=round(placed.score, 4),
        registered=fits,
        statements=said,
        difference=picture,
    )


def views(pixels: NDArray[np.uint8], count: int = VIEWS, seed: int = _SEED) -> list[NDArray[np.uint8]]:  # fmt: skip
    """Return a film as it is and as it might as well have been taken: (256, 256) uint8 each.

    Turns of up to 4 degrees, 5% of zoom, shifts of 4% of the side, gamma 0.7 to 1.4, contrast 0.7 to
    1, a little blur and noise; the same for every film.
    """
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    plain = np.rint(squashed(pixels, _SIDE)).clip(0, 255).astype(np.uint8)
    out = [plain]
    for _ in range(count - 1):
        angle, zoom = np.deg2rad(random.uniform(-4, 4)), np.exp(random.uniform(-0.05, 0.05))
        cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
        shift = random.uniform(-0.08, 0.08, 2)
        matrix = np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]])
        values, _ = laid(plain, matrix, _SIDE)
        bent = (values.clip(0, 255) / 255) ** np.exp(random.uniform(np.log(0.7), np.log(1.4)))
        bent = bent * random.uniform(0.7, 1.0) + random.uniform(0.0, 0.15)
        bent = gaussian_filter(bent, random.uniform(0.0, 0.8))
        bent = bent + random.normal(0, random.uniform(0.0, 0.02), bent.shape)
        out.append(np.rint(bent.clip(0, 1) * 255).astype(np.uint8))
    return out


def judged(now: NDArray[np.float64], before: NDArray[np.float64]) -> tuple[Change, float, float]:
    """Say whether a reading changed, with the 95% interval of its difference.

    Args:
        now: probabilities, (N,), of views of the later film.
        before: the same of the earlier film.

    Returns:
        The change, and the 2.5th and 97.5th percentile of the difference over all pairs of one
        view of each film: how two single readings of these films would differ.
    """
    pairs = (now[:, None] - before[None, :]).ravel()
    low, high = (float(value) for value in np.quantile(pairs, (0.025, 0.975)))
    middle = float(np.mean(now) - np.mean(before))
    if abs(middle) < LEAST_CHANGE or low <= 0 <= high:
        return "unchanged", low, high
    return ("higher" if middle > 0 else "lower"), low, high


def _apart(newer: Film, older: Film) -> str:
    """Return why two films can't be compared, or ""."""
    refused = [film.name for film in (newer, older) if not film.judged]
    if refused:
        was = "was" if len(refused) == 1 else "were"
        return (
            f"{newer.name} and {older.name} can't be compared, because {' and '.join(refused)} "
            f"{was} not judged."
        )
    if newer.patient and older.patient and newer.patient != older.patient:
        return (
            f"{newer.name} and {older.name} are not compared, because their files name different "
            "patients."
        )
    if newer.model != older.model:
        return (
            f"{newer.name} and {older.name} are not compared, because they are pictures of "
            "different kinds, judged by different classifiers."
        )
    return ""


def _of_patient(*, same: bool) -> str:
    if same:
        return "Both files name the same patient."
    return "That both films are of the same patient is taken for granted and not checked."


def _of_change(
    names: tuple[str, str],
    label: str,
    change: Change,
    chances: tuple[float, float],
    spread: tuple[float, float],
) -> str:
    newer, older = names
    now, before = (digits(chance) for chance in chances)
    interval = (
        "95% of small shifts, turns and exposures give a difference of "
        f"{spread[0]:+.2f} to {spread[1]:+.2f}"
    )
    if change == "unchanged":
        return (
            f"The classifier's probability of {label} shows no change beyond the reading's own "
            f"spread: {before} on {older} and {now} on {newer} ({interval})."
        )
    return (
        f"The classifier's probability of {label} is {change} on {newer} ({now}) than on {older} "
        f"({before}), beyond the reading's own spread ({interval})."
    )


def _of_fit(newer: str, score: float, fits: bool) -> str:
    if not fits:
        return (
            f"The two films could not be laid over each other (fit {score:.2f}; {LEAST_FIT:.2f} is "
            "needed), so no difference picture is shown: they may be of different patients, views "
            "or breaths."
        )
    doubt = ""
    if score < SURE_FIT:
        doubt = (
            f", no better than many pairs of films of different patients, which reach "
            f"{SURE_FIT:.2f} seldom: check that they are of one patient"
        )
    return (
        f"The two films could be laid over each other (fit {score:.2f}{doubt}): in the difference "
        f"picture, orange is denser and blue is less dense on {newer}; breath, position and "
        "exposure differ between films too, so a colour is no proof of change."
    )

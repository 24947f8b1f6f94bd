"""Published likelihood ratios of signs for pneumonia on a chest film: data, each with its source.

All are against radiographic pneumonia as the reference. Rounded as published. Where a paper gives a
range instead of an interval, the range stands in its place and the value is its geometric mean;
where it gives sensitivity and specificity only, the ratio follows from them (noted). Where no
interval is at hand, a factor of 1.5 each way is taken (noted). Knows nothing of records.
"""

from __future__ import annotations

from dataclasses import dataclass

CHILDREN = (
    "Shah et al. 2017, JAMA 318:462 (children, 23 cohorts, 13,833 patients, radiographic pneumonia)"
)
ADULTS_SIGNS = (
    "Htun et al. 2019, Sci Rep 9:7600 (adults in primary care, 13 studies, radiographic pneumonia)"
)
ADULTS_EXAM = (
    "Ebell et al. 2020, Acad Emerg Med 27:541 (adults, 17 cohorts, imaging as the reference)"
)
ADULTS_BLOOD = (
    "Ebell et al. 2020, Acad Emerg Med 27:195 (adults, 14 studies, imaging as the reference)"
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A likelihood ratio with its 95% interval and source.

    Attributes:
        value: above 0.
        low: lower end.
        high: upper end.
        source: the paper.
        note: what isn't as published, or "".
    """

    value: float
    low: float
    high: float
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign and what its presence and absence mean; None where nothing is known.

    Attributes:
        name: its name.
        group: "child" or "adult".
        words: what presence means, with the cut-off.
        absent_words: what absence means.
        present: ratio where it is present.
        absent: ratio where it is absent.
        rate: share of patients without pneumonia that show it, in [0, 1], for simulation; None
            where simulation doesn't use the sign.
        rate_assumed: whether that share is assumed here, because no published one is at hand.
    """

    name: str
    group: str
    words: str
    absent_words: str
    present: Ratio | None
    absent: Ratio | None
    rate: float | None = None
    rate_assumed: bool = False


# Share of radiographic pneumonia where the signs were measured: the prior where none is set.
PREVALENCE = {
    "child": (0.19, "North American cohorts in " + CHILDREN),
    "adult": (0.10, "primary care cohorts in " + ADULTS_EXAM),
}

_DERIVED = "absence follows from the published sensitivity and specificity"
_FACTOR = "no interval at hand: a factor of 1.5 each way is taken"
# 20, 50 and 100 mg/L have 2.08 and 0.32, 3.64 and 0.36, 5.89 and 0.47 above and below the cut-off;
# so (1 - LR-) / (LR+ - LR-) of patients without pneumonia lie above it, and bands follow.
_BAND = f"the band follows from the published ratios at its two cut-offs; {_FACTOR}"


def _around(value: float, source: str, note: str = _FACTOR) -> Ratio:
    return Ratio(value, round(value / 1.5, 3), round(value * 1.5, 3), source, note)


_CHILD = (
    Sign(
        "oxygen saturation", "child", "oxygen saturation of 96% or less",
        "oxygen saturation above 96%",
        Ratio(2.8, 2.1, 3.6, CHILDREN), Ratio(0.47, 0.32, 0.67, CHILDREN), 0.23,
    ),
    Sign(
        "work of breathing", "child", "increased work of breathing", "",
        Ratio(2.1, 1.6, 2.7, CHILDREN), None, 0.20, True,
    ),
    Sign(
        "fever", "child", "temperature above 37.5 °C or fever", "no fever",
        Ratio(1.75, 1.7, 1.8, CHILDREN), Ratio(0.25, 0.17, 0.37, CHILDREN, _DERIVED), 0.49,
    ),
    Sign(
        "tachypnoea", "child", "more than 40 breaths a minute", "40 breaths a minute or fewer",
        Ratio(1.5, 1.3, 1.7, CHILDREN), _around(0.41, CHILDREN, f"{_DERIVED}; {_FACTOR}"),
        0.49,
    ),
    Sign(
        "chest pain", "child", "chest pain", "",
        Ratio(2.87, 1.5, 5.5, CHILDREN, "range of two studies with adolescents"), None, 0.045,
    ),
    Sign(
        "crackles", "child", "crackles", "no crackles",
        Ratio(1.2, 0.53, 1.8, CHILDREN), Ratio(0.90, 0.14, 2.5, CHILDREN), 0.20, True,
    ),
)  # fmt: skip
_ADULT = (
    Sign(
        "tachypnoea", "adult", "20 breaths a minute or more", "",
        Ratio(3.47, 1.46, 7.23, ADULTS_SIGNS), None,
    ),
    Sign(
        "fever", "adult", "temperature of 38 °C or more", "",
        Ratio(3.21, 2.36, 4.23, ADULTS_SIGNS), None,
    ),
    Sign(
        "tachycardia", "adult", "pulse above 100 a minute", "",
        Ratio(2.79, 1.71, 4.33, ADULTS_SIGNS), None,
    ),
    Sign(
        "crackles", "adult", "crackles", "",
        Ratio(2.42, 1.19, 4.69, ADULTS_SIGNS), None,
    ),
    Sign(
        "egophony", "adult", "egophony", "",
        Ratio(6.17, 1.34, 18.0, ADULTS_EXAM), None,
    ),
    Sign(
        "dullness", "adult", "dullness to percussion", "",
        Ratio(2.62, 1.14, 5.30, ADULTS_EXAM), None,
    ),
    Sign(
        "normal vital signs", "adult", "all of temperature, pulse and breathing normal", "",
        Ratio(0.25, 0.11, 0.57, ADULTS_EXAM, "upper end mirrors the lower one"), None,
    ),
    Sign(
        "C-reactive protein 100", "adult", "C-reactive protein of 100 mg/L or more", "",
        _around(5.9, ADULTS_BLOOD), None,
    ),
    Sign(
        "C-reactive protein 50", "adult", "C-reactive protein of 50 to 99 mg/L", "",
        _around(1.4, ADULTS_BLOOD, _BAND), None,
    ),
    Sign(
        "C-reactive protein 20", "adult", "C-reactive protein of 20 to 49 mg/L", "",
        _around(0.5, ADULTS_BLOOD, _BAND), None,
    ),
    Sign(
        "C-reactive protein low", "adult", "C-reactive protein below 20 mg/L", "",
        _around(0.32, ADULTS_BLOOD), None,
    ),
)  # fmt: skip
SIGNS: dict[str, dict[str, Sign]] = {
    "child": {sign.name: sign for sign in _CHILD},
    "adult": {sign.name: sign for sign in _ADULT},
}

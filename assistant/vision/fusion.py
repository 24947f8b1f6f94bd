"""An estimate from film and record together: Bayes' theorem over published likelihood ratios.

The film counts by what was measured at its operating points, signs by what was published, and a
prior by a setting or the published prevalence. Bayes' theorem would multiply independent ratios; signs
go together in the ill, so each further one counts less than the one before, and all of them less
beside a film. Shown beside the finding, and never changes it. Knows nothing of
pixels or of how words reach a reader.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from assistant.comparisons import Contribution, Estimate
from assistant.types import Finding, OperatingPoint, Record
from assistant.vision import _signs, _signs_read, weights
from assistant.vision.agreement import decision
from assistant.vision.statement import digits

LABEL = "radiographic pneumonia"
# Weight of each further sign in the same direction, of the weight of the one before it.
SHRINK = 0.5
# How much less the record counts beside a film that counts whole: they depend on each other too.
# Chosen on simulated patients; docs/image-comparison.md has the figures.
BESIDE = 0.5
# A film of a child outside the ages that the classifier learnt counts half; of an adult, nothing.
OUTSIDE = 0.5
# No single film counts more than this, whatever a few hundred films of one hospital gave.
MOST = 30.0
# Films that the operating points were measured on where the card doesn't say more, a class.
_MEASURED = 150
_Z = 1.959964
# Years that the ages of a film and of a record may lie apart.
_SAME_AGE = 2.0


def fuse(
    finding: Finding,
    record: Record,
    *,
    prevalence: float | None = None,
    age_years: float | None = None,
    shrink: float = SHRINK,
) -> Estimate | str:
    """Combine a finding of pneumonia with the signs that a record tells of.

    Args:
        finding: of the film.
        record: of the same patient; that it is, is the caller's word.
        prevalence: share of pneumonia among such patients, in (0, 1); None takes the published one.
        age_years: from the film's file; by default the record's own.
        shrink: weight of each further sign, of the one before; 1 takes signs as independent.

    Returns:
        The estimate, or why there is none, as a sentence.
    """
    if finding.label != "pneumonia" or not decision(finding):
        return "There is no finding on pneumonia that could be combined with the record."
    told = _signs_read.age(record)
    age = told if age_years is None else age_years
    if age is None:
        return (
            "Film and record are not combined into one estimate: neither gives the patient's age, "
            "and signs of pneumonia count differently in children and adults."
        )
    if told is not None and age_years is not None and abs(told - age_years) > _SAME_AGE:
        return (
            f"Film and record are not combined into one estimate and may be of different patients: "
            f"the film's file says {age_years:.0f} years and {record.name} {told:.0f}."
        )
    group = "child" if age < 18 else "adult"
    signs = _damped(_signs_read.read(record, group), shrink)
    if not signs:
        return (
            f"Film and record are not combined into one estimate: {record.name} tells of none of "
            "the signs with published likelihood ratios."
        )
    prior = _prior(group, prevalence)
    film = _film(finding, age)
    alone = combine([prior, *signs])[0]
    parts = (prior, film, *beside(film, signs))
    return _estimate(finding, record, parts, alone, _assumed(group, film, prior, shrink))


def combine(parts: Sequence[Contribution]) -> tuple[float, float, float]:
    """Return the probability of parts together with its 95% interval.

    The interval adds the parts' variances of the log ratio, each read off its own interval as if
    they were independent; a part without one (low equals high) adds none.
    """
    middle = sum(part.log_odds for part in parts)
    variance = 0.0
    for part in parts:
        deviation = (math.log(part.high) - math.log(part.low)) / (2 * _Z)
        variance += (part.weight * deviation) ** 2
    reach = _Z * math.sqrt(variance)
    return expit(middle), expit(middle - reach), expit(middle + reach)


def expit(value: float) -> float:
    """Return the probability of log odds."""
    return 1 / (1 + math.exp(-value))


def film_ratio(points: Sequence[OperatingPoint], decided: str) -> tuple[float, float, float]:
    """Return the likelihood ratio of a decision with its 95% interval, from the operating points.

    The share of the ill over the share of the well that fall into the same band (below rule-out,
    between, at or above rule-in); the interval by the delta method on both shares (Simel et al.
    1991, J Clin Epidemiol 44:763), half a film added to each so that none is 0.
    """
    by = {point.name: point for point in points}
    if "rule out" not in by or "rule in" not in by:
        return 1.0, 1.0, 1.0
    out, into = by["rule out"], by["rule in"]
    ill, well = {
        "ruled out": (1 - out.sensitivity, out.specificity),
        "suspected": (into.sensitivity, 1 - into.specificity),
        "uncertain": (
            max(out.sensitivity - into.sensitivity, 0.0),
            max(into.specificity - out.specificity, 0.0),
        ),
    }[decided]
    ill, well = ((share * _MEASURED + 0.5) / (_MEASURED + 1) for share in (ill, well))
    spread = _Z * math.sqrt((1 - ill) / (ill * _MEASURED) + (1 - well) / (well * _MEASURED))
    ratio = ill / well
    bounded = min(max(ratio, 1 / MOST), MOST)
    return bounded, bounded / math.exp(spread), bounded * math.exp(spread)


def bars(estimate: Estimate, width: int = 12) -> list[str]:
    """Return one line a part: its name, what it adds to the log odds, and a bar of it."""
    most = max(1.0, *(abs(part.log_odds) for part in estimate.parts))
    long = max(len(part.name) for part in estimate.parts)
    out = []
    for part in estimate.parts:
        filled = round(abs(part.log_odds) / most * width)
        left = ("█" * filled if part.log_odds < 0 else "").rjust(width)
        right = ("█" * filled if part.log_odds > 0 else "").ljust(width)
        out.append(f"{part.name:<{long}} {part.log_odds:+5.1f} {left}|{right}")
    return out


def trained_ages(finding: Finding) -> tuple[float, float] | None:
    """Return the ages that the shipped classifier learnt from, if that one made the finding."""
    card = weights.read_card(weights.SHIPPED / "pneumonia")
    if finding.model != f"{card.get('name')} {card.get('version')}":
        return None
    ages = card.get("population") or {}
    low, high = ages.get("age_from_years"), ages.get("age_to_years")
    return None if low is None or high is None else (float(low), float(high))


def _film(finding: Finding, age: float) -> Contribution:
    decided = decision(finding)
    value, low, high = film_ratio(finding.points, decided)
    weight, note = 1.0, ""
    if age >= 18:
        weight, note = 0.0, "; not counted: the classifier learnt from children"
    else:
        trained = trained_ages(finding)
        if trained is None or not trained[0] <= age < trained[1] + 1:
            weight, note = OUTSIDE, "; counted in part: not of the ages that the classifier learnt"
    measured = finding.points[0].measured_on if finding.points else "nothing"
    chance = digits(finding.probability or 0.0)
    return Contribution(
        name="chest film",
        kind="image",
        said=f"pneumonia {decided} (probability {chance}){note}",
        ratio=value,
        low=low,
        high=high,
        weight=weight,
        source=f"{finding.model}, measured on {measured}",
    )


def _damped(found: Sequence[_signs_read.Read], shrink: float) -> list[Contribution]:
    """Return the signs, strongest first in each direction, each further one damped."""
    parts = []
    for item in found:
        ratio = item.ratio
        if ratio is None:
            continue
        name = item.sign.words if item.present else item.sign.absent_words
        source = ratio.source + (f" ({ratio.note})" if ratio.note else "")
        parts.append(
            Contribution(
                name, "record", item.said, ratio.value, ratio.low, ratio.high, 1.0, source,
                item.start, item.end,
            )
        )  # fmt: skip
    return damped(parts, shrink)


def damped(parts: Sequence[Contribution], shrink: float) -> list[Contribution]:
    """Return parts by strength, for and against apart; the nth of either counts shrink^(n - 1)."""
    out = []
    for side in (True, False):
        own = [part for part in parts if (part.ratio >= 1) is side]
        own.sort(key=lambda part: -abs(math.log(part.ratio)))
        out += [replace(part, weight=shrink**place) for place, part in enumerate(own)]
    return out


def beside(film: Contribution, signs: Sequence[Contribution]) -> list[Contribution]:
    """Return the signs as they count beside a film, the less the more that the film counts."""
    share = 1 - BESIDE * film.weight
    return [replace(sign, weight=sign.weight * share) for sign in signs]


def _prior(group: str, prevalence: float | None) -> Contribution:
    share, source = _signs.PREVALENCE[group]
    if prevalence is not None:
        share, source = prevalence, "the setting prevalence"
    odds = share / (1 - share)
    return Contribution(
        "prior", "prior", f"{share:.0%} of such patients", odds, odds, odds, 1.0, source
    )


def _assumed(group: str, film: Contribution, prior: Contribution, shrink: float) -> tuple[str, ...]:
    people = "children" if group == "child" else "adults"
    out = [
        f"The prior is {prior.said} ({prior.source}).",
        f"Signs depend on each other and on the film, and how far is not published: each further "
        f"sign in the same direction counts {shrink:g} of the one before, and all of them count "
        f"{1 - BESIDE * film.weight:g} beside the film.",
        f"Published figures are of {people} and of pneumonia as seen on a film, so this is the "
        "chance of that and not of its cause.",
        "Computed from published figures; not measured on patients with both film and record.",
    ]
    if film.weight == 0:
        out.insert(1, "The film is not counted: its classifier learnt from children only.")
    return tuple(out)


def _estimate(
    finding: Finding,
    record: Record,
    parts: tuple[Contribution, ...],
    record_alone: float,
    assumptions: tuple[str, ...],
) -> Estimate:
    chance, low, high = combine(parts)
    image_alone = combine([part for part in parts if part.kind != "record"])[0]
    prior = combine(parts[:1])[0]
    listed = "; ".join(f"{part.name} {part.log_odds:+.1f}" for part in parts[1:])
    statement = (
        f"Film and record together put the chance of {LABEL} at {digits(chance)} "
        f"(95% interval {low:.2f} to {high:.2f}), from a prior of {prior:.2f}; the film alone gives "
        f"{digits(image_alone)} and the record alone {digits(record_alone)} "
        f"(log odds: {listed}); this is a computed estimate beside the finding and changes it in "
        "nothing."
    )
    return Estimate(
        image=finding.image,
        record=record.name,
        label=LABEL,
        probability=chance,
        low=low,
        high=high,
        image_alone=image_alone,
        record_alone=record_alone,
        parts=parts,
        assumptions=assumptions,
        statement=statement,
    )

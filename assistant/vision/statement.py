"""What may be said of a reading: a decision that abstains between two points, its reason, its caveats.

The one rule of image decisions: at or above "rule in" the label is suspected, below "rule out" it is
ruled out, and between them the tool says that it is uncertain, never the likelier of the two. A model
of several findings states one only where its prediction set holds no other. A model without measured
points calls nothing. Knows nothing of pixels or networks.
"""

from __future__ import annotations

from assistant.findings import GateReport, SecondReading
from assistant.vision.classifiers import Card, Reading
from assistant.vision.decode import RadiographImage

RESEARCH = "For research use only; not a diagnosis. A clinician must read the film."
SUSPECTED, RULED_OUT, UNCERTAIN = "suspected", "ruled out", "uncertain"
# Deviation between views or members from which they are said to disagree.
APART = 0.1


def members(card: Card, reading: Reading) -> tuple[str, ...]:
    """Return the labels of the prediction set; none where the card has no quantiles."""
    if card.conformal is None:
        return ()
    inside = card.conformal.members(reading.probabilities[None])[0]
    return tuple(label for label, held in zip(card.labels, inside, strict=True) if held)


def foreign(card: Card, age: float | None) -> bool:
    """Say whether a known age, in years, is outside those that a model was measured on."""
    low, high = card.population.age_from_years, card.population.age_to_years
    if age is None or low is None or high is None:
        return False
    return not low <= age < high + 1


def decide(card: Card, reading: Reading, age: float | None = None) -> str:
    """Return "suspected", "ruled out" or "uncertain".

    Thresholds say nothing of ages that they were not measured on: such a film is never called.
    """
    if foreign(card, age):
        return UNCERTAIN
    label = card.labels[card.place(reading.probabilities)]
    low, high = card.point("rule out"), card.point("rule in")
    if card.positive is not None:
        chance = reading.probabilities[card.labels.index(label)]
        if low is None or high is None or low.threshold <= chance < high.threshold:
            return UNCERTAIN
        return SUSPECTED if chance >= high.threshold else RULED_OUT
    if card.conformal is None or members(card, reading) != (label,):
        return UNCERTAIN
    return RULED_OUT if label == card.negative else SUSPECTED


def reason(card: Card, reading: Reading, decision: str, age: float | None = None) -> str:
    """Say how the probability stands to the operating points, or to the other labels."""
    place = card.place(reading.probabilities)
    label, chance = card.labels[place], digits(float(reading.probabilities[place]))
    if foreign(card, age):
        return (
            f"Probability {chance} for {label} is not called: the thresholds were not measured at "
            f"the patient's age ({age:.0f}). Uncertain, {label} neither suspected nor ruled out."
        )
    if card.positive is None:
        return _among(card, reading, decision, label, chance)
    low, high = card.point("rule out"), card.point("rule in")
    if low is None or high is None:
        return (
            f"Probability {chance} for {label}, by a model without operating points measured here: "
            f"uncertain, {label} neither suspected nor ruled out."
        )
    if decision == SUSPECTED:
        return (
            f"Probability {chance} is at or above the rule-in threshold {high.threshold:.2f} "
            f"(specificity {digits(high.specificity)}, sensitivity {digits(high.sensitivity)}): "
            f"{label} suspected."
        )
    if decision == RULED_OUT:
        return (
            f"Probability {chance} is below the rule-out threshold {low.threshold:.2f} "
            f"(sensitivity {digits(low.sensitivity)}, specificity {digits(low.specificity)}): "
            f"{label} not suspected."
        )
    return (
        f"Probability {chance} is between the rule-out ({low.threshold:.2f}) and rule-in "
        f"({high.threshold:.2f}) thresholds: uncertain, {label} neither suspected nor ruled out."
    )


def _among(card: Card, reading: Reading, decision: str, label: str, chance: str) -> str:
    if decision == UNCERTAIN:
        left = [name for name in members(card, reading) if name != label][:3]
        others = f"; {', '.join(left)} can't be excluded" if left else ""
        return f"Uncertain: {label} is the likeliest ({chance}) and is not stated{others}."
    said = "nothing suspected" if decision == RULED_OUT else f"{label} suspected"
    coverage = 0.0 if card.conformal is None else card.conformal.coverage
    return (
        f"Probability {chance} for {label}, the only label left at a coverage of {coverage:.0%}: "
        f"{said}."
    )


def notes(
    card: Card,
    reading: Reading,
    decision: str,
    image: RadiographImage,
    report: GateReport | None,
    prevalence: float | None,
) -> tuple[str, ...]:
    """Return the caveats of a finding, the research-use note first, none twice."""
    out = [RESEARCH]
    if card.population.words:
        out.append(f"Trained on {card.population.words}.")
    out += _age(card, image.age_years)
    if reading.spread is not None and reading.spread >= APART:
        out.append(
            "The readings that were averaged disagree (standard deviation "
            f"{reading.spread:.2f}): the probability is unsure."
        )
    if prevalence is not None:
        out += predictive(card, decision, prevalence)
    if not card.points and card.conformal is None:
        out += [limit for limit in card.limits if limit not in out]
    return tuple(dict.fromkeys((*out, *warned(report), *image.notes)))


def predictive(card: Card, decision: str, prevalence: float) -> list[str]:
    """Say how often such a call is right at a prevalence: PPV, NPV, or both where it abstains."""
    low, high = card.point("rule out"), card.point("rule in")
    if low is None or high is None:
        return []
    out = []
    ppv, npv = high.ppv(prevalence), low.npv(prevalence)
    where = f"Where a share of {prevalence:.3g} of films shows {card.positive}, such a call"
    measured = "from the measured sensitivity and specificity"
    if decision != RULED_OUT and ppv is not None:
        out.append(f"{where} at the rule-in point is right in {share(ppv)} (PPV, {measured}).")
    if decision != SUSPECTED and npv is not None:
        out.append(f"{where} at the rule-out point is right in {share(npv)} (NPV, {measured}).")
    return out


def second(card: Card, reading: Reading, after: str) -> SecondReading:
    """Return a further statement, hedged by the same rule as the first.

    Args:
        card: of the model that makes it.
        reading: of the image.
        after: the suspected label that it refines, or "" where it stands beside.
    """
    if after:
        label, told = _side(card, reading)
        chance = float(reading.probabilities[card.labels.index(label)])
        rest = " or ".join(name for name in card.labels if name != label)
        text = (
            f"If it is {after}, it looks more like {label} than {rest} (probability "
            f"{digits(chance)}); a film alone does not settle this."
            if told
            else f"If it is {after}, this film can't tell {label} from {rest}: a probability of "
            f"{digits(chance)} for {label} lies between the two thresholds."
        )
        return SecondReading(label, chance, text, card.title)
    place = card.place(reading.probabilities)
    label, chance = card.labels[place], float(reading.probabilities[place])
    decision = decide(card, reading)
    return SecondReading(
        label, chance, f"{card.name}: {reason(card, reading, decision)}", card.title
    )


def _side(card: Card, reading: Reading) -> tuple[str, bool]:
    """Return the label that is said, and whether it is told apart: beyond a point, or alone in a set."""
    decision = decide(card, reading)
    label = card.labels[int(reading.probabilities.argmax())]
    if decision == SUSPECTED and card.positive is not None:
        label = card.positive
    elif decision == RULED_OUT and card.negative is not None:
        label = card.negative
    return label, decision != UNCERTAIN


def warned(report: GateReport | None) -> tuple[str, ...]:
    """Return what the gate warned of and what it put right."""
    return () if report is None else report.warnings


def share(value: float) -> str:
    """Return a share in words of hundred, never as a certainty."""
    if value > 0.99:
        return "more than 99 of 100"
    return "less than 1 of 100" if value < 0.01 else f"{value * 100:.0f} of 100"


def digits(probability: float) -> str:
    """Return a probability with two digits, never as a certainty."""
    if probability > 0.99:
        return "more than 0.99"
    return "less than 0.01" if probability < 0.01 else f"{probability:.2f}"


def _age(card: Card, age: float | None) -> list[str]:
    low, high = card.population.age_from_years, card.population.age_to_years
    if low is None or high is None:
        return []
    if age is None:
        return ["The patient's age is not known here; see the training population."]
    if not foreign(card, age):
        return []
    return [
        f"The patient's age ({age:.0f}) is outside the training population "
        f"({low:.0f} to {high:.0f} years): the probability may be wrong."
    ]

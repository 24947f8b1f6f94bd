"""The sentences that every form of a finding shares. Knows nothing of formats."""

from __future__ import annotations

from assistant.errors import InputError
from assistant.findings import Finding, OperatingPoint

# As `assistant.vision.statement` has it, so that it is not said twice; a test compares them.
RESEARCH = "For research use only; not a diagnosis. A clinician must read the film."


def refuse(why: str) -> None:
    """Raise `why` as an error unless it is empty.

    Raises:
        InputError: with the sentence.
    """
    if why:
        raise InputError(why)


def number(value: float) -> str:
    """Return a probability or share with two decimals, and more where two would say 0 or 1."""
    if 0 < value < 0.005 or 0.995 <= value < 1:
        return "below 0.01" if value < 0.5 else "above 0.99"
    return f"{value:.2f}"


def title(finding: Finding) -> str:
    """Return the finding in a few words."""
    if finding.refused or finding.probability is None:
        return "Not judged"
    if finding.decision == "uncertain":
        return f"Uncertain: {finding.label}" if is_binary(finding) else "Uncertain"
    # The likeliest of several labels may be the one that says that nothing was found.
    if finding.decision == "suspected" or is_binary(finding):
        return _capital(f"{finding.label} {finding.decision or 'judged'}")
    return _capital(finding.label)


def statement(finding: Finding) -> str:
    """Return the finding in one sentence."""
    if finding.refused or finding.probability is None:
        return f"Not judged: {finding.reason}"
    # Below half a hundredth there is nothing to show with two decimals.
    apart = finding.spread is not None and finding.spread >= 0.005
    spread = f" (give or take {finding.spread:.2f})" if apart else ""
    measured = "calibrated probability" if finding.points else "probability"
    chance = f"{measured} {number(finding.probability)}{spread}"
    if not is_binary(finding):
        said = {"suspected": " suspected", "uncertain": ", uncertain"}.get(finding.decision, "")
        return f"{_capital(finding.label)}{said}: {chance}."
    if finding.decision == "uncertain":
        between = ", between the two thresholds" if finding.points else ""
        return f"{_capital(finding.label)} neither suspected nor ruled out: {chance}{between}."
    return f"{_capital(finding.label)} {finding.decision or 'judged'}: {chance}."


def is_binary(finding: Finding) -> bool:
    """Say whether the model answers yes or no to one label."""
    return len(finding.scores) <= 2


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def predictive(point: OperatingPoint, prevalence: float) -> str:
    """Return the predictive values of a point at a prevalence in words."""
    found = []
    for name, value in (("PPV", point.ppv(prevalence)), ("NPV", point.npv(prevalence))):
        found.append(f"{name} {'undefined' if value is None else number(value)}")
    return f"{', '.join(found)} at a prevalence of {prevalence:.1%}"


def point(item: OperatingPoint, prevalence: float | None) -> str:
    """Return an operating point in words."""
    said = (
        f"{item.name} at {item.threshold:.3f}: sensitivity {number(item.sensitivity)}, "
        f"specificity {number(item.specificity)}"
    )
    return said if prevalence is None else f"{said}; {predictive(item, prevalence)}"


def seen(finding: Finding) -> str:
    """Return what the input gate saw and did, in words; "" where no gate reported."""
    gate = finding.gate
    if gate is None:
        return ""
    parts = [f"{gate.kind} ({gate.share:.0%} sure)"]
    parts += [f"{gate.view} view"] if gate.view else []
    parts += [f"turned by {gate.turned} degrees to stand upright"] if gate.turned else []
    parts += ["mirrored back"] if gate.mirrored else []
    parts += ["grey scale turned over"] if gate.inverted else []
    if gate.distance is not None:
        parts.append(f"{gate.distance:.0%} of the training hospital's held-out films lie nearer")
    return ", ".join(parts)


def caveats(finding: Finding) -> list[str]:
    """Return the gate's warnings and the finding's notes, each once, without the standing one."""
    warnings = finding.gate.warnings if finding.gate is not None else ()
    return [line for line in dict.fromkeys((*warnings, *finding.notes)) if line != RESEARCH]


def split_model(model: str) -> tuple[str, str]:
    """Return a model's name and its version, which is the last word of `model`."""
    name, _, version = model.rpartition(" ")
    return (name, version) if name else (model, "unknown")

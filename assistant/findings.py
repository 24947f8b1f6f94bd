"""What the image tool says: findings, operating points, and what the input gate saw.

Frozen values that serialise themselves; `assistant.types` offers the names that a turn needs. Knows
nothing of pixels, networks or files.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A decision threshold and what was measured at it.

    Attributes:
        name: for example "rule in" or "balanced".
        threshold: probability at or above which the label is reported, in [0, 1].
        sensitivity: measured share of true cases at or above the threshold, in [0, 1].
        specificity: measured share of others below it, in [0, 1].
        measured_on: the data that they were measured on, in words.
    """

    name: str
    threshold: float
    sensitivity: float
    specificity: float
    measured_on: str

    def ppv(self, prevalence: float) -> float | None:
        """Return the positive predictive value at a prevalence in [0, 1], by Bayes' theorem.

        None where nobody would be at or above the threshold.
        """
        true = self.sensitivity * prevalence
        called = true + (1 - self.specificity) * (1 - prevalence)
        return true / called if called > 0 else None

    def npv(self, prevalence: float) -> float | None:
        """Return the negative predictive value at a prevalence in [0, 1], by Bayes' theorem.

        None where nobody would be below the threshold.
        """
        true = self.specificity * (1 - prevalence)
        called = true + (1 - self.sensitivity) * prevalence
        return true / called if called > 0 else None

    def to_json(self) -> dict[str, Any]:
        """Return the contract's form."""
        return {
            "name": self.name,
            "threshold": self.threshold,
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
            "measured_on": self.measured_on,
        }


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the input gate saw in an image.

    Attributes:
        kind: one of `assistant.vision.gate.KINDS`, such as "film", "ct", "ultrasound" or "photo".
        share: how sure the gate is of `kind`, in [0, 1]; 1 where the file itself says so.
        view: "frontal", "lateral" or "" where it can't tell.
        turned: degrees clockwise that the image was turned to stand upright: 0, 90, 180 or 270.
        mirrored: whether the file says that it is mirrored, and it was mirrored back.
        inverted: whether its grey scale was turned over so that dense is bright.
        warnings: sentences on quality (exposure, cropping, size), burned-in text and the like.
        distance: how far it lies from the films that the classifier was trained on, as the share of
            held-out training-hospital films that lie nearer, in [0, 1]; None where not measured.
    """

    kind: str
    share: float
    view: str = ""
    turned: int = 0
    mirrored: bool = False
    inverted: bool = False
    warnings: tuple[str, ...] = ()
    distance: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the contract's form."""
        return {
            "kind": self.kind,
            "share": self.share,
            "view": self.view,
            "turned": self.turned,
            "mirrored": self.mirrored,
            "inverted": self.inverted,
            "warnings": list(self.warnings),
            "distance": self.distance,
        }


@dataclass(frozen=True, slots=True)
class SecondReading:
    """A further, hedged statement on a finding, such as bacterial or viral.

    Attributes:
        label: the likelier label.
        probability: its calibrated probability, in [0, 1].
        text: the statement as a sentence that says how unsure it is.
        model: name and version from the model's card.
    """

    label: str
    probability: float
    text: str
    model: str

    def to_json(self) -> dict[str, Any]:
        """Return the contract's form."""
        return {
            "label": self.label,
            "probability": self.probability,
            "text": self.text,
            "model": self.model,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """What the image tool says of one image: a probability, or a refusal.

    Attributes:
        image: the attachment's name.
        label: the finding's name from the model's own card; "" when refused.
        probability: calibrated, in [0, 1]; None when refused.
        operating_point: where the decision is made; None when refused.
        refused: whether the input gate refused to judge.
        reason: why it refused, or how the probability stands to the operating point.
        model: name and version from the model's card.
        heatmap: PNG bytes of the overlay, or None.
        notes: caveats worth showing (age outside the training population, inverted image, ...).
        decision: "ruled out" below the rule-out point, "suspected" at or above the rule-in point,
            "uncertain" between them (the tool abstains); "" when refused.
        points: all operating points of the model's card; the decision's own are "rule out" and
            "rule in".
        spread: standard deviation of the probability over views of the image or networks of an
            ensemble, in [0, 0.5]; None where there is one reading only.
        labels: conformal prediction set at the card's level; both labels where it can't tell them
            apart; empty when refused.
        scores: every label with its calibrated probability, for models of more than two labels.
        second: further hedged statements.
        gate: what the input gate saw; None where no gate ran.
        heat: the bare heatmap over the image as judged, an 8-bit grey PNG, for a reader's slider.
        picture: the image as judged (upright, dense bright), an 8-bit grey PNG; None when refused.
        lung_share: share of the heat that lies on the lungs, in [0, 1], or None.
    """

    image: str
    label: str
    probability: float | None
    operating_point: OperatingPoint | None
    refused: bool
    reason: str
    model: str
    heatmap: bytes | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    decision: str = ""
    points: tuple[OperatingPoint, ...] = ()
    spread: float | None = None
    labels: tuple[str, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()
    second: tuple[SecondReading, ...] = ()
    gate: GateReport | None = None
    heat: bytes | None = field(default=None, repr=False)
    picture: bytes | None = field(default=None, repr=False)
    lung_share: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the contract's form; pictures are `data:image/png` URIs."""
        return {
            "image": self.image,
            "label": self.label,
            "probability": self.probability,
            "operating_point": None
            if self.operating_point is None
            else self.operating_point.to_json(),
            "refused": self.refused,
            "reason": self.reason,
            "model": self.model,
            "heatmap": _uri(self.heatmap),
            "notes": list(self.notes),
            "decision": self.decision,
            "points": [point.to_json() for point in self.points],
            "spread": self.spread,
            "labels": list(self.labels),
            "scores": dict(self.scores),
            "second": [reading.to_json() for reading in self.second],
            "gate": None if self.gate is None else self.gate.to_json(),
            "heat": _uri(self.heat),
            "picture": _uri(self.picture),
            "lung_share": self.lung_share,
        }


def _uri(png: bytes | None) -> str | None:
    """Return a PNG as a data URI."""
    if png is None:
        return None
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")

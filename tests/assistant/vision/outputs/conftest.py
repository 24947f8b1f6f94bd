"""Findings made by hand, with real pictures, for tests of the forms that they are written in."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from assistant.findings import Finding, GateReport, OperatingPoint, SecondReading
from assistant.vision.outputs import Context, Source

MADE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def disc(side: int = 96) -> np.ndarray:
    rows, columns = np.mgrid[:side, : side + 16]
    return (255 * np.exp(-((rows - 40) ** 2 + (columns - 60) ** 2) / 900)).astype(np.uint8)


@pytest.fixture(scope="session")
def judged() -> Finding:
    film = disc()
    colour = np.stack([film, film // 2, 255 - film], axis=-1)
    points = (
        OperatingPoint("rule out", 0.342, 0.957, 0.932, "596 films of held-out patients"),
        OperatingPoint("rule in", 0.962, 0.864, 0.996, "596 films of held-out patients"),
    )
    return Finding(
        image="DOE_JANE_1961.png",
        label="pneumonia",
        probability=0.9731,
        operating_point=points[1],
        refused=False,
        reason="Probability 0.97 is at or above the rule-in threshold 0.96.",
        model="auscult-pneumonia 2.0",
        heatmap=png(colour),
        notes=("Trained on children of 1 to 5 years.", "The patient's age is not known here."),
        decision="suspected",
        points=points,
        spread=0.012,
        labels=("pneumonia",),
        second=(
            SecondReading("bacterial pneumonia", 0.71, "More likely bacterial than viral.", "bv 1"),
        ),
        gate=GateReport("film", 0.998, "frontal", 90, False, True, ("Large black border.",), 0.61),
        heat=png(film),
        picture=png(film),
        lung_share=0.83,
    )


@pytest.fixture(scope="session")
def refused() -> Finding:
    return Finding(
        image="ct.dcm", label="", probability=None, operating_point=None, refused=True,
        reason="This file says that it is a CT slice.", model="auscult-pneumonia 2.0",
        notes=("For research use only.",), gate=GateReport("ct", 1.0),
    )  # fmt: skip


@pytest.fixture(scope="session")
def context() -> Context:
    """A film that was a PNG, and no identity."""
    return Context(digest="ab" * 32, made=MADE)


@pytest.fixture(scope="session")
def dicom_context(context: Context) -> Context:
    """A film that was DICOM, with an identity that the user gave and a prevalence."""
    source = Source("2.25.11", "2.25.22", "2.25.33", "1.2.840.10008.5.1.4.1.1.1.1")
    return replace(
        context, source=source, patient_id="MRN 77", patient_name="Ωmega, Zoë", prevalence=0.1
    )

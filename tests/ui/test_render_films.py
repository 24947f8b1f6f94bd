from __future__ import annotations

from dataclasses import replace

from tests.ui import samples
from tests.ui.test_render import shown
from ui import render, render_films


def test_a_decision_stands_beside_the_probability_with_its_thresholds() -> None:
    text = shown(render_films.finding(samples.decided(), None, 0.25))
    assert "0.87 ± 0.04  UNCERTAIN" in text
    bar = next(line for line in text.splitlines() if "█" in line)
    assert bar.count("│") == 4  # two thresholds, and the frame on both sides
    assert "'rule in': threshold 0.81, sensitivity 0.82, specificity 0.96" in text
    assert f"PPV {samples.decided().points[0].ppv(0.25):.2f}" in text
    joined = " ".join(text.replace("│", " ").split())
    for said in (
        "Not excluded: normal or pneumonia.", "72% of the heat lies on the lungs.",
        "viral rather.", "Note: Under-exposed. x",
        "Input gate: film (98% sure), frontal view, turned by 90 degrees, mirrored back",
    ):  # fmt: skip
        assert said in joined


def test_what_is_said_together_is_in_the_answer_conflicts_first() -> None:
    answer = replace(
        samples.answered(), findings=(samples.decided(),), comparisons=(samples.compared(),),
        agreements=(samples.conflict(accord="agreement"), samples.conflict()),
        estimates=(samples.estimated(),),
    )  # fmt: skip
    text = shown(render.answer(answer))
    assert text.index("Film and record disagree") < text.index("Film and record agree")
    assert "“no pneumonia x” (note.txt, 3-15)" in text
    assert "new.png compared with old.png" in text
    assert "Film alone 0.73, record alone 0.14, both 0.66 (0.50 to 0.80)." in text
    assert "+2.48 +++++" in text

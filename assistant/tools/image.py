"""Judge an uploaded image: a calibrated finding with a heatmap, or a refusal."""

from __future__ import annotations

from langchain_core.tools import BaseTool, StructuredTool

from assistant.tools import ToolResult, TurnContext, render
from assistant.types import Attachment, Evidence, Finding


def build(context: TurnContext) -> BaseTool:
    """Return the tool for one turn."""

    def image(attachment: str = "") -> tuple[str, ToolResult]:
        """Judge one image of this conversation with the image classifier.

        Args:
            attachment: the image's id, such as "A1"; the latest image if left out.
        """
        chosen = context.attachment(attachment, "image")
        finding = context.resources.judge.judge(chosen)
        evidence = tuple(context.cite(item) for item in _evidence(chosen, finding))
        verdict = "refused" if finding.refused else f"{finding.label} {finding.probability:.2f}"
        summary = f"{chosen.name}: {verdict}"
        return render(evidence), ToolResult(summary, evidence, findings=(finding,))

    return StructuredTool.from_function(image, response_format="content_and_artifact")


def statements(name: str, finding: Finding) -> list[str]:
    """Return the sentences that say what a finding says, and no more."""
    if finding.refused or finding.probability is None:
        return [f"{name} was not judged: {finding.reason.rstrip('.')}."]
    out = [
        f"The image classifier gives {name} a calibrated probability of "
        f"{in_words(finding.probability)} for {finding.label}.",
        f"{finding.reason.rstrip('.')}.",
    ]
    return out + [f"{note.rstrip('.')}." for note in finding.notes[:1]]


def in_words(probability: float) -> str:
    """Return a probability with two digits, never as a certainty."""
    if probability > 0.99:
        return "more than 0.99"
    return "less than 0.01" if probability < 0.01 else f"{probability:.2f}"


def _evidence(attachment: Attachment, finding: Finding) -> list[Evidence]:
    text = " ".join(statements(attachment.name, finding))
    return [
        Evidence(
            key="",
            kind="image",
            text=text,
            document=attachment.id,
            title=attachment.name,
            source=finding.model or "Input gate",
        )
    ]

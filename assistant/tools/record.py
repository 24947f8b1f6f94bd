"""Read an uploaded or pasted record: its facts, and what in it answers a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.tools import BaseTool, StructuredTool

from assistant.tools import ToolResult, TurnContext, render
from assistant.types import Evidence, Record

if TYPE_CHECKING:
    from assistant.records import answer

_MOST = 12


def build(context: TurnContext) -> BaseTool:
    """Return the tool for one turn."""

    def record(question: str = "", attachment: str = "") -> tuple[str, ToolResult]:
        """Read a medical record of this conversation and find what answers a question.

        Args:
            question: what to look for, for example "What is she allergic to?"; a summary if left
                out.
            attachment: the record's id, such as "A2"; the latest record if left out.
        """
        from assistant.records import answer

        chosen = context.attachment(attachment, "record")
        read = context.resources.read_record(chosen)
        spans = answer.sentences(read, question) if question else _summary_lines(read)
        evidence = tuple(
            context.cite(
                Evidence(
                    key="",
                    kind="record",
                    text=text,
                    document=chosen.id,
                    title=chosen.name,
                    source="Patient record",
                    start=start,
                )
            )
            for text, start, _ in spans[:_MOST]
        )
        counts = (
            f"{len(read.of('problem'))} problems, {len(read.of('medication'))} medications, "
            f"{len(read.of('allergy'))} allergies, {len(read.of('lab'))} labs"
        )
        return render(evidence), ToolResult(f"{chosen.name}: {counts}", evidence, record=read)

    return StructuredTool.from_function(record, response_format="content_and_artifact")


def _summary_lines(read: Record) -> list[answer.Line]:
    """Return the lines of a summary, each once."""
    from assistant.records import answer

    return list(dict.fromkeys(line for part in answer.summary(read) for line in part.lines))

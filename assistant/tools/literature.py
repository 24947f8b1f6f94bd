"""Search the literature for passages that answer a medical question."""

from __future__ import annotations

from langchain_core.tools import BaseTool, StructuredTool

from assistant.records import drug_names
from assistant.tools import ToolResult, TurnContext, render
from assistant.types import Evidence
from retrieval.types import Hit

_DEPTH = 16


def build(context: TurnContext) -> BaseTool:
    """Return the tool for one turn."""

    def literature(query: str) -> tuple[str, ToolResult]:
        """Search the medical library. Use one standalone question, naming the subject.

        Args:
            query: the question, for example "How is asthma treated in children?".
        """
        wanted = max(context.resources.settings.passages_per_question, _DEPTH)
        librarian = context.resources.librarian
        found = librarian.find(drug_names.with_generics(query, librarian.knows), k=wanted)
        evidence = tuple(context.cite(as_evidence(hit)) for hit in found.hits)
        documents = len({item.document for item in evidence})
        summary = f"{len(evidence)} passages from {documents} documents for “{query}”"
        return render(evidence), ToolResult(summary, evidence, found=found)

    return StructuredTool.from_function(literature, response_format="content_and_artifact")


def as_evidence(hit: Hit) -> Evidence:
    """Return a hit as evidence that has no key yet."""
    passage = hit.passage
    return Evidence(
        key="",
        kind="passage",
        text=passage.text,
        document=passage.document,
        title=passage.title,
        source=passage.source,
        url=passage.url,
        start=passage.start,
        section=passage.section,
        passage=passage.id,
    )

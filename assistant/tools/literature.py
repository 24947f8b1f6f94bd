"""Search the literature for passages that answer a medical question."""

from __future__ import annotations

from langchain_core.tools import BaseTool, StructuredTool

from assistant.records import drug_names
from assistant.tools import ToolResult, TurnContext, render
from assistant.types import Evidence
from retrieval.types import Hit, Passage

_DEPTH = 16
# What became of a document after publication, as its title must say it.
_MARKS = {"retracted": "RETRACTED: ", "concern": "EXPRESSION OF CONCERN: "}


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
    """Return a hit as evidence that has no key yet.

    A document that was retracted, or is under an expression of concern, says so in its title: nobody
    must see one without it. Journal, year and level of evidence stand in the source, where known.
    """
    passage = hit.passage
    return Evidence(
        key="",
        kind="passage",
        text=passage.text,
        document=passage.document,
        title=shown_title(passage),
        source=shown_source(passage),
        url=passage.url,
        start=passage.start,
        section=passage.section,
        passage=passage.id,
    )


def shown_title(passage: Passage) -> str:
    """Return a passage's title with what became of its document, unless the title says it itself."""
    mark = _MARKS.get(passage.status, "")
    if mark and passage.title.upper().startswith(mark.split(":")[0]):
        return passage.title
    return mark + passage.title


def shown_source(passage: Passage) -> str:
    """Return where a passage comes from: collection, journal, year and level of evidence."""
    printed = " ".join(filter(None, (passage.journal, str(passage.year or ""))))
    level = passage.evidence.replace("_", " ")
    return ", ".join(part for part in (passage.source, printed, level) if part)

"""The search as a LangChain retriever, for chains and agents of others.

One passage becomes one LangChain `Document`: its text as printed, and around it what a citation
needs. The `citation` says where a work was retracted; a chain should print that line, not the bare
title. Asynchronous calls run the search in a thread. LangChain's tracing
to a service on the network is switched by its own variables (LANGSMITH_TRACING); nothing here
turns it on.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from retrieval import bibliography
from retrieval.search import PER_DOCUMENT, Mode
from retrieval.types import Filters, Hit


@runtime_checkable
class Searches(Protocol):
    """What the retriever needs of `retrieval.search.Searcher`."""

    def search(
        self,
        query: str,
        k: int = ...,
        mode: Mode = ...,
        filters: Filters | None = ...,
        prefer: str = ...,
        diverse: int = ...,
    ) -> list[Hit]:
        """Return up to `k` passages, best first."""
        ...


class AuscultRetriever(BaseRetriever):
    """Retrieves passages by a `Searcher`; safe to share between threads.

    Attributes:
        searcher: what is searched, and how.
        k: passages wanted.
        mode: as in `Searcher.search`.
        filters: which passages may be found; None for all.
        prefer: "recent", "evidence" or "", as in `Searcher.search`.
        diverse: most passages of one document before those of others; 0 for any number.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    searcher: Searches
    k: int = Field(8, ge=1)
    mode: Mode = "full"
    filters: Filters | None = None
    prefer: str = ""
    diverse: int = PER_DOCUMENT

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **_: Any
    ) -> list[Document]:
        hits = self.searcher.search(
            query, self.k, self.mode, self.filters, prefer=self.prefer, diverse=self.diverse
        )
        return [document(hit) for hit in hits]


def document(hit: Hit) -> Document:
    """Return a hit as a LangChain document.

    Its metadata hold id, document, title, citation (one line to print), section, source, url,
    year, journal, evidence, status, language, collection, start and end (of the passage in its section, in characters), score,
    parts (the scores that made it) and sentence (the span, in the passage's text, of the sentence
    that answers best, or None).
    """
    passage = hit.passage
    return Document(
        id=passage.id,
        page_content=passage.text,
        metadata={
            "id": passage.id,
            "document": passage.document,
            "title": passage.title,
            "citation": bibliography.citation_line(passage),
            "section": passage.section,
            "source": passage.source,
            "url": passage.url,
            "year": passage.year,
            "journal": passage.journal,
            "evidence": passage.evidence,
            "status": passage.status,
            "language": passage.language,
            "collection": passage.collection,
            "start": passage.start,
            "end": passage.start + len(passage.text),
            "score": hit.score,
            "parts": dict(hit.parts),
            "sentence": hit.sentence,
        },
    )

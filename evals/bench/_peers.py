"""The programs that the product is compared with; needed for the benchmarks alone.

Each function imports its library late and says in one sentence how to get it. LangChain's community
package warns on import that it is retired; the warning is silenced here and nowhere else.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

Vectors = NDArray[np.float32]
Rows = list[int]


def _load(module: str, package: str) -> Any:
    """Return a module that the product itself does not need.

    Raises:
        SystemExit: if its package is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError:
        raise SystemExit(
            f"{package} is not installed: run 'pip install .[bench]' to compare with it."
        ) from None


def sentence_transformer(folder: Path) -> Callable[[Sequence[str]], Vectors]:
    """Return sentence-transformers' own `encode` at its defaults over a model's folder.

    Raises:
        SystemExit: if the package is not installed.
    """
    library = _load("sentence_transformers", "sentence-transformers")
    model = library.SentenceTransformer(str(folder), device="cpu")

    def embed(given: Sequence[str]) -> Vectors:
        return np.asarray(model.encode(list(given), show_progress_bar=False), dtype=np.float32)

    return embed


def bm25_retriever(texts: Sequence[str], k: int) -> Any:
    """Return LangChain's BM25Retriever (rank_bm25) at its defaults; metadata "row" numbers texts.

    Raises:
        SystemExit: if a package is not installed.
    """
    _load("rank_bm25", "rank-bm25")  # the retriever imports it late, with another complaint
    retrievers = _load("langchain_community.retrievers", "langchain-community")
    rows = [{"row": row} for row in range(len(texts))]
    return retrievers.BM25Retriever.from_texts(list(texts), metadatas=rows, k=k)


def bm25s_search(texts: Sequence[str]) -> Callable[[str, int], Rows]:
    """Return a search by bm25s, with Lucene's formula and our index's words, stems and constants.

    Raises:
        SystemExit: if the package is not installed.
    """
    import snowballstemmer

    from retrieval.index import analysis

    bm25s = _load("bm25s", "bm25s")
    stemmer = snowballstemmer.stemmer("english")
    options: dict[str, Any] = {
        "token_pattern": r"(?u)[^\W_]+",
        "stopwords": [],
        "stemmer": stemmer.stemWords,
        "show_progress": False,
    }
    tokens = bm25s.tokenize([analysis.analyse(t) for t in texts], return_ids=True, **options)
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index(tokens, show_progress=False)

    def search(question: str, k: int) -> Rows:
        asked = bm25s.tokenize([analysis.terms(question)], return_ids=False, **options)
        rows, scores = index.retrieve(asked, k=k, show_progress=False, n_threads=0)
        return [int(r) for r, s in zip(rows[0], scores[0], strict=True) if s > 0]

    return search


def faiss_store(texts: Sequence[str], vectors: Iterable[Any], encoder: Encoder) -> Any:
    """Return LangChain's FAISS store at its defaults over given vectors.

    Args:
        texts: what is stored; metadata "row" numbers them.
        vectors: one a text, as arrays or lists of floats.
        encoder: embeds the questions.

    Raises:
        SystemExit: if a package is not installed.
    """
    rows = [{"row": row} for row in range(len(texts))]
    pairs = zip(texts, vectors, strict=True)
    return _faiss().from_embeddings(pairs, embeddings(encoder), metadatas=rows)


def open_faiss_store(folder: Path, encoder: Encoder) -> Any:
    """Return a LangChain FAISS store that was saved to a folder; only ever one that we wrote.

    Raises:
        SystemExit: if a package is not installed.
    """
    # Its format is a pickle: loading one that somebody else wrote would run their code.
    return _faiss().load_local(
        str(folder), embeddings(encoder), allow_dangerous_deserialization=True
    )


def ensemble(retrievers: Sequence[Any]) -> Any:
    """Return LangChain's EnsembleRetriever (reciprocal-rank fusion) with equal weights.

    Raises:
        SystemExit: if the package is not installed.
    """
    library = _load("langchain_classic.retrievers", "langchain-classic")
    weights = [1 / len(retrievers)] * len(retrievers)
    return library.EnsembleRetriever(retrievers=list(retrievers), weights=weights)


def embeddings(encoder: Encoder) -> Any:
    """Return the product's encoder as LangChain embeddings, so that both sides have the same."""
    from langchain_core.embeddings import Embeddings

    class Ours(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return encoder.embed(texts).tolist()

        def embed_query(self, text: str) -> list[float]:
            return encoder.embed([text])[0].tolist()

    return Ours()


def rows(found: Sequence[Any]) -> Rows:
    """Return the row numbers of LangChain documents."""
    return [int(document.metadata["row"]) for document in found]


def _faiss() -> Any:
    return _load("langchain_community.vectorstores", "langchain-community").FAISS

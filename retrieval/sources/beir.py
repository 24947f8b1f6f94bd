"""BEIR folders: corpus.jsonl[.gz] with _id, title and text a line (Thakur et al. 2021)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retrieval import bibliography
from retrieval.errors import SourceError
from retrieval.sources import Skipped, _packed
from retrieval.types import Document, Section

SUFFIXES = ()  # A folder, recognised by its corpus file.
CORPUS = ("corpus.jsonl", "corpus.jsonl.gz")
MAX_LINE_BYTES = 32_000_000


def sniff(path: Path, head: bytes) -> bool:
    """Return whether a path is a folder with a corpus."""
    return not head and path.is_dir() and _corpus(path) is not None


class BeirReader:
    """Reads the corpus of a BEIR folder."""

    def __init__(self, strict: bool = True) -> None:
        self._strict = strict

    def read(self, path: Path) -> Iterator[Any]:
        """Yield one document a line of the folder's corpus.

        Raises:
            SourceError: if there is no corpus file, it is damaged, or, where the reader is strict,
                a line is no JSON object with _id and text; else such a line is `Skipped`.
        """
        corpus = _corpus(path)
        if corpus is None:
            raise SourceError(
                f"{path} holds no corpus.jsonl or corpus.jsonl.gz: name a BEIR folder."
            )
        found = False
        for line in _packed.lines(corpus, MAX_LINE_BYTES):
            where = f"{corpus} line {line.number}"
            try:
                if line.problem:
                    raise SourceError(f"{where} can't be read as text. {line.problem}")
                if not line.text.strip():
                    continue
                document = _document(line.text, where, path.name)
            except SourceError as error:
                if self._strict or not found:
                    raise
                yield Skipped(f"{corpus.name} line {line.number}", str(error))
                continue
            found = True
            yield document


def build(strict: bool = True) -> BeirReader:
    """Return the reader.

    Args:
        strict: refuse a corpus with a damaged line, for a measurement on a part of it is none.
    """
    return BeirReader(strict)


def _corpus(folder: Path) -> Path | None:
    return next((p for name in CORPUS if (p := folder / name).is_file()), None)


def _document(line: str, where: str, source: str) -> Document:
    try:
        row = json.loads(line)
        identity, title, text = row["_id"], str(row.get("title") or ""), row["text"]
        if not isinstance(identity, str | int) or not isinstance(text, str):
            raise TypeError("one of them is of another type")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(
            f"{where} is not a JSON object with '_id' and 'text' ({error})."
        ) from error
    extra = row.get("metadata")
    known = extra if isinstance(extra, dict) else {}
    url = _plain(str(known.get("url") or ""))
    return Document(
        id=_plain(str(identity)),
        title=_plain(title),
        sections=(Section(title="", aspect="", text=_plain(text)),),
        kind="article",
        source=source,
        url=url if url.startswith(("http://", "https://")) else "",
        identifiers=bibliography.identifiers(
            pmids=[str(known.get("pubmed_id") or ""), url], dois=[url]
        ),
    )


def _plain(text: str) -> str:
    """Return a text with lone surrogates, which JSON may carry, replaced one for one."""
    return text.encode("utf-8", "replace").decode("utf-8")

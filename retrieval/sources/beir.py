"""BEIR folders: corpus.jsonl[.gz] with _id, title and text a line (Thakur et al. 2021)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from retrieval.errors import SourceError
from retrieval.types import Document, Section

SUFFIXES = ()  # A folder, recognised by its corpus file.


class BeirReader:
    """Reads the corpus of a BEIR folder."""

    def read(self, path: Path) -> Iterator[Document]:
        """Yield one document a line of the folder's corpus.

        Raises:
            SourceError: if there is no corpus file or a line is no JSON object with _id and text.
        """
        corpus = next((p for n in ("corpus.jsonl", "corpus.jsonl.gz") if (p := path / n).is_file()), None)
        if corpus is None:
            raise SourceError(f"{path} holds no corpus.jsonl or corpus.jsonl.gz: name a BEIR folder.")
        opener = gzip.open if corpus.suffix == ".gz" else open
        try:
            with opener(corpus, "rt", encoding="utf-8") as stream:
                for number, line in enumerate(stream, 1):
                    yield _document(line, f"{corpus} line {number}", path.name)
        except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
            raise SourceError(f"{corpus} can't be read as text ({error}): fetch it again.") from error


def build() -> BeirReader:
    """Return the reader."""
    return BeirReader()


def _document(line: str, where: str, source: str) -> Document:
    try:
        row = json.loads(line)
        identity, title, text = str(row["_id"]), str(row.get("title") or ""), str(row["text"])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{where} is not a JSON object with '_id' and 'text' ({error}).") from error
    return Document(
        id=identity,
        title=title,
        sections=(Section(title="", aspect="", text=text),),
        kind="article",
        source=source,
    )

"""BEIR folders: corpus.jsonl[.gz] with _id, title and text a line (Thakur et al. 2021)."""

from __future__ import annotations

import gzip
import json
import zlib
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
        corpus = next(
            (p for n in ("corpus.jsonl", "corpus.jsonl.gz") if (p := path / n).is_file()), None
        )
        if corpus is None:
            raise SourceError(
                f"{path} holds no corpus.jsonl or corpus.jsonl.gz: name a BEIR folder."
            )
        opener = gzip.open if corpus.suffix == ".gz" else open
        try:
            with opener(corpus, "rt", encoding="utf-8") as stream:
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        yield _document(line, f"{corpus} line {number}", path.name)
        except (EOFError, OSError, zlib.error, UnicodeDecodeError) as error:
            raise SourceError(
                f"{corpus} can't be read as text ({error}): fetch it again."
            ) from error


def build() -> BeirReader:
    """Return the reader."""
    return BeirReader()


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
    return Document(
        id=_plain(str(identity)),
        title=_plain(title),
        sections=(Section(title="", aspect="", text=_plain(text)),),
        kind="article",
        source=source,
    )


def _plain(text: str) -> str:
    """Return a text with lone surrogates, which JSON may carry, replaced one for one."""
    return text.encode("utf-8", "replace").decode("utf-8")

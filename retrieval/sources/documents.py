"""Auscult's own export: documents with all their metadata, one JSON object a line.

The first line says what the file is; files without it, as older versions kept them, are read too.
`line` and `header` write what `DocumentsReader` reads: a round trip loses nothing.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any

from retrieval.errors import SourceError
from retrieval.sources import Skipped
from retrieval.types import ASPECTS, EVIDENCE, STATUSES, Document, Section, Source

SUFFIXES = (".jsonl", ".jsonl.gz")
FORMAT = "auscult-documents"
VERSION = 1
MAX_LINE = 64_000_000
_LISTS = ("synonyms", "identifiers", "authors", "publication_types", "mesh", "notices")
_TEXTS = ("id", "title", "kind", "source", "url", "journal", "evidence", "language", "licence",
          "status")  # fmt: skip
_KNOWN = {field.name for field in fields(Document)}


def header(collection: str = "") -> str:
    """Return the first line of an export, without its line end."""
    return json.dumps({"format": FORMAT, "version": VERSION, "collection": collection})


def line(document: Document) -> str:
    """Return a document as one line of JSON, without its line end; what is empty is left out."""
    row = {key: value for key, value in asdict(document).items() if value not in ("", (), None)}
    row |= {"title": document.title, "sections": row.get("sections", ())}
    return json.dumps(row, ensure_ascii=False)


def sniff(path: Path, head: bytes) -> bool:
    """Whether a file begins as an export does, by its first bytes (after gunzip)."""
    first = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:4096]
    if not first.startswith(b"{"):
        return False
    start = first.split(b"\n", 1)[0]
    # A long first record is cut, so its keys are looked for rather than parsed.
    return f'"{FORMAT}"'.encode() in start or (b'"id":' in start and b'"sections": [' in start)


class DocumentsReader:
    """Reads an export."""

    def read(self, path: Path) -> Iterator[Document | Skipped]:
        """Yield the documents of `path` in order; a line that is none is `Skipped`.

        Raises:
            SourceError: if the file can't be read, is of a later version, or holds no document.
        """
        found = False
        for number, text in _lines(path):
            where = f"{path.name} line {number}"
            try:
                row = json.loads(text)
                if not isinstance(row, dict):
                    raise TypeError("not a JSON object")
                if "format" in row and "sections" not in row:
                    _check_header(row, path)
                    found = True
                    continue
                document = parse(row)
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                if not found:
                    raise SourceError(
                        f"{where} is no document of an Auscult export ({_why(error)}): "
                        "name a file that 'auscult library export' wrote."
                    ) from error
                yield Skipped(where, f"no document of an Auscult export ({_why(error)})")
                continue
            found = True
            yield document
        if not found:
            raise SourceError(f"{path} holds no document: name a file with documents in it.")


def build() -> DocumentsReader:
    """Return the reader."""
    return DocumentsReader()


def parse(row: dict[str, Any]) -> Document:
    """Return the document of one parsed line.

    Raises:
        TypeError, KeyError, ValueError: saying what is not as `line` writes it.
    """
    unknown = sorted(row.keys() - _KNOWN)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}")
    texts = {name: _text(row.get(name, ""), name) for name in _TEXTS}
    if not texts["id"].strip():
        raise KeyError("id")
    if "sections" not in row:
        raise KeyError("sections")
    year = row.get("year")
    if year is not None and (not isinstance(year, int) or isinstance(year, bool)):
        raise TypeError("year is no whole number")
    values: dict[str, Any] = {
        name: tuple(_text(value, name) for value in _list(row, name)) for name in _LISTS
    }
    document = Document(
        **values | texts,
        sections=tuple(_section(value) for value in _list(row, "sections")),
        sources=tuple(
            Source(_text(v["title"], "sources"), _text(v["url"], "sources"))
            for v in _list(row, "sources")
        ),
        metadata=tuple(
            (_text(key, "metadata"), _text(value, "metadata"))
            for key, value in _list(row, "metadata")
        ),
        year=year,
    )
    for value, allowed in ((document.evidence, EVIDENCE), (document.status, STATUSES)):
        if value and value not in allowed:
            raise ValueError(f"{value!r} is not one of {', '.join(allowed)}")
    return document


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with _opened(path) as stream:
            number = 0
            while raw := stream.readline(MAX_LINE + 1):
                number += 1
                if len(raw) > MAX_LINE:
                    raise SourceError(
                        f"{path} line {number} is longer than {MAX_LINE // 1_000_000} MB: split it."
                    )
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield number, text
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise SourceError(f"{path} can't be read as text ({error}): fetch it again.") from error


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _check_header(row: dict[str, Any], path: Path) -> None:
    if row["format"] != FORMAT or row.get("version") != VERSION:
        raise SourceError(
            f"{path} is of the format {row['format']!r}, version {row.get('version')}; this "
            f"version reads {FORMAT} {VERSION}: export the documents again."
        )


def _section(value: dict[str, Any]) -> Section:
    aspect = _text(value.get("aspect", ""), "aspect")
    if aspect and aspect not in ASPECTS:
        raise ValueError(f"aspect {aspect!r} is not known")
    return Section(_text(value.get("title", ""), "title"), aspect, _text(value["text"], "text"))


def _list(row: dict[str, Any], name: str) -> list[Any]:
    value = row.get(name, [])
    if not isinstance(value, list):
        raise TypeError(f"{name} is no list")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    # JSON may carry half a surrogate pair, which is no text.
    return value.encode("utf-8", "replace").decode("utf-8")


def _why(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)

"""Plain text and free Markdown: one document a file, a section at each '#' heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from retrieval.errors import SourceError
from retrieval.sources.monograph import HEADINGS
from retrieval.types import Document, Section

SUFFIXES = (".txt", ".md", ".markdown")
_HEADING = re.compile(r"^#{1,6}[ \t]+(\S[^\n]*)$", re.MULTILINE)
_CLOSING = re.compile(r"(?<!\s)\s+#+$")
_ASPECTS = {title.lower(): aspect for title, aspect in HEADINGS.items()}


class TextReader:
    """Reads one text file as one document."""

    def read(self, path: Path) -> Iterator[Document]:
        """Yield the document of `path`.

        Raises:
            SourceError: if the file is not UTF-8 text or holds no words.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise SourceError(
                f"{path} can't be read ({error.strerror}): check the path."
            ) from error
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{path} is not UTF-8 text: save it as UTF-8 and try again."
            ) from error
        if "\x00" in text or not any(c.isalnum() for c in text):
            raise SourceError(f"{path} holds no readable text: name a text file with words in it.")
        heads = list(_HEADING.finditer(text))
        title = _title(heads[0]) if heads else path.stem.replace("_", " ").replace("-", " ")
        bounds = [("", 0, heads[0].start() if heads else len(text))]
        for number, head in enumerate(heads):
            end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
            bounds.append((_title(head), head.end(), end))
        sections = tuple(
            Section(name, _ASPECTS.get(name.lower(), ""), body)
            for name, start, end in bounds
            if (body := text[start:end].strip())
        )
        yield Document(
            id=path.stem, title=title, sections=sections, kind="article", source=path.name
        )


def _title(head: re.Match[str]) -> str:
    return _CLOSING.sub("", head[1].rstrip())


def build() -> TextReader:
    """Return the reader."""
    return TextReader()

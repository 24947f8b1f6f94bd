"""Checks of the starter library's monographs; run as a script it prints what is wrong, by file.

python tests/retrieval/library_check.py [--ngrams] [FILE ...]
"""

from __future__ import annotations

import gzip
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from retrieval import library
from retrieval.errors import SourceError
from retrieval.sources import monograph
from retrieval.types import Document

NEEDED = {
    "condition": {"What it is", "Causes", "Symptoms", "Diagnosis", "Treatment"},
    "symptom": {"What it is", "Causes", "Red flags", "Diagnosis", "Treatment"},
    "drug": {"What it is", "Uses", "Side effects", "Contraindications", "Interactions"},
    "test": {"What it is", "Uses", "Results"},
    "procedure": {"What it is", "Uses", "Procedure"},
    "emergency": {"What it is", "Symptoms", "Treatment"},
    "topic": {"What it is"},
}
PRONOUN_START = re.compile(
    r"^(It|They|This|These|Those|That|He|She|Its|Their|Such|Both|Others?|However|Therefore|"
    r"In this case|Here|There it)\b"
)
URL = re.compile(r"^https?://[\w.-]+\.\w+/?\S*$")
NGRAM = 8


def words(text: str) -> list[str]:
    """Return the lower-case alphanumeric words of a text."""
    return re.findall(r"[a-z0-9]+", text.lower())


def ngrams(text: str, size: int = NGRAM) -> set[tuple[str, ...]]:
    """Return the set of word runs of a length."""
    tokens = words(text)
    return {tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)}


def sentences(text: str) -> list[str]:
    """Split a section into sentences at full stops before a capital or the end."""
    joined = re.sub(r"\s+", " ", text.strip())
    return [s for s in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", joined) if s]


def problems(document: Document) -> Iterator[str]:
    """Yield what is wrong with a monograph, one sentence each."""
    titles = [section.title for section in document.sections]
    missing = NEEDED[document.kind] - set(titles)
    if missing:
        yield f"lacks {', '.join(sorted(missing))}"
    if len(titles) != len(set(titles)):
        yield "has a heading twice"
    order = [list(monograph.HEADINGS).index(title) for title in titles]
    if order != sorted(order):
        yield f"headings are out of order: {titles}"
    count = sum(len(section.text.split()) for section in document.sections)
    if not 250 <= count <= 500:
        yield f"has {count} words, not 250 to 500"
    if not document.sources or not all(URL.match(s.url) for s in document.sources):
        yield "has no sources, or one without a full URL"
    meta = dict(document.metadata)
    if meta["author"] != "Auscult project" or not re.match(r"\d{4}-\d\d-\d\d$", meta["date"]):
        yield "author must be 'Auscult project' and date YYYY-MM-DD"
    if meta["reviewed"] != "not clinically reviewed":
        yield "reviewed must be 'not clinically reviewed'"
    for section in document.sections:
        if re.search(r"^\s*([-*#|]|\d+\.)\s", section.text, re.MULTILINE):
            yield f"{section.title}: is a list or heading, not sentences"
        for sentence in sentences(section.text):
            if PRONOUN_START.match(sentence):
                yield f"{section.title}: not self-contained: {sentence[:60]!r}"
            if not 5 <= len(sentence.split()) <= 45:
                yield f"{section.title}: {len(sentence.split())} words: {sentence[:60]!r}"


def data_folder() -> Path:
    """Return the folder of shared data, which may be absent."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("AUSCULT_DATA", default))


def copied(documents: list[Document]) -> list[str]:
    """Return the 8-word runs that stand in the shared data's text as well."""
    wanted: dict[tuple[str, ...], str] = {}
    for document in documents:
        for section in document.sections:
            for run in ngrams(section.text):
                wanted[run] = document.id
    firsts = {run[:3] for run in wanted}
    found: dict[tuple[str, ...], str] = {}
    root = data_folder()
    files = [*sorted((root / "qa").glob("*.gz")), *sorted((root / "literature").glob("*.gz")),
             *sorted((root / "retrieval").glob("*.gz"))]  # fmt: skip
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for line in stream:
                tokens = words(line.replace("\\n", " "))
                for i in range(len(tokens) - NGRAM + 1):
                    if (tokens[i], tokens[i + 1], tokens[i + 2]) in firsts:
                        run = tuple(tokens[i : i + NGRAM])
                        if run in wanted:
                            found[run] = path.name
    return [f"{wanted[run]}: {' '.join(run)!r} stands in {name}" for run, name in found.items()]


def known_urls() -> set[str]:
    """Return the URLs of the shared question set's pages."""
    pattern = re.compile(r'"url": "([^"]+)"')
    urls: set[str] = set()
    for path in (data_folder() / "qa").glob("medquad_*.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            urls.update(match[1] for line in stream if (match := pattern.search(line)))
    return urls


def main(arguments: list[str]) -> int:
    """Print the problems of the named files, or of all; return how many there are."""
    chosen = [Path(a) for a in arguments if not a.startswith("-")] or library.paths()
    documents: list[Document] = []
    count = 0
    for path in chosen:
        try:
            document = next(iter(monograph.build().read(path)))
        except (SourceError, KeyError, ValueError) as error:
            print(f"{path.name}: {error}")
            count += 1
            continue
        documents.append(document)
        for problem in problems(document):
            print(f"{path.name}: {problem}")
            count += 1
    if "--ngrams" in arguments:
        for line in copied(documents):
            print(line)
            count += 1
    print(f"{len(documents)} monographs, {count} problems")
    return count


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)

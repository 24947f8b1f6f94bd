"""Twenty questions over real literature, end to end: index it, ask, write a transcript.

    python -m evals.literature --data ../shared/data --state /tmp/literature --out docs/literature.md

Takes the measuring data's open trial articles, textbook sections and abstracts through the same
ingestion and the same turn as a user's. The transcript names each citation with its place in the
document and the first words only: the literature itself is not the project's to print.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals import reading
from retrieval import bibliography, evidence, files
from retrieval.errors import AuscultError, ConfigError
from retrieval.types import Document, Section

if TYPE_CHECKING:
    from assistant.types import Answer, Citation

QUESTIONS = Path(__file__).with_name("literature_questions.jsonl")
_WORDS = 6
# What is left in the text of citations that were taken out: "[,, ]".
_LEFT_OVER = re.compile(r" ?[\[(][\s,;–-]*[\])]")


def articles(path: Path) -> Iterator[Document]:
    """Yield the open trial articles: abstract and, where it is there, the full text."""
    for row in _rows(path):
        parts = [(label or "Abstract", text) for label, text in row["abstract"]]
        parts += [(path.replace(" > ", ": "), text) for path, text in row["body"]]
        yield Document(
            id=f"pmcid:{str(row['pmcid']).lower()}",
            title=row["title"],
            sections=tuple(
                Section(title, "", _LEFT_OVER.sub("", text))
                for title, text in parts
                if text.strip()
            ),
            kind="article",
            source="PubMed Central",
            url=f"https://www.ncbi.nlm.nih.gov/pmc/articles/{row['pmcid']}/",
            year=int(row["year"]) if row["year"] else None,
            identifiers=bibliography.identifiers(
                pmids=[str(row["pmid"] or "")],
                pmcids=[str(row["pmcid"])],
                dois=[str(row["doi"] or "")],
            ),
            journal=row["journal"] or "",
            evidence=evidence.level((), title=row["title"]),
            language="en",
            licence=row["licence"] or "",
        )


def textbook(path: Path) -> Iterator[Document]:
    """Yield the sections of a textbook."""
    for row in _rows(path):
        title = ": ".join(part for part in (row["module"], row["section"]) if part)
        yield Document(
            id=row["id"],
            title=title,
            sections=(Section("", "", row["text"]),),
            kind="article",
            source=row["book"],
            language="en",
            licence="CC BY 4.0",
        )


def abstracts(path: Path) -> Iterator[Document]:
    """Yield abstracts that are kept as lists of sentences."""
    for row in _rows(path):
        yield Document(
            id=f"abstract-{row['doc_id']}",
            title=row["title"],
            sections=(
                Section("", "", " ".join(" ".join(row["abstract"]).replace("\\n", " ").split())),
            ),
            kind="article",
            source="Abstracts",
            evidence=evidence.level((), title=row["title"]),
            language="en",
        )


def collect(data: Path, limit: int | None) -> Iterator[Document]:
    """Yield all of the literature; with a limit, the documents asked for and so many of each set."""
    wanted = {row["document"] for row in questions()}
    literature = data / "literature"
    sets: list[Iterable[Document]] = [
        articles(literature / "rct_articles_open.jsonl.gz"),
        textbook(literature / "openstax_anatomy_physiology.jsonl.gz"),
        textbook(literature / "openstax_microbiology.jsonl.gz"),
        abstracts(data / "retrieval" / "scifact_corpus.jsonl.gz"),
    ]
    for documents in sets:
        for number, document in enumerate(documents):
            if limit is None or number < limit or document.id in wanted:
                yield document


def questions() -> list[dict[str, Any]]:
    """Return the questions, each with the document that answers it."""
    return reading.json_lines(QUESTIONS, {"id": str, "question": str, "document": str})


def run(data: Path, state: Path, out: Path, limit: int | None) -> int:
    """Index, ask and write the transcript; return how many answers cite the right document."""
    from assistant.app import Assistant
    from assistant.settings import Settings

    assistant = Assistant.create(Settings(state_dir=state))
    taken = state / "literature.jsonl.gz"
    if not taken.is_file():
        from retrieval.sources import documents

        with (
            files.atomic_path(taken) as temporary,
            gzip.open(temporary, "wt", encoding="utf-8") as f,
        ):
            f.write(documents.header() + "\n")
            f.writelines(documents.line(d) + "\n" for d in collect(data, limit))
    report = assistant.ingest([taken])
    lines = [_head(report.tally.read, report.passages)]
    right = 0
    for row in questions():
        answer = assistant.answer(row["question"])
        cited = {c.document for claim in answer.claims for c in claim.citations}
        right += row["document"] in cited
        lines += _entry(row, answer)
        sys.stderr.write(
            f"{row['id']} {'+' if row['document'] in cited else '-'} {answer.answer[:300]}\n"
        )
    lines.insert(
        1, f"\n{right} of {len(questions())} answers cite the document that answers the question.\n"
    )
    files.write_text(out, "\n".join(lines))
    return right


def _head(documents: int, passages: int) -> str:
    return (
        "# Twenty questions over real literature\n\n"
        f"Open trial articles, textbook sections and abstracts: {documents:,} documents; "
        f"{passages:,} passages with the starter library. Written by\n\n"
        "    python -m evals.literature --data DIR --state DIR --out docs/literature-transcript.md\n\n"
        "Every sentence of an answer is a verbatim quote. The texts belong to their authors, so each "
        "quote is shown by its first words, its place (section characters from-to) and its document."
    )


def _entry(row: dict[str, Any], answer: Answer) -> list[str]:
    lines = [f"\n## {row['question']}\n"]
    if answer.abstained:
        return [*lines, f"Abstained: {answer.reason}"]
    seen: list[Citation] = []
    for claim in answer.claims:
        keys = " ".join(f"[{c.key}]" for c in claim.citations)
        places = ", ".join(f"{c.start}-{c.end}" for c in claim.citations)
        lines.append(
            f"- “{_first_words(claim.text)} …” {keys} characters {places}, support {claim.support:.2f}"
        )
        seen += [c for c in claim.citations if c.key not in {s.key for s in seen}]
    lines.append("")
    for citation in seen:
        link = f", <{citation.url}>" if citation.url else ""
        lines.append(
            f"[{citation.key}] {citation.title} ({citation.source}; {citation.document}){link}  "
        )
    return lines


def _first_words(text: str) -> str:
    return " ".join(text.split()[:_WORDS])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for line in stream:
                yield json.loads(line)
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read ({error.strerror}): name the data folder."
        ) from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m evals.literature", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("AUSCULT_DATA", "../shared/data"))
    )
    parser.add_argument("--state", type=Path, required=True, help="state folder to index into")
    parser.add_argument("--out", type=Path, required=True, help="the transcript")
    parser.add_argument("--limit", type=int, help="documents of each set, for a quick try")
    options = parser.parse_args(arguments)
    try:
        right = run(options.data, options.state, options.out, options.limit)
    except AuscultError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stderr.write(f"{right} right; the transcript is {options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

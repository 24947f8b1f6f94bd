"""`auscult ingest`: literature into a collection, with progress, a trial run, and a report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import InputError
from ui.commands.opening import open_assistant
from ui.failures import say

if TYPE_CHECKING:
    from collections import Counter

    from assistant.library import IngestReport, Request
    from retrieval._ingest_trial import Trial
    from retrieval.ingest import Note, Progress
    from retrieval.pubmed import Plan

PUBMED = "pubmed"
_SHOWN = 20
_RECORDS = 1000
Show = Callable[["Progress"], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for besides the files, as it was written."""

    collection: str = ""
    owner: str = ""
    source: str | None = None
    columns: str | None = None
    maximum: int | None = None
    engine: str = "local"
    address: str = ""


def run(
    config: Path | None,
    what: tuple[str, ...],
    options: Options | None = None,
    *,
    dry_run: bool = False,
    again: bool = False,
    rebuild: bool = False,
) -> int:
    """Take documents in, or say what would be; return the exit code.

    Raises:
        InputError: if there is nothing to do, a path does not exist, or nothing could be read.
        AuscultError: as the index and the readers raise it.
    """
    options = options or Options()
    paths, query = files_or_query(what, options.maximum)
    mapping = mapping_of(options.columns)
    if not paths and not query and not rebuild:
        raise InputError("Nothing to ingest: name files or folders, or give --rebuild.")
    for path in paths:
        if not path.exists():
            raise InputError(f"There is no file or folder {path}: check the path.")
    from assistant import library
    from retrieval.ingest import Reading

    request = library.Request(
        paths=paths,
        query=query,
        limit=options.maximum or _RECORDS,
        collection=options.collection,
        owner=options.owner,
        reading=Reading(options.source, mapping, again),
        engine=options.engine,
        address=options.address,
        rebuild=rebuild,
    )

    resources = open_assistant(config).resources
    if dry_run:
        if request.query or request.rebuild:
            raise InputError(
                "--dry-run is for files and folders: leave the query or --rebuild out."
            )
        result, notes = library.dry_run(resources, request)
        _say(notes, None)
        sys.stdout.write("\n".join(_trial(result)) + "\n")
        return 0
    with _bar(request) as show:
        report = _drain(library.stream(resources, request, show, _announce), show)
    _say(report.notes, report.file)
    for sentence in report.lost:
        say(sentence)
    sys.stdout.write("\n".join(_summary(report)) + "\n")
    return 0


def files_or_query(words: tuple[str, ...], limit: int | None) -> tuple[tuple[Path, ...], str]:
    """Tell files from `pubmed QUERY`.

    Returns:
        The paths, or the query; the other one is empty.

    Raises:
        InputError: if a query is missing, or a limit is given for files.
    """
    if words and words[0] == PUBMED and not Path(PUBMED).exists():
        query = " ".join(words[1:]).strip()
        if not query:
            raise InputError("There is no query: write auscult ingest pubmed 'QUERY' --max N.")
        return (), query
    if limit is not None:
        raise InputError("--max is for auscult ingest pubmed 'QUERY': leave it out for files.")
    return tuple(Path(word) for word in words), ""


def mapping_of(text: str | None) -> dict[str, str] | None:
    """Read `title=Headline,text=Body`.

    Raises:
        InputError: if it is not written so.
    """
    if not text:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and column.strip() for name, _, column in pairs):
        raise InputError(f"--map {text!r} can't be read: write title=Headline,text=Body.")
    return {name.strip(): column.strip() for name, _, column in pairs}


def _announce(plan: Plan) -> None:
    for warning in plan.warnings:
        say(warning)
    wanted = f"{plan.wanted:,} of {plan.found:,}" if plan.wanted < plan.found else f"{plan.found:,}"
    say(f"{wanted} records for {plan.query!r}.")
    if plan.resumed_from:
        say(f"Going on after {plan.resumed_from:,}, where an earlier run ended.")


def _drain(steps: Generator[Progress, None, IngestReport], show: Show) -> IngestReport:
    while True:
        try:
            show(next(steps))
        except StopIteration as stop:
            report: IngestReport = stop.value
            return report


@contextmanager
def _bar(request: Request) -> Iterator[Show]:
    """Yield what shows progress: a bar that goes away at the end, where stderr is a terminal."""
    if not sys.stderr.isatty() or not (request.paths or request.query):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, markup=False, highlight=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None, left="")

        def show(progress: Progress) -> None:
            fraction = progress.fraction
            bar.update(
                task,
                description=_line(progress),
                total=None if fraction is None else 1.0,
                completed=fraction or 0.0,
                left="" if progress.left_s is None else f"{_duration(progress.left_s)} left",
            )

        yield show


def _line(progress: Progress) -> str:
    tally = progress.tally
    return (
        f"{tally.read:,} documents, {tally.passages:,} passages, "
        f"{progress.passages_per_s:.0f}/s  {progress.file[:40]}"
    )


def _say(notes: tuple[Note, ...], file: Path | None) -> None:
    for note in notes[:_SHOWN]:
        say(f"{note.kind} {note.where}: {note.reason}")
    if len(notes) > _SHOWN:
        say(f"and more; the first {_SHOWN} are shown.")
    if file is not None:
        say(f"All that was left out is in {file}.")


def _summary(report: IngestReport) -> list[str]:
    tally = report.tally
    counted = (
        (tally.added, "new"),
        (tally.updated, "updated"),
        (tally.unchanged, "unchanged"),
        (tally.duplicates, "duplicates"),
        (tally.removed, "removed"),
        (tally.skipped, "left out"),
    )
    counts = ", ".join(f"{number:,} {what}" for number, what in counted if number)
    first = f"{report.documents:,} documents" + (f": {counts}." if counts else ".")
    known = f"{tally.known:,} files were taken in before and passed over; --again reads them."
    return [
        first,
        *([known] if tally.known else []),
        f"{report.passages:,} passages are in the index.",
    ]


def _trial(result: Trial) -> list[str]:
    counted = (
        (result.new, "new"),
        (result.updates, "updates"),
        (result.unchanged, "unchanged"),
        (result.duplicates, "duplicates"),
        (result.removed, "deletion notices"),
        (result.skipped, "left out"),
    )
    lines = [
        f"{result.documents:,} documents can be read: "
        + (", ".join(f"{number:,} {what}" for number, what in counted if number) or "none")
        + ".",
    ]
    if result.known:
        lines.append(f"{result.known:,} files were taken in before and would be passed over.")
    years = {year: n for year, n in result.years.items() if year is not None}
    if years:
        unknown = result.years.get(None, 0)
        lines.append(
            f"Years: {min(years)} to {max(years)}" + (f", {unknown:,} unknown." if unknown else ".")
        )
    for title, counter in (
        ("Languages", result.languages),
        ("Kinds", result.kinds),
        ("Evidence", result.evidence),
    ):
        if counter:
            lines.append(f"{title}: {_counts(counter)}.")
    if result.passages:
        lines.append(
            f"About {size_text(result.disk_bytes)} on disk and {_duration(result.seconds)} here for "
            f"{result.passages:,} passages, measured on {result.sample_passages}."
        )
    return [*lines, "Nothing was written."]


def _counts(counter: Counter[str]) -> str:
    shown = counter.most_common(8)
    rest = sum(counter.values()) - sum(n for _, n in shown)
    parts = [f"{n:,} {name or 'unknown'}" for name, n in shown]
    return ", ".join(parts + ([f"{rest:,} others"] if rest else []))


def size_text(size_bytes: float) -> str:
    """Return a number of bytes for a reader."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size_bytes < 1000 or unit == "GB":
            return f"{size_bytes:,.0f} {unit}" if size_bytes >= 10 else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    raise AssertionError("the loop ends with the last unit")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

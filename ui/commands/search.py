"""`auscult search`: passages of the library for a query, with the sentence that answers, and why.

With JSON, stdout carries nothing but JSON.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from assistant.errors import InputError
from ui.commands.opening import open_assistant

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from assistant.resources import Resources
    from retrieval.search import Explanation, Mode, Searcher
    from retrieval.types import Filters, Hit

_YEARS = re.compile(r"(?P<from>\d{4})?\s*(?P<dash>[-–])?\s*(?P<to>\d{4})?")
_AROUND = 320  # characters of a passage shown on either side of its sentence


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for besides the query, as it was written."""

    k: int = 10
    mode: str = "full"
    year: str = ""
    evidence: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    retracted: bool = True
    prefer: str = ""
    collections: tuple[str, ...] = ()
    user: str = ""
    as_json: bool = False
    explain: bool = False


def run(config: Path | None, query: str, options: Options) -> int:
    """Search and print; return the exit code.

    Raises:
        InputError: if the query is empty or an option can't be used.
        AuscultError: as the index raises it.
    """
    if not query.strip():
        raise InputError("There is nothing to search for: write a question or some words.")
    filters = filters_of(options)
    with _stdout(as_json=options.as_json) as out:
        resources = open_assistant(config).resources
        searcher, written, notes = _prepared(resources, query, options)
        found = _search(searcher, written, options, filters)
        found = replace(found, notes=(*notes, *found.notes))
        if options.as_json:
            json.dump(as_json(query, found), out, ensure_ascii=False, indent=2)
            out.write("\n")
        else:
            _print(out, found, explain=options.explain)
    return 0


def filters_of(options: Options) -> Filters:
    """Return the filters that the options name.

    Raises:
        InputError: if a year or a level of evidence can't be read.
    """
    from retrieval.types import EVIDENCE, Filters

    first, last = years(options.year)
    for level in options.evidence:
        if level not in EVIDENCE:
            raise InputError(
                f"There is no level of evidence {level!r}: use one of {', '.join(EVIDENCE)}."
            )
    return Filters(
        year_from=first,
        year_to=last,
        kinds=options.kinds,
        evidence=options.evidence,
        sources=options.sources,
        languages=tuple(language.lower() for language in options.languages),
        retracted=options.retracted,
    )


def years(text: str) -> tuple[int | None, int | None]:
    """Return the first and the last year of "2015-", "-2010", "2015-2020" or "2015".

    Raises:
        InputError: if it is none of these.
    """
    if not text.strip():
        return None, None
    match = _YEARS.fullmatch(text.strip())
    first = int(match["from"]) if match and match["from"] else None
    last = int(match["to"]) if match and match["to"] else None
    backwards = first is not None and last is not None and first > last
    if match is None or backwards or (first is None and last is None):
        raise InputError(f"The years {text!r} can't be read: write 2015-, -2010 or 2015-2020.")
    if not match["dash"]:
        if first is not None and last is not None:
            raise InputError(f"The years {text!r} can't be read: write 2015-, -2010 or 2015-2020.")
        return first, first
    return first, last


def as_json(query: str, found: Explanation) -> dict[str, Any]:
    """Return a search as plain values: query, searched, notes and hits."""
    return {
        "query": query,
        "searched": found.query.text,
        "notes": list(found.notes),
        "hits": [_row(rank, hit) for rank, hit in enumerate(found.hits, 1)],
    }


def _row(rank: int, hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    named = ("document", "title", "section", "text", "year", "journal", "evidence", "language",
             "status", "source", "url", "collection")  # fmt: skip
    sentence = passage.text[slice(*hit.sentence)] if hit.sentence else ""
    return {
        "rank": rank,
        "passage": passage.id,
        **{name: getattr(passage, name) for name in named},
        "start": passage.start,
        "sentence": sentence,
        "sentence_span": list(hit.sentence) if hit.sentence else None,
        "score": hit.score,
        "parts": dict(hit.parts),
    }


def _prepared(
    resources: Resources, query: str, options: Options
) -> tuple[Searcher, str, tuple[str, ...]]:
    """Return what is searched, the query as it is spelt there, and what was changed in it."""
    from assistant.records import drug_names

    wanted = [resources.collections.find(name, options.user) for name in options.collections]
    librarian = resources.librarian_for(options.user)
    searcher, notes = librarian.searcher, []
    if wanted:
        named = {(info.name, info.owner) for info in wanted}
        chosen = [i for i in searcher.indexes if (i.name, i.owner) in named]
        searcher = replace(searcher, indexes=chosen)
    corrected = librarian.correct(query)
    if corrected != query:
        notes.append(f"Searched with other spelling: “{corrected}”.")
    written = drug_names.with_generics(corrected, librarian.knows)
    if written != corrected:
        notes.append(f"Searched with generic names: “{written}”.")
    return searcher, written, tuple(notes)


def _search(searcher: Searcher, query: str, options: Options, filters: Filters) -> Explanation:
    from retrieval.search import Wishes

    wishes = Wishes(cast("Mode", options.mode), filters, options.prefer)
    return searcher.explain(query, options.k, wishes)


@contextlib.contextmanager
def _stdout(*, as_json: bool) -> Iterator[TextIO]:
    """Yield stdout; with JSON, keep everything else away from it."""
    out = sys.stdout
    if not as_json:
        yield out
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield out


def _print(out: TextIO, found: Explanation, *, explain: bool) -> None:
    from ui import render

    console = render.console(out)
    for note in found.notes if explain else ():
        console.print(render.plain_text(note))
    if not found.hits:
        console.print(render.plain_text("Nothing found: try other words or fewer filters."))
        return
    for rank, hit in enumerate(found.hits, 1):
        _print_hit(console, rank, hit, explain=explain)


def _print_hit(console: Console, rank: int, hit: Hit, *, explain: bool) -> None:
    from assistant.tools import literature
    from ui import render

    passage = hit.passage
    section = f" — {passage.section}" if passage.section else ""
    where = [literature.shown_source(passage), passage.collection, f"score {hit.score:.3f}"]
    console.print()
    console.print(
        render.plain_text(f"{rank}. {literature.shown_title(passage)}{section}", style="bold")
    )
    console.print(render.plain_text(f"   {' · '.join(part for part in where if part)}"))
    console.print(_quoted(hit))
    if passage.url:
        console.print(render.plain_text(f"   {passage.url}"))
    if explain:
        for line in table(hit):
            console.print(render.plain_text(line))


def _quoted(hit: Hit) -> Text:
    """Return the passage around the sentence that answers, which stands in » «."""
    from ui import render

    text, (start, end) = hit.passage.text, hit.sentence or (0, 0)
    first, last = max(0, start - _AROUND), min(len(text), end + _AROUND)
    before = ("… " if first else "") + text[first:start]
    after = text[end:last] + (" …" if last < len(text) else "")
    out = render.plain_text("   ")
    out.append(render.plain_text(before))
    if hit.sentence:
        out.append(render.plain_text(f"»{text[start:end]}«", style="bold"))
    out.append(render.plain_text(after))
    return out


def table(hit: Hit) -> list[str]:
    """Return the terms of a hit's score, their sum, and the judges' own scores, as lines."""
    from retrieval import ranking

    parts = dict(hit.parts)
    terms = [(name, parts[name]) for name in ranking.TERMS if name in parts]
    judges = ", ".join(f"{name} {parts[name]:.3f}" for name in ranking.JUDGES if name in parts)
    lines = [f"     {name:<10}{value:+8.3f}" for name, value in terms]
    lines.append(f"     {'sum':<10}{sum(value for _, value in terms):+8.3f}")
    return [*lines, f"     judges: {judges}"]

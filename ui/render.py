"""An answer for the terminal: what is urgent first, then the sentences with their sources.

Everything that comes from a document, a record or a model goes in as `rich.text.Text`, so nothing in
it is read as markup, and its control characters are taken out. Plain text where stdout is no
terminal.
"""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from assistant.types import Answer, Citation, Fact, Record
from ui import facts, marks, render_films

if TYPE_CHECKING:
    from assistant.doctor import Check

NOTICE = "Decision support for professionals. It does not replace clinical judgement."
RESEARCH = "Research use only"
_PIPE_WIDTH = 100
_TABLES = (("problem", "Problems"), ("medication", "Medications"), ("allergy", "Allergies"),
           ("lab", "Laboratory values"), ("vital", "Vital signs"), ("procedure", "Procedures"))  # fmt: skip


def console(out: TextIO | None = None) -> Console:
    """Return a console on `out`, by default stdout; plain and 100 wide where it is no terminal."""
    stream = out or sys.stdout
    terminal = stream.isatty()
    if isinstance(stream, io.TextIOWrapper):
        # A terminal that can't show a character shows a question mark in its place.
        stream.reconfigure(errors="replace")
    return Console(
        file=stream if terminal else _Trimmed(stream),
        width=None if terminal else _PIPE_WIDTH,
        no_color=None if terminal else True,
        markup=False,
        highlight=False,
        emoji=False,
    )


class _Trimmed(io.StringIO):
    """Writes on without the spaces that pad lines to the terminal's width."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out

    def write(self, written: str) -> int:
        self._out.write(re.sub(r" +(?=\n)", "", written))
        return len(written)

    def flush(self) -> None:
        self._out.flush()


def plain_text(value: str, style: str = "") -> Text:
    """Return data as text that is never markup, without control and direction characters."""
    clean = "".join(c for c in value if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf"))
    return Text(clean, style=style)


def answer(
    result: Answer, saved: Mapping[int, str] | None = None, seen: Collection[Record] = ()
) -> RenderableType:
    """Return a whole answer.

    Args:
        result: the answer.
        saved: where heatmaps were saved, by the finding's position.
        seen: records whose facts the reader has been shown already.
    """
    parts: list[RenderableType] = []
    if result.emergency is not None:
        body = plain_text(result.emergency.notice, "bold")
        parts.append(Panel(body, title="EMERGENCY", border_style="bold red", box=box.HEAVY))
    parts.append(_abstention(result) if result.abstained else _claims(result))
    parts += [
        render_films.finding(finding, (saved or {}).get(position))
        for position, finding in enumerate(result.findings)
    ]
    parts += render_films.together(result.agreements, result.comparisons, result.estimates)
    if result.record is not None:
        parts.append(_record(result.record, known=result.record in seen))
    sources = _sources(result)
    parts += [sources] if sources is not None else []
    parts += [plain_text(notice, "dim") for notice in result.notices]
    parts += [Group(_steps(result), plain_text(NOTICE, "dim"))]
    spaced: list[RenderableType] = []
    for part in parts:
        spaced += [part, Text("")]
    return Group(*spaced[:-1])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table of plain text."""
    out = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for title in head:
        out.add_column(title, overflow="fold")
    for row in rows:
        out.add_row(*(plain_text(cell) for cell in row))
    return out


def setting(name: str, value: str, origin: str) -> Text:
    """Return one line of `auscult settings`."""
    return Text.assemble((name, "bold"), " = ", plain_text(value), (f"  ({origin})", "dim"))


def note(words: str) -> RenderableType:
    """Return words below the line that they explain."""
    return Padding(plain_text(words, "dim"), (0, 0, 0, 4), expand=False)


def check(value: Check) -> RenderableType:
    """Return one line of `auscult doctor`, and the command that mends it."""
    good = "ok" if value.ok else ("FAILED" if value.essential else "note")
    style = "green" if value.ok else ("bold red" if value.essential else "yellow")
    line = Text.assemble((f"{good:<7}", style), (f"{value.name:<22}", "bold"))
    line.append_text(plain_text(value.detail))
    if value.ok or not value.mend:
        return line
    return Group(line, note(f"to mend: {value.mend}"))


def _claims(result: Answer) -> RenderableType:
    text = Text()
    for piece in marks.pieces(result):
        text.append_text(plain_text(piece.text))
        if piece.marks:
            numbers = dict.fromkeys(number for number, _ in piece.marks)
            text.append(" " + "".join(f"[{number}]" for number in numbers), style="bold cyan")
    parts: list[RenderableType] = [text]
    if result.withheld:
        parts.append(
            plain_text(f"{_count(result.withheld, 'sentence')} without support withheld.", "dim")
        )
    return Group(*parts)


def _abstention(result: Answer) -> RenderableType:
    parts: list[RenderableType] = [
        plain_text("I can't answer that from what I have.", "bold"),
        plain_text(result.reason or marks.plain(result.answer)),
    ]
    if result.nearest:
        parts.append(plain_text("Nearest passages, which do not answer it:", "dim"))
        parts += [_quote(f"{n}.", (c,)) for n, c in enumerate(result.nearest, start=1)]
    return Group(*parts)


def _record(record: Record, *, known: bool) -> RenderableType:
    head = Text.assemble(("Record ", "bold"), plain_text(record.name, "bold"))
    if known:
        return head.append(": its facts are above.")
    parts: list[RenderableType] = [head]
    for kind, title in _TABLES:
        rows = [_fact_row(fact) for fact in record.facts if fact.kind == kind]
        if rows:
            parts.append(table((title, "assertion", "details", "span"), rows))
    if len(parts) == 1:
        parts.append(Text("No facts were recognised in it."))
    return Group(*parts)


def _fact_row(fact: Fact) -> tuple[str, str, str, str]:
    known = facts.known_as(fact)
    name = facts.said(fact) + (f" ({known})" if known else "")
    details = ", ".join(f"{key} {value}" for key, value in facts.details(fact))
    return name, fact.assertion, details, f"{fact.start}-{fact.end}"


def _sources(result: Answer) -> RenderableType | None:
    found = marks.sources(result)
    if not found:
        return None
    parts: list[RenderableType] = [Text("Sources", style="bold")]
    parts += [_quote(f"[{source.number}]", source.quotes) for source in found]
    return Group(*parts)


def _quote(number: str, quotes: Sequence[Citation]) -> RenderableType:
    first = quotes[0]
    head = plain_text(f"{number} ", "bold cyan")
    head.append_text(plain_text(" — ".join(part for part in (first.title, first.source) if part)))
    lines: list[RenderableType] = [head]
    if first.url:
        lines.append(Padding(plain_text(first.url, "blue"), (0, 0, 0, 4), expand=False))
    for quote in quotes:
        words = " ".join(quote.quote.split())
        place = f" ({quote.start}-{quote.end})"
        lines.append(Padding(plain_text(f"“{words}”{place}", "italic"), (0, 0, 0, 4), expand=False))
    return Group(*lines)


def _steps(result: Answer) -> Text:
    total = sum(step.seconds for step in result.steps)
    steps = ", ".join(f"{step.name} {step.seconds:.2f} s" for step in result.steps)
    return plain_text(f"{result.model} · {total:.2f} s ({steps})", "dim")


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"

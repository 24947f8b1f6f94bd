"""`auscult feedback`: review what was said about answers, and export it as a dataset.

Promises that nothing is decided without a reviewer's name and that text on a terminal can't move its
cursor. Knows nothing of SQL or of dataset formats.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import InputError
from ui.failures import say

if TYPE_CHECKING:
    from assistant.feedback import Feedback
    from assistant.store.feedback import Entry

REVIEWER = "AUSCULT_REVIEWER"
_MAX_FILE = 100_000  # bytes
_LINE = 70


def export(config: Path | None, out: Path, since: str | None, everything: bool) -> int:
    """Write the next version of the dataset below `out` and say what is in it."""
    done = _open(config).export(out, since=since, everything=everything)
    for name, rows in done.rows.items():
        sys.stdout.write(f"{rows:>7,}  {name}\n")
    sys.stdout.write(f"Version {done.version} is in {done.folder}.\n")
    if everything:
        say("What no one has reviewed is in it, too: review it before a model is trained on it.")
    return 0


def review(
    config: Path | None,
    *,
    show_next: bool = False,
    accept: str | None = None,
    reject: str | None = None,
    edit: tuple[str, Path] | None = None,
    as_json: bool = False,
) -> int:
    """List what waits, show the next one, decide on one, or go through all on a terminal.

    Raises:
        InputError: if options contradict each other, or an entry or a file can't be used.
    """
    asked = [show_next, accept is not None, reject is not None, edit is not None]
    if sum(asked) > 1:
        raise InputError("Give one of --next, --accept, --reject and --edit at a time.")
    feedback = _open(config)
    decided: Entry | None = None
    if accept is not None:
        decided = feedback.accept(accept, reviewer())
    elif reject is not None:
        decided = feedback.reject(reject, reviewer())
    elif edit is not None:
        decided = feedback.edit(edit[0], _text(edit[1]), reviewer())
    if decided is not None:
        _write(decided, as_json=as_json, short=True)
        return 0
    waiting = feedback.pending()
    if show_next:
        return _next(waiting, as_json=as_json)
    if not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        return walk(feedback, waiting, input)
    for entry in waiting:
        _write(entry, as_json=as_json, short=True)
    if not as_json:
        sys.stdout.write(f"{len(waiting):,} wait for a review.\n")
    return 0


def walk(feedback: Feedback, waiting: list[Entry], ask: Callable[[str], str]) -> int:
    """Show each entry and ask what to do with it until all are done or the reviewer stops.

    Args:
        feedback: takes the decisions.
        waiting: the entries.
        ask: shows a prompt and returns a line; `EOFError` ends the walk.
    """
    name = reviewer()
    done = 0
    try:
        for number, entry in enumerate(waiting, start=1):
            sys.stdout.write(f"\n{number} of {len(waiting)}\n")
            _write(entry, as_json=False, short=False)
            choice = _choice(feedback, entry, name, ask)
            if choice == "q":
                break
            done += choice != "s"
    except (EOFError, KeyboardInterrupt):
        sys.stdout.write("\n")
    sys.stdout.write(f"{done:,} decided, {len(feedback.pending()):,} wait for a review.\n")
    return 0


def _choice(feedback: Feedback, entry: Entry, name: str, ask: Callable[[str], str]) -> str:
    while True:
        choice = ask("[a]ccept  [e]dit  [r]eject  [s]kip  [q]uit: ").strip().lower()[:1]
        try:
            if choice == "a":
                feedback.accept(entry.id, name)
            elif choice == "e":
                feedback.edit(entry.id, _typed(ask), name)
            elif choice == "r":
                feedback.reject(entry.id, name)
        except InputError as error:
            sys.stdout.write(f"{error}\n")
            continue
        if choice in {"a", "e", "r", "s", "q"}:
            return choice


def _typed(ask: Callable[[str], str]) -> str:
    sys.stdout.write("The right answer; a line with a single full stop ends it.\n")
    lines: list[str] = []
    while (line := ask("> ")) != ".":
        lines.append(line)
    return "\n".join(lines)


def reviewer() -> str:
    """Return who reviews: `AUSCULT_REVIEWER`, else the account's name."""
    name = os.environ.get(REVIEWER, "").strip()
    if name:
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise InputError(f"This account has no name: set {REVIEWER} to the reviewer's.") from None


def _next(waiting: list[Entry], *, as_json: bool) -> int:
    if waiting:
        _write(waiting[0], as_json=as_json, short=False)
    elif not as_json:
        sys.stdout.write("Nothing waits for a review.\n")
    return 0


def _write(entry: Entry, *, as_json: bool, short: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(entry.to_json(), ensure_ascii=False) + "\n")
        return
    thumb = "up" if entry.thumb > 0 else "down"
    if short:
        question = " ".join(_plain(entry.question).split())
        question = question if len(question) <= _LINE else question[: _LINE - 1] + "…"
        sys.stdout.write(
            f"{entry.id[:8]}  {entry.created_at[:10]}  {entry.state:<8}  {thumb:<4}  {question}\n"
        )
        return
    sys.stdout.write(f"{entry.id[:8]}  {entry.created_at[:16]}  thumb {thumb}  {entry.model}\n")
    parts = [("Question", entry.question), ("Answer", entry.answer)]
    parts += [(f"Passage {p['key']}", f"{p['title']}\n{p['text']}") for p in entry.passages]
    parts += [("Reasons", ", ".join(entry.reasons)), ("Correction", entry.correction)]
    for title, text in parts:
        if text:
            body = _plain(text).replace("\n", "\n  ")
            sys.stdout.write(f"{title}:\n  {body}\n")


def _plain(text: str) -> str:
    """Return text without control characters, which could rewrite a terminal."""
    return "".join(c for c in text if c in "\n\t" or c.isprintable())


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_FILE:
            raise InputError(f"{path} is larger than {_MAX_FILE:,} bytes: an answer is shorter.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise InputError(f"{path} can't be read ({reason}): name a text file.") from None


def _open(config: Path | None) -> Feedback:
    from assistant import settings
    from assistant.feedback import Feedback

    loaded, _ = settings.load(config)
    return Feedback(loaded)

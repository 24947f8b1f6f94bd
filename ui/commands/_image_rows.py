"""The CSV file of `auscult image`: a row a film, written as the work goes on, and gone on with later.

Each row is one line, whatever its cells hold, and reaches the disk with its batch. A run that was
stopped leaves whole rows and at most one torn one, which the next run takes out.
"""

from __future__ import annotations

import csv
import io
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from assistant.errors import InputError
from retrieval import files

COLUMNS = (
    "file", "sha256", "format", "study", "series", "decision", "label", "probability", "spread",
    "prediction_set", "rule_out", "rule_in", "gate", "gate_share", "warnings", "reason", "model",
    "seconds", "run",
)  # fmt: skip
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "'")
_NUMBERS = {"probability", "spread", "rule_out", "rule_in", "gate_share", "seconds"}
UNREADABLE = "unreadable"
Row = dict[str, str]


class Rows:
    """The file, open for more rows.

    Args:
        path: the CSV file.
        resume: go on with the file where there is one.
        run: what must be the same for rows to belong together: model and settings, in short.

    Raises:
        InputError: if the file is there and `resume` is off, is of another kind or another run, or
            can't be written.
    """

    def __init__(self, path: Path, run: str, *, resume: bool) -> None:
        self.path = path
        self.done: dict[tuple[str, str], Row] = {}
        if path.exists():
            if not path.is_file():
                raise InputError(f"{path} is no regular file: name a file on disk.")
            if not resume:
                raise InputError(
                    f"{path} exists already: go on with it by --resume, or name another file."
                )
            self._take_up(run)
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                files.write_text(path, _line(COLUMNS))
            self._stream: TextIO = path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            raise _unwritable(path, error) from None

    def __enter__(self) -> Rows:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, with all that was added on the disk."""
        try:
            self.save()
        finally:
            # What could not be saved was said already; closing would try it once more.
            with suppress(OSError):
                self._stream.close()

    def add(self, row: Row) -> None:
        """Add a row; it is on the disk after the next `save`."""
        self._stream.write(_line([_cell(name, row.get(name, "")) for name in COLUMNS]))

    def save(self) -> None:
        """Bring the rows to the disk.

        Raises:
            InputError: if there is no room, or the file can't be written any more.
        """
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def _take_up(self, run: str) -> None:
        """Read the rows that stand, and write the file without torn ones and failures."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise _unwritable(self.path, error) from None
        lines = text.split("\n")
        if text and _line(COLUMNS).rstrip("\n") != lines[0].rstrip("\r"):
            raise InputError(
                f"{self.path} is not a file that this command writes (its columns differ): name "
                "another one."
            )
        # What follows the last line break was torn off while it was written.
        for line in lines[1:-1]:
            row = _read(line)
            if row is None or row["decision"] == UNREADABLE:
                continue
            if row["run"] != run:
                raise InputError(
                    f"{self.path} was written with another model or other settings (run "
                    f"{row['run']}, now {run}): name another file."
                )
            self.done[row["file"], row["sha256"]] = row
        kept = [_line([_cell(name, row[name]) for name in COLUMNS]) for row in self.done.values()]
        files.write_text(self.path, _line(COLUMNS) + "".join(kept))


def _read(line: str) -> Row | None:
    """Return a whole row, or None for a torn or foreign one."""
    try:
        found = next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None
    if len(found) != len(COLUMNS) or "\0" in line:
        return None
    row = dict(zip(COLUMNS, found, strict=True))
    return {name: value.removeprefix("'") for name, value in row.items()}


def _cell(name: str, value: str) -> str:
    """Return a cell as one line that no spreadsheet takes for a formula."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return f"'{clean}" if name not in _NUMBERS and clean.startswith(_FORMULA) else clean


def _line(cells: tuple[str, ...] | list[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue()


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path} can't be read or written ({error.strerror}): free some space or name another file."
    )

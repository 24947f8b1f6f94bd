"""The report of an ingestion: a JSON line for everything that was left out, with its reason.

The file is made with the first line, and each line is out before the ingestion goes on, so that it
is complete whenever the run ends. Holds the first lines in memory, and no document's text ever.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import TextIO

from retrieval.ingest import Note

_HELD = 1000


class Report:
    """Takes notes; close it at the end.

    Attributes:
        path: the file, or None while there is nothing to say or no place to say it.
        notes: the first notes.
        count: how many there are in all.
    """

    def __init__(self, folder: Path) -> None:
        self.path: Path | None = None
        self.notes: list[Note] = []
        self.count = 0
        self._folder = folder
        self._stream: TextIO | None = None

    def __call__(self, note: Note) -> None:
        """Take a note."""
        self.count += 1
        if len(self.notes) < _HELD:
            self.notes.append(note)
        try:
            if self._stream is None and self.count == 1:
                self._open()
            if self._stream is not None:
                row = {"what": note.kind, "where": note.where, "reason": note.reason}
                self._stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        except OSError:  # a full disk: the ingestion itself will say so
            self._stream = None

    def close(self) -> None:
        """End the file."""
        if self._stream is not None:
            self._stream.close()

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(
            prefix=time.strftime("ingest-%Y%m%d-%H%M%S-"), suffix=".jsonl", dir=self._folder
        )
        # One line at a time; text that is no text must not end the run.
        self._stream = os.fdopen(handle, "w", encoding="utf-8", errors="replace", buffering=1)
        self.path = Path(name)

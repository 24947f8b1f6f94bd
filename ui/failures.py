"""What a command line says when something goes wrong, and what it exits with.

An `AuscultError` becomes one sentence and its exit code. Anything else is a bug: its frames go to a
file, without the message and the values, because these may hold a patient's words.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from retrieval.errors import AuscultError

INTERRUPTED = 130
BUG = 70  # EX_SOFTWARE of sysexits.h


def guarded(body: Callable[[], int], folder: Callable[[], Path]) -> int:
    """Run `body` and return its exit code; say what went wrong on stderr.

    Args:
        body: what to run; returns an exit code.
        folder: where a bug's frames are saved; asked for only when there is one.
    """
    try:
        code = body()
        sys.stdout.flush()
    except AuscultError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone: nothing is left to flush, at the interpreter's exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost frame: whatever is left is a bug
        say(report(error, folder))
        return BUG
    return code


def say(sentence: str) -> None:
    """Write one line for a person to stderr."""
    sys.stderr.write(f"auscult: {' '.join(sentence.split())}\n")
    sys.stderr.flush()


def report(error: BaseException, folder: Callable[[], Path]) -> str:
    """Save a bug's frames and return the sentence that says where they are."""
    kind = type(error).__name__
    text = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {frames(error)}"
    for place in (folder, lambda: Path(tempfile.gettempdir())):
        try:
            path = _write(place(), text)
        except (OSError, AuscultError):
            continue
        return (
            f"Something went wrong inside Auscult ({kind}), which is a bug: "
            f"please report it with {path}, which holds no patient data."
        )
    return f"Something went wrong inside Auscult ({kind}), and its traceback could not be saved."


def frames(error: BaseException) -> str:
    """Return a bug's type and frames, without its message and any value.

    The message is left out because messages quote what they could not handle.
    """
    lines = [type(error).__name__]
    lines += [
        f"  {frame.filename}:{frame.lineno} in {frame.name}\n    {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    cause = error.__cause__ or error.__context__
    if cause is not None:
        lines.append("caused by " + frames(cause))
    return "\n".join(lines) + "\n"


def _write(folder: Path, text: str) -> Path:
    crashes = folder / "crashes"
    crashes.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(
        prefix=time.strftime("%Y%m%d-%H%M%S-"), suffix=".txt", dir=crashes
    )
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    return Path(name)

"""`auscult ask`: one question, or a file of them in one process.

With JSON, stdout carries nothing but JSON: whatever a library prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from assistant.errors import AttachmentError, AuscultError, InputError
from ui import failures
from ui.commands.opening import open_assistant, progress

if TYPE_CHECKING:
    from assistant.app import Assistant
    from assistant.types import Answer


@dataclass(frozen=True, slots=True)
class Given:
    """What is asked.

    Attributes:
        question: may be empty where a file is given.
        images: films to look at.
        record: a record to read, or None.
        id: what the answer is to be called, or "" to leave the assistant's own.
    """

    question: str
    images: tuple[Path, ...] = ()
    record: Path | None = None
    id: str | int = ""


@dataclass(frozen=True, slots=True)
class Output:
    """How the answer is shown: as JSON or for a reader, and where heatmaps go."""

    as_json: bool = False
    heatmaps: Path | None = None


def run(
    config: Path | None, model: str | None, given: Given, batch: Path | None, output: Output
) -> int:
    """Answer the question or the batch; return the exit code.

    Raises:
        InputError: if there is no question, or both a question and a batch.
        AuscultError: as the assistant raises it, for a single question.
    """
    if batch is not None:
        if given.question or given.images or given.record:
            raise InputError("Give a question or --batch, not both: the batch file holds its own.")
        lines = _lines(batch)
        return _run_batch(open_assistant(config, {"chat_model": model}), batch, lines, output)
    _check(given)
    with _stdout(output) as out:
        assistant = open_assistant(config, {"chat_model": model})
        _show(out, answer(assistant, given), output)
    return 0


def answer(assistant: Assistant, given: Given) -> Answer:
    """Return the answer to one question in a session of its own.

    Raises:
        AuscultError: as the assistant raises it.
    """
    from assistant.session import Session

    session = Session.new()
    paths = (*given.images, *((given.record,) if given.record else ()))
    attachments = [assistant.accept_file(session, path) for path in paths]
    return assistant.answer(given.question, attachments, session)


def _check(given: Given) -> None:
    if not given.question.strip() and not given.images and not given.record:
        raise InputError("There is no question: write one, or give --image, --record or --batch.")
    for path in (*given.images, *((given.record,) if given.record else ())):
        # Said before anything loads; what is in the file is the assistant's to judge.
        if not path.is_file():
            raise AttachmentError(f"There is no file {path}: check the path.")


def _lines(batch: Path) -> list[str]:
    try:
        text = batch.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{batch} is not UTF-8 text: write one JSON object a line.") from None
    except OSError as error:
        raise InputError(f"{batch} can't be read ({error.strerror}): check the path.") from None
    return text.split("\n")


def _run_batch(assistant: Assistant, batch: Path, lines: list[str], output: Output) -> int:
    failed = 0
    rows = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    with _stdout(output) as out:
        for done, (number, line) in enumerate(rows):
            progress("questions", done, len(rows))
            error = _row(assistant, out, line, f"Line {number} of {batch.name}", batch, output)
            failed += error
        progress("questions", len(rows), len(rows))
    if failed:
        failures.say(f"{failed} of {len(rows)} questions failed.")
    return InputError.exit_code if failed else 0


def _row(
    assistant: Assistant, out: TextIO, line: str, place: str, batch: Path, output: Output
) -> bool:
    """Answer one line; return whether it failed."""
    name: str | int = ""
    try:
        given = parse(line, place, batch.parent)
        name = given.id
        _check(given)
        _show(out, answer(assistant, given), output, name)
    except AuscultError as error:
        message = " ".join(str(error).split())
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - one row's bug must not lose the other rows
        message = failures.report(error, lambda: assistant.settings.state_dir)
    else:
        return False
    row_id = name if name != "" else identity(line)
    if output.as_json:
        _write(out, {"id": row_id, "error": message})
    else:
        out.write(f"{place}: {message}\n")
    return True


def parse(line: str, place: str, folder: Path) -> Given:
    """Read one line of a batch file.

    Args:
        line: a JSON object.
        place: what to call it in a message.
        folder: what its paths are relative to.

    Raises:
        InputError: if it is not such an object, with its place.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is not valid JSON ({_why(error)}): mend the line.") from None
    if not isinstance(row, dict):
        raise InputError(f'{place} is not a JSON object: write {{"id": ..., "question": ...}}.')
    unknown = sorted(row.keys() - {"id", "question", "image", "record"})
    if unknown:
        raise InputError(
            f"{place} has the unknown key {unknown[0]!r}: known are id, question, image, record."
        )
    question, image, record = row.get("question", ""), row.get("image"), row.get("record")
    images = [image] if isinstance(image, str) else image or []
    if not isinstance(question, str):
        raise InputError(f"{place} has a question that is not text: write it in quotes.")
    if not isinstance(images, list) or not all(isinstance(i, str) and i for i in images):
        raise InputError(f"{place} has an image that is neither a path nor a list of paths.")
    if record is not None and not (isinstance(record, str) and record):
        raise InputError(f"{place} has a record that is not a path.")
    name = row.get("id", "")
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise InputError(f"{place} has an id that is neither text nor a whole number.")
    # Half a surrogate pair is legal JSON and breaks every encoder behind this.
    question = question.encode("utf-8", "replace").decode("utf-8")
    return Given(
        question, tuple(folder / i for i in images), folder / record if record else None, name
    )


def identity(line: str) -> str | int | None:
    """Return the id of a line that could not be read, if it shows one."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    name = row.get("id") if isinstance(row, dict) else None
    return name if isinstance(name, str | int) else None


def _why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return "nested too deeply"


@contextlib.contextmanager
def _stdout(output: Output) -> Iterator[TextIO]:
    """Yield stdout; with JSON, keep everything else away from it."""
    out = sys.stdout
    if not output.as_json:
        yield out
        return
    reconfigure = getattr(out, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8", errors="backslashreplace")
    with contextlib.redirect_stdout(sys.stderr):
        yield out


def _show(out: TextIO, result: Answer, output: Output, name: str | int = "") -> None:
    saved = _save_heatmaps(result, output.heatmaps)
    if output.as_json:
        _write(out, result.to_json() | ({"id": name} if name != "" else {}))
        return
    from ui import render

    console = render.console(out)
    if name != "":
        console.rule(render.plain_text(str(name)))
    console.print(render.answer(result, saved))


def _write(out: TextIO, value: dict[str, object]) -> None:
    out.write(json.dumps(value, ensure_ascii=False) + "\n")
    out.flush()


def _save_heatmaps(result: Answer, folder: Path | None) -> dict[int, str]:
    """Write the heatmaps into `folder`; return each finding's position and path."""
    if folder is None:
        return {}
    saved = {}
    for position, finding in enumerate(result.findings):
        if finding.heatmap is None:
            continue
        # The answer's id keeps films of one name apart; the name itself is never a path.
        stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in Path(finding.image).stem)
        path = folder / f"{result.id}-{position + 1}-{stem[:60]}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(finding.heatmap)
        except OSError as error:
            raise InputError(
                f"The heatmap can't be saved in {folder} ({error.strerror}): "
                "give --heatmaps a folder that can be written."
            ) from None
        saved[position] = str(path)
    return saved

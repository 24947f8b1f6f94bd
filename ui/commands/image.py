"""`auscult image`: films to findings, one or thousands, as lines, CSV, JSON and files of other forms."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from assistant.errors import InputError
from ui import failures
from ui.commands import _image_files
from ui.commands._image_rows import UNREADABLE, Row, Rows
from ui.commands._image_write import Outputs

if TYPE_CHECKING:
    from assistant.findings import Finding
    from assistant.settings import Settings
    from assistant.vision.judge import ImageJudge
    from ui.commands._image_stream import Film

# Seconds between two states of the progress line, and between two savings of the CSV file.
SHOW_S = 0.2
SAVE_S = 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """What is wanted of the films.

    Attributes:
        csv: file for a row a film, or None.
        resume: go on with that file.
        as_json: write JSON lines to stdout.
        out: folder for every form of every film, or None.
        places: by form, its file or folder, or None.
        prevalence: for predictive values, in (0, 1), or None.
        window: name of the window that pictures are shown in, or None.
        patient_id: to write, or "".
        patient_name: to write, or "".
    """

    csv: Path | None = None
    resume: bool = False
    as_json: bool = False
    out: Path | None = None
    places: Mapping[str, Path | None] = field(default_factory=dict)
    prevalence: float | None = None
    window: str | None = None
    patient_id: str = ""
    patient_name: str = ""


def run(config: Path | None, paths: tuple[Path, ...], options: Options) -> int:
    """Judge the films and show or write what was found; return the exit code.

    The code is 0 where every film was judged or refused, and 3 where one could not be read.

    Raises:
        InputError: if an option can't be used, or there is no film.
        ConfigError: if the model can't be loaded.
    """
    _check(options)
    found = _image_files.find(paths)
    single = len(found.films) == 1
    outputs = Outputs(
        places={form: place for form, place in options.places.items() if place is not None},
        folder=options.out,
        single=single,
        prevalence=options.prevalence,
        window=options.window,
        patient_id=options.patient_id,
        patient_name=options.patient_name,
    )
    outputs.check()
    settings = _settings(config, options)
    # A prevalence of the settings counts where the command line gives none.
    outputs = replace(outputs, prevalence=settings.prevalence)
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(_stdout(as_json=options.as_json))
        judge = _judge(settings)
        mark = _mark(judge, settings)
        rows = None
        if options.csv is not None:
            rows = stack.enter_context(Rows(options.csv, mark, resume=options.resume))
        work = _Run(settings, options, outputs, rows, mark, out, len(found.films))
        code = work.go(found.films, judge)
    if found.others:
        plural = "file in the folders was" if found.others == 1 else "files in the folders were"
        failures.say(f"{found.others} other {plural} passed over.")
    return code


class _Run:
    """One run over the films: shows and writes each as it comes, and counts."""

    def __init__(
        self,
        settings: Settings,
        options: Options,
        outputs: Outputs,
        rows: Rows | None,
        mark: str,
        out: TextIO,
        total: int,
    ) -> None:
        self._settings, self._options, self._outputs = settings, options, outputs
        self._rows, self._mark, self._out, self._total = rows, mark, out, total
        self._counts: Counter[str] = Counter()
        self._started = time.monotonic()
        self._shown = self._saved = 0.0
        self._study = ""

    def go(self, paths: tuple[Path, ...], judge: ImageJudge) -> int:
        """Judge the films; return the exit code."""
        from ui.commands._image_stream import Work, stream

        work = Work(
            judge=judge,
            settings=self._settings,
            heatmap=bool(self._outputs),
            done=self._rows.done.keys() if self._rows else (),
        )
        self._progress()
        try:
            for film in stream(paths, work):
                self._take(film)
                self._progress()
        except KeyboardInterrupt:
            self._clear()
            failures.say(self._stopped())
            raise
        self._clear()
        if self._total > 1 or self._options.csv is not None:
            failures.say(self._summary())
        return InputError.exit_code if self._counts[UNREADABLE] else 0

    def _take(self, film: Film) -> None:
        """Write and show one film. Its files come before its row: a row says that all is there."""
        if film.known:
            self._counts["known"] += 1
            return
        lacking = self._outputs.save(film)
        self._counts[decision(film)] += 1
        if self._rows is not None:
            self._rows.add(row(film, self._mark))
            if time.monotonic() - self._saved > SAVE_S:
                self._rows.save()
                self._saved = time.monotonic()
        self._show(film)
        if self._total == 1:
            for sentence in lacking:
                failures.say(sentence)

    def _show(self, film: Film) -> None:
        if self._options.as_json:
            self._out.write(json.dumps(_value(film), ensure_ascii=False) + "\n")
        elif self._rows is None:
            self._clear()
            study = _study(film)[0]
            if study != self._study:
                self._out.write(f"Study {study}\n" if study else "Without a study\n")
                self._study = study
            self._out.write(f"{_plain(film.key)}: {said(film)}\n")
            if self._total == 1 and film.finding is not None:
                self._out.writelines(f"  {_plain(line)}\n" for line in details(film.finding))
        else:
            return
        self._out.flush()

    def _progress(self) -> None:
        """Show on a terminal how far it is, how fast, and how long it will take."""
        now = time.monotonic()
        done = sum(self._counts.values())
        if not sys.stderr.isatty() or self._total < 2 or now - self._shown < SHOW_S:
            return
        self._shown = now
        fresh, took = done - self._counts["known"], now - self._started
        width = 24
        filled = width * done // self._total
        line = f"films [{'=' * filled}{' ' * (width - filled)}] {done} of {self._total}"
        if fresh:
            pace = fresh / took
            line += f", {pace:.1f} a second, {(self._total - done) / pace:.0f} s to go"
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()

    def _clear(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _summary(self) -> str:
        took = time.monotonic() - self._started
        fresh = sum(self._counts.values()) - self._counts["known"]
        names = ("suspected", "uncertain", "ruled out", "judged", "refused", UNREADABLE, "known")
        parts = [f"{self._counts[name]} {name}" for name in names if self._counts[name]]
        pace = f", {fresh / took:.1f} films a second" if fresh and took > 0 else ""
        return f"{self._total} films: {', '.join(parts)}; {took:.0f} s{pace}."

    def _stopped(self) -> str:
        done = sum(self._counts.values())
        if self._rows is None:
            return f"Stopped after {done} of {self._total} films."
        return (
            f"Stopped after {done} of {self._total} films, which are in {self._rows.path}: "
            "go on by the same command with --resume."
        )


def decision(film: Film) -> str:
    """Return a film's decision in a word or two."""
    finding = film.finding
    if finding is None:
        return UNREADABLE
    if finding.refused:
        return "refused"
    return finding.decision or "judged"


def said(film: Film) -> str:
    """Return a film's result as the rest of its line."""
    if film.finding is None:
        return f"can't be read. {film.error}"
    from assistant.vision.outputs import _words

    return _words.statement(film.finding)


def details(finding: Finding) -> list[str]:
    """Return what else there is to say of a single film."""
    from assistant.vision.outputs import _words

    lines = [] if finding.refused else [finding.reason]
    lines += [reading.text for reading in finding.second]
    lines += _words.caveats(finding)
    return [line for line in dict.fromkeys(lines) if line]


def row(film: Film, mark: str) -> Row:
    """Return a film's row of the CSV file."""
    study, series = _study(film)
    base = {
        "file": film.key,
        "sha256": film.digest,
        "format": film.image.format if film.image is not None else "",
        "study": study,
        "series": series,
        "decision": decision(film),
        "seconds": f"{film.seconds:.3f}",
        "run": mark,
    }
    finding = film.finding
    if finding is None:
        return base | {"reason": film.error}
    points = {point.name: f"{point.threshold:.4f}" for point in finding.points}
    gate = finding.gate
    written = film.image.burned_in if film.image is not None else ()
    return base | {
        "label": finding.label,
        "probability": "" if finding.probability is None else f"{finding.probability:.4f}",
        "spread": "" if finding.spread is None else f"{finding.spread:.4f}",
        "prediction_set": " or ".join(finding.labels),
        "rule_out": points.get("rule out", ""),
        "rule_in": points.get("rule in", ""),
        "gate": gate.kind if gate else "",
        "gate_share": f"{gate.share:.4f}" if gate else "",
        "warnings": " ".join(dict.fromkeys((*(gate.warnings if gate else ()), *written))),
        "reason": finding.reason,
        "model": finding.model,
    }


def _value(film: Film) -> dict[str, object]:
    """Return a film as a line of JSON."""
    study, series = _study(film)
    return {
        "file": film.key,
        "sha256": film.digest or None,
        "study": study or None,
        "series": series or None,
        "seconds": round(film.seconds, 3),
        "finding": None if film.finding is None else film.finding.to_json(),
        "error": film.error or None,
    }


def _study(film: Film) -> tuple[str, str]:
    from ui.commands._image_write import source_of

    source = source_of(film.image)
    return (source.study, source.series) if source else ("", "")


def _plain(text: str) -> str:
    """Return text without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _check(options: Options) -> None:
    given = options.prevalence
    if given is not None and not 0 < given < 1:
        raise InputError(f"--prevalence is {given}: give a share between 0 and 1, such as 0.1.")
    if options.resume and options.csv is None:
        raise InputError("--resume goes on with a CSV file: name it by --csv.")
    if options.window is not None:
        from assistant.vision import windows

        windows.preset(options.window)


def _settings(config: Path | None, options: Options) -> Settings:
    from assistant import settings

    return settings.load(config, {"prevalence": options.prevalence})[0]


def _judge(settings: Settings) -> ImageJudge:
    from assistant.vision.judge import ImageJudge

    return ImageJudge(settings)


def _mark(judge: ImageJudge, settings: Settings) -> str:
    """Return what rows of one file have in common, in short: models and version."""
    from assistant.vision.outputs._dicom import version

    parts = (version(), judge.model, *settings.image_classifiers)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]


@contextlib.contextmanager
def _stdout(*, as_json: bool) -> Iterator[TextIO]:
    """Yield stdout; with JSON, keep everything else away from it."""
    out = sys.stdout
    reconfigure = getattr(out, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8" if as_json else None, errors="backslashreplace")
    if not as_json:
        yield out
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield out

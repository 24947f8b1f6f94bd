"""How a training tells where it stands: one value a step, and the parts that show it.

A loop makes a `Progress` with its `Meter` and hands it to a `Report`: a bar on a terminal, a line
in a log, TensorBoard's files, or several of them together. Knows nothing of models or data, and
holds no text of a sample.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

WINDOW = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands after a step.

    Attributes:
        step: steps taken, from 1.
        steps: steps that the whole schedule takes.
        loss: mean loss of the last steps.
        tokens_per_second: real (non-padding) tokens a second over the last steps, validations and
            checkpoints left out; 0 before the first two steps.
        seconds_left: at the mean pace so far, validations included.
        validation: the figure of a validation after this step; None if there was none.
        learning_rate: in force during this step.
        unit: what `tokens_per_second` counts, in words.
    """

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float
    validation: float | None = None
    learning_rate: float = 0.0
    unit: str = "tokens"


Report = Callable[[Progress], None]


class Meter:
    """Measures a loop's pace: `begin` before each step's work, `end` after it."""

    def __init__(
        self,
        steps: int,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
        unit: str = "tokens",
    ) -> None:
        """Start the clock.

        Args:
            steps: steps of the whole schedule.
            done: steps taken before, by the run that this one goes on from.
            clock: gives seconds.
            unit: what `end` counts, in words.
        """
        self.steps = steps
        self.unit = unit
        self.done = done
        self.clock = clock
        self.started = clock()
        self.began = self.started
        self.recent: deque[tuple[int, float, float]] = deque(maxlen=WINDOW)

    def begin(self) -> None:
        """Mark that a step's own work begins."""
        self.began = self.clock()

    def end(self, loss: float, tokens: int) -> None:
        """Take in a step: its loss and its real tokens."""
        self.recent.append((tokens, self.clock() - self.began, loss))

    def progress(
        self, step: int, learning_rate: float = 0.0, validation: float | None = None
    ) -> Progress:
        """Return where the training stands after `step`."""
        tokens = sum(n for n, _, _ in self.recent)
        seconds = sum(s for _, s, _ in self.recent)
        losses = [value for _, _, value in self.recent]
        pace = (self.clock() - self.started) / max(step - self.done, 1)
        return Progress(
            step,
            self.steps,
            sum(losses) / len(losses) if losses else 0.0,
            tokens / seconds if seconds else 0.0,
            pace * max(self.steps - step, 0),
            validation,
            learning_rate,
            self.unit,
        )


def together(*reports: Report | None) -> Report:
    """Return one report that calls each of those given, in order."""
    wanted = [report for report in reports if report is not None]

    def report(progress: Progress) -> None:
        for one in wanted:
            one(progress)

    return report


def describe(progress: Progress) -> str:
    """Return a progress as one line of plain text."""
    parts = [f"step {progress.step}/{progress.steps}", f"loss {progress.loss:.3f}"]
    if progress.tokens_per_second:
        parts.append(f"{progress.tokens_per_second:,.0f} {progress.unit}/s")
    if progress.validation is not None:
        parts.append(f"validation {progress.validation:.4f}")
    if progress.step < progress.steps:
        parts.append(f"{duration(progress.seconds_left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a time span as `1 h 05 min`, `5 min 03 s` or `9 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def log_line(every_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> Report:
    """Return a report that writes a line to the log at most every so many seconds.

    The first step, the last step and every validation get their line at once.
    """
    last = float("-inf")

    def report(progress: Progress) -> None:
        nonlocal last
        due = progress.step == progress.steps or progress.validation is not None
        if due or clock() - last >= every_seconds:
            last = clock()
            log.info("%s", describe(progress))

    return report


@contextmanager
def bar(name: str) -> Iterator[Report]:
    """Yield a report that draws a progress bar on standard error until the block ends."""
    from rich import progress as rich
    from rich.console import Console

    columns: tuple[Any, ...] = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[note]}"),
    )
    with rich.Progress(*columns, console=Console(stderr=True)) as drawn:
        line = drawn.add_task(name, total=None, note="")
        figure = ""

        def report(progress: Progress) -> None:
            nonlocal figure
            if progress.validation is not None:
                figure = f", validation {progress.validation:.4f}"
            note = (
                f"loss {progress.loss:.3f}, {progress.tokens_per_second:,.0f} {progress.unit}/s"
                f"{figure}, "
                f"{duration(progress.seconds_left)} left"
            )
            drawn.update(line, completed=progress.step, total=progress.steps, note=note)

        yield report


class TensorBoardWriter:
    """A report that writes TensorBoard's event files; closes them at the end of its block."""

    def __init__(self, folder: Path, purge_from: int | None = None) -> None:
        """Open the files.

        Args:
            folder: where the event files go; made if missing.
            purge_from: hide earlier points from this step on, which a resumed run writes again.
        """
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._writer: Any = SummaryWriter(str(folder), purge_step=purge_from)

    def __call__(self, progress: Progress) -> None:
        """Write the figures of a step."""
        write, step = self._writer.add_scalar, progress.step
        write("train/loss", progress.loss, step)
        write("train/learning_rate", progress.learning_rate, step)
        write("train/tokens_per_second", progress.tokens_per_second, step)
        if progress.validation is not None:
            write("validation/figure", progress.validation, step)

    def close(self) -> None:
        """Write out what is held back."""
        self._writer.close()

    def __enter__(self) -> TensorBoardWriter:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

"""Progress: pace, time left, and the bar, log line and TensorBoard files that show them."""

from __future__ import annotations

import logging

import pytest

from finetune import progress
from finetune.progress import Meter, Progress


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pace_leaves_out_validation_but_time_left_does_not() -> None:
    clock = Clock()
    meter = Meter(10, 2, clock)  # goes on from step 2
    for step in (3, 4):
        meter.begin()
        clock.now += 2
        meter.end(1.0 + step, tokens=100)
        clock.now += 3  # a validation
        found = meter.progress(step, 0.01)
    assert found.tokens_per_second == pytest.approx(200 / 4)
    assert found.seconds_left == pytest.approx(6 * 5)
    assert found.loss == pytest.approx(4.5)
    assert (found.step, found.steps, found.learning_rate) == (4, 10, 0.01)


def test_a_line_names_what_there_is() -> None:
    line = progress.describe(Progress(5, 10, 0.51234, 12345.6, 3700, 0.8765))
    assert line == "step 5/10, loss 0.512, 12,346 tokens/s, validation 0.8765, 1 h 01 min left"
    assert progress.describe(Progress(10, 10, 0.5, 0, 0)) == "step 10/10, loss 0.500"
    assert [progress.duration(s) for s in (9.4, 303, 59.6)] == ["9 s", "5 min 03 s", "1 min 00 s"]


def test_lines_are_seldom_but_validations_are_told(caplog) -> None:
    clock, seen = Clock(), []
    report = progress.together(progress.log_line(10, clock), None, seen.append)
    with caplog.at_level(logging.INFO):
        for step in range(1, 31):
            clock.now += 1
            report(Progress(step, 30, 1.0, 5.0, 1.0, 0.5 if step == 7 else None))
    told = [int(r.getMessage().split()[1].split("/")[0]) for r in caplog.records]
    assert told == [1, 7, 17, 27, 30]
    assert len(seen) == 30


def test_the_bar_shows_pace_and_figure(capsys) -> None:
    with progress.bar("tiny") as report:
        report(Progress(1, 2, 0.7, 10.0, 61.0, 0.25))
        report(Progress(2, 2, 0.5, 12.0, 0.0))
    shown = capsys.readouterr().err
    assert "tiny" in shown
    assert "2/2" in shown


def test_tensorboard_reads_what_was_written(tmp_path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with progress.TensorBoardWriter(tmp_path) as report:
        for step in range(1, 5):
            report(Progress(step, 8, 1 / step, 10.0, 1.0, 0.5 if step == 4 else None, 1e-3))
    with progress.TensorBoardWriter(tmp_path, purge_from=3) as report:  # a resumed run
        report(Progress(3, 8, 9.0, 10.0, 1.0))
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    losses = {e.step: e.value for e in found.Scalars("train/loss")}
    assert losses == pytest.approx({1: 1.0, 2: 0.5, 3: 9.0})
    assert "validation/figure" in found.Tags()["scalars"]

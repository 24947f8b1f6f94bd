"""How many questions a second the index answers, by mode: dense, lexical, fused, full.

    python -m evals.bench.search --rounds 5 --out search.json

One thread asks the built-in questions of the starter library's index, one after the other. Every
round runs all modes in random order. Embedding the question is part of every mode but "lexical",
the reranker part of "full"; nothing is cached between questions.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from evals.bench import _table

if TYPE_CHECKING:
    from retrieval.search import Mode, Searcher

PASSAGES = 10


def searcher(state: Path) -> Searcher:
    """Return the searcher over the library of a state folder; builds the index if there is none."""
    from assistant.resources import Resources
    from assistant.settings import Settings

    return Resources(Settings(state_dir=state)).librarian.searcher


def measure(
    searching: Searcher, questions: Sequence[str], rounds: int, generator: random.Random
) -> dict[str, _table.Figure]:
    """Return questions a second and the seconds of one question, for each mode."""
    from retrieval.search import Mode

    modes: list[Mode] = list(get_args(Mode))
    rates: dict[Mode, list[float]] = {mode: [] for mode in modes}
    each: dict[Mode, list[float]] = {mode: [] for mode in modes}
    for mode in modes:
        searching.search(questions[0], PASSAGES, mode)
    for _ in range(rounds):
        for mode in generator.sample(modes, len(modes)):
            spent = [_seconds(searching, question, mode) for question in questions]
            rates[mode].append(len(spent) / sum(spent))
            each[mode] += spent
    figures = {}
    for mode in reversed(modes):
        figures[f"{mode}: questions"] = _table.figure(rates[mode], "/s")
        figures[f"{mode}: one question"] = _table.figure(each[mode], "s")
        figures[f"{mode}: 95th percentile"] = _table.figure(
            [float(np.percentile(each[mode], 95))], "s"
        )
    return figures


def _seconds(searching: Searcher, question: str, mode: Mode) -> float:
    began = time.perf_counter()
    searching.search(question, PASSAGES, mode)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = _table.parser((__doc__ or "").partition("\n")[0], rounds=5)
    parser.add_argument("--state", type=Path, help="state folder with an index (a temporary one)")
    parser.add_argument("--limit", type=int, help="questions at most (all)")
    parser.add_argument("--threads", type=int, default=0, help="torch threads (torch's default)")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.limit = 1, 2
    import torch

    from evals import starter

    if given.threads:
        torch.set_num_threads(given.threads)
    questions = [str(row["question"]) for row in starter.questions()][: given.limit]
    with tempfile.TemporaryDirectory() as name:
        searching = searcher(given.state or Path(name))
        before = _table.machine() | {
            "torch_threads": torch.get_num_threads(),
            "passages": len(searching.index.passages),
        }
        figures = measure(searching, questions, given.rounds, random.Random(given.seed))
    _table.publish("search", figures, before, given.out)


if __name__ == "__main__":
    main()

"""What it costs that the pair scorer reads the first 30 candidates of a question.

    python -m evals.bench.rerank --rounds 5 --out rerank.json

The candidates are passages of the starter library, drawn for each built-in question, and the same
joined to the length of an abstract: the cost hangs on their lengths alone. Given are the processor
time on one thread and the time on the wall with the threads of the machine, two at most.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from evals.bench import _ceilings, _ours, _paired, _table
from evals.bench.encoding import texts

QUESTIONS = 10
ABSTRACT = 200
KINDS = {"of the library": 0, "of 200 words": ABSTRACT}
TARGETS = {f"30 {kind}, two threads: 95th percentile": _table.Target(most=400) for kind in KINDS}

Pairs = list[tuple[str, str]]


def pairs(count: int, words: int, generator: random.Random) -> list[Pairs]:
    """Return the pairs of question and candidate for so many questions.

    Args:
        count: questions.
        words: length of a candidate, made of passages side by side; 0 for one passage as it is.
        generator: draws questions and candidates.
    """
    from evals import starter
    from retrieval.fusion import RERANK_DEPTH

    passages = texts(None)
    if words:
        every = " ".join(passages).split()
        passages = [" ".join(every[n : n + words]) for n in range(0, len(every) - words, words)]
    asked = generator.sample([str(row["question"]) for row in starter.questions()], count)
    return [
        [(question, text) for text in generator.sample(passages, RERANK_DEPTH)]
        for question in asked
    ]


def measure(
    scorer: Any, kind: str, given: Sequence[Pairs], rounds: int
) -> dict[str, _table.Figure]:
    """Return the time of one question's candidates on one thread and on two."""
    import torch

    depth = len(given[0])
    figures: dict[str, _table.Figure] = {}
    for threads, word in ((1, "one thread"), (min(2, os.cpu_count() or 1), "two threads")):
        torch.set_num_threads(threads)
        scorer.score(given[0])
        cpu, wall = [], []
        for _ in range(rounds):
            for work in given:
                began, busy = time.perf_counter(), time.process_time()
                scorer.score(work)
                cpu.append(1_000 * (time.process_time() - busy))
                wall.append(1_000 * (time.perf_counter() - began))
        name = f"{depth} {kind}, {word}"
        figures[f"{name}: processor time"] = _table.figure(cpu, "ms CPU")
        figures[f"{name}: time"] = _table.figure(wall, "ms")
        figures[f"{name}: 95th percentile"] = _table.single(float(np.percentile(wall, 95)), "ms")
    torch.set_num_threads(1)
    return figures


def main() -> None:
    """Measure and print."""
    parser = _table.parser((__doc__ or "").partition("\n")[0], rounds=5)
    given = parser.parse_args()
    _paired.one_thread()
    from retrieval.adapters import PairScorer

    before = _table.machine()
    scorer = PairScorer.load(_ours.encoder())
    figures: dict[str, _table.Figure] = {}
    facts: dict[str, Any] = {"questions": 1 if given.quick else QUESTIONS}
    for kind, length in KINDS.items():
        chosen = pairs(facts["questions"], length, random.Random(given.seed))
        figures |= measure(scorer, kind, chosen, 1 if given.quick else given.rounds)
        words = [len(text.split()) for work in chosen for _, text in work]
        facts[f"words of one {kind}"] = round(float(np.mean(words)), 1)
    figures |= _ceilings.figures(read_mb=8 if given.quick else 512)
    _table.publish("rerank", figures, before, given.out, facts=facts, targets=TARGETS)


if __name__ == "__main__":
    main()

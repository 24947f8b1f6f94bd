"""How fast a chat model is trained, against TRL's `SFTTrainer` with its defaults.

    python -m evals.bench.training --rounds 5 --out training.json

Both put the same LoRA on the same random-weight model and go once over the same made-up dialogues
of varying length in every round; rounds alternate in random order, after one untimed round each.
Each side is a process of its own, so that neither patches or warms the other. What counts is real
tokens: those of the dialogues, without padding. On a CPU the seconds are the processor's, on a GPU
those on the wall, and there the share of the card's peak is told too: 4 FLOP for each weight of the
layers and each token (forward, and backward through frozen weights), over what a large product of
matrices reaches on that card. TRL learns from every token, ours from the assistant's; both read all.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from evals.bench import _paired, _table

OURS, THEIRS = "finetune.chat", "TRL defaults"
_SIDES = {OURS: "ours", THEIRS: "trl"}
_PROGRAM = (sys.executable, "-m", "finetune.chat.throughput")
QUICK = {"layers": 2, "hidden": 128, "vocabulary": 2_000, "dialogues": 16, "median_tokens": 60}
# A 0.5B architecture, as the aim for a GPU asks.
LARGE = {
    "layers": 24, "hidden": 1024, "vocabulary": 151_000, "dialogues": 512, "median_tokens": 300,
    "most_tokens": 2048, "batch_tokens": 32_768,
}  # fmt: skip


class Side:
    """A process that trains a round whenever it is told to."""

    def __init__(self, folder: Path, name: str) -> None:
        """Start it and wait until it is ready."""
        self.errors = (folder / f"{_SIDES[name]}.log").open("w+", encoding="utf-8")
        self.name = name
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [*_PROGRAM, "run", str(folder), _SIDES[name]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
        )  # fmt: skip
        self.facts = self._read()

    def round(self) -> dict[str, float]:
        """Train once over the dialogues."""
        if self.process.stdin is None:
            raise RuntimeError("the process has no input")
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End it."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(timeout=60)
        self.errors.close()

    def _read(self) -> dict[str, Any]:
        if self.process.stdout is None:
            raise RuntimeError("the process has no output")
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            code = self.process.wait()
            raise SystemExit(f"{self.name} ended with {code}:\n{self.errors.read()[-2_000:]}")
        found: dict[str, Any] = json.loads(line)
        return found


def measure(
    folder: Path, rounds: int, generator: random.Random
) -> tuple[dict[str, _table.Figure], dict[str, Any]]:
    """Return the figures of both sides and their ratio, and facts on the work.

    Args:
        folder: that `finetune.chat.throughput make` has filled.
        rounds: timed rounds, at least 1.
        generator: draws the order within a round.
    """
    sides = {name: Side(folder, name) for name in _SIDES}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    try:
        for number in range(rounds + 1):
            for name in generator.sample(list(sides), len(sides)):
                result = sides[name].round()
                if number:
                    found[name].append(result)
        told = sides[OURS].facts
    finally:
        for side in sides.values():
            side.close()
    clock, unit = ("wall_s", "tokens/s") if "device" in told else ("cpu_s", "tokens/s CPU")
    rates = {n: [r["tokens"] / r[clock] for r in results] for n, results in found.items()}
    ratios = [a / b for a, b in zip(rates[OURS], rates[THEIRS], strict=True)]
    walls = [
        a["tokens"] / a["wall_s"] / (b["tokens"] / b["wall_s"])
        for a, b in zip(found[OURS], found[THEIRS], strict=True)
    ]
    figures = {name: _table.figure(values, unit) for name, values in rates.items()}
    figures["times faster"] = _table.figure(ratios, "x")
    figures["times faster on the wall"] = _table.figure(walls, "x")
    if "peak_flops" in told:
        for name, values in rates.items():
            shares = [4 * told["parameters"] * rate / told["peak_flops"] for rate in values]
            figures[f"share of the card's peak, {name}"] = _table.figure(shares, "of 1")
    first = found[OURS][0]
    return figures, {
        "real tokens a round": int(first["tokens"]),
        "of them the assistant's": int(first["learned"]),
        **told,
    }


def main() -> None:
    """Measure and print."""
    parser = _table.parser((__doc__ or "").partition("\n")[0], rounds=5)
    parser.add_argument("--large", action="store_true", help="a 0.5B architecture, for a GPU")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; 0 for all (1)")
    given = parser.parse_args()
    if given.threads == 1:
        _paired.one_thread()
    sizes = LARGE if given.large else {}
    if given.quick:
        sizes, given.rounds = QUICK, 1
    before = _table.machine()
    with tempfile.TemporaryDirectory() as made:
        subprocess.run(  # noqa: S603 - our own command
            [*_PROGRAM, "make", made, "--sizes", json.dumps(sizes)],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        figures, facts = measure(Path(made), given.rounds, random.Random(given.seed))
    aim = _table.Target(least=2.0 if "device" in facts else 3.0)
    threads = given.threads or "all"
    _table.publish(
        "training", figures, before, given.out, facts=facts | {"threads": threads},
        targets={"times faster": aim},
    )  # fmt: skip


if __name__ == "__main__":
    main()

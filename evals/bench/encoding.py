"""How fast the encoder turns the starter library into vectors, against sentence-transformers.

    python -m evals.bench.encoding --rounds 5 --out encoding.json

Both get the same weights, the same texts and the same threads, in one process: `Encoder.embed` as it
is served, and `SentenceTransformer.encode` with its defaults. A round runs both, in random order, so
that a change of the machine's load falls on both; the ratio is taken within each round. Agreement is
the cosine between the two vectors of a text. Needs the package sentence-transformers, which the
product does not.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evals.bench import _table

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]


def texts(limit: int | None) -> list[str]:
    """Return the texts that the index embeds, in reading order; the first `limit` where given."""
    from evals import starter
    from retrieval import chunking
    from retrieval.index.store import embedded_text

    found = [embedded_text(passage) for passage in chunking.passages(starter.documents())]
    return found[:limit]


def reference() -> Embed:
    """Return sentence-transformers' own `encode` over the embedded package's folder.

    The folder holds the original model's configuration: mean pooling, unit length, 256 tokens.

    Raises:
        SystemExit: if the package is not installed.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise SystemExit(
            "sentence-transformers is not installed: 'pip install sentence-transformers'."
        ) from None
    from retrieval.encoder import EMBEDDED, locate

    model = SentenceTransformer(str(locate(EMBEDDED)), device="cpu")

    def embed(given: Sequence[str]) -> Vectors:
        return np.asarray(model.encode(list(given), show_progress_bar=False), dtype=np.float32)

    return embed


def measure(
    given: Sequence[str], ours: Embed, theirs: Embed, rounds: int, generator: random.Random
) -> dict[str, _table.Figure]:
    """Return texts a second of both, the ratio of their times, and their agreement."""
    sides = {"Encoder.embed": ours, "sentence-transformers": theirs}
    warm = given[: min(64, len(given))]
    for embed in sides.values():
        embed(warm)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    vectors: dict[str, Vectors] = {}
    for _ in range(rounds):
        for name in generator.sample(list(sides), len(sides)):
            began = time.perf_counter()
            vectors[name] = sides[name](given)
            seconds[name].append(time.perf_counter() - began)
    mine, other = (seconds[name] for name in sides)
    a, b = (vectors[name] for name in sides)
    cosines = (a * b).sum(1)
    rates = {
        name: _table.figure([len(given) / s for s in spent], "/s")
        for name, spent in seconds.items()
    }
    return {
        **rates,
        "times faster": _table.figure([t / m for m, t in zip(mine, other, strict=True)], "x"),
        "cosine agreement": _table.figure(cosines.tolist(), "cosine, one a text"),
    }


def main() -> None:
    """Measure and print."""
    parser = _table.parser((__doc__ or "").partition("\n")[0], rounds=5)
    parser.add_argument("--limit", type=int, help="texts at most (all)")
    parser.add_argument("--threads", type=int, default=0, help="torch threads (torch's default)")
    parser.add_argument("--seed", type=int, default=0, help="of the order in a round (0)")
    given = parser.parse_args()
    import torch

    from retrieval.encoder import Encoder

    if given.threads:
        torch.set_num_threads(given.threads)
    before = _table.machine() | {"torch_threads": torch.get_num_threads()}
    encoder = Encoder.load()
    figures = measure(
        texts(given.limit),
        encoder.embed,
        reference(),
        given.rounds,
        random.Random(given.seed),
    )
    _table.publish("encoding", figures, before, given.out)


if __name__ == "__main__":
    main()

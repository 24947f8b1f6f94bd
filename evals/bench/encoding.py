"""How fast the encoder turns the starter library into vectors, against sentence-transformers.

    python -m evals.bench.encoding --rounds 5 --out encoding.json

Both get the same weights, texts and one thread, in one process: `Encoder.embed` as it is served, and
`SentenceTransformer.encode` with its defaults (float32, batches of 32). Agreement is the cosine
between the two vectors of each text, measured in the same run.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evals.bench import _ceilings, _ours, _paired, _peers, _table

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]

OURS, THEIRS = "Encoder.embed", "sentence-transformers"
LIMIT = 400
TARGETS = {
    "times faster": _table.Target(least=3.3),
    "cosine, smallest": _table.Target(least=0.9998),
}


def texts(limit: int | None) -> list[str]:
    """Return texts that the index embeds, spread evenly over the library; `limit` where given."""
    from evals import starter
    from retrieval import chunking
    from retrieval.index.store import embedded_text

    found = [embedded_text(passage) for passage in chunking.passages(starter.documents())]
    step = max(1, len(found) // limit) if limit else 1
    return found[::step][:limit]


def sides() -> dict[str, Embed]:
    """Return what is compared, by name; the int8 encoder where the product offers one."""
    from retrieval.encoder import EMBEDDED, Encoder, locate

    found: dict[str, Embed] = {OURS: _ours.encoder().embed}
    if "precision" in inspect.signature(Encoder.load).parameters:
        found[f"{OURS}, int8"] = _ours.encoder(precision="int8").embed
    found[THEIRS] = _peers.sentence_transformer(locate(EMBEDDED))
    return found


def measure(
    given: Sequence[str], variants: dict[str, Embed], rounds: int, generator: random.Random
) -> dict[str, _table.Figure]:
    """Return texts per processor second of each, how many times faster ours is, and agreement."""
    few = given[: min(64, len(given))]
    work = {
        name: lambda number, embed=embed: embed(given if number else few)
        for name, embed in variants.items()
    }
    found = _paired.compare(work, rounds, generator)
    figures = {name: found.rate(name, len(given)) for name in variants}
    reference = found.outputs[THEIRS][-1]
    for name in variants:
        if name == THEIRS:
            continue
        after = name.removeprefix(OURS)
        cosines = (found.outputs[name][-1] * reference).sum(1)
        figures[f"times faster{after}"] = found.ratio(THEIRS, name)
        figures[f"cosine, mean{after}"] = _table.single(float(cosines.mean()), "cosine")
        figures[f"cosine, smallest{after}"] = _table.single(float(cosines.min()), "cosine")
    return figures


def main() -> None:
    """Measure and print."""
    parser = _table.parser((__doc__ or "").partition("\n")[0], rounds=5)
    parser.add_argument("--limit", type=int, default=LIMIT, help=f"texts at most ({LIMIT})")
    given = parser.parse_args()
    _paired.one_thread()
    if given.quick:
        given.limit, given.rounds = 24, 1
    _paired.pin()
    before = _table.machine()
    chosen = texts(given.limit)
    figures = measure(chosen, sides(), given.rounds, random.Random(given.seed))
    figures |= _ceilings.figures(read_mb=8 if given.quick else 512)
    words = sum(len(text.split()) for text in chosen) / len(chosen)
    facts = {"texts": len(chosen), "words a text": round(words, 1), "threads": 1}
    _table.publish("encoding", figures, before, given.out, facts=facts, targets=TARGETS)


if __name__ == "__main__":
    main()

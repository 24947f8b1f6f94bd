"""Which form of the encoder suits each adapter on this machine: measured, chosen, written down.

Every form computes the same texts in turns, so that what else the machine does weighs on all alike.
Agreement is with float32, by what the adapter is for; the fastest form that agrees well enough is
chosen for serving. `export` writes a merged encoder that other software can load. Knows nothing of
training, or of how a choice is served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval import adapters, files, forms
from retrieval.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

TASKS = ("embed", "entities", "rerank", "support", "verdict")
# How far a form may fall behind float32 and still be chosen.
LEAST_AGREEMENT = 0.99
Solve = Callable[[Sequence[str]], Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """A form of an adapter, measured.

    Attributes:
        adapter: the adapter's name.
        task: what it is for.
        form: float32, bf16 or int8.
        texts_per_s: texts (or pairs) a second of wall time.
        speed: how many times as fast as float32, in the same rounds.
        agreement: with float32, in [0, 1].
        measure: what agreement is: spans, order, labels or cosine.
    """

    adapter: str
    task: str
    form: str
    texts_per_s: float
    speed: float
    agreement: float
    measure: str


def measure(
    encoder: Encoder, name: str, texts: Sequence[str], wanted: Sequence[str], rounds: int = 3
) -> list[Measured]:
    """Measure an adapter's forms.

    Args:
        encoder: the base, in any form.
        name: a shipped adapter, or an adapter's folder.
        texts: passages, at least two; pairs are made of neighbours.
        wanted: forms; float32 is measured in any case.
        rounds: times that each form computes all texts; the medians count.

    Raises:
        ConfigError: if there is no such form, or this machine can't compute in it.
        ModelError: if the adapter is damaged, or of another base.
    """
    card = adapters.read_card(adapters.locate(name))
    task = str(card["task"])
    if task not in TASKS:
        raise ConfigError(f"The adapter {name!r} is for {task!r}: only the encoder's have forms.")
    solvers: dict[str, Solve] = {}
    for form in dict.fromkeys(("float32", *wanted)):
        if form not in forms.FORMS:
            raise ConfigError(f"There is no form {form!r}: choose {', '.join(forms.FORMS)}.")
        solvers[form] = _solver(replace(encoder, forms={task: form}), name, task)
    outputs = {form: solve(texts) for form, solve in solvers.items()}  # warms up, too
    seconds: dict[str, list[float]] = {form: [] for form in solvers}
    for number in range(rounds):
        turn = list(solvers) if number % 2 == 0 else list(solvers)[::-1]
        for form in turn:
            began = time.perf_counter()
            solvers[form](texts)
            seconds[form].append(time.perf_counter() - began)
    took = {form: float(np.median(values)) for form, values in seconds.items()}
    kind, agree = _AGREEMENT[task]
    return [
        Measured(
            str(card["name"]), task, form, round(len(texts) / took[form], 1),
            round(took["float32"] / took[form], 2),
            round(agree(outputs["float32"], outputs[form]), 4), kind,
        )
        for form in solvers
    ]  # fmt: skip


def choose(rows: Sequence[Measured], least: float = LEAST_AGREEMENT) -> dict[str, str]:
    """Return the fastest form of each task that agrees with float32 by at least `least`."""
    out: dict[str, str] = {}
    for task in dict.fromkeys(row.task for row in rows):
        good = [r for r in rows if r.task == task and (r.agreement >= least or r.form == "float32")]
        out[task] = max(good, key=lambda row: row.speed).form
    return out


def keep(state_dir: Path, rows: Sequence[Measured], choice: Mapping[str, str]) -> Path:
    """Write the choice where serving finds it, with what was measured; return the file."""
    path = state_dir / forms.FILE
    state_dir.mkdir(parents=True, exist_ok=True)
    value = {"forms": dict(choice), "measured": [asdict(row) for row in rows]}
    files.write_json(path, value)
    return path


def export(
    encoder: Encoder, name: str, form: str, out: Path, rows: Sequence[Measured], base: Path
) -> Path:
    """Write an adapter merged into its base: `out/<name>-<form>/`, in transformers' format.

    float32 and bf16 only: int8 is made from them when it is loaded. The head travels beside it.

    Args:
        encoder: the base.
        name: a shipped adapter, or an adapter's folder.
        form: float32 or bf16.
        out: folder for the merged models.
        rows: what `measure` returned; goes into the card.
        base: the base's folder, whose config.json and tokenizer.json are taken along.

    Raises:
        ConfigError: for int8, or if the folder exists.
    """
    from safetensors.torch import save_file

    if form == "int8":
        raise ConfigError("int8 is made when an adapter is loaded: export float32 or bf16.")
    folder = adapters.locate(name)
    card = adapters.read_card(folder)
    task = str(card["task"])
    merged = adapters.Adapter.load(replace(encoder, forms={task: form}), name, task)
    target = out / f"{card['name']}-{form}"
    if target.exists():
        raise ConfigError(f"{target} exists: give another folder for the merged model.")
    out.mkdir(parents=True, exist_ok=True)
    with files.atomic_folder(target) as aside:
        weights = {k: v.contiguous().clone() for k, v in merged.bert.weights.items()}
        save_file(weights, aside / "model.safetensors", metadata={"format": "pt"})
        head = {k: v.contiguous().clone() for k, v in merged.head.items()}
        if head:
            save_file(head, aside / "head.safetensors", metadata={"format": "pt"})
        for needed in ("config.json", "tokenizer.json"):
            (aside / needed).write_bytes((base / needed).read_bytes())
        own = [asdict(row) for row in rows if row.task == task]
        full = {
            **card, "form": form, "merged": True, "forms": own,
            "sha256": files.sha256(aside / "model.safetensors"), "adapter_sha256": card["sha256"],
        }  # fmt: skip
        files.write_json(aside / "card.json", full)
    return target


def _solver(encoder: Encoder, name: str, task: str) -> Solve:
    if task == "embed":
        asking = encoder.asking_with(name)
        if asking.asker is None:
            raise ModelError(f"The adapter {name!r} sits on another base than {encoder.identity}.")
        return lambda texts: asking._embed(texts, 256, None, asking.asker or asking.bert)
    if task == "entities":
        tagger = adapters.Tagger.load(encoder, name)
        return lambda texts: [
            {(e.start, e.end, e.type) for e in found} for found in tagger.tag(texts)
        ]
    if task == "rerank":
        scorer = adapters.PairScorer.load(encoder, name)
        return lambda texts: scorer.logits(_pairs(texts))
    from retrieval.classifier import Classifier

    classifier = Classifier.load(encoder, name, task)
    return lambda texts: classifier.probabilities(_pairs(texts))


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return the first sentence of every text with the text itself or its neighbour, in turns."""
    firsts = [text.partition(". ")[0] for text in texts]
    return [(first, texts[(i + i % 2) % len(texts)]) for i, first in enumerate(firsts)]


def _cosine(exact: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float((exact * other).sum(1).mean())


def _spans(exact: Sequence[set[Any]], other: Sequence[set[Any]]) -> float:
    both = sum(len(a & b) for a, b in zip(exact, other, strict=True))
    total = sum(len(a) + len(b) for a, b in zip(exact, other, strict=True))
    return 2 * both / total if total else 1.0


def _order(exact: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the rank correlation of Spearman."""
    a, b = (np.argsort(np.argsort(values)) for values in (exact, other))
    return float(np.corrcoef(a, b)[0, 1])


def _labels(exact: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float((exact.argmax(1) == other.argmax(1)).mean())


_AGREEMENT: dict[str, tuple[str, Callable[[Any, Any], float]]] = {
    "embed": ("mean cosine", _cosine),
    "entities": ("F1 of spans", _spans),
    "rerank": ("rank correlation", _order),
    "support": ("share of equal labels", _labels),
    "verdict": ("share of equal labels", _labels),
}

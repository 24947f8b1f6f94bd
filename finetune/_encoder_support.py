"""The support check's own pairs: SciFact's claims over the abstracts that they cite.

Each claim stands over the chosen sentences of a cited abstract; claims with annotated evidence also
over those sentences alone and, where the recipe says so, over the abstract without them. Abstracts that share a claim share a
fold. Knows nothing of training.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import _encoder_classes_cards as cards
from finetune import _encoder_pairs as pairs
from finetune._encoder_classes import Classes, head
from finetune._encoder_classes_cards import prepare
from finetune._encoder_classes_sources import Example
from retrieval import _claims
from retrieval.encoder import Encoder

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

__all__ = ["LABELS", "build", "card", "head", "own", "prepare", "taught"]
LABELS = ("support", "contradict", "neither")
_CODES = {"SUPPORT": 0, "CONTRADICT": 1, "REFUTES": 1, "NEITHER": 2}


def own(recipe: Recipe, data: Path) -> list[Example]:
    """Return one pair a claim and cited abstract, as it is judged when served."""
    count = int(recipe.options["sentences"])
    return [
        Example(
            row["claim"], _claims.choose(row["claim"], " ".join(row["lines"]), count), label, group
        )
        for row, label, group in _pairs(data)
    ]


def taught(recipe: Recipe, data: Path, examples: list[Example]) -> list[Example]:
    """Return what to train on where these pairs may be: themselves, and their evidence alone."""
    allowed = {(e.first, e.group) for e in examples}
    count = int(recipe.options["sentences"])
    weight = float(recipe.options.get("evidence", 1.0))
    bare = float(recipe.options.get("without_evidence", 0.0))
    out = list(examples)
    for row, label, group in _pairs(data):
        gold = row["gold"]
        if (row["claim"], group) not in allowed or not gold or not weight:
            continue
        lines = row["lines"]
        evidence = " ".join(lines[i] for i in gold if i < len(lines))
        rest = " ".join(line for i, line in enumerate(lines) if i not in gold)
        out.append(Example(row["claim"], evidence, label, group, weight))
        if bare and len(lines) - len(gold) >= 3:
            chosen = _claims.choose(row["claim"], rest, count - 1)
            out.append(Example(row["claim"], chosen, 2, group, bare))
    return out


def _pairs(data: Path) -> list[tuple[dict[str, Any], int, str]]:
    """Return (claim, lines, gold sentences), label and group of each claim and cited abstract."""
    claims = pairs.rows(data / "retrieval/scifact_claims_train.jsonl.gz")
    corpus = {r["doc_id"]: r for r in pairs.rows(data / "retrieval/scifact_corpus.jsonl.gz")}
    part = pairs.components((str(c["claim_id"]), c["cited_doc_ids"]) for c in claims)
    out = []
    for claim in claims:
        for document in claim["cited_doc_ids"]:
            found = [e for e in claim["evidence"] if e["doc_id"] == document]
            label = _CODES[found[0]["label"]] if found else 2
            gold = sorted({i for e in found for i in e["sentences"]})
            row = {"claim": claim["claim"], "lines": corpus[document]["abstract"], "gold": gold}
            out.append((row, label, part[str(claim["claim_id"])]))
    return out


def build(recipe: Recipe, encoder: Encoder, data: Path | None, run: Path) -> Classes:
    """Return the task on all of its pairs, or on the files that the recipe names."""
    return cards.build(recipe, encoder, data, run, LABELS)


def card(model: AdapterModel, task: Classes, recipe: Recipe) -> dict[str, Any]:
    """Return what the card says of data, input, calibration and results."""
    return {
        "purpose": "Judges whether a text supports or contradicts a claim, or says neither.",
        **cards.card(model, task, recipe, LABELS),
        "output": "probabilities of support, contradict and neither",
    }

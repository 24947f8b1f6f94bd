"""The support check's own pairs: SciFact's claims over the abstracts that they cite.

Each claim stands over the chosen sentences of a cited abstract; an abstract without annotated
evidence says neither. Claims that share an abstract share a fold. Knows nothing of training.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import _encoder_classes_cards as cards
from finetune import _encoder_pairs as pairs
from finetune._encoder_classes import head
from finetune._encoder_classes_cards import Labelled, fit
from finetune._encoder_classes_sources import Example
from retrieval import _claims
from retrieval.encoder import Encoder

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

__all__ = ["LABELS", "build", "card", "fit", "head", "own"]
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


def _pairs(data: Path) -> list[tuple[dict[str, Any], int, str]]:
    """Return (claim, lines), label and group of each claim and cited abstract."""
    claims = pairs.rows(data / "retrieval/scifact_claims_train.jsonl.gz")
    corpus = {r["doc_id"]: r for r in pairs.rows(data / "retrieval/scifact_corpus.jsonl.gz")}
    part = pairs.components((str(c["claim_id"]), c["cited_doc_ids"]) for c in claims)
    out = []
    for claim in claims:
        for document in claim["cited_doc_ids"]:
            found = [e for e in claim["evidence"] if e["doc_id"] == document]
            label = _CODES[found[0]["label"]] if found else 2
            row = {"claim": claim["claim"], "lines": corpus[document]["abstract"]}
            out.append((row, label, part[str(claim["claim_id"])]))
    return out


def build(recipe: Recipe, encoder: Encoder, data: Path | None, run: Path) -> Labelled:
    """Return the task on all of its pairs, or on the files that the recipe names."""
    return cards.build(recipe, encoder, data, run, LABELS)


def card(model: AdapterModel, task: Labelled, recipe: Recipe) -> dict[str, Any]:
    """Return what the card says of data, input, calibration and results."""
    return {
        "purpose": "Judges whether a text supports or contradicts a claim, or says neither.",
        **cards.card(model, task, recipe, LABELS),
        "output": "probabilities of support, contradict and neither",
    }

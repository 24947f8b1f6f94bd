"""The verdict's own pairs: PubMedQA's questions over their abstracts without the conclusion.

Each question stands over the chosen sentences of its abstract; the conclusion that its authors drew is
not in it. Knows nothing of training.
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
LABELS = ("yes", "no", "maybe")


def own(recipe: Recipe, data: Path) -> list[Example]:
    """Return one pair a question, as it is judged when served."""
    count = int(recipe.options["sentences"])
    out = []
    for row in pairs.rows(data / "qa/pubmedqa_train.jsonl.gz"):
        text = _claims.labelled(row["contexts"])
        label = LABELS.index(row["final_decision"])
        chosen = _claims.choose(row["question"], text, count)
        out.append(Example(row["question"], chosen, label, str(row["pmid"])))
    return out


def build(recipe: Recipe, encoder: Encoder, data: Path | None, run: Path) -> Labelled:
    """Return the task on all of its pairs, or on the files that the recipe names."""
    return cards.build(recipe, encoder, data, run, LABELS)


def card(model: AdapterModel, task: Labelled, recipe: Recipe) -> dict[str, Any]:
    """Return what the card says of data, input, calibration and results."""
    return {
        "purpose": "Answers a yes/no question from an abstract: yes, no or maybe.",
        **cards.card(model, task, recipe, LABELS),
        "output": "probabilities of yes, no and maybe",
    }

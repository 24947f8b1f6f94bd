"""Which files a recipe reads, before anything is loaded. Knows nothing of what stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from retrieval.errors import ConfigError, InputError

if TYPE_CHECKING:
    from finetune.recipe import TextRecipe

Part = Literal["train", "validation"]

# Public sets of the data folder that a task reads: (file, part, format). The tasks split by patient,
# document or disease themselves what has no validation file here.
_Set = tuple[str, Part, str]
_BC5CDR: tuple[_Set, ...] = (
    ("ner/bc5cdr_train.jsonl.gz", "train", "entities"),
    ("ner/bc5cdr_validation.jsonl.gz", "validation", "entities"),
)
_NCBI: tuple[_Set, ...] = (
    ("ner/ncbi_disease_train.jsonl.gz", "train", "entities"),
    ("ner/ncbi_disease_validation.jsonl.gz", "validation", "entities"),
)
_PUBMEDQA: _Set = ("qa/pubmedqa_train.jsonl.gz", "train", "verdict")
_CLAIMS: _Set = ("retrieval/scifact_claims_train.jsonl.gz", "train", "claims")
_BIOASQ: _Set = ("qa/bioasq_train.jsonl.gz", "train", "bioasq")
_MEDQUAD: _Set = ("qa/medquad_train.jsonl.gz", "train", "medquad")
_CORPUS: _Set = ("retrieval/scifact_corpus.jsonl.gz", "train", "corpus")
_SNIPPETS: _Set = ("retrieval/bioasq_snippets_corpus.jsonl.gz", "train", "corpus")
_TRIALS: _Set = ("literature/rct_articles_open.jsonl.gz", "train", "corpus")
_EVIDENCE: tuple[_Set, ...] = (
    ("qa/evidence_inference_v2_train.jsonl.gz", "train", "evidence"),
    ("qa/evidence_inference_v2_validation.jsonl.gz", "validation", "evidence"),
)
_PUBLIC: dict[str, tuple[_Set, ...]] = {
    "entities": _BC5CDR,
    "rerank": (
        _MEDQUAD,
        ("qa/medquad_validation.jsonl.gz", "validation", "medquad"),
        _BIOASQ,
        _CLAIMS,
        _CORPUS,
        _PUBMEDQA,
        *_EVIDENCE,
    ),
    "embed": (_BIOASQ, _MEDQUAD, _PUBMEDQA),
    "support": (_CLAIMS, _CORPUS, _PUBMEDQA, _BIOASQ, _SNIPPETS, _TRIALS, _EVIDENCE[0]),
    "verdict": (_PUBMEDQA, _CLAIMS, _CORPUS, _BIOASQ, _SNIPPETS, _TRIALS, _EVIDENCE[0]),
}
# The format of own files by task.
_OWN = {"entities": "spans", "rerank": "rerank", "support": "support", "verdict": "verdict"}


@dataclass(frozen=True, slots=True)
class Source:
    """A file of rows.

    Attributes:
        path: where it is.
        part: what it is for.
        format: name of the rows' format; "" for chat data, where the columns decide.
        public: whether it is one of the published sets that the task was made for. Those are
            split inside the task and hold published text, so faults in them are told, not fatal.
    """

    path: Path
    part: Part
    format: str
    public: bool = False


def of(recipe: TextRecipe, data: Path | None) -> tuple[Source, ...]:
    """Return the files that a recipe reads, those to train on first.

    Args:
        recipe: of any task.
        data: the data folder; None if there is none.

    Raises:
        InputError: if one is missing.
        ConfigError: if the task reads public sets only and the recipe names files.
    """
    block: Any = recipe.data
    if block is None:
        return _public(recipe, data)
    name = "" if hasattr(block, "format") else _OWN.get(recipe.task)
    if name is None:
        raise ConfigError(
            f"The task {recipe.task} can't be trained on files of your own: leave out the data: block."
        )
    parts: tuple[Part, ...] = ("train", "validation")
    named = [(part, getattr(block, part)) for part in parts]
    return tuple(Source(find(file, data, part), part, name) for part, file in named if file)


def find(file: str, data: Path | None, part: str) -> Path:
    """Return where a recipe's data file is: in the data folder, or else as the path says.

    Raises:
        InputError: if it is in neither place.
    """
    tried = [*([data / file] if data is not None else []), Path(file).expanduser()]
    for path in tried:
        if path.is_file():
            return path
    where = " nor ".join(str(path) for path in dict.fromkeys(tried))
    raise InputError(f"There is no data file {where}: check data.{part} in the recipe, and --data.")


def _public(recipe: TextRecipe, data: Path | None) -> tuple[Source, ...]:
    if data is None:
        raise InputError(
            f"The recipe {recipe.name!r} reads public sets and there is no data folder: give --data "
            "or set AUSCULT_DATA; or name files of your own in the recipe's data: block."
        )
    wanted = list(_PUBLIC[recipe.task])
    if recipe.task == "entities" and recipe.options.get("ncbi"):
        wanted += _NCBI
    wanted.sort(key=lambda entry: entry[1] != "train")
    lacking = [file for file, _, _ in wanted if not (data / file).is_file()]
    if lacking:
        raise InputError(
            f"The data folder {data} has no {', '.join(lacking)}: give another --data, or name files "
            "of your own in the recipe's data: block."
        )
    return tuple(Source(data / file, part, kind, public=True) for file, part, kind in wanted)

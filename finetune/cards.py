"""Model card and data card: what an adapter is, what made it, and from what, with digests.

The card of record is `card.json`; `CARD.md` says the same to a person. No text of the data is in
either, and no path of a machine. Needs no version control: the code that trained is named by the
digest of its files. Knows nothing of models.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting"; Gebru et al. 2021, "Datasheets for
Datasets", for what a reader has to be told.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import validation
from retrieval import files
from retrieval.errors import InputError

if TYPE_CHECKING:
    from finetune.recipe import AnyRecipe

CARD, MARKDOWN = "card.json", "CARD.md"
_LIBRARIES = (
    "auscult", "torch", "transformers", "peft", "accelerate", "trl", "tokenizers", "safetensors",
    "numpy", "bitsandbytes", "liger-kernel", "flash-attn",
)  # fmt: skip
NOT_STATED = "not stated"
USE = (
    "Decision support for professionals, and research. Not a medical device; measure it on data of "
    "your own before it serves."
)


def versions() -> dict[str, str]:
    """Return what trained: Python, the libraries that are installed, and the code's digest."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {**found, "code": f"sha256:{code_digest()}"}


def code_digest() -> str:
    """Return the SHA-256 over the names and contents of this package's source files."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def data_card(report: validation.DataReport) -> dict[str, Any]:
    """Return what a card says of the data: files, digests, counts, what was found wrong."""
    return {
        "files": [
            {
                "name": f.name,
                "part": f.part,
                "format": f.format,
                "rows": f.rows,
                "tokens": f.tokens,
                "languages": dict(f.languages),
                "sha256": f.sha256,
            }
            for f in report.files
        ],
        "counts": dict(report.counts),
        "identifiers": dict(report.personal),
        "let_pass": [issue.message for issue in report.warnings],
    }


def extras(recipe: AnyRecipe, report: validation.DataReport) -> dict[str, Any]:
    """Return what is added to a trainer's card: licence, language, seed, versions, data."""
    return {
        "licence": recipe.licence or NOT_STATED,
        "language": recipe.language,
        "seed": recipe.seed,
        "versions": versions(),
        "data_card": data_card(report),
    }


def complete(
    folder: Path,
    recipe: AnyRecipe,
    report: validation.DataReport,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Add the extras to the card in an adapter's folder; write its page and its data report.

    Args:
        folder: the adapter's.
        recipe: what was trained.
        report: on the data.
        training: what is to stand in the card's `training` besides.

    Raises:
        InputError: if the folder has no card.
    """
    card = _read(folder)
    card["training"] = {**(card.get("training") or {}), **(training or {})}
    # What the trainer knows better, such as versions at the time of training, stays.
    card = {**card, **{k: v for k, v in extras(recipe, report).items() if not card.get(k)}}
    weights = card.pop("sha256", None)
    files.write_json(folder / CARD, {**card, "sha256": weights} if weights else card)
    validation.write(report, folder)
    write_markdown(folder)


def write_markdown(folder: Path) -> Path:
    """Write `CARD.md` from the `card.json` of an adapter's folder; return its path.

    Raises:
        InputError: if there is no card, or it is no JSON object.
    """
    path = folder / MARKDOWN
    files.write_text(path, markdown(_read(folder)))
    return path


def markdown(card: Mapping[str, Any]) -> str:
    """Return a card as a page."""
    lines = [f"# {card.get('name', 'Adapter')}", "", str(card.get("purpose") or "").strip(), ""]
    base = card.get("base") or {}
    lora = card.get("lora") or {}
    facts = {
        "task": card.get("task"),
        "base": f"{base.get('name')} (sha256 `{str(base.get('sha256'))[:16]}`)" if base else "",
        "labels": ", ".join(map(str, card.get("labels") or ())) if not base else "",
        "judges": card.get("modality"),
        "LoRA": ", ".join(f"{k} {v}" for k, v in lora.items() if isinstance(v, int | float | str)),
        "language": card.get("language"),
        "licence": card.get("licence", NOT_STATED),
        "seed": card.get("seed", (card.get("recipe") or {}).get("seed")),
        "weights": f"sha256 `{card.get('sha256')}`",
    }
    lines += [f"- {name}: {_cell(value)}" for name, value in facts.items() if value]
    for title, key in (("Results", "results"), ("Training", "training"), ("Input", "input")):
        if isinstance(card.get(key), Mapping):
            lines += ["", f"## {title}", "", *_facts(card[key])]
    lines += ["", "## Data", "", *_data(card)]
    if card.get("versions"):
        lines += ["", "## Versions", "", *_facts(card["versions"])]
    lines += ["", "## Use", "", USE]
    return "\n".join(lines).rstrip() + "\n"


def _data(card: Mapping[str, Any]) -> Iterator[str]:
    found = card.get("data_card") or {}
    named = card.get("training_data") or ()
    for source in named if isinstance(named, list) else ():
        if isinstance(source, Mapping):
            yield f"- {_cell(source.get('name'))} ({_cell(source.get('licence', NOT_STATED))})"
    if found.get("files"):
        yield ""
        yield "| file | part | format | rows | sha256 |"
        yield "|---|---|---|---|---|"
        for f in found["files"]:
            cells = (f["name"], f["part"], f["format"], f"{f['rows']:,}", f"`{f['sha256'][:16]}`")
            yield "| " + " | ".join(map(_cell, cells)) + " |"
    identifiers = found.get("identifiers")
    if identifiers is not None:
        said = ", ".join(f"{k} {n}" for k, n in identifiers.items()) or "none found"
        yield ""
        yield f"Identifiers by the scan for personal data: {_cell(said)}."
    for message in found.get("let_pass", ()):
        yield f"- let pass: {_cell(message)}"


def _facts(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if name != "history":
            said = (
                json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
            )
            yield f"- {name}: {_cell(said)}"


def _cell(value: Any) -> str:
    """Return a value on one line that can't open a table's cell or a heading."""
    return " ".join(str(value).split()).replace("|", "\\|")


def _read(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} holds no readable {CARD}: it is no adapter's folder."
        ) from error
    if not isinstance(card, dict):
        raise InputError(f"{folder / CARD} holds no JSON object: it is no adapter's card.")
    return card

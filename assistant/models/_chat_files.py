"""The files of chat models and of their adapters: found, checked and digested before any is loaded.

Weights are safetensors; a pickle is never opened, under whatever name. A base is known by the
digest of its weights and configuration, and an adapter names the digest of the base that it sits
on. Knows nothing of what is in the tensors; imports no model library but for a hub id.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.errors import ConfigError, ModelError
from retrieval import files

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
CARD = "card.json"
TASKS = ("chat", "preference", "image_chat")
# What a hub id is asked for: no pickles, no code, no other frameworks' weights.
_WANTED = ("*.safetensors", "*.json", "*.jinja", "*.model", "tokenizer*", "merges.txt", "vocab*")
_MOST_HEADER_BYTES = 100_000_000

_digests: dict[tuple[str, int, int], str] = {}
_digest_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Spec:
    """What follows `transformers:` in a chat model's name.

    Attributes:
        base: a folder or a hub id.
        adapter: an adapter's folder, or "".
    """

    base: str
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """A chat adapter that has been checked.

    Attributes:
        folder: where it is.
        name: from its card.
        task: chat, preference or image_chat.
        digest: SHA-256 of its weights.
        card: the whole card.
    """

    folder: Path
    name: str
    task: str
    digest: str
    card: dict[str, Any]


def parse(argument: str) -> Spec:
    """Return the parts of `<hub id or folder>[+<adapter folder>]`.

    A folder whose own name has a plus is taken whole.

    Raises:
        ConfigError: if there is no base.
    """
    if not argument:
        raise ConfigError(
            "The transformers model needs a base: transformers:<hub id or folder>[+<adapter>]."
        )
    if Path(argument).is_dir():
        return Spec(argument)
    base, _, adapter = argument.rpartition("+")
    return Spec(base, adapter) if base else Spec(argument)


def locate(base: str) -> Path:
    """Return the folder of a base: itself, or the local copy of a hub id, fetched if need be.

    Raises:
        ModelError: if there is no such folder and the hub can't be reached or has no such model.
    """
    folder = Path(base).expanduser()
    if folder.is_dir():
        return folder
    if base.startswith(("/", ".", "~")) or base.count("/") > 1:
        raise ModelError(f"There is no folder {base}: name a model's folder, or a hub id.")
    import os

    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from httpx import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(base, allow_patterns=list(_WANTED)))
    except HFValidationError as error:
        raise ModelError(f"{base!r} is neither a folder nor a hub id: name one.") from error
    except (OSError, ValueError, HTTPError) as error:
        raise ModelError(
            f"The model {base!r} is no folder here and can't be fetched from the hub "
            f"({_first_line(error)}): give a folder, or connect once to fetch it."
        ) from error


def check_base(folder: Path) -> None:
    """See that a base has a configuration and weights that can be loaded safely.

    Raises:
        ModelError: naming what is missing, or the pickle that poses as weights.
    """
    config = _json(folder / "config.json", "a model's folder")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = [p.name for p in sorted(folder.iterdir()) if p.suffix in PICKLES]
        if pickles:
            raise ModelError(_pickled(folder, pickles[0]))
        raise ModelError(f"{folder} has no *.safetensors: it holds no weights that can be served.")
    for path in weights:
        check_safetensors(path)
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = set(_json(index, "an index of weights").get("weight_map", {}).values())
        missing = sorted(named - {p.name for p in weights})
        if missing:
            raise ModelError(f"{folder} lacks {missing[0]}, which its index names: fetch it again.")
    if "model_type" not in config:
        raise ModelError(f"{folder}/config.json names no model_type: fetch the model again.")


def check_safetensors(path: Path) -> None:
    """See that a file is safetensors by its header (8 bytes of length, then JSON), whatever its name.

    Raises:
        ModelError: if it is cut off, damaged, or a pickle under another name.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            start = stream.read(1)
    except OSError as error:
        raise ModelError(f"{path} can't be read ({error.strerror}): check the file.") from error
    if start == b"{" and 2 <= length <= min(size - 8, _MOST_HEADER_BYTES):
        return
    with path.open("rb") as stream:
        magic = stream.read(4)
    if magic[:1] == b"\x80" or magic == b"PK\x03\x04":
        raise ModelError(_pickled(path.parent, path.name))
    raise ModelError(f"{path} is no safetensors file, or is cut off: fetch it again.")


def base_digest(folder: Path) -> str:
    """Return the digest by which adapters name this base.

    SHA-256 over the lines "<name> <SHA-256>" of config.json and every *.safetensors, sorted by
    name. Digests of files are remembered while their size and time stay the same.

    Raises:
        ModelError: if there are no such files.
    """
    paths = sorted([folder / "config.json", *folder.glob("*.safetensors")], key=lambda p: p.name)
    if len(paths) < 2 or not paths[0].parent.joinpath("config.json").is_file():
        raise ModelError(f"{folder} is no model's folder: it needs config.json and *.safetensors.")
    lines = "".join(f"{path.name} {_file_digest(path)}\n" for path in paths)
    return hashlib.sha256(lines.encode()).hexdigest()


def base_of(folder: Path) -> str:
    """Return the digest of the base that an adapter's card names, without any other check.

    Raises:
        ModelError: if the card can't be read or names none.
    """
    card = _json(folder / CARD, "an adapter's folder")
    named = card.get("base")
    if not isinstance(named, dict) or not isinstance(named.get("sha256"), str):
        raise ModelError(f"The card in {folder} names no base: restore card.json.")
    return str(named["sha256"])


def check_adapter(folder: Path, base: str) -> AdapterFiles:
    """Return an adapter after checking its files, its digest and the base that it sits on.

    Args:
        folder: of a chat adapter: adapter_config.json, adapter_model.safetensors and card.json.
        base: the digest of the base that is served.

    Raises:
        ModelError: one sentence: a file is missing or damaged, weights are pickled, the digest is
            not the card's, the adapter is for another task or sits on another base.
    """
    if not folder.is_dir():
        raise ModelError(f"There is no adapter folder {folder}: name one that exists.")
    pickles = [p.name for p in sorted(folder.iterdir()) if p.suffix in PICKLES]
    if pickles:
        raise ModelError(_pickled(folder, pickles[0]))
    weights = folder / ADAPTER_WEIGHTS
    for needed in (ADAPTER_WEIGHTS, ADAPTER_CONFIG, CARD):
        if not (folder / needed).is_file():
            raise ModelError(
                f"The adapter in {folder} has no {needed}: take a folder that 'auscult finetune' "
                "has written."
            )
    check_safetensors(weights)
    card = _json(folder / CARD, "an adapter's card")
    config = _json(folder / ADAPTER_CONFIG, "an adapter's configuration")
    _check_card(folder, card, config, base)
    digest = _file_digest(weights)
    if digest != card["sha256"]:
        raise ModelError(
            f"The adapter in {folder} has digest {digest[:12]}..., not {card['sha256'][:12]}... as "
            "its card says: restore both files from one release."
        )
    return AdapterFiles(folder, str(card.get("name", folder.name)), card["task"], digest, card)


def _check_card(folder: Path, card: dict[str, Any], config: dict[str, Any], base: str) -> None:
    named = card.get("base")
    sound = isinstance(named, dict) and isinstance(named.get("sha256"), str)
    if not sound or not isinstance(card.get("sha256"), str) or "task" not in card:
        raise ModelError(f"The card in {folder} can't be used: restore card.json from its release.")
    if card["task"] not in TASKS:
        raise ModelError(
            f"The adapter in {folder} is for {card['task']!r}, not for a chat model "
            f"({', '.join(TASKS)})."
        )
    if card["base"]["sha256"] != base:
        raise ModelError(
            f"The adapter in {folder} sits on {card['base'].get('name', 'another base')} "
            f"({card['base']['sha256'][:12]}...), not on this base ({base[:12]}...): serve it on "
            "its own base, or train it on this one."
        )
    if config.get("peft_type") != "LORA":
        raise ModelError(
            f"The adapter in {folder} is of type {config.get('peft_type')!r}: only LORA is served."
        )


def _json(path: Path, what: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path.parent} is not {what}: {path.name} can't be read.") from error
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON ({error}): restore it.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} must hold one JSON object: restore it.")
    return value


def _file_digest(path: Path) -> str:
    try:
        stat = path.stat()
        key = (str(path.resolve()), stat.st_mtime_ns, stat.st_size)
        with _digest_lock:
            known = _digests.get(key)
        if known is None:
            known = files.sha256(path)
            with _digest_lock:
                _digests[key] = known
    except OSError as error:
        raise ModelError(f"{path} can't be read ({error.strerror}): check the file.") from error
    return known


def _pickled(folder: Path, name: str) -> str:
    return (
        f"{folder.name}/{name} is a pickle, which can run code when it is opened: only safetensors "
        "are loaded, so convert the weights first."
    )


def _first_line(error: BaseException) -> str:
    text = (str(error) or type(error).__name__).strip().splitlines()[0]
    return text[:160].rstrip(".")

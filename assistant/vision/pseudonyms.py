"""The installation's secret key for pseudonyms of patients, studies and dates.

Kept in the state folder, readable by its owner only, so that one patient has one pseudonym from run to
run; where the folder can't be written the key lasts as long as the process. Knows no file formats.
"""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path

from assistant.settings import Settings

FILE = "pseudonyms.key"
_SIZE = 32
_LOCK = threading.Lock()
_KNOWN: dict[Path, bytes] = {}


def key(settings: Settings) -> bytes:
    """Return the 32 bytes of the key, made on first use."""
    path = settings.state_dir / FILE
    with _LOCK:
        if path not in _KNOWN:
            _KNOWN[path] = _read(path) or _made(path)
        return _KNOWN[path]


def _read(path: Path) -> bytes:
    try:
        held = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return b""
    return held if len(held) == _SIZE else b""


def _made(path: Path) -> bytes:
    """Make a key and keep it; of two processes that do so at once, both take the first one's."""
    fresh = secrets.token_bytes(_SIZE)
    temporary = path.with_name(f".{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(fresh.hex())
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            if not (theirs := _read(path)):
                os.replace(temporary, path)
            fresh = theirs or fresh
    with suppress(OSError):
        temporary.unlink()
    return fresh

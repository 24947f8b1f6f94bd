"""The child's side of `retrieval.sandbox`: set the limits, then run one function on stdin's bytes.

Started by path in an isolated interpreter; must import nothing outside the standard library before
the limits hold. Protocol, both ways: 4 bytes big-endian length, a JSON header, then raw bytes.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, BinaryIO

# Packages that a decoder may try to import and that have no business here: no network, and half of
# the start-up time saved.
BARRED = ("requests", "urllib3", "tqdm", "pandas", "gdcm")

# Errors whose message is our own sentence; named, because nothing of ours is imported here.
OURS = ("SourceError", "AttachmentError")


def limit(memory_mb: int, cpu_s: float) -> None:
    """Bound address space, processor time, file writing and core dumps of this process.

    Where the platform has no such limits (Windows) the parent's time-out alone holds.
    """
    try:
        import resource
    except ImportError:
        return
    wanted = {
        "RLIMIT_AS": memory_mb * 2**20,
        "RLIMIT_CPU": int(cpu_s) + 1,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        # At the soft limit of processor time comes SIGXCPU, at the hard one SIGKILL: the first says why.
        above = value + 1 if name == "RLIMIT_CPU" and hard == resource.RLIM_INFINITY else value
        try:
            resource.setrlimit(kind, (value, above))
        except (ValueError, OSError):  # A platform may know a limit and not let it be set.
            continue


def answer(stream: BinaryIO, header: dict[str, Any], body: bytes = b"") -> None:
    """Write one framed answer."""
    head = json.dumps(header).encode("utf-8")
    stream.write(len(head).to_bytes(4, "big") + head)
    stream.write(body)
    stream.flush()


def main() -> None:
    """Serve one request: header from stdin, limits, the function, its answer on stdout."""
    stdin = sys.stdin.buffer
    # A library that prints must not spoil the framing: it gets stderr, which the parent drops.
    stdout = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    header = json.loads(stdin.read(int.from_bytes(stdin.read(4), "big")))
    limit(header["memory_mb"], header["timeout_s"])
    sys.path.insert(0, header["root"])
    for name in BARRED:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        module = importlib.import_module(header["module"])
        meta, body = getattr(module, header["function"])(stdin.read(), header["options"])
        if len(body) > header["max_output_bytes"]:
            answer(stdout, {"error": "its contents are too large"})
        else:
            answer(stdout, {"meta": meta}, body)
    except MemoryError:
        answer(stdout, {"error": f"reading it would take more than {header['memory_mb']} MB"})
    except RecursionError:
        answer(stdout, {"error": "its contents are nested too deeply"})
    except Exception as error:  # noqa: BLE001 - hostile bytes raise anything; the parent words it
        # Our own refusals are written for the reader; a library's message may quote patient data.
        ours = type(error).__name__ in OURS
        answer(stdout, {"error": str(error)} if ours else {"kind": type(error).__name__})


if __name__ == "__main__":
    main()

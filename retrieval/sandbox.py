"""Runs a function on untrusted bytes in a child process with limits on memory, time and output.

Whatever goes wrong in there, a crash, a time-out, too much memory, ends as one `SourceError`.
The result comes back as JSON and raw bytes, never as a pickle. The child gets no environment, writes
no files, and what it prints is dropped, so that no text of a file reaches a log. On Linux it is forked
from a warm process that has imported the function's module (`sandbox_warm`); elsewhere, or where that
fails twice, it is a fresh interpreter. Knows no file formats.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from retrieval import sandbox_warm
from retrieval.errors import SourceError
from retrieval.sandbox_warm import CHILD, QUIET, ROOT, Outcome

# What a POSIX system ends a process with whose processor time is used up (SIGXCPU).
OUT_OF_TIME = int(getattr(signal, "SIGXCPU", 0)) or 9999


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use.

    Attributes:
        memory_mb: address space.
        timeout_s: processor time.
        max_output_bytes: size of the result.
        patience: seconds on the clock for each of processor time, for machines that are busy.
    """

    memory_mb: int = 2048
    timeout_s: float = 30.0
    max_output_bytes: int = 64_000_000
    patience: float = 3.0


class Usage(NamedTuple):
    """What a child used; zeros where it isn't known.

    Attributes:
        peak_kib: the most memory that it held at once, with what it shares with the warm child.
        cpu_s: processor time.
    """

    peak_kib: int
    cpu_s: float


def run(
    target: str, payload: bytes, options: dict[str, Any], limits: Limits, name: str
) -> tuple[dict[str, Any], bytes]:
    """Call `target` with (payload, options) in a child process and return its (meta, bytes).

    Args:
        target: "package.module:function"; the function takes bytes and a dict, and returns a dict
            of JSON values and bytes.
        payload: the untrusted bytes.
        options: JSON values for the function.
        limits: what the child may use.
        name: the file's name, for the message.

    Raises:
        SourceError: if the function refuses, raises, crashes, or breaks a limit.
    """
    outcome = _outcome(target, payload, options, limits, name, usage=False)
    return _unpack(outcome.output, name)


def measured(
    target: str, payload: bytes, options: dict[str, Any], limits: Limits, name: str
) -> tuple[dict[str, Any], bytes, Usage]:
    """Do as `run` does, and return what the child used as well."""
    outcome = _outcome(target, payload, options, limits, name, usage=True)
    return (*_unpack(outcome.output, name), Usage(outcome.peak_kib, outcome.cpu_s))


def _outcome(
    target: str,
    payload: bytes,
    options: dict[str, Any],
    limits: Limits,
    name: str,
    *,
    usage: bool,
) -> Outcome:
    module, _, function = target.partition(":")
    header = {
        "module": module,
        "function": function,
        "options": options,
        "size": len(payload),
        "memory_mb": limits.memory_mb,
        "timeout_s": limits.timeout_s,
        "max_output_bytes": limits.max_output_bytes,
    }
    head = json.dumps(header).encode("utf-8")
    message = len(head).to_bytes(4, "big") + head
    try:
        outcome = _ask(module, message, payload, limits, usage=usage)
    except TimeoutError:
        raise _too_slow(name, limits) from None
    if not outcome.output and outcome.code == -OUT_OF_TIME:
        raise _too_slow(name, limits)
    return outcome


def stop() -> None:
    """End the warm child, if one runs; the next call starts another. The interpreter's end does it."""
    sandbox_warm.WARM.stop()


def _ask(module: str, message: bytes, payload: bytes, limits: Limits, *, usage: bool) -> Outcome:
    most = limits.max_output_bytes + 1_000_000  # The header comes on top.
    wait_s = limits.timeout_s * limits.patience
    for _ in range(2 if sandbox_warm.SUPPORTED else 0):
        with suppress(sandbox_warm.Lost):
            return sandbox_warm.WARM.ask(module, message, payload, most, wait_s, usage=usage)
    return _fresh(message, payload, most, wait_s)


def _fresh(message: bytes, payload: bytes, most: int, wait_s: float) -> Outcome:
    """Have an interpreter of its own answer the request."""
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and file, no shell
        [sys.executable, "-I", str(CHILD), str(ROOT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=QUIET,
        cwd=ROOT,
        close_fds=True,
    )
    try:
        output = _exchange(child, message, payload, most, wait_s)
        if not output:  # Its exit status tells a time-out from a crash.
            with suppress(subprocess.TimeoutExpired):
                child.wait(5)
    finally:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
    return Outcome(output, child.returncode)


def _too_slow(name: str, limits: Limits) -> SourceError:
    return SourceError(
        f"{name} took longer than {limits.timeout_s:.0f} s to read: send a smaller or simpler file."
    )


def _exchange(
    child: subprocess.Popen[bytes], message: bytes, payload: bytes, most: int, wait_s: float
) -> bytes:
    """Feed the child and collect what it says, within time and size."""
    sender = threading.Thread(target=_send, args=(child, message, payload), daemon=True)
    sender.start()
    assert child.stdout is not None  # noqa: S101 - it was opened as a pipe
    deadline = time.monotonic() + wait_s
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while len(output) <= most:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise TimeoutError
            block = os.read(child.stdout.fileno(), 1 << 20)
            if not block:
                break
            output += block
    return bytes(output)


def _send(child: subprocess.Popen[bytes], message: bytes, payload: bytes) -> None:
    assert child.stdin is not None  # noqa: S101 - it was opened as a pipe
    # A child that dies closes the pipe; the empty answer tells the reader all there is to tell.
    with suppress(OSError, ValueError):
        child.stdin.write(message)
        child.stdin.write(payload)
        child.stdin.close()


def _unpack(output: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    size = int.from_bytes(output[:4], "big")
    try:
        header = json.loads(output[4 : 4 + size])
    except ValueError:
        raise SourceError(
            f"{name} is damaged or made to do harm: reading it stopped the reader."
        ) from None
    if "error" in header:
        raise SourceError(f"{name} can't be used: {header['error'].rstrip('.')}.")
    if "kind" in header:
        raise SourceError(
            f"{name} is damaged or cut short and can't be read ({header['kind']}): export it again."
        )
    return header["meta"], output[4 + size : 4 + size + header["size"]]

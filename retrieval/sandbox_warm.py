"""The asker's side of the sandbox's warm child: starts it, hands it requests, ends it.

One clean process (`sandbox_child.Zygote`) a Python process, started with the first request; a fork
for each request takes a few milliseconds where a fresh interpreter with numpy takes hundreds. It is
started by exec, so it holds nothing of ours, and it ends when we do, however we end. Linux only:
elsewhere a fork after numpy's libraries have loaded is not safe. Knows no limits but the clock.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from retrieval.sandbox_child import ENDED, ORDER

CHILD = Path(__file__).with_name("sandbox_child.py")
ROOT = CHILD.parents[1]
SUPPORTED = sys.platform == "linux"
# One thread a library: every thread reserves address space that the limit counts.
QUIET = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PATH": os.defpath}
_BLOCK = 1 << 18


class Lost(Exception):
    """The warm child is gone or can't be started; another one may do."""


class Outcome(NamedTuple):
    """What a request came to.

    Attributes:
        output: what the process wrote before it ended or wrote too much.
        code: its exit code, or minus the signal that ended it.
        peak_kib: the most memory that it held at once; it counts what it shares with the warm child.
        cpu_s: the processor time that it took.
    """

    output: bytes
    code: int
    peak_kib: int = 0
    cpu_s: float = 0.0


class WarmChild:
    """A zygote that is started when it is needed; safe to use from any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def ask(
        self,
        module: str,
        message: bytes,
        payload: bytes,
        most: int,
        wait_s: float,
        *,
        usage: bool = True,
    ) -> Outcome:
        """Have a forked process answer one request.

        Args:
            module: the module to have imported before the fork.
            message: the framed header.
            payload: the untrusted bytes.
            most: bytes of output after which the process is given up.
            wait_s: seconds on the clock after which it is given up.
            usage: whether to wait for its end, which tells what it used; otherwise a whole answer
                is enough, and the process is killed behind it.

        Raises:
            TimeoutError: if it took too long; it has been killed.
            Lost: if there is no warm child, or it died meanwhile.
        """
        deadline = time.monotonic() + wait_s
        stream, theirs = socket.socketpair()
        leash, held = socket.socketpair()
        with stream, leash:
            with theirs, held:
                self._order(module, theirs, held)
            output = _exchange(stream, (message, payload), most, deadline, whole=not usage)
            if len(output) > most or (not usage and _whole(output)):
                return Outcome(bytes(output), 0)
            leash.settimeout(max(0.1, min(5.0, deadline - time.monotonic())))
            ended = leash.recv(ENDED.size)
            if len(ended) < ENDED.size:
                raise Lost("the warm child ended")
        return Outcome(bytes(output), *ENDED.unpack(ended))

    def pid(self) -> int | None:
        """Return the warm child's process id, or None where none runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def stop(self) -> None:
        """End the warm child and all that it has forked; the next request starts another."""
        with self._lock:
            self._drop()

    def forget(self) -> None:
        """After a fork of this very process: the warm child is the other one's."""
        self._lock = threading.Lock()
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.returncode = 0  # Not ours to wait for.
        self._process = self._control = None

    def _order(self, module: str, *descriptors: socket.socket) -> None:
        order = ORDER.pack(module.encode("ascii")[: ORDER.size])
        numbers = [descriptor.fileno() for descriptor in descriptors]
        with self._lock:
            for attempt in (1, 2):
                try:
                    control = self._control or self._start()
                    socket.send_fds(control, [order], numbers)
                    return
                except OSError as error:
                    self._drop()
                    if attempt == 2:
                        raise Lost(str(error)) from None

    def _start(self) -> socket.socket:
        control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and file, no shell
                [sys.executable, "-I", str(CHILD), str(ROOT), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=QUIET,
                cwd=ROOT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # A Ctrl-C in the terminal is ours to handle, not its.
            )
        self._control = control
        return control

    def _drop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = self._control = None


def _exchange(
    stream: socket.socket,
    parts: tuple[bytes, ...],
    most: int,
    deadline: float,
    *,
    whole: bool = False,
) -> bytearray:
    """Send all parts and collect what comes back until its end, `most` bytes, or the deadline.

    With `whole`, a whole answer is an end, too.
    """
    stream.setblocking(False)
    left = [memoryview(part) for part in parts if part]
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while len(output) <= most:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            if ready[0][1] & selectors.EVENT_READ:
                with suppress(ConnectionResetError):  # It died with bytes unread: its end, too.
                    block = stream.recv(_BLOCK)
                    output += block
                    if block and not (whole and _whole(output)):
                        continue
                break
            left = _send(stream, left)
            if not left:
                selector.modify(stream, selectors.EVENT_READ)
    return output


def _whole(output: bytearray) -> bool:
    """Say whether an answer has come whole, by the size that its header states."""
    head = int.from_bytes(output[:4], "big")
    if len(output) < 4 + head:
        return False
    try:
        return len(output) >= 4 + head + int(json.loads(output[4 : 4 + head])["size"])
    except (ValueError, KeyError, TypeError):
        return False


def _send(stream: socket.socket, left: list[memoryview]) -> list[memoryview]:
    """Send what the stream takes now and return what is still to be sent."""
    try:
        sent = stream.send(left[0])
    except OSError:  # It died; what it said last can still be read.
        return []
    rest = left[0][sent:]
    return [rest, *left[1:]] if rest else left[1:]


WARM = WarmChild()
atexit.register(WARM.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WARM.forget)

"""The child's side of `retrieval.sandbox`: set the limits, then run one function on untrusted bytes.

Started by path in an isolated interpreter. `serve` answers one request; `Zygote` stays alive, has
imported what earlier requests needed, and forks a limited process for each request, so that none of
them pays for imports and none sees another's bytes. Protocol, both ways: 4 bytes big-endian length,
a JSON header, then raw bytes. Must import nothing outside the standard library before limits hold,
except trusted modules by name in the zygote, which never reads a byte of a file.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Any, BinaryIO, NoReturn

# Packages that a decoder may try to import and that have no business here: no network, and half of
# the start-up time saved.
BARRED = ("requests", "urllib3", "tqdm", "pandas", "gdcm")

# Errors whose message is our own sentence; named, because nothing of ours is imported here.
OURS = ("SourceError", "AttachmentError")

# A request to the zygote: the module's name, padded. Its end: exit code, peak KiB, processor seconds.
ORDER = struct.Struct("!256s")
ENDED = struct.Struct("!iqd")
PR_SET_PDEATHSIG = 1


def limit(memory_mb: int, cpu_s: float) -> None:
    """Bound address space, processor time, processes, file writing and core dumps of this process.

    Where the platform has no such limits (Windows) the parent's time-out alone holds. The bound on
    processes does not bind the superuser; the zygote kills a whole process group for that reason.
    """
    try:
        import resource
    except ImportError:
        return
    wanted = {
        "RLIMIT_AS": memory_mb * 2**20,
        "RLIMIT_CPU": int(cpu_s) + 1,
        "RLIMIT_NPROC": 0,
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
    """Write one framed answer; its header says how long the body is."""
    head = json.dumps({**header, "size": len(body)}).encode("utf-8")
    stream.write(len(head).to_bytes(4, "big") + head)
    stream.write(body)
    stream.flush()


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Serve one request: header, limits, the function on the payload, its answer."""
    header = json.loads(source.read(int.from_bytes(source.read(4), "big")))
    limit(header["memory_mb"], header["timeout_s"])
    try:
        module = importlib.import_module(header["module"])
        payload = source.read(header["size"])
        meta, body = getattr(module, header["function"])(payload, header["options"])
        if len(body) > header["max_output_bytes"]:
            answer(sink, {"error": "its contents are too large"})
        else:
            answer(sink, {"meta": meta}, body)
    except MemoryError:
        answer(sink, {"error": f"reading it would take more than {header['memory_mb']} MB"})
    except RecursionError:
        answer(sink, {"error": "its contents are nested too deeply"})
    except Exception as error:  # noqa: BLE001 - hostile bytes raise anything; the parent words it
        # Our own refusals are written for the reader; a library's message may quote patient data.
        ours = type(error).__name__ in OURS
        answer(sink, {"error": str(error)} if ours else {"kind": type(error).__name__})


class Zygote:
    """Forks a process for each request that comes in on `control`, until that is closed.

    A request is a module's name with two descriptors: the stream of the request's bytes, which
    only the forked process keeps, and a leash, which only the zygote keeps. When the asker lets go
    of the leash the process is killed; when the process ends its wait status goes out on the leash.

    Args:
        control: the asker's socket.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._leashes: dict[int, socket.socket] = {}
        self._known: set[str] = set()
        self._watch = selectors.DefaultSelector()
        self._prctl = _prctl()

    def run(self) -> None:
        """Serve until the asker is gone, then kill what still runs."""
        awake, wake = socket.socketpair()
        awake.setblocking(False)
        wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._watch.register(self._control, selectors.EVENT_READ, self._order)
        self._watch.register(awake, selectors.EVENT_READ, lambda: self._reap(awake))
        open_ = True
        while open_:
            for key, _ in self._watch.select():
                if key.data is None:  # Let go; unless its end has just been told.
                    for pid in [p for p, s in self._leashes.items() if s is key.fileobj]:
                        self._kill(pid)
                elif key.data() is False:
                    open_ = False
        for pid in list(self._leashes):
            self._kill(pid)

    def _order(self) -> bool:
        """Take one request; say whether the asker is still there."""
        block, descriptors, _, _ = socket.recv_fds(self._control, ORDER.size, 2)
        if not block:
            return False
        while len(block) < ORDER.size:
            more = self._control.recv(ORDER.size - len(block))
            if not more:
                return False
            block += more
        stream, leash = descriptors
        self._preload(ORDER.unpack(block)[0].rstrip(b"\0").decode("ascii"))
        pid = os.fork()
        if not pid:
            self._become(stream)
        os.close(stream)
        self._leashes[pid] = socket.socket(fileno=leash)
        self._watch.register(self._leashes[pid], selectors.EVENT_READ, None)
        return True

    def _preload(self, name: str) -> None:
        """Import the target's module once; its `warm`, if it has one, brings what it imports late.

        An import that fails fails again in the forked process, which says so.
        """
        if name in self._known:
            return
        self._known.add(name)
        with suppress(Exception):
            module = importlib.import_module(name)
            getattr(module, "warm", int)()
        gc.collect()
        gc.freeze()  # Else the first collection of every forked process copies these pages.

    def _become(self, stream: int) -> NoReturn:
        """In the forked process: keep nothing but the request's stream, then serve it."""
        try:
            zygote = os.getppid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            os.dup2(stream, 3)
            os.closerange(4, os.sysconf("SC_OPEN_MAX"))
            self._prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == zygote:  # It may have died before the line above.
                with os.fdopen(3, "rb", closefd=False) as source, os.fdopen(3, "wb") as sink:
                    serve(source, sink)
        except BaseException:  # noqa: BLE001 - a way out of here would run the zygote's loop twice
            os._exit(1)
        os._exit(0)

    def _kill(self, pid: int) -> None:
        """Kill a process and all that it started; its wait status follows."""
        self._watch.unregister(self._leashes[pid])
        for kill in (os.killpg, os.kill):  # Its group exists only from its first steps on.
            with suppress(OSError):
                kill(pid, signal.SIGKILL)
        self._leashes.pop(pid).close()

    def _reap(self, awake: socket.socket) -> None:
        """Tell the askers of processes that have ended, and kill what those left behind."""
        with suppress(BlockingIOError):
            while awake.recv(4096):
                pass
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while (ended := _waitid(flags)) is not None:
            pid = ended.si_pid
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            leash = self._leashes.pop(pid, None)
            if leash is not None:
                self._watch.unregister(leash)
                code, spent = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
                with suppress(OSError):
                    leash.send(ENDED.pack(code, usage.ru_maxrss, spent))
                leash.close()


def _waitid(flags: int) -> Any:
    try:
        return os.waitid(os.P_ALL, 0, flags)
    except ChildProcessError:
        return None


def _prctl() -> Any:
    """Return Linux's prctl, by which a process asks to be killed when its parent dies."""
    import ctypes

    return ctypes.CDLL(None).prctl


def main() -> None:
    """Run as a zygote (`sandbox_child.py ROOT FD`), or serve one request from stdin."""
    sys.path.insert(0, sys.argv[1])
    for name in BARRED:
        sys.modules[name] = None  # type: ignore[assignment]
    if len(sys.argv) > 2:
        Zygote(socket.socket(fileno=int(sys.argv[2]))).run()
        return
    # A library that prints must not spoil the framing: it gets stderr, which the parent drops.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()

"""The sandbox's warm child: fast, forgetful, and never in the way of its parent's end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from retrieval import sandbox, sandbox_warm
from retrieval.errors import SourceError
from retrieval.sandbox import Limits, run

pytestmark = pytest.mark.skipif(not sandbox_warm.SUPPORTED, reason="the warm child needs Linux")
LIMITS = Limits(memory_mb=512, timeout_s=20, max_output_bytes=1_000_000)
PACKAGE = "tests.retrieval.misbehaving"
ROOT = Path(__file__).resolve().parents[2]


def call(function: str, payload: bytes = b"abc", **options: Any) -> dict[str, Any]:
    return run(f"{PACKAGE}:{function}", payload, options, LIMITS, "f.pdf")[0]


def gone(pid: int, within_s: float = 20) -> bool:
    """Say whether a process has ended; one that only waits to be reaped has."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_requests_share_a_parent_and_nothing_else() -> None:
    first, second = call("remember", b"one"), call("remember", b"two")
    assert (first["seen"], second["seen"]) == (["one"], ["two"])
    assert first["parent"] == second["parent"] == sandbox_warm.WARM.pid()


def test_a_request_holds_only_its_own_stream() -> None:
    seen = call("look_around")
    assert sorted(seen["open"]) == ["0", "1", "2", "3"]
    assert {seen["open"][number] for number in "012"} == {"/dev/null"}
    assert set(seen["environment"]) <= {
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "PATH",
        "LC_CTYPE",
    }


def test_a_dead_warm_child_is_replaced() -> None:
    call("remember")
    before = sandbox_warm.WARM.pid()
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert call("remember")["parent"] == sandbox_warm.WARM.pid() != before


def test_its_death_in_a_request_is_survived() -> None:
    call("remember")
    victim = sandbox_warm.WARM.pid()
    assert victim is not None
    with ThreadPoolExecutor(1) as pool:
        limits = Limits(memory_mb=512, timeout_s=2, max_output_bytes=1000)
        waiting = pool.submit(run, f"{PACKAGE}:spin", b"", {}, limits, "f.pdf")
        time.sleep(0.3)
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(SourceError, match="took longer than 2 s"):
            waiting.result(60)


def test_many_threads_each_get_their_own_answer() -> None:
    def one(number: int) -> bool:
        payload = bytes([number]) * (1000 + 50_000 * (number % 3))
        meta, body = run(f"{PACKAGE}:echo", payload, {"n": number}, LIMITS, "f.pdf")
        return meta == {"n": number} and body == payload[::-1]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(40)))


def test_what_a_request_starts_ends_with_it() -> None:
    left = call("leave_behind")["left"]
    assert not left or gone(left)


def test_without_a_warm_child_it_works_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_warm, "SUPPORTED", False)
    assert call("echo", level=1) == {"level": 1}
    with pytest.raises(SourceError, match="stopped the reader"):
        call("crash")


@pytest.mark.parametrize("end", ["pass", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_it_ends_with_its_parent(end: str) -> None:
    lines = (
        "import os\nfrom retrieval import sandbox, sandbox_warm\n"
        f"sandbox.run({PACKAGE + ':echo'!r}, b'', {{}}, sandbox.Limits(), 'f')\n"
        f"print(sandbox_warm.WARM.pid(), flush=True)\n{end}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not done.stderr
    assert gone(int(done.stdout))


def test_a_forked_copy_of_this_process_takes_its_own() -> None:
    call("remember")
    ours = sandbox_warm.WARM.pid()
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:  # No assertion here: it would run the rest of the tests twice.
        try:
            theirs = call("remember")["parent"]
            sandbox.stop()
            os.write(writing, str(theirs).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    theirs = int(os.read(reading, 100))
    os.close(reading)
    assert theirs not in (0, ours)
    assert call("remember")["parent"] == ours


def test_what_a_request_used_is_told() -> None:
    used = sandbox.measured(f"{PACKAGE}:count", b"abc", {}, LIMITS, "f")[2]
    assert 5_000 < used.peak_kib < 400_000
    assert 0 <= used.cpu_s < 2

"""Engines for bulk embedding: the same vectors in the same order, wherever they are made."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import psutil
import pytest

from retrieval import plugins
from retrieval.encoder import Encoder
from retrieval.errors import ConfigError

TEXTS = [f"ward {n}: salt and pressure" + " and more of it" * (n % 30) for n in range(70)]
with_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install auscult[ray]"
)


def test_the_engines_are_found_by_name() -> None:
    assert plugins.names("retrieval.engines") == ["local", "ray"]


def test_the_local_engine_is_the_encoder(tiny: Encoder) -> None:
    told: list[tuple[int, int]] = []
    engine = plugins.load("retrieval.engines", "local").build(tiny)
    made = engine.embed(TEXTS, progress=lambda done, total: told.append((done, total)))
    engine.close()
    np.testing.assert_array_equal(made, tiny.embed(TEXTS))
    assert told[-1] == (70, 70)


def test_an_encoder_survives_the_parcel(tiny: Encoder, encoder: Encoder) -> None:
    from retrieval.engines import ray as engine

    for original in (tiny, encoder):
        copy = engine._unpacked(engine._packed(original))
        np.testing.assert_array_equal(copy.embed(TEXTS[:9]), original.embed(TEXTS[:9]))
        assert copy.identity == original.identity


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tiny: Encoder) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'auscult\[ray\]'"):
        plugins.load("retrieval.engines", "ray").build(tiny)


def test_importing_the_engine_does_not_import_ray() -> None:
    code = "import sys, retrieval.engines.ray; sys.exit('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr


# A real Ray: in a process of its own, so that what it leaves behind can be seen.
SCRIPT = """
    import json, sys
    import numpy as np, psutil
    from retrieval.encoder import Encoder
    from retrieval.engines import ray as engines

    texts = json.loads(sys.argv[2])
    encoder = Encoder.load(sys.argv[1], bf16=False)
    expected = encoder.embed(texts)
    engines.BATCH = 16
    engine = engines.RayEngine(encoder, processes=2)
    folder = engine._folder
    told = []
    for _ in range(2):
        made = engine.embed(texts, progress=lambda done, total: told.append((done, total)))
        assert made.dtype == np.float32 and made.shape == expected.shape
        cosines = (made * expected).sum(axis=1)
        assert cosines.min() > 0.99999, cosines.min()
    assert told[-1] == (len(texts), len(texts))
    assert engine.embed([]).shape == (0, encoder.width)
    assert engine.embed(["one \\ud800 surrogate"]).shape == (1, encoder.width)
    this = psutil.Process()
    family = this.children(recursive=True)
    assert any("raylet" in process.name() for process in family), family
    loopback = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
    public = [
        (process.name(), socket.laddr) for process in [this, *family]
        for socket in process.net_connections("inet")
        if socket.status == psutil.CONN_LISTEN and socket.laddr.ip not in loopback
    ]
    assert not public, public
    from ray._private.usage import usage_lib
    assert not usage_lib.usage_stats_enabled()
    engine.close()
    assert not folder.exists()
    print(json.dumps([process.pid for process in family]))
"""


@with_ray
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_real_ray_makes_the_same_vectors_and_leaves_nothing(
    tiny_folder: Path, tmp_path: Path
) -> None:
    script = tmp_path / "bulk.py"
    script.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, str(script), str(tiny_folder), json.dumps(TEXTS)],
        capture_output=True, text=True, timeout=800, cwd=tmp_path, env=_environment(root, tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    started = json.loads(done.stdout.splitlines()[-1])
    assert started
    left = [pid for pid in started if psutil.pid_exists(pid)]
    running = [p for p in map(psutil.Process, left) if p.status() != psutil.STATUS_ZOMBIE]
    assert running == []
    assert not (tmp_path / "home").exists()


@with_ray
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_unreachable_cluster_is_one_sentence(tiny_folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from retrieval.encoder import Encoder; from retrieval.engines import ray\n"
        "from retrieval.errors import ConfigError\n"
        "try: ray.build(Encoder.load(sys.argv[1], bf16=False), '127.0.0.1:1')\n"
        "except ConfigError as error: print(error)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_folder)],
        capture_output=True, text=True, timeout=500, cwd=tmp_path, env=_environment(root, tmp_path),
    )  # fmt: skip
    assert "There is no Ray cluster to be reached at '127.0.0.1:1'" in done.stdout, done.stderr


def _environment(root: Path, home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    return {**kept, "PYTHONPATH": str(root), "HOME": str(home / "home"), "OMP_NUM_THREADS": "1"}

"""Vectors made by Ray Data, on this machine's processors or on a cluster's.

The encoder is sent to the workers, so that their vectors are those of this process;
every node of a cluster must have the same Auscult installed. A Ray of this machine alone listens on
the loopback address, behind a token, without a dashboard and without reports to its makers, and is
gone with the engine. Workers compute on processors, not on GPUs.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import Encoder
from retrieval.engines import Progress
from retrieval.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

BATCH = 256  # texts a task
STORE_BYTES = 256 << 20  # for texts and vectors on their way; the encoder comes on top
_LOGGERS = ("ray", "ray.data", "ray.util")
_encoders: dict[str, Encoder] = {}  # in a worker: built once, kept between batches


class RayEngine:
    """The encoder on many processes.

    Attributes:
        batch_texts: so many texts at a time or more keep the workers busy.
    """

    batch_texts = 20_000

    def __init__(self, encoder: Encoder, address: str | None = None, processes: int = 0) -> None:
        """Start Ray on this machine, or connect to a cluster.

        Args:
            encoder: what the workers get a copy of.
            address: of a cluster (`host:6379`, `ray://host:10001`, `auto`), or None for this
                machine alone.
            processes: workers on this machine; 0 for one a processor.

        Raises:
            ConfigError: if Ray isn't installed or can't be reached.
        """
        self.encoder = encoder
        self._folder: Path | None = None
        self._ray = _imported(local=address is None)
        if self._ray.is_initialized():
            raise ConfigError("Ray runs in this process already: close it first.")
        parcel = _packed(encoder)
        if address is None:
            self._start(processes or os.cpu_count() or 1, parcel)
        else:
            self._connect(address)
        atexit.register(self.close)
        _quiet()
        self._key = f"{encoder.identity} {parcel['dtype']}"
        self._parcel = [self._ray.put(parcel)]  # in a list, Ray leaves it for the worker to get

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Return unit vectors, float32 (len(texts), width), in the order of `texts`.

        Raises:
            ConfigError: if the workers fail; the message says how.
        """
        import pyarrow
        from ray.data import from_arrow

        vectors = np.zeros((len(texts), self.encoder.width), dtype=np.float32)
        if not texts:
            return vectors
        # Texts of like length share a batch, as they would in one process.
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        tables = [
            pyarrow.table({"row": rows, "text": [_plain(texts[row]) for row in rows]})
            for rows in (order[at : at + BATCH] for at in range(0, len(order), BATCH))
        ]
        found = from_arrow(tables).map_batches(
            _embed_batch, batch_size=None, batch_format="numpy", fn_args=(self._key, self._parcel)
        )
        done = 0
        try:
            for batch in found.iter_batches(batch_size=None, batch_format="numpy"):
                rows = np.asarray(batch["row"])
                vectors[rows] = np.stack(list(batch["vector"]))
                done += len(rows)
                if progress is not None:
                    progress(done, len(texts))
        except Exception as error:  # Ray raises what the workers raised, in wrappers of its own
            raise ConfigError(
                f"The embedding by Ray failed ({_root(error)}): see that every node has the same "
                "Auscult installed, or use the engine 'local'."
            ) from error
        if done != len(texts):
            raise ConfigError(f"Ray gave back {done} of {len(texts)} vectors: try again.")
        return vectors

    def close(self) -> None:
        """Stop the local Ray, or leave the cluster."""
        atexit.unregister(self.close)
        self._ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self, processes: int, parcel: dict[str, Any]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="auscult-ray-"))
        # Registered before Ray's own last words, so that it comes after them.
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        token = self._folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32), encoding="ascii")
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
        size = STORE_BYTES + sum(array.nbytes for array in parcel["weights"].values())
        try:
            self._ray.init(
                num_cpus=processes, include_dashboard=False, object_store_memory=size,
                log_to_driver=False, configure_logging=False, _temp_dir=str(self._folder),
                runtime_env={"env_vars": _worker_environment()},
            )  # fmt: skip
        except Exception as error:
            self.close()
            raise ConfigError(
                f"Ray can't be started on this machine ({_root(error)}): use the engine 'local'."
            ) from error

    def _connect(self, address: str) -> None:
        try:
            self._ray.init(
                address=address, log_to_driver=False, configure_logging=False,
                runtime_env={"env_vars": _worker_environment()},
            )  # fmt: skip
        except Exception as error:  # ConnectionError, RuntimeError, ValueError, by its mood
            with suppress(Exception):
                self._ray.shutdown()
            raise ConfigError(
                f"There is no Ray cluster to be reached at {address!r} ({_root(error)}): check the "
                "address and RAY_AUTH_TOKEN, or leave it out to use this machine."
            ) from error


def build(encoder: Encoder, address: str | None = None) -> RayEngine:
    """Return the engine, connected.

    Raises:
        ConfigError: if Ray isn't installed or can't be reached.
    """
    return RayEngine(encoder, address)


def _imported(*, local: bool) -> Any:
    """Import Ray with its reports off and, for this machine alone, on the loopback address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if local:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # what binds Ray to 127.0.0.1
        os.environ["RAY_AUTH_MODE"] = "token"
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError(
            "Ray is not installed: run \"pip install 'auscult[ray]'\", or use the engine 'local'."
        ) from error
    if local:
        from ray._private import ray_constants

        ray_constants.ENABLE_RAY_CLUSTER = False  # should Ray have been imported before
    return ray


def _quiet() -> None:
    """Leave the terminal to our own progress."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


def _worker_environment() -> dict[str, str]:
    """Return what a worker's process needs to find this package and to stay offline."""
    kept = {name: os.environ[name] for name in ("HF_HUB_OFFLINE", "HF_HOME") if name in os.environ}
    return {"TOKENIZERS_PARALLELISM": "false", **kept}


def _embed_batch(
    batch: Mapping[str, NDArray[Any]], key: str, parcel: Sequence[Any]
) -> dict[str, NDArray[Any]]:
    """Embed one batch, in a worker."""
    encoder = _encoders.get(key)
    if encoder is None:
        import ray

        _encoders.clear()
        encoder = _encoders[key] = _unpacked(ray.get(parcel[0]))
    return {"row": batch["row"], "vector": encoder.embed([str(text) for text in batch["text"]])}


def _packed(encoder: Encoder) -> dict[str, Any]:
    """Return the part of an encoder that makes vectors of passages, as plain values."""
    import torch

    bert = encoder.bert
    half = bert.dtype == torch.bfloat16  # which numpy doesn't know
    return {
        "identity": encoder.identity, "width": encoder.width,
        "tokenizer": encoder.tokenizer.to_str(),
        "layers": bert.layers, "heads": bert.heads, "epsilon": bert.epsilon,
        "dtype": str(bert.dtype),
        "weights": {
            name: (tensor.view(torch.int16) if half else tensor).contiguous().numpy()
            for name, tensor in bert.weights.items()
        },
    }  # fmt: skip


def _unpacked(parcel: Mapping[str, Any]) -> Encoder:
    """Return the encoder that `_packed` took apart."""
    import torch
    from tokenizers import Tokenizer

    from retrieval.bert import Bert

    weights = {name: torch.tensor(array) for name, array in parcel["weights"].items()}
    if parcel["dtype"] == "torch.bfloat16":
        weights = {name: tensor.view(torch.bfloat16) for name, tensor in weights.items()}
    return Encoder(
        identity=parcel["identity"],
        bert=Bert(weights, parcel["layers"], parcel["heads"], parcel["epsilon"]),
        tokenizer=Tokenizer.from_str(parcel["tokenizer"]),
        width=parcel["width"],
    )


def _plain(text: str) -> str:
    """Return a text without lone surrogates, which Arrow doesn't carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _root(error: BaseException) -> str:
    """Return what began it, in one line."""
    while (cause := getattr(error, "cause", None) or error.__cause__) is not None:
        error = cause
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1].strip()[:200]}" if lines else type(error).__name__

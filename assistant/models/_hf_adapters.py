"""Several LoRA adapters on one base in memory, switched for every step of every request.

`using` hands out the model with one adapter, or with none, to one thread at a time, in the order in
which they asked; so concurrent turns with different adapters take turns token by token, and each
gets what it would get alone. Knows nothing of prompts or of what is generated.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from assistant.errors import ModelError
from assistant.models._chat_files import ADAPTER_WEIGHTS, AdapterFiles

MOST_IN_MEMORY = 16
_PREFIX = "base_model.model."
_log = logging.getLogger(__name__)


class Turnstile:
    """A lock that is handed over in the order of asking, so that no turn starves another."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; waits for those who asked before."""
        with self._guard:
            ticket = None if not self._taken else threading.Event()
            if ticket is None:
                self._taken = True
            else:
                self._waiting.append(ticket)
        if ticket is not None:
            self._wait(ticket)
        try:
            yield
        finally:
            self._hand_over()

    def _wait(self, ticket: threading.Event) -> None:
        try:
            ticket.wait()
        except BaseException:  # interrupted while it waited: leave the queue as it was
            with self._guard:
                given = ticket not in self._waiting
                if not given:
                    self._waiting.remove(ticket)
            if given:
                self._hand_over()
            raise

    def _hand_over(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False


class Adapters:
    """A base with its adapters.

    Attributes:
        model: the base; adapters are put into its layers in place.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._shapes = _linear_shapes(model)
        self._turns = Turnstile()
        self._peft: Any = None
        self._active = ""
        self._loaded: OrderedDict[str, int] = OrderedDict()  # name -> requests under way

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters in memory, the one used longest ago first."""
        return tuple(self._loaded)

    @contextmanager
    def request(self, files: AdapterFiles | None) -> Iterator[str]:
        """Keep an adapter in memory for one request and yield its name; "" is the bare base.

        Raises:
            ModelError: if the adapter does not fit the base.
        """
        if files is None:
            yield ""
            return
        name = f"a{files.digest[:16]}"
        with self._turns.held():
            if name not in self._loaded:
                self._make_room()
                self._load(name, files)
                self._loaded[name] = 0
            self._loaded.move_to_end(name)
            self._loaded[name] += 1
        try:
            yield name
        finally:
            with self._turns.held():
                self._loaded[name] -= 1

    @contextmanager
    def using(self, name: str) -> Iterator[Any]:
        """Hold the model with an adapter switched on, or with all off for ""."""
        with self._turns.held():
            if self._peft is not None and name != self._active:
                if name:
                    self._peft.base_model.set_adapter(name, inference_mode=True)
                if not name or not self._active:
                    self._switch(on=bool(name))
                self._active = name
            yield self.model

    def _switch(self, *, on: bool) -> None:
        """Turn the layers of all adapters on or off; peft has no frozen way to do it by itself."""
        tuner = self._peft.base_model
        if on:
            name = tuner.active_adapter
            tuner.enable_adapter_layers()
            tuner.set_adapter(name, inference_mode=True)
        else:
            tuner.disable_adapter_layers()

    def _make_room(self) -> None:
        while len(self._loaded) >= MOST_IN_MEMORY:
            idle = next((name for name, users in self._loaded.items() if not users), None)
            if idle is None:
                return
            del self._loaded[idle]
            self._drop(idle)

    def _drop(self, name: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that the active one goes
            self._peft.delete_adapter(name)
        self._off()

    def _off(self) -> None:
        self._switch(on=False)
        self._active = ""

    def _load(self, name: str, files: AdapterFiles) -> None:
        from peft import PeftModel

        expected = self._check_fit(files)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what it warns of is checked right below
                if self._peft is None:
                    self._peft = PeftModel.from_pretrained(
                        self.model,
                        str(files.folder),
                        adapter_name=name,
                        is_trainable=False,
                        autocast_adapter_dtype=False,
                    )
                else:
                    self._peft.load_adapter(
                        str(files.folder),
                        adapter_name=name,
                        is_trainable=False,
                        autocast_adapter_dtype=False,
                    )
        except (ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
            raise ModelError(
                f"The adapter in {files.folder} can't be put on its base "
                f"({str(error).splitlines()[0][:200]}): train it again."
            ) from error
        self._peft.eval()
        self._off()
        put = sum(
            name in module.lora_A or name in module.lora_embedding_A
            for module in self.model.modules()
            if hasattr(module, "lora_A")
        )
        if put != expected:
            self._drop(name)
            raise ModelError(
                f"The adapter in {files.folder} has tensors for {expected} layers, but its "
                f"configuration names {put}: restore both files from one release."
            )
        _log.info("adapter %s loaded", files.name)

    def _check_fit(self, files: AdapterFiles) -> int:
        """Return how many layers an adapter has tensors for, after comparing every shape."""
        from safetensors import SafetensorError, safe_open

        layers = 0
        try:
            with safe_open(files.folder / ADAPTER_WEIGHTS, "pt") as tensors:
                for key in tensors.keys():  # noqa: SIM118 - a file handle, not a dict
                    module, found, _ = key.removeprefix(_PREFIX).partition(".lora_")
                    if not found:
                        continue
                    layers += ".lora_A" in key or ".lora_embedding_A" in key
                    self._check_shape(files, module, key, list(tensors.get_slice(key).get_shape()))
        except SafetensorError as error:
            raise ModelError(
                f"The adapter in {files.folder} can't be read ({error}): restore it."
            ) from error
        if not layers:
            raise ModelError(f"The adapter in {files.folder} holds no LoRA tensors: restore it.")
        return layers

    def _check_shape(self, files: AdapterFiles, module: str, key: str, shape: list[int]) -> None:
        known = self._shapes.get(module)
        if known is None and module not in self._shapes:
            raise ModelError(
                f"The adapter in {files.folder} is for a layer {module!r} that this base has not: "
                "serve it on its own base."
            )
        if known is None:
            return
        size, given = (known[0], shape[-1]) if "lora_A" in key else (known[1], shape[0])
        if ("lora_A.weight" in key or "lora_B.weight" in key) and size != given:
            raise ModelError(
                f"The adapter in {files.folder} has {given} features for {module!r}, where this "
                f"base has {size}: serve it on its own base."
            )


def _linear_shapes(model: Any) -> dict[str, tuple[int, int] | None]:
    """Return (inputs, outputs) of every linear layer by name; None where they can't be told."""
    out: dict[str, tuple[int, int] | None] = {}
    for name, module in model.named_modules():
        inputs = getattr(module, "in_features", None)
        outputs = getattr(module, "out_features", None)
        out[name] = None
        if isinstance(inputs, int) and isinstance(outputs, int):
            out[name] = (inputs, outputs)
    return out

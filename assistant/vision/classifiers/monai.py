"""MONAI kind: a bundle folder of a two-dimensional image classifier.

`monai:<folder>[@<kind of picture>]`, with `configs/metadata.json`, `configs/inference.json` and
`models/model.safetensors`. Of the configuration only `network_def` is used, and it may name nothing
but a network of `monai.networks.nets` with plain values: no expression of a bundle is ever evaluated.
Pictures are resized and scaled as the metadata say. MONAI is an optional extra and is imported when
such a bundle is built, never before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.errors import ConfigError, ModelError
from assistant.settings import Settings
from assistant.vision.classifiers import Card, Reading, _guest
from assistant.vision.classifiers.film import readings
from assistant.vision.inputs import BATCH, squash, to_batch

NETWORKS = "monai.networks.nets"
WEIGHTS = "models/model.safetensors"
# Networks that give one vector of logits for a picture; nothing else may be named.
ALLOWED = frozenset(
    {
        "DenseNet", "DenseNet121", "DenseNet169", "DenseNet201", "DenseNet264", "Densenet121",
        "ResNet", "resnet10", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
        "SENet154", "SEResNet50", "SEResNet101", "SEResNet152", "SEResNext50", "SEResNext101",
        "EfficientNet", "EfficientNetBN", "ViT", "Classifier", "HighResNet",
    }
)  # fmt: skip
_MOST_DEPTH = 8


def build(argument: str, settings: Settings) -> MonaiClassifier:
    """Return the classifier of "<bundle folder>[@<kind of picture>]".

    Raises:
        ConfigError: if no folder is named, MONAI is not installed, or there is no such kind.
        ModelError: if the bundle lacks a part, or its network is not of the allowed ones.
    """
    del settings
    folder, kinds = _guest.split(argument, "monai")
    return MonaiClassifier(Path(folder).expanduser(), kinds)


class MonaiClassifier:
    """The network of a MONAI bundle; see `Classifier`.

    Args:
        folder: of the bundle.
        kinds: the gate's kinds that it is to judge; () where its card says.
    """

    def __init__(self, folder: Path, kinds: tuple[str, ...] = ()) -> None:
        import torch

        metadata = _json(folder / "configs" / "metadata.json")
        inference = _json(folder / "configs" / "inference.json")
        labels, channels, side, value_range = _format(metadata, folder)
        self.files = (folder / WEIGHTS,)
        name = str(metadata.get("name") or folder.name)
        self.card: Card = _guest.card(folder, name, labels, kinds, (channels, side), value_range)
        self._network = _network(inference, folder)
        _fill(self._network, _tensors(folder), folder)
        self._network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self._torch = torch

    def read(self, images: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        """Return a reading for each (H, W) uint8 image, squashed to the bundle's size."""
        found: list[Reading] = []
        low, high = self.card.value_range
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            batch = to_batch(np.stack([squash(image, self.card.side) for image in part]))
            batch = (batch * (high - low) + low).expand(-1, self.card.channels, -1, -1)
            with self._torch.inference_mode():
                given = self._network(batch)
            if isinstance(given, tuple | list):  # ViT gives its hidden states too.
                given = given[0]
            logits = given.float().numpy().astype(np.float64).reshape(len(part), -1)
            if logits.shape[1] == 1:
                logits = np.concatenate([np.zeros_like(logits), logits], 1)
            if logits.shape[1] != len(self.card.labels):
                raise ModelError(
                    f"The network of {self.card.title} gives {logits.shape[1]} outputs for "
                    f"{len(self.card.labels)} labels: mend channel_def in its metadata."
                )
            found += readings(logits[None], self.card)
        return found

    def attention(self, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return None: there is no map that means the same for every architecture."""
        del image
        return None

    def together(self, image: NDArray[np.uint8]) -> tuple[Reading, NDArray[np.float32] | None]:
        """Return the reading and None."""
        return self.read([image])[0], None


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} can't be read ({error}): give a MONAI bundle's folder."
        ) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object: give a MONAI bundle's folder.")
    return value


def _format(
    metadata: Mapping[str, Any], folder: Path
) -> tuple[list[str], int, int, tuple[float, float]]:
    """Return labels, channels, side and range from a bundle's `network_data_format`."""
    try:
        form = metadata["network_data_format"]
        image = form["inputs"]["image"]
        named = form["outputs"]["pred"]["channel_def"]
        labels = [str(named[str(number)]) for number in range(len(named))]
        side = int(image["spatial_shape"][-1])
        low, high = (float(end) for end in image.get("value_range") or (0, 1))
        channels = int(image.get("num_channels", 1))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelError(
            f"{folder}/configs/metadata.json doesn't say what goes in and comes out ({error}): it "
            "needs network_data_format with an image and a pred with channel_def."
        ) from error
    if len(labels) == 1:
        labels = [f"not {labels[0]}", labels[0]]
    return labels, channels, side, (low, high)


def _network(inference: Mapping[str, Any], folder: Path) -> Any:
    """Build the network that `network_def` describes, of the allowed classes only."""
    described = inference.get("network_def", inference.get("net"))
    if not isinstance(described, dict):
        raise ModelError(f"{folder}/configs/inference.json has no network_def: add it.")
    target = str(described.get("_target_", ""))
    name = target.rpartition(".")[2]
    prefix = target.rpartition(".")[0]
    if name not in ALLOWED or not (prefix == "" or f"{prefix}.".startswith(f"{NETWORKS}.")):
        raise ModelError(
            f"The bundle in {folder} asks for {target!r}: only classification networks of "
            f"{NETWORKS} are built ({', '.join(sorted(ALLOWED)[:4])}, ...)."
        )
    options = {
        key: _plain(value, inference, folder)
        for key, value in described.items()
        if not key.startswith("_")
    }
    options.pop("pretrained", None)  # Would fetch weights from elsewhere; the bundle's are loaded.
    try:
        from monai.networks import nets
    except ImportError as error:
        raise ConfigError(
            "MONAI bundles need the package monai: pip install 'auscult[monai]'."
        ) from error
    try:
        return getattr(nets, name)(**options)
    except (TypeError, ValueError, AttributeError) as error:
        line = str(error).strip().splitlines()[0]
        raise ModelError(
            f"The bundle in {folder} describes no {name} that can be built ({line}): mend "
            "network_def."
        ) from error


def _plain(value: Any, config: Mapping[str, Any], folder: Path, depth: int = 0) -> Any:
    """Return a plain value; "@name" stands for another plain value of the configuration.

    Raises:
        ModelError: on an expression ("$..."), a nested object to build, or too deep a reference.
    """
    if depth > _MOST_DEPTH:
        raise ModelError(f"The bundle in {folder} refers to itself in network_def: mend it.")
    if isinstance(value, str) and value.startswith("$"):
        raise ModelError(
            f"The bundle in {folder} has the expression {value!r} in network_def: expressions are "
            "never evaluated, so write its value."
        )
    if isinstance(value, str) and value.startswith("@"):
        return _plain(config.get(value[1:]), config, folder, depth + 1)
    if isinstance(value, dict):
        if "_target_" in value:
            raise ModelError(
                f"The bundle in {folder} builds {value['_target_']!r} inside network_def: only "
                "plain values are allowed there."
            )
        return {key: _plain(part, config, folder, depth + 1) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, config, folder, depth + 1) for part in value]
    return value


def _tensors(folder: Path) -> dict[str, Any]:
    path = folder / WEIGHTS
    if not path.is_file():
        others = sorted(p.name for p in (folder / "models").glob("model.*"))
        found = f"it has {others[0]}, which can run code when opened" if others else "it has none"
        raise ModelError(
            f"The bundle in {folder} needs {WEIGHTS} ({found}): convert its weights to safetensors "
            "once, where you trust them."
        )
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} can't be read ({error}): fetch it again.") from error


def _fill(network: Any, tensors: dict[str, Any], folder: Path) -> None:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        line = str(error).strip().splitlines()[0]
        raise ModelError(
            f"The weights in {folder} don't fit its network_def ({line}): fetch the bundle again."
        ) from error

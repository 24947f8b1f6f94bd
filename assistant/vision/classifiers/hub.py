"""Hub kind: any of transformers' image classifiers, from a folder or a hub id.

`hub:<folder or hub id>[@<kind of picture>]`. Only safetensors are read, no code of a model's own is
run, and pictures are prepared without torchvision. A hub id is fetched only where the setting
`image_downloads` allows it; otherwise the local copy serves. No map: where such a model looks is for
the occlusion check.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.errors import ModelError
from assistant.settings import Settings
from assistant.vision.classifiers import Card, Reading, _guest
from assistant.vision.classifiers.film import readings
from assistant.vision.inputs import BATCH

WANTED = ("config.json", "preprocessor_config.json", "card.json", "*.safetensors", "*.index.json")
PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack"}
_PATHLIKE = ("/", ".", "~")


def build(argument: str, settings: Settings) -> HubClassifier:
    """Return the classifier of "<folder or hub id>[@<kind of picture>]".

    Raises:
        ConfigError: if no model is named, or the gate knows no such kind of picture.
        ModelError: if it is not here, may not be fetched, or can't be loaded safely.
    """
    model, kinds = _guest.split(argument, "hub")
    return HubClassifier(_folder(model, settings), model, kinds)


class HubClassifier:
    """A transformers image classifier; see `Classifier`.

    Args:
        folder: with config.json, preprocessor_config.json and safetensors.
        name: folder or hub id as it was named.
        kinds: the gate's kinds that it is to judge; () where its card says.
    """

    def __init__(self, folder: Path, name: str, kinds: tuple[str, ...] = ()) -> None:
        import torch

        self.files = tuple(sorted(folder.glob("*.safetensors")))
        _check(folder, self.files)
        self._processor, self._model = _load(folder)
        config = self._model.config
        labels = [str(config.id2label[number]) for number in range(config.num_labels)]
        one = len(labels) == 1
        if one:  # A single output is the logit of its label.
            labels = [f"not {labels[0]}", labels[0]]
        side = int(getattr(config, "image_size", None) or 224)
        self.card: Card = _guest.card(folder, Path(name).name or name, labels, kinds, (3, side))
        self._torch = torch

    def read(self, images: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        """Return a reading for each (H, W) uint8 image; grey is repeated over three channels."""
        found: list[Reading] = []
        for start in range(0, len(images), BATCH):
            rgb = [np.repeat(image[..., None], 3, 2) for image in images[start : start + BATCH]]
            given = self._processor(
                images=rgb, return_tensors="pt", input_data_format="channels_last"
            )
            with self._torch.inference_mode():
                logits = self._model(**given).logits.float().numpy().astype(np.float64)
            if logits.shape[1] == 1:
                logits = np.concatenate([np.zeros_like(logits), logits], 1)
            found += readings(logits[None], self.card)
        return found

    def attention(self, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return None: there is no map that means the same for every architecture."""
        del image
        return None

    def together(self, image: NDArray[np.uint8]) -> tuple[Reading, NDArray[np.float32] | None]:
        """Return the reading and None."""
        return self.read([image])[0], None


def _folder(model: str, settings: Settings) -> Path:
    """Return the folder of a model: itself, or the local copy of a hub id."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if model.startswith(_PATHLIKE) or model.count("/") > 1:
        raise ModelError(f"There is no folder {model}: name an image classifier's, or a hub id.")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from httpx import HTTPError
    from huggingface_hub import snapshot_download

    allowed = settings.image_downloads
    try:
        return Path(
            snapshot_download(model, allow_patterns=list(WANTED), local_files_only=not allowed)
        )
    except (OSError, ValueError, HTTPError) as error:
        step = (
            "give a folder, or connect once to fetch it"
            if allowed
            else "give a folder, or set image_downloads = true to fetch it from the hub"
        )
        raise ModelError(
            f"The image classifier {model!r} is not on this machine ({_line(error)}): {step}."
        ) from error


def _check(folder: Path, found: Sequence[Path]) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        if not (folder / name).is_file():
            raise ModelError(
                f"{folder} has no {name}: it is no image classifier's folder; fetch the whole model."
            )
    if not found:
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
        what = f"only {pickles[0]}, which can run code when opened" if pickles else "no weights"
        raise ModelError(
            f"{folder} holds {what}: only safetensors are loaded, so convert the weights first."
        )


def _load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, AutoModelForImageClassification
    from transformers.utils import logging as noise

    noise.disable_progress_bar()
    try:
        processor = AutoImageProcessor.from_pretrained(
            folder, backend="pil", trust_remote_code=False, local_files_only=True
        )
        model = AutoModelForImageClassification.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # safetensors, transformers and torch each raise their own kinds
        raise ModelError(
            f"The image classifier in {folder} can't be loaded ({_line(error)}): fetch it again, "
            "or choose another."
        ) from error
    return processor, model.float().eval().requires_grad_(False)


def _line(error: BaseException) -> str:
    text = (str(error) or type(error).__name__).strip().splitlines()[0]
    return text[:160].rstrip(".")

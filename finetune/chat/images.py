"""Pictures of training rows: found, checked, decoded, and put into samples.

A row names PNG or JPEG files beside or below its data file. They are decoded by the very code that
decodes uploads, and stand before the words of the first question, as they do where they are served.
Knows nothing of models or losses.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant.errors import InputError, ModelError
from finetune.chat import render
from finetune.chat.render import Counts, Sample, Text

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from finetune.chat.data import Conversation

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}
_MOST_IMAGES = 16


@dataclass(frozen=True, eq=False, slots=True)
class Shown(Sample):
    """A sample with its pictures.

    Attributes:
        text: the rendered conversation, its pictures as the template writes them.
        images: the picture files, in order.
    """

    text: str = ""
    images: tuple[Path, ...] = ()


def named(path: Path) -> dict[int, tuple[Path, ...]]:
    """Return the pictures of each row of a data file, by the row's number from 1.

    Raises:
        InputError: if a row names none, too many, one outside the data file's folder, or one that
            isn't there.
    """
    from finetune.chat import data

    folder, out = path.resolve().parent, {}
    for number, row in data.rows(path):
        names = row.get("images", row.get("image"))
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
            raise InputError(f"{path}, row {number} names no picture in 'image' or 'images'.")
        if not 0 < len(names) <= _MOST_IMAGES:
            raise InputError(
                f"{path}, row {number} names {len(names)} pictures: give 1 to {_MOST_IMAGES}."
            )
        out[number] = tuple(_inside(folder, name, f"{path}, row {number}") for name in names)
    return out


def _inside(folder: Path, name: str, where: str) -> Path:
    found = (folder / name).resolve()
    if Path(name).is_absolute() or not found.is_relative_to(folder):
        raise InputError(f"{where}: the picture {name!r} is not below the data file's folder.")
    if found.suffix.lower() not in _FORMATS:
        raise InputError(f"{where}: the picture {name!r} is neither .png nor .jpg.")
    if not found.is_file():
        raise InputError(f"{where}: there is no picture {name!r} in {folder}.")
    return found


def samples(
    processor: Any,
    conversations: Sequence[Conversation],
    images: Mapping[int, tuple[Path, ...]],
    max_tokens: int,
    most_pixels: int,
) -> tuple[list[Shown], Counts]:
    """Return the samples of conversations with pictures, and what became of them.

    Every picture is opened once, so that a damaged one is found before the training. A sample
    that is too long is left out: a picture can't be cut.

    Raises:
        InputError: if a picture can't be read.
        ModelError: if the template can't write a conversation.
    """
    counts, out = Counts(conversations=len(conversations)), []
    for conversation in conversations:
        shown = images[conversation.row]
        made = []
        for text in render.texts(
            processor.tokenizer, with_images(conversation, len(shown)), conversation.tools
        ):
            sample = _sample(processor, _ended(text, processor.tokenizer), shown, most_pixels)
            sample = replace(sample, row=conversation.row)
            if len(sample.ids) > max_tokens:
                counts.cut += 1
                counts.tokens_cut += len(sample.ids)
            elif sample.said.any():
                made.append(sample)
        counts.unlearnable += not made
        out += made
    counts.samples = len(out)
    counts.tokens = sum(len(s.ids) for s in out)
    counts.learned = sum(s.weight for s in out)
    counts.longest = max((len(s.ids) for s in out), default=0)
    return out, counts


def with_images(conversation: Conversation, count: int) -> list[dict[str, Any]]:
    """Return a conversation's messages with places for pictures before the first question."""
    messages = [dict(message) for message in conversation.messages]
    first = next(n for n, m in enumerate(messages) if m["role"] == "user")
    parts = [{"type": "image"} for _ in range(count)]
    messages[first]["content"] = [*parts, {"type": "text", "text": messages[first]["content"]}]
    return messages


def _ended(text: Text, tokenizer: Any) -> Text:
    """Return a text that ends in the token that stops the model, which it is to write as well."""
    if text.complete or not tokenizer.eos_token:
        return text
    *before, (start, _) = text.spans
    whole = text.text + tokenizer.eos_token
    return Text(whole, (*before, (start, len(whole))))


def _sample(processor: Any, text: Text, images: tuple[Path, ...], most_pixels: int) -> Shown:
    """Return a text's sample; what is said is found from the end, where no picture stands."""
    plain, said = render.tokens(processor.tokenizer, text)
    empty = Shown(plain, said, 0, text.text, images)
    made = read(processor, [empty], most_pixels)
    ids = made["input_ids"][0].numpy().astype(np.int32)
    most = min(len(ids), len(plain))
    same = ids[::-1][:most] == plain[::-1][:most]
    tail = most if same.all() else int(same.argmin())
    if said[: len(plain) - tail].any():
        raise ModelError(
            "The base's processor changes the assistant's words: it can't be trained on."
        )
    marks = np.zeros(len(ids), np.bool_)
    marks[len(ids) - tail :] = said[len(plain) - tail :]
    marks[0] = False
    return replace(empty, ids=ids, said=marks)


def read(processor: Any, samples: Sequence[Shown], most_pixels: int) -> dict[str, Tensor]:
    """Return what the model reads of samples, padded at the end.

    Args:
        processor: of the base.
        samples: with their pictures' paths.
        most_pixels: that a picture may have.

    Raises:
        InputError: if a picture can't be read.
        ModelError: if the processor can't take them.
    """
    pictures = [[picture(path, most_pixels) for path in s.images] for s in samples]
    try:
        made = processor(
            text=[s.text for s in samples], images=pictures, padding=True,
            add_special_tokens=False, return_tensors="pt",
        )  # fmt: skip
    except (ValueError, TypeError, IndexError, KeyError) as error:
        first = str(error).strip().partition("\n")[0][:200].rstrip(".")
        raise ModelError(f"The base's processor can't take these pictures ({first}).") from error
    return dict(made)


def picture(path: Path, most_pixels: int) -> Image:
    """Return a picture as it is served: RGB, upright, grey as films are.

    Raises:
        InputError: if it is too large or no sound PNG or JPEG.
    """
    from PIL import Image, UnidentifiedImageError

    from assistant.vision import _raster

    choices = {"format": _FORMATS.get(path.suffix.lower(), "png"), "max_pixels": most_pixels}
    try:
        with warnings.catch_warnings():
            meta, grey = _raster.decode(path.read_bytes(), choices)
    except (InputError, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        reason = str(error).strip().partition("\n")[0][:200].rstrip(".") or type(error).__name__
        raise InputError(
            f"The picture {path} can't be used ({reason}): mend it, or remove its row."
        ) from error
    pixels = np.frombuffer(grey, np.uint8).reshape(meta["height"], meta["width"])
    return Image.fromarray(pixels).convert("RGB")

"""Image-text models see what came with the question, decoded by the sandbox; others ignore it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage

from assistant.errors import AttachmentError
from assistant.models import _cancel, _hf_vision, _prompting
from assistant.settings import Settings
from assistant.types import Attachment


def film(shade: int) -> Attachment:
    """A grey PNG with a bright square."""
    import numpy as np
    from PIL import Image

    pixels = np.full((64, 64), shade, dtype=np.uint8)
    pixels[16:48, 16:48] = 255 - shade
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return Attachment("A1", "film.png", "image", "png", stream.getvalue())


def ask(model: Any, attachments: list[Attachment], stop: bool = False) -> Any:
    described = [{"id": a.id, "name": a.name, "kind": a.kind} for a in attachments]
    question = HumanMessage("What is this?", additional_kwargs={"attachments": described})
    scope = _cancel.Scope(attachments=tuple(attachments), session="s")
    whole: Any = AIMessageChunk("")
    for chunk in _cancel.within(scope, lambda: model.stream([question])):
        whole += chunk
        if stop:
            scope.stop.set()
    return whole


def test_the_model_sees_the_image_as_its_own_processor_prepares_it(
    tiny_image_chat: Path, build: Any
) -> None:
    model = build(tiny_image_chat)
    base = model.base
    blind = ask(model, [])
    for shade in (10, 200):
        seen = ask(model, [film(shade)])
        more = seen.usage_metadata["input_tokens"] - blind.usage_metadata["input_tokens"]
        assert more >= 16  # a 4 x 4 grid of patches, and the text around their place
        parts = [{"type": "image"}, {"type": "text", "text": "What is this?"}]
        text = _prompting.render(base.processor, [{"role": "user", "content": parts}])
        pictures = _hf_vision.pictures([film(shade)], Settings())
        inputs = base.processor(
            text=[text], images=pictures, add_special_tokens=False, return_tensors="pt"
        )
        ids = base.model.generate(**inputs, max_new_tokens=12, do_sample=False)[0]
        written = ids[inputs["input_ids"].shape[1] :]
        assert seen.content == base.tokenizer.decode(written, skip_special_tokens=True)
        assert pictures[0].getpixel((0, 0)) == (shade, shade, shade)


def test_an_image_can_be_talked_about_with_tools_and_given_up(
    tiny_image_chat: Path, build: Any
) -> None:
    model = build(tiny_image_chat, chat_max_new_tokens=400)
    tool = {"name": "image", "description": "Judge.", "parameters": {"type": "object"}}
    given = ask(model.bind_tools([tool]), [film(90)], stop=True)
    assert given.response_metadata["finish_reason"] in {"cancelled", "stop"}
    assert given.usage_metadata["output_tokens"] < 400


def test_an_image_that_cannot_be_decoded_is_said(tiny_image_chat: Path, build: Any) -> None:
    broken = Attachment("A1", "film.png", "image", "png", film(10).data[:80])
    with pytest.raises(AttachmentError, match=r"film\.png"):
        ask(build(tiny_image_chat), [broken])


def test_a_model_without_eyes_ignores_images(tiny_chat: Callable[[str], Path], build: Any) -> None:
    model = build(tiny_chat("qwen"))
    assert ask(model, [film(10)]).content == ask(model, []).content

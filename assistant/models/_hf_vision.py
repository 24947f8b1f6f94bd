"""Replies of image-text models: the same tokens one by one, from text and images.

Such models keep positions in themselves while they write, so a turn holds its model until the reply
has ended. Images come decoded by the sandbox; nothing here opens a file.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from assistant.models import _prompting
from assistant.models._hf_generate import Count, Wish

if TYPE_CHECKING:
    from PIL.Image import Image

    from assistant.models._hf_load import Base
    from assistant.settings import Settings
    from assistant.types import Attachment

_OVER = -1


def pictures(attachments: Sequence[Attachment], settings: Settings) -> list[Image]:
    """Return image attachments as RGB pictures, bright where dense.

    Raises:
        AttachmentError: if one can't be decoded within the limits.
    """
    from PIL import Image

    from assistant.vision.decode import decode

    return [Image.fromarray(decode(a, settings).pixels).convert("RGB") for a in attachments]


def tokens_of(base: Base, images: Sequence[Image]) -> int:
    """Return how many tokens images take beyond what their places in the text take."""
    parts = [*({"type": "image"} for _ in images), {"type": "text", "text": "x"}]
    text = _prompting.render(base.holder, [{"role": "user", "content": parts}])
    whole = base.processor(text=[text], images=list(images), add_special_tokens=False)
    return len(whole["input_ids"][0]) - len(
        base.tokenizer(text, add_special_tokens=False)["input_ids"]
    )


def prepare(base: Base, text: str, images: Sequence[Image]) -> dict[str, Any]:
    """Return what the model reads: token ids with the images' places, and their pixels."""
    made = base.processor(
        text=[text],
        images=list(images) or None,
        add_special_tokens=False,
        return_tensors="pt",
    )
    model = base.model
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
        for name, value in made.items()
    }


def reply(
    base: Base,
    inputs: dict[str, Any],
    adapter: str,
    wish: Wish,
    stop: threading.Event,
    count: Count,
) -> Iterator[int]:
    """Yield the tokens of a reply without the one that ends it; as `_hf_generate.reply`."""
    count.prompt = int(inputs["input_ids"].shape[1])
    ids: queue.SimpleQueue[int | BaseException] = queue.SimpleQueue()
    left = threading.Event()
    worker = threading.Thread(
        target=_work, args=(base, inputs, adapter, wish, (stop, left), ids), daemon=True
    )
    worker.start()
    try:
        while True:
            item = ids.get()
            if isinstance(item, BaseException):
                raise item
            if item == _OVER or item in base.ends:
                count.ended = "stop" if item in base.ends else count.ended
                break
            count.reply += 1
            yield item
        if stop.is_set():
            count.ended = "cancelled"
    finally:
        left.set()
        worker.join()


def _work(
    base: Base,
    inputs: dict[str, Any],
    adapter: str,
    wish: Wish,
    stops: tuple[threading.Event, threading.Event],
    ids: queue.SimpleQueue[int | BaseException],
) -> None:
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Given(StoppingCriteria):
        """Ends a generation when its turn is given up."""

        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            over = any(event.is_set() for event in stops)
            return torch.full((input_ids.shape[0],), over, device=input_ids.device)

    sampling: dict[str, Any] = {"do_sample": False}
    if wish.temperature > 0:
        sampling = {"do_sample": True, "temperature": wish.temperature, "top_p": wish.top_p}
        sampling |= {"top_k": wish.top_k} if wish.top_k else {}
    try:
        with base.adapters.using(adapter) as model, torch.inference_mode():
            if not any(event.is_set() for event in stops):
                model.generate(
                    **inputs,
                    max_new_tokens=wish.most,
                    eos_token_id=sorted(base.ends),
                    stopping_criteria=StoppingCriteriaList([Given()]),
                    streamer=_Streamer(ids),
                    **sampling,
                )
        ids.put(_OVER)
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
        ids.put(error)


class _Streamer:
    """Takes tokens from `generate`; what it is given first is the prompt."""

    def __init__(self, ids: queue.SimpleQueue[int | BaseException]) -> None:
        self._ids = ids
        self._prompt = True

    def put(self, value: Any) -> None:
        if self._prompt:
            self._prompt = False
            return
        for token in value.flatten().tolist():
            self._ids.put(int(token))

    def end(self) -> None:
        """Nothing to flush."""

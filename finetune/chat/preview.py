"""What a training would see first: a sample as the model reads it, and what it learns of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assistant.errors import InputError
from finetune.chat import render

if TYPE_CHECKING:
    from finetune._chat_recipe import ChatRecipe
    from finetune.chat.data import Dataset

OPEN, CLOSE = "⟦", "⟧"


def first(recipe: ChatRecipe, tokenizer: Any, dataset: Dataset) -> render.Text:
    """Return the first training sample's text and the spans that are learned.

    Raises:
        InputError: if there is nothing to learn in any conversation.
    """
    for conversation in dataset.train:
        found = render.texts(tokenizer, conversation.messages, conversation.tools)
        if found:
            return found[0]
    raise InputError(
        f"No conversation of {recipe.data.train} has a turn of the assistant to learn from."
    )


def marked(text: render.Text) -> str:
    """Return a sample's text with ⟦ and ⟧ around what is learned."""
    out, at = [], 0
    for start, end in text.spans:
        out += [text.text[at:start], OPEN, text.text[start:end], CLOSE]
        at = end
    return "".join([*out, text.text[at:]])

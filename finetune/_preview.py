"""The first sample as the model will read it, with what it learns from marked, and row lengths.

Needs a tokenizer and no weights. Chat rows are rendered by the code that trains on them and serves
them. Knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetune import _validation_formats as formats
from finetune import _validation_read as reading
from finetune import _validation_sources as sources
from finetune.recipe import CHAT_TASKS

if TYPE_CHECKING:
    from pathlib import Path

    from finetune._validation_scan import Count
    from finetune.recipe import TextRecipe

OPEN, CLOSE = "⟦", "⟧"
LEGEND = f"what carries loss stands in {OPEN} {CLOSE}"
# A text is shown up to this many characters from its beginning and its end.
SHOWN = 3000


@dataclass(frozen=True, slots=True)
class Preview:
    """A rendered sample.

    Attributes:
        text: what the model reads.
        spans: character spans [start, end) that carry loss, in order.
        tokens: how many it is.
        note: what is learned where no text is, such as a label.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    tokens: int
    note: str = ""

    def marked(self) -> str:
        """Return the text with its spans between marks, its middle left out where it is long."""
        out, at = [], 0
        for start, end in self.spans:
            out += [self.text[at:start], OPEN, self.text[start:end], CLOSE]
            at = end
        whole = "".join([*out, self.text[at:]])
        if len(whole) > 2 * SHOWN:
            left = len(whole) - 2 * SHOWN
            whole = f"{whole[:SHOWN]}\n[... {left:,} characters ...]\n{whole[-SHOWN:]}"
        return whole


def tokenizer(recipe: TextRecipe) -> Any:
    """Return the tokenizer of a recipe's base, without its weights.

    Raises:
        ModelError: if it can't be had.
    """
    chosen: Any = recipe
    if recipe.task in CHAT_TASKS:
        from finetune.chat import model

        return model.tokenizer(chosen.base)
    from tokenizers import Tokenizer

    from retrieval.encoder import locate

    return Tokenizer.from_file(str(locate(chosen.encoder) / "tokenizer.json"))


def counter(recipe: TextRecipe, known: Any) -> Count:
    """Return what counts a row's tokens, and how many of them are learned."""
    if recipe.task not in CHAT_TASKS:

        def count(name: str, row: Mapping[str, Any]) -> tuple[int, int]:
            given = formats.sample(name, row).given
            first, _, rest = given.partition("\n")
            found = known.encode(first, rest) if rest else known.encode(given)
            return len(found.ids), len(found.ids)

        return count
    block: Any = recipe.data
    system = block.system

    def count_chat(name: str, row: Mapping[str, Any]) -> tuple[int, int]:
        from finetune.chat import render

        found = [render.tokens(known, text) for text in _chat_texts(name, row, system, known)]
        return sum(len(ids) for ids, _ in found), sum(int(said.sum()) for _, said in found)

    return count_chat


def first(recipe: TextRecipe, data: Path | None, known: Any) -> Preview:
    """Return the first sample to train on.

    Raises:
        InputError: if the data can't be read.
        ModelError: if the chat template can't write it.
    """
    source = sources.of(recipe, data)[0]
    if recipe.task in CHAT_TASKS:
        return _first_chat(recipe, source, known)
    _, row = next(reading.rows(source.path))
    if formats.FORMATS[source.format].windows:
        return _entities(row, known)
    sample = formats.sample(source.format, row)
    one, _, two = sample.given.partition("\n")
    found = known.encode(one, two) if two else known.encode(one)
    return Preview(
        known.decode(found.ids, skip_special_tokens=False),
        (),
        len(found.ids),
        f"the whole text carries loss through its head; wanted: {sample.wanted[:200]}",
    )


def _first_chat(recipe: TextRecipe, source: sources.Source, known: Any) -> Preview:
    from finetune.chat import data, render
    from finetune.chat import formats as chats

    block: Any = recipe.data
    _, row = next(data.rows(source.path))
    kind = chats.choose(block.format, row, source.path.name)
    text = _chat_texts(kind.name, row, block.system, known)[0]
    ids, said = render.tokens(known, text)
    note = f"{int(said.sum()):,} of its tokens carry loss"
    return Preview(text.text, text.spans, len(ids), note)


def _chat_texts(name: str, row: Mapping[str, Any], system: str, known: Any) -> list[Any]:
    from finetune.chat import formats as chats
    from finetune.chat import render

    kind = next(f for f in chats.FORMATS if f.name == name)
    read = chats.read(kind, row, "the row", system)
    found = render.texts(known, read.messages, read.tools)
    if read.rejected:
        other = [*read.messages[:-1], {**read.messages[-1], "content": read.rejected}]
        found = [*found, *render.texts(known, other, read.tools)]
    return found


def _entities(row: Mapping[str, Any], known: Any) -> Preview:
    text = str(row["text"]) if "text" in row else f"{row.get('title', '')} {row['abstract']}"
    spans = sorted((e[0], e[1]) for e in row["entities"])
    kept = [s for n, s in enumerate(spans) if n == 0 or s[0] >= spans[n - 1][1]]
    tokens = len(known.encode(text, add_special_tokens=False).ids)
    note = "every token carries loss; the marked ones are entities, cut into windows"
    return Preview(text, tuple(kept), tokens, note)

"""Which text a template makes of a conversation, and which part of it the assistant says.

For any chat template: the prompt of each of the assistant's turns is rendered as it will be served,
then the conversation up to the turn's end; what the second has beyond the first is the turn. A
template that rewrites earlier turns (that drops their reasoning, or moves the system prompt) makes
several texts of one conversation, each as the model will meet it. Where rendering in parts fails,
the template's own `{% generation %}` marks are used. Knows nothing of batches or losses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assistant.errors import ModelError
from assistant.models import _prompting

if TYPE_CHECKING:
    from finetune.chat.data import Conversation

_GENERATION = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")


@dataclass(frozen=True, slots=True)
class Text:
    """A rendered conversation.

    Attributes:
        text: what the model reads.
        spans: character spans [start, end) that it is to write, in order.
        complete: whether the last span ends in the token that stops the model.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    complete: bool = True


@dataclass(frozen=True, eq=False, slots=True)
class Sample:
    """A rendered conversation as tokens.

    Attributes:
        ids: (tokens,) int32.
        said: (tokens,) bool, true for tokens that the model is to write; the first never is.
        row: of the data file.
    """

    ids: NDArray[np.int32]
    said: NDArray[np.bool_]
    row: int

    @property
    def weight(self) -> int:
        """Number of tokens that are learned."""
        return int(self.said.sum())


@dataclass(slots=True)
class Counts:
    """What became of the conversations.

    Attributes:
        conversations: read.
        samples: made of them.
        cut: samples that were longer than allowed and lost tokens or early turns.
        tokens_cut: tokens that these lost.
        unlearnable: conversations of which nothing is left to learn.
        tokens: of all samples.
        learned: of these, tokens that the model is to write.
        longest: tokens of the longest sample.
    """

    conversations: int = 0
    samples: int = 0
    cut: int = 0
    tokens_cut: int = 0
    unlearnable: int = 0
    tokens: int = 0
    learned: int = 0
    longest: int = 0

    def said(self) -> str:
        """Return the counts in one sentence."""
        cut = f", {self.cut} cut to fit ({self.tokens_cut:,} tokens lost)" if self.cut else ""
        return (
            f"{self.conversations:,} conversations gave {self.samples:,} samples of "
            f"{self.tokens:,} tokens, {self.learned:,} of them learned{cut}."
        )


def texts(
    tokenizer: Any,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
) -> list[Text]:
    """Return the texts of a conversation with the spans of the assistant's trained turns.

    Args:
        tokenizer: with a chat template.
        messages: an assistant's message with `weight` 0 is not trained on.
        tools: offered to the model.

    Raises:
        ModelError: if the template can't write the conversation, or in such a way that the
            assistant's part can't be told.
    """
    plain = [{k: v for k, v in m.items() if k != "weight"} for m in messages]
    try:
        return _by_prefixes(tokenizer, plain, messages, list(tools) or None)
    except _NoPrefixError as failure:
        if not _GENERATION.search(str(getattr(tokenizer, "chat_template", ""))):
            raise ModelError(
                "The chat template does not keep the prompt when the answer follows, so the "
                f"assistant's part can't be told ({failure}): mark it with {{% generation %}} in "
                "the template, or use another base."
            ) from None
        return _by_marks(tokenizer, plain, list(tools) or None)


class _NoPrefixError(Exception):
    """A prompt is not the beginning of the same conversation with its answer."""


def _by_prefixes(
    tokenizer: Any,
    plain: list[dict[str, Any]],
    messages: Sequence[Mapping[str, Any]],
    tools: list[Mapping[str, Any]] | None,
) -> list[Text]:
    done: list[Text] = []
    text, complete = "", True
    spans: list[tuple[int, int]] = []
    marks = tuple(str(token) for token in tokenizer.all_special_tokens)
    for index, message in enumerate(messages):
        # A greeting that nobody asked for has no prompt to be learned after.
        if message["role"] != "assistant" or index == 0 or not message.get("weight", 1):
            continue
        prompt = _prompting.render(tokenizer, plain[:index], tools)
        whole = _prompting.render(tokenizer, plain[: index + 1], tools, False)
        answer = whole[len(prompt) :]
        if not whole.startswith(prompt):
            bare = _prompting.render(tokenizer, plain[:index], tools, False)
            at = _boundary(prompt, whole, marks)
            if at < len(bare.rstrip()):
                raise _NoPrefixError(f"turn {index + 1} changes what stands before it")
            answer = whole[at:]
        answer = answer.rstrip() if answer.rstrip().endswith(marks) else answer
        if not answer.strip():
            raise _NoPrefixError(f"turn {index + 1} is left out")
        if spans and not prompt.startswith(text):
            done.append(Text(text, tuple(spans), complete))
            spans = []
        text, complete = prompt + answer, answer.endswith(marks)
        spans.append((len(prompt), len(text)))
    return [*done, Text(text, tuple(spans), complete)] if spans else done


def _boundary(prompt: str, whole: str, marks: Sequence[str]) -> int:
    """Return where a turn begins in `whole`, whose prompt ends in what a finished turn has not.

    Such as the empty reasoning that tells a model to answer at once. The texts part at most a few
    characters into the turn, where both have the same by chance, so the last line's beginning or
    special token's end counts.
    """
    pairs = enumerate(zip(prompt, whole, strict=False))
    parted = next((at for at, (x, y) in pairs if x != y), min(len(prompt), len(whole)))
    ends = (whole.rfind(mark, 0, parted) + len(mark) for mark in ("\n", *marks) if mark in whole)
    return max((end for end in ends if end <= parted), default=0)


def _by_marks(
    tokenizer: Any, plain: list[dict[str, Any]], tools: list[Mapping[str, Any]] | None
) -> list[Text]:
    """Return the text and the spans within `{% generation %}`."""
    import jinja2

    try:
        text = _prompting.render(tokenizer, plain, tools, False)
        found = tokenizer.apply_chat_template(
            plain,
            tools=tools,
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
            tokenizer_kwargs={"return_offsets_mapping": True},
        )
        written = tokenizer.apply_chat_template(plain, tools=tools, tokenize=False)  # fmt: skip
    except (jinja2.TemplateError, ValueError, KeyError) as error:
        raise ModelError(f"The chat template can't write this conversation: {error}.") from error
    if written != text:
        raise ModelError(
            "A conversation holds marks of the chat template in its words, and this template can "
            "only be followed where it does not: remove them from the data."
        )
    spans: list[tuple[int, int]] = []
    for (start, end), said in zip(
        found["offset_mapping"], found["assistant_masks"], strict=True
    ):  # fmt: skip
        if said and spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        elif said:
            spans.append((start, end))
    return [Text(text, tuple(spans))] if spans else []


def samples(
    tokenizer: Any, conversations: Iterable[Conversation], max_tokens: int
) -> tuple[list[Sample], Counts]:
    """Return the samples of conversations, none longer than `max_tokens`, and what became of them.

    Raises:
        ModelError: as `texts`, or if the tokenizer can't tell where its tokens stand.
    """
    check_tokenizer(tokenizer)
    counts = Counts()
    out: list[Sample] = []
    for conversation in conversations:
        counts.conversations += 1
        made = _fitted(tokenizer, conversation, max_tokens, counts)
        counts.unlearnable += not made
        out += made
    counts.samples = len(out)
    counts.tokens = sum(len(s.ids) for s in out)
    counts.learned = sum(s.weight for s in out)
    counts.longest = max((len(s.ids) for s in out), default=0)
    return out, counts


def check_tokenizer(tokenizer: Any) -> None:
    """See that a tokenizer can be trained with.

    Raises:
        ModelError: if it has no chat template, or can't tell where its tokens stand.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise ModelError(
            "The base has no chat template: take an instruction-tuned model, or put a "
            "chat_template.jinja into its folder."
        )
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            "The base's tokenizer can't tell where its tokens stand: it needs a tokenizer.json."
        )


def _fitted(
    tokenizer: Any, conversation: Conversation, max_tokens: int, counts: Counts
) -> list[Sample]:
    messages = list(conversation.messages)
    out = []
    for text in texts(tokenizer, messages, conversation.tools):
        ids, said = tokens(tokenizer, text)
        if len(ids) > max_tokens:
            counts.cut += 1
            before = len(ids)
            ids, said = cut(ids, said, max_tokens)
            counts.tokens_cut += before - len(ids)
        if said.any():
            out.append(Sample(ids, said, conversation.row))
    return out


def tokens(tokenizer: Any, text: Text) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return a text's tokens (n,) int32 and which of them (n,) bool the model is to write.

    A token that straddles the start of a span belongs to the prompt, which is tokenised without
    the answer when it is served.
    """
    found = tokenizer(
        text.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    ids = np.asarray(found["input_ids"], np.int32)
    places = np.asarray(found["offset_mapping"], np.int64).reshape(-1, 2)
    said = np.zeros(len(ids), np.bool_)
    for start, end in text.spans:
        said |= (places[:, 0] >= start) & (places[:, 0] < end)
    if not text.complete and tokenizer.eos_token_id is not None:
        # The template ends no turn, so nothing would teach the model to stop.
        ids = np.append(ids, np.int32(tokenizer.eos_token_id))
        said = np.append(said, np.True_)
    if len(said):
        said[0] = False
    return ids, said


def cut(
    ids: NDArray[np.int32], said: NDArray[np.bool_], most: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return a sample cut to `most` tokens: the beginning, and the end with the last answer.

    What is left out is the middle of what stands before the last answer: the beginning holds the
    system prompt, the end the question. An answer that alone is too long keeps its beginning, and
    at least a quarter of the room stays with the prompt.
    """
    last = int(np.flatnonzero(said)[-1])
    first = last
    while first > 0 and said[first - 1]:
        first -= 1
    answer = slice(first, first + min(last + 1 - first, most - min(first, most // 4)))
    room = most - (answer.stop - answer.start)
    head = min(room // 4, first)
    tail = min(room - head, first - head)
    keep = np.r_[0:head, first - tail : first, answer]
    return ids[keep], said[keep]

"""Adapters of the text encoder, served: `PairScorer` and `Tagger`.

An adapter is a folder with `adapter_model.safetensors` (peft's names, and the head's tensors under
`head.`) and `card.json`. It is verified by digest, checked to belong to the encoder that is loaded,
and merged into copies of the weights that it touches. Serving needs no peft. Loaded adapters are
immutable, so any number of threads may share one. Knows nothing of training.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval import files
from retrieval.encoder import Encoder, Tokens
from retrieval.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from retrieval.bert import Bert
    from retrieval.heads import PairHead, TagHead

WEIGHTS = Path(__file__).parent / "weights"
PAIR_BATCH = 16
WINDOW_TOKENS = 254
STRIDE_TOKENS = 127


@dataclass(frozen=True, slots=True)
class Entity:
    """A stretch of text that names something: `text_given[start:end] == text`.

    Attributes:
        start: first character.
        end: one past the last.
        text: the words.
        type: one of the card's labels, for example "Disease".
        score: mean probability of its tokens' tags, in [0, 1].
    """

    start: int
    end: int
    text: str
    type: str
    score: float


@dataclass(frozen=True, eq=False)
class Adapter:
    """An adapter's verified files.

    Attributes:
        card: what card.json says.
        bert: the encoder with the adapter merged in.
        head: the tensors of the head, without their prefix.
    """

    card: dict[str, Any]
    bert: Bert
    head: dict[str, Tensor]

    @classmethod
    def load(cls, encoder: Encoder, name: str, task: str) -> Adapter:
        """Read, verify and merge an adapter.

        Args:
            encoder: the base that it was trained on.
            name: a shipped adapter, or the path of an adapter's folder.
            task: what the adapter has to be for: "rerank" or "entities".

        Raises:
            ModelError: if files are missing or damaged, the digest differs from the card's, or
                the adapter is for another task or another base.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        folder = locate(name)
        card = read_card(folder)
        data = (folder / "adapter_model.safetensors").read_bytes()
        _check(folder, card, data, task, encoder)
        try:
            tensors = load(data)
            lora = {k: v for k, v in tensors.items() if not k.startswith("head.")}
            bert = encoder.bert.with_lora(lora, card["lora"]["alpha"] / card["lora"]["r"])
            bert = _formed(bert, encoder.forms.get(task, ""))
        except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"The adapter in {folder} can't be put on {encoder.identity} ({error}): "
                "train it again with 'python -m finetune.encoder'."
            ) from error
        head = {k.removeprefix("head."): v.float() for k, v in tensors.items() if k not in lora}
        return cls(card, bert, head)


def _formed(bert: Bert, form: str) -> Bert:
    if not form:
        return bert
    from retrieval import forms

    return forms.convert(bert, form)


def locate(name: str) -> Path:
    """Return the folder of an adapter: a shipped one by name, or a path.

    Raises:
        ModelError: if it does not hold both files of an adapter.
    """
    folder = WEIGHTS / name
    if not folder.is_dir():
        folder = Path(name)
    for needed in ("card.json", "adapter_model.safetensors"):
        if not (folder / needed).is_file():
            known = ", ".join(sorted(p.parent.name for p in WEIGHTS.glob("*/card.json"))) or "none"
            raise ModelError(
                f"The adapter {name!r} has no {needed}: give an adapter's folder, or one of {known}."
            )
    return folder


def read_card(folder: Path) -> dict[str, Any]:
    """Return an adapter's card.

    Raises:
        ModelError: if it is no JSON object with the entries that serving needs.
    """
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        complete = {"task", "base", "lora", "head", "input", "sha256"} <= card.keys()
    except (ValueError, AttributeError):
        complete, card = False, {}
    if not complete:
        raise ModelError(f"The card in {folder} can't be read: restore card.json from its release.")
    return dict(card)


def _check(folder: Path, card: dict[str, Any], data: bytes, task: str, encoder: Encoder) -> None:
    digest = files.sha256(folder / "adapter_model.safetensors")
    if digest != card["sha256"]:
        raise ModelError(
            f"The adapter in {folder} has digest {digest[:12]}..., not {card['sha256'][:12]}... as "
            f"its card says ({len(data)} bytes): restore both files from one release."
        )
    if card["task"] != task:
        raise ModelError(f"The adapter in {folder} is for {card['task']!r}, not for {task!r}.")
    base = encoder.identity.rpartition("@")[2]
    if not card["base"]["sha256"].startswith(base):
        raise ModelError(
            f"The adapter in {folder} sits on {card['base']['name']}, not on {encoder.identity}: "
            "choose that encoder, or train the adapter on this one."
        )


@dataclass(frozen=True, eq=False)
class PairScorer:
    """Scores how well a text answers a question.

    Attributes:
        encoder: tokenises and batches.
        adapter: the merged encoder, the head's tensors and the card.
        head: maps hidden states to a logit a pair.
    """

    encoder: Encoder
    adapter: Adapter
    head: PairHead

    @classmethod
    def load(cls, encoder: Encoder, name: str = "rerank") -> PairScorer:
        """Load a pair scorer by name or folder.

        Raises:
            ModelError: as `Adapter.load`.
        """
        adapter = Adapter.load(encoder, name, "rerank")
        return cls(encoder, adapter, _head(adapter))

    @property
    def card(self) -> dict[str, Any]:
        """The adapter's card."""
        return self.adapter.card

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return scores, float32 (len(pairs),), each in [0, 1], in the order of `pairs`.

        Args:
            pairs: (question, text); a passage as "title: section. text", a sentence bare or
                likewise. The longer part of a pair beyond the card's `max_tokens` is cut.
        """
        calibration = self.card["calibration"]
        logits = calibration["scale"] * self.logits(pairs) + calibration["offset"]
        return (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)

    def logits(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Return uncalibrated scores, (len(pairs),)."""
        import torch

        out = np.zeros(len(pairs), dtype=np.float64)
        if not pairs:
            return out
        limit = int(self.card["input"]["max_tokens"])
        items = self.encoder.tokenize([a for a, _ in pairs], [b for _, b in pairs], limit)
        for rows, hidden, mask in self.encoder.batches(items, self.adapter.bert, PAIR_BATCH):
            types = _fill([items[i].types for i in rows], hidden.shape[1])
            with torch.inference_mode():
                out[rows] = self.head(hidden, mask, types).numpy()
        return out


@dataclass(frozen=True, eq=False)
class Tagger:
    """Finds the entities of texts.

    Attributes:
        encoder: tokenises and batches.
        adapter: the merged encoder, the head's tensors and the card.
        head: maps hidden states to a score for each token and tag.
    """

    encoder: Encoder
    adapter: Adapter
    head: TagHead

    @classmethod
    def load(cls, encoder: Encoder, name: str = "entities") -> Tagger:
        """Load a tagger by name or folder.

        Raises:
            ModelError: as `Adapter.load`.
        """
        adapter = Adapter.load(encoder, name, "entities")
        return cls(encoder, adapter, _head(adapter))

    @property
    def card(self) -> dict[str, Any]:
        """The adapter's card."""
        return self.adapter.card

    @property
    def styles(self) -> tuple[str, ...]:
        """The annotation rules that the adapter knows, the one for general use first."""
        return tuple(self.card.get("styles", ()))

    def tag(self, texts: Sequence[str], style: str = "") -> list[list[Entity]]:
        """Return each text's entities in reading order, without overlaps.

        Texts of any length are read in overlapping windows of 256 tokens; each token is judged in
        the window where it stands nearest to the middle. What a text names in one place is marked
        in its other places too (`tagging.consistent`).

        Args:
            texts: texts of any length.
            style: whose rules draw the borders, one of `styles`; by default, and where the adapter
                doesn't know it, the first.
        """
        from retrieval import tagging

        number = self.styles.index(style) if style in self.styles else 0
        whole = self.encoder.tokenize(texts, max_tokens=1 << 30)
        features = [self.features(text, item) for text, item in zip(texts, whole, strict=True)]
        emissions = self._emissions(whole, [shapes for shapes, _ in features], number)
        labels = list(self.card["labels"])
        out = []
        for text, item, scores, (_, inside) in zip(texts, whole, emissions, features, strict=True):
            spans = tagging.decode(scores, inside, item.offsets[1:-1], labels)
            if self.card.get("consistent"):
                spans = tagging.consistent(text, spans)
            out.append([Entity(s, e, text[s:e], label, p) for s, e, label, p in spans])
        return out

    def features(self, text: str, item: Tokens) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return each token's shape and whether it goes on a word, without [CLS] and [SEP]."""
        from retrieval import tagging

        return tagging.features(self.encoder, text, item)

    def _emissions(
        self, whole: Sequence[Tokens], shapes: Sequence[NDArray[np.int64]], style: int = 0
    ) -> list[NDArray[np.float32]]:
        import torch

        start, stop = self.encoder.special
        windows: list[Tokens] = []
        places: list[tuple[int, int, int]] = []
        for number, item in enumerate(whole):
            ids = item.ids[1:-1]
            for first in _window_starts(len(ids)):
                part = ids[first : first + WINDOW_TOKENS]
                windows.append(Tokens((start, *part, stop), (0,) * (len(part) + 2), ()))
                places.append((number, first, first + len(part)))
        tags = 2 * len(self.card["labels"]) + 1
        out = [np.zeros((len(item.ids) - 2, tags), dtype=np.float32) for item in whole]
        nearest = [np.full(len(item.ids) - 2, -1.0) for item in whole]
        for rows, hidden, mask in self.encoder.batches(windows, self.adapter.bert):
            given = [(0, *shapes[places[i][0]][places[i][1] : places[i][2]], 0) for i in rows]
            manner = torch.full((len(rows),), style)
            with torch.inference_mode():
                scores = self.head(hidden, mask, _fill(given, hidden.shape[1]), manner).numpy()
            for row, i in enumerate(rows):
                number, first, last = places[i]
                inner = np.minimum(np.arange(last - first), np.arange(last - first)[::-1])
                better = inner > nearest[number][first:last]
                out[number][first:last][better] = scores[row, 1 : last - first + 1][better]
                nearest[number][first:last][better] = inner[better]
        return out


def _window_starts(length: int) -> list[int]:
    if length <= WINDOW_TOKENS:
        return [0] if length else []
    last = length - WINDOW_TOKENS
    return [*range(0, last, STRIDE_TOKENS), last]


def _head(adapter: Adapter) -> Any:
    from retrieval import heads

    head = heads.build(adapter.card["head"])
    try:
        head.load_state_dict(adapter.head)
    except RuntimeError as error:
        raise ModelError(
            "The adapter's head is not what its card says: restore both from one release."
        ) from error
    return head.eval().requires_grad_(requires_grad=False)


def _fill(given: Sequence[Sequence[int]], length: int) -> torch.Tensor:
    """Return int64 (len(given), length), padded with 0."""
    import torch

    out = np.zeros((len(given), length), dtype=np.int64)
    for row, values in enumerate(given):
        out[row, : len(values)] = values
    return torch.from_numpy(out)

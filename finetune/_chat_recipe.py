"""What a training run of a chat model is told: a YAML file, checked key by key.

One schema serves instruction tuning (`chat`), preference tuning (`preference`) and image-text
models (`image_chat`). Knows nothing of how any of it is done, and imports no model library.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from finetune._recipe_common import Common

Format = Literal[
    "auto", "messages", "dialogue_note", "note_summary", "extraction", "grounded_qa", "preference"
]
Method = Literal["lora", "dora", "rslora", "qlora"]


class ChatData(BaseModel):
    """Where the samples come from and how they are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: str = Field(
        min_length=1,
        description="File to train on: .jsonl or .csv, also .gz; from the data folder.",
    )
    validation: str | None = Field(
        None, description="File to select the best step on; null holds back a part of `train`."
    )
    format: Format = Field(
        "auto", description="What the rows hold; auto tells it by the columns of the first row."
    )
    held_back: float = Field(
        0.05, gt=0, lt=0.5, description="Share of the groups of `train` held back for validation."
    )
    group: str | None = Field(
        None,
        description="Column that keeps rows together when a part is held back (a patient, a "
        "document); null takes patient_id, encounter_id, document_id, doc_id or id where there is "
        "one.",
    )
    limit: int | None = Field(None, ge=1, description="Rows of each file at most; null for all.")
    system: str = Field(
        "auto",
        description="System prompt: auto takes the assistant's own for record tasks and grounded "
        "questions and leaves `messages` as they are; none adds nothing; else the text itself.",
    )
    licence: str = Field("", description="Licence of the data, for the adapter's card.")


class ChatRecipe(Common):
    """One training run of a chat model's adapter. Unknown keys are refused."""

    task: Literal["chat", "preference", "image_chat"] = Field(
        "chat", description="Instruction tuning, preference tuning, or instructions with images."
    )
    name: str = Field(
        min_length=1, pattern=r"^[\w.-]+$", description="Name of the adapter: its folder and card."
    )
    base: str = Field(min_length=1, description="The chat model: a folder or a hub id.")
    data: ChatData = Field(description="The samples.")
    seed: int = Field(0, ge=0, lt=2**31, description="Of order, initial weights, dropout, noise.")

    method: Method = Field(
        "lora",
        description="lora; dora (weight-decomposed); rslora (alpha over the root of the rank); "
        "qlora (base in 4 bits, needs CUDA and bitsandbytes).",
    )
    rank: int = Field(16, ge=1, le=512, description="LoRA's rank r.")
    alpha: int = Field(32, ge=1, description="LoRA's alpha; deltas are scaled by alpha / r.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout on LoRA's input.")
    target_modules: str | tuple[str, ...] = Field(
        "all-linear",
        description="Names of the layers that get an adapter; all-linear for every linear layer "
        "but the output's.",
    )

    max_tokens: int = Field(
        2048, ge=16, description="Tokens of a sample at most; the last answer is kept."
    )
    packing: bool = Field(
        False,
        description="Lay samples end to end, told apart by position ids, instead of batches of "
        "like length. Worth it with flash attention only.",
    )
    batch_tokens: int = Field(
        8192, ge=16, description="Tokens a step over all devices, padding included."
    )
    micro_tokens: int = Field(
        0,
        ge=0,
        description="Tokens of one forward pass on one device; 0 shares out batch_tokens.",
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="auto takes bf16 where the hardware multiplies in it."
    )
    gradient_checkpointing: bool = Field(
        False, description="Compute activations twice to save memory; about a third slower."
    )
    liger: Literal["auto", "on", "off"] = Field(
        "auto", description="Liger's GPU kernels: auto uses them on CUDA where installed."
    )
    neftune: float = Field(
        0.0,
        ge=0,
        description="NEFTune's alpha: noise on the embeddings while training; 0 for none.",
    )

    epochs: int = Field(3, ge=1, description="Passes over the training data.")
    steps: int | None = Field(None, ge=1, description="Steps at most; null for whole epochs.")
    learning_rate: float = Field(2e-4, gt=0, description="Peak learning rate.")
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps that warm up.")
    scheduler: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="How the learning rate falls after the warm-up, to a tenth."
    )
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decoupled weight decay.")
    clip: float = Field(1.0, gt=0, description="Norm that gradients are clipped to.")
    validate_every: int = Field(100, ge=1, description="Steps between validations.")
    patience: int = Field(5, ge=1, description="Validations without gain before stopping early.")
    checkpoint_every: int = Field(100, ge=1, description="Steps between checkpoints.")
    keep: int = Field(2, ge=1, description="Checkpoints kept.")
    threads: int = Field(0, ge=0, description="CPU threads; 0 leaves it to torch.")
    options: dict[str, Any] = Field(default_factory=dict, description="The task's own options.")

    @model_validator(mode="after")
    def _fits(self) -> ChatRecipe:
        for key in ("batch_tokens", "micro_tokens"):
            value = getattr(self, key)
            if value and value < self.max_tokens:
                raise ValueError(
                    f"{key} is {value}, less than max_tokens ({self.max_tokens}): one sample must "
                    "fit; raise it or lower max_tokens"
                )
        return self

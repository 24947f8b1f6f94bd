"""Chat models of real architectures with random weights, small enough to make in a test.

Promises what a downloaded model has: config, generation config, safetensors, a byte-level BPE
tokenizer trained here on a few sentences of our own, its family's special tokens, and a chat
template in its family's manner (`chat_templates/`). What they say is noise. They are seeded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).with_name("chat_templates")

_SENTENCES = (
    "Asthma is treated with an inhaled corticosteroid and a short acting bronchodilator. [S1]",
    "The patient has had a cough, fever and shortness of breath for three days.",
    "Metformin is the first drug for type 2 diabetes unless the kidneys fail. [S2]",
    "What is the dose of amoxicillin for a child with otitis media?",
    "Stop warfarin and give vitamin K when the bleeding is severe, and call a doctor at once.",
    "The chest film shows no pneumothorax; the heart is of normal size.",
    "According to the passages, the treatment lowered blood pressure by 8 mmHg. [S1, S3]",
    "She takes lisinopril 10 mg once daily and is allergic to penicillin.",
    "ABSTAIN: the passages do not answer the question about dosing in renal failure.",
    "Which drugs prolong the QT interval, and how is it measured on the electrocardiogram?",
    "Haemoglobin 9.8 g/dL, white cells 12.4, platelets 210, potassium 4.1 mmol/L.",
    '{"name": "literature", "arguments": {"query": "How is migraine prevented in adults?"}}',
    '{"name": "record", "parameters": {"question": "current medications", "record": "a1"}}',
    "You are a medical assistant. Call a tool, read the passages, cite each sentence by its key.",
)


@dataclass(frozen=True)
class _Family:
    """What one style of model is made of.

    Attributes:
        architecture: stem of the classes, e.g. "Qwen3" for Qwen3Config and Qwen3ForCausalLM.
        special: tokens that the tokenizer leaves out when it decodes without special tokens.
        plain: added tokens that it keeps, as the tags of tool calls in some families.
        begin, end, pad: tokens that begin a text, end a reply, and fill a batch.
        more: further fields of the config.
    """

    architecture: str
    special: tuple[str, ...]
    end: str
    pad: str
    begin: str = ""
    plain: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


_CHATML_TAGS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
_GEMMA = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
_LLAMA = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<|eom_id|>", "<|python_tag|>", "<|finetune_right_pad_id|>",
)  # fmt: skip
_MISTRAL = (
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[ARGS]",
)  # fmt: skip
_FAMILIES = {
    "qwen": _Family(
        "Qwen3",
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        end="<|im_end|>",
        pad="<|endoftext|>",
        plain=("<think>", "</think>", *_CHATML_TAGS),
    ),
    "hermes": _Family(
        "Qwen2",
        # The first one is there because Qwen2's tokenizer would add it when it is loaded.
        ("<|endoftext|>", "<|begin_of_text|>", "<|im_start|>", "<|im_end|>"),
        end="<|im_end|>",
        pad="<|endoftext|>",
        begin="<|begin_of_text|>",
        plain=("<tools>", "</tools>", *_CHATML_TAGS),
    ),
    "llama": _Family(
        "Llama",
        _LLAMA,
        end="<|eot_id|>",
        pad="<|finetune_right_pad_id|>",
        begin="<|begin_of_text|>",
    ),
    "mistral": _Family("Mistral", _MISTRAL, end="</s>", pad="</s>", begin="<s>"),
    "gemma": _Family(
        "Gemma3",
        (*_GEMMA, "<start_of_image>", "<end_of_image>"),
        end="<end_of_turn>",
        pad="<pad>",
        begin="<bos>",
        more={"query_pre_attn_scalar": 16, "sliding_window": 128},
    ),
    "no_system": _Family(
        "Gemma2",
        _GEMMA,
        end="<end_of_turn>",
        pad="<pad>",
        begin="<bos>",
        more={"query_pre_attn_scalar": 16, "sliding_window": 128},
    ),
}
STYLES = tuple(_FAMILIES)


def make(
    style: str,
    folder: Path,
    *,
    hidden: int = 64,
    layers: int = 2,
    vocab: int = 600,
    context: int = 4096,
) -> Path:
    """Save a causal language model of a style with its tokenizer and template.

    Args:
        style: one of `STYLES`.
        folder: where to; made if it is not there.
        hidden: width; a multiple of 32.
        layers: number of decoder layers.
        vocab: about how many tokens.
        context: tokens that the model can read at once.

    Returns:
        `folder`.
    """
    import transformers

    family = _FAMILIES[style]
    tokenizer = _tokenizer(family, style, vocab)
    stem = family.architecture
    # Gemma 3's text model has a config of its own beside that of the model that also sees.
    config_class = getattr(
        transformers, f"{stem}TextConfig" if stem == "Gemma3" else f"{stem}Config"
    )
    config = config_class(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=hidden // 4,
        max_position_embeddings=context,
        **_token_ids(tokenizer, family),
        **family.more,
    )
    _save(getattr(transformers, f"{stem}ForCausalLM"), config, folder, family, tokenizer)
    tokenizer.save_pretrained(folder)
    return folder


def make_image_text(folder: Path, *, hidden: int = 64, layers: int = 2, side: int = 32) -> Path:
    """Save a LLaVA of a CLIP and a Llama, with its processor; needs no torchvision.

    Args:
        folder: where to; made if it is not there.
        hidden: width of the text model; a multiple of 32.
        layers: number of decoder layers.
        side: pixels of an image's side as the model sees it; a multiple of 16.

    Returns:
        `folder`.
    """
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaProcessor
    from transformers import LlavaForConditionalGeneration as Model
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    patch = side // 4
    family = _Family(
        "Llava", ("<unk>", "<s>", "</s>", "<image>"), end="</s>", pad="</s>", begin="<s>"
    )
    tokenizer = _tokenizer(family, "image_text", 600)
    ids = _token_ids(tokenizer, family)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            projection_dim=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=side,
            patch_size=patch,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            **ids,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        image_seq_length=16,
        **ids,
    )
    _save(Model, config, folder, family, tokenizer)
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        ),
        tokenizer=tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # CLIP's class token, which "default" leaves out
        chat_template=tokenizer.chat_template,
    )
    processor.save_pretrained(folder)
    return folder


def _tokenizer(family: _Family, style: str, vocab: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=list(family.special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_SENTENCES, trainer)
    tokenizer.add_tokens(list(family.plain))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=family.begin or None,
        eos_token=family.end,
        pad_token=family.pad,
        extra_special_tokens=[t for t in family.special if t not in (family.begin, family.end)],
        chat_template=(TEMPLATES / f"{style}.jinja").read_text(encoding="utf-8"),
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
    )


def _token_ids(tokenizer: Any, family: _Family) -> dict[str, int | None]:
    return {
        "bos_token_id": tokenizer.convert_tokens_to_ids(family.begin) if family.begin else None,
        "eos_token_id": tokenizer.convert_tokens_to_ids(family.end),
        "pad_token_id": tokenizer.convert_tokens_to_ids(family.pad),
    }


def _save(model_class: Any, config: Any, folder: Path, family: _Family, tokenizer: Any) -> None:
    import torch
    from transformers import GenerationConfig

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = model_class(config)
    model.generation_config = GenerationConfig(**_token_ids(tokenizer, family))
    model.save_pretrained(folder)

"""Whatever the template: what is learned is what the assistant says, after the prompt it is served."""

from __future__ import annotations

import numpy as np
import pytest

from assistant.errors import ModelError
from assistant.models import _prompting
from finetune.chat import model, preview, render
from finetune.chat.data import Conversation

STYLES = ("qwen", "hermes", "llama", "mistral", "gemma", "no_system")
MESSAGES = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What treats asthma?"},
    {"role": "assistant", "content": "An inhaled corticosteroid. [S1]"},
    {"role": "user", "content": "And the dose?"},
    {"role": "assistant", "content": "Ask the pharmacist."},
)
ANSWERS = ["An inhaled corticosteroid. [S1]", "Ask the pharmacist."]
REWRITES = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('##')[-1] }}"
    "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# A prompt that shows how many turns there are is no beginning of what follows it.
COUNTS = "{{ messages | length }} turns\n" + REWRITES
MARKED = (
    "{{ messages | length }} turns\n{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
)
ENDLESS = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"


@pytest.fixture
def tokenizer(tiny_chat):
    """A tokenizer whose template a test may replace."""
    return model.tokenizer(str(tiny_chat("qwen")))


def conversation(*messages, **more):
    return Conversation(tuple(messages), "g", 1, **more)


@pytest.mark.parametrize("style", STYLES)
def test_only_the_assistants_words_and_the_end_of_turn_are_learned(style, tiny_chat):
    tokenizer = model.tokenizer(str(tiny_chat(style)))
    said = []
    for text in render.texts(tokenizer, MESSAGES):
        for start, end in text.spans:
            said.append(text.text[start:end])
            served = [
                _prompting.render(tokenizer, MESSAGES[:2]),
                _prompting.render(tokenizer, MESSAGES[:4]),
            ]
            assert text.text[:start] in served
    marks = [
        words.strip().removeprefix(answer) for words, answer in zip(said, ANSWERS, strict=True)
    ]
    assert set(marks) <= {"<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>"}


@pytest.mark.parametrize("style", STYLES)
def test_the_learned_tokens_are_those_of_the_spans(style, tiny_chat):
    tokenizer = model.tokenizer(str(tiny_chat(style)))
    samples, counts = render.samples(tokenizer, [conversation(*MESSAGES)], 512)
    learned = "".join(tokenizer.decode(s.ids[s.said], skip_special_tokens=True) for s in samples)
    assert "".join(learned.split()) == "".join("".join(ANSWERS).split())
    assert counts.learned == sum(s.weight for s in samples)
    assert not any(s.said[0] for s in samples)
    assert all(s.ids[s.said][-1] == tokenizer.eos_token_id for s in samples)


def test_a_template_that_rewrites_earlier_turns_gives_each_turn_as_it_is_served(tokenizer):
    tokenizer.chat_template = REWRITES
    messages = [dict(m) for m in MESSAGES]
    messages[2]["content"] = "I wonder.## Steroids."
    found = render.texts(tokenizer, messages)
    assert len(found) == 2
    assert "I wonder.## Steroids." in found[0].text
    assert "I wonder" not in found[1].text
    assert [found[1].text[a:b] for a, b in found[1].spans] == ["Ask the pharmacist.<|im_end|>"]


def test_a_template_that_changes_its_prompt_is_refused_unless_it_marks_the_assistant(tokenizer):
    tokenizer.chat_template = COUNTS
    with pytest.raises(ModelError, match="generation"):
        render.texts(tokenizer, MESSAGES)
    tokenizer.chat_template = MARKED
    (found,) = render.texts(tokenizer, MESSAGES)
    assert [found.text[a:b] for a, b in found.spans] == [f"{a}<|im_end|>" for a in ANSWERS]


def test_a_template_that_ends_no_turn_still_teaches_the_model_to_stop(tokenizer):
    tokenizer.chat_template = ENDLESS
    (sample,), _ = render.samples(tokenizer, [conversation(*MESSAGES)], 512)
    assert sample.ids[-1] == tokenizer.eos_token_id
    assert sample.said[-1]


def test_a_turn_of_weight_0_and_an_unasked_greeting_are_not_learned(tokenizer):
    messages = ({"role": "assistant", "content": "Welcome."}, *MESSAGES[1:])
    muted = (*messages[:2], {**messages[2], "weight": 0}, *messages[3:])
    (found,) = render.texts(tokenizer, muted)
    assert [found.text[a:b] for a, b in found.spans] == ["Ask the pharmacist.<|im_end|>"]
    assert "Welcome." in found.text
    assert preview.marked(found).endswith("⟦Ask the pharmacist.<|im_end|>⟧")


def test_a_tokenizer_without_a_template_is_refused(tokenizer):
    tokenizer.chat_template = None
    with pytest.raises(ModelError, match="chat template"):
        render.samples(tokenizer, [conversation(*MESSAGES)], 512)


def test_cutting_keeps_the_last_answer_and_counts(tokenizer):
    long = dict(MESSAGES[1], content="cough and fever " * 100)
    asked = conversation(MESSAGES[0], long, MESSAGES[2])
    (whole,), _ = render.samples(tokenizer, [asked], 4096)
    (sample,), counts = render.samples(tokenizer, [asked], 64)
    assert len(sample.ids) == 64
    assert counts.cut == 1
    assert counts.tokens_cut == len(whole.ids) - 64
    assert (sample.ids[sample.said] == whole.ids[whole.said]).all()
    assert sample.ids[0] == whole.ids[0]


def test_an_answer_that_is_too_long_keeps_its_beginning_and_some_of_the_prompt():
    ids = np.arange(100, dtype=np.int32)
    said = ids >= 20
    kept, learned = render.cut(ids, said, 40)
    assert len(kept) == 40
    assert kept[learned].tolist() == list(range(20, 50))
    assert not learned[:10].any()

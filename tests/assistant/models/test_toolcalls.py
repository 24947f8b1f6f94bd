"""Tool calls in what chat models write: every notation, cut anywhere, well made or broken."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.models import _toolcalls as toolcalls
from assistant.models._toolcalls import STYLES, StreamParser, TextDelta, Thought, ToolCall

QUERY = {"query": "How is asthma treated?"}
JSON = json.dumps(QUERY)
WELL_MADE = {
    "hermes": ("hermes", f'<tool_call>\n{{"name": "literature", "arguments": {JSON}}}\n</tool_call>'),
    "no closing tag": ("hermes", f'<tool_call>{{"name": "literature", "arguments": {JSON}}}'),
    "a brace too many": (
        "hermes", f'<tool_call>{{"name": "literature", "arguments": {JSON}}}}}</tool_call>'
    ),
    "a brace too few": (
        "hermes", f'<tool_call>{{"name": "literature", "arguments": {JSON}</tool_call>'
    ),
    "arguments in a string": (
        "hermes", f'<tool_call>{{"name": "literature", "arguments": {json.dumps(JSON)}}}</tool_call>'
    ),
    "Python quotes": (
        "hermes",
        "<tool_call>{'name': 'literature', 'arguments': {'query': 'How is asthma treated?',}}"
        "</tool_call>",
    ),
    "no tags": ("hermes", f'{{"name": "literature", "arguments": {JSON}}}'),
    "qwen coder": (
        "qwen_xml",
        "<tool_call>\n<function=literature>\n<parameter=query>\nHow is asthma treated?\n"
        "</parameter>\n</function>\n</tool_call>",
    ),
    "qwen coder without its outer tag": (
        "qwen_xml",
        "<function=literature>\n<parameter=query>\nHow is asthma treated?\n</parameter>\n</function>",
    ),
    "llama": ("llama", f'{{"name": "literature", "parameters": {JSON}}}'),
    "llama with its type": (
        "llama",
        f'{{"type": "function", "function": {{"name": "literature", "parameters": {JSON}}}}}',
    ),
    "llama python tag": (
        "llama", f'<|python_tag|>{{"name": "literature", "parameters": {JSON}}}<|eom_id|>'
    ),
    "llama python list": ("llama", '[literature(query="How is asthma treated?")]'),
    "llama python tag, Python": (
        "llama", '<|python_tag|>literature.call(query="How is asthma treated?")'
    ),
    "llama function tag": ("llama", f"<function=literature>{JSON}</function>"),
    "mistral list": (
        "mistral", f'[TOOL_CALLS] [{{"name": "literature", "arguments": {JSON}, "id": "abcdefghi"}}]'
    ),
    "mistral name": ("mistral", f"[TOOL_CALLS]literature[ARGS]{JSON}"),
    "mistral name and id": ("mistral", f"[TOOL_CALLS]literature[CALL_ID]abcdefghi[ARGS]{JSON}"),
    "mistral without its second mark": ("mistral", f"[TOOL_CALLS]literature{JSON}"),
    "gemma code": ("gemma", '```tool_code\nliterature(query="How is asthma treated?")\n```'),
    "gemma printed": (
        "gemma", "```tool_code\nprint(default_api.literature(query='How is asthma treated?'))\n```"
    ),
    "gemma json": ("gemma", f'```json\n{{"name": "literature", "parameters": {JSON}}}\n```'),
    "function gemma": (
        "function_gemma",
        "<start_function_call>call:literature{query:<escape>How is asthma treated?<escape>}"
        "<end_function_call>",
    ),
    "gemma 4": (
        "gemma4", '<|tool_call>call:literature{query:<|"|>How is asthma treated?<|"|>}<tool_call|>'
    ),
}  # fmt: skip
NO_CALLS = {
    "plain": "Asthma is treated with inhaled corticosteroids [S1].",
    "keys": "[S1] says so. [S2, S3] too.",
    "an object": 'The record:\n{"name": "Metformin", "dose": "500 mg"}\nEnd.',
    "an object with words of calls": '{"name": "A", "notes": [{"parameters": 1}]}',
    "a number in front": "{5 mg} {x}",
    "less than": "a < b and <tool> and </tool_call> and [TOOL and <|pyth",
    "the mark of Mistral alone": "[TOOL_CALLS] are made like this.",
    "code": "```python\nprint('x')\nfor i in y: z(i)\n```\nDone.",
    "json block": '```json\n{"dose_mg": 5}\n```',
    "a list": "[1, 2, 3] are the grades.",
}


def texts(events: list[toolcalls.Event]) -> str:
    return "".join(e.raw if isinstance(e, ToolCall) else e.text for e in events)


def calls(events: list[toolcalls.Event]) -> list[ToolCall]:
    return [event for event in events if isinstance(event, ToolCall)]


@pytest.mark.parametrize(("style", "text"), WELL_MADE.values(), ids=WELL_MADE.keys())
def test_every_notation_is_read(style: str, text: str) -> None:
    found = toolcalls.parse(STYLES[style], text)
    assert [(c.name.split(".")[0], c.arguments, c.error) for c in calls(found)] in (
        [("literature", QUERY, "")],
        [("call", QUERY, "")],  # Llama's built-in tools are written as methods
    )
    assert texts(found) == text


@pytest.mark.parametrize("text", NO_CALLS.values(), ids=NO_CALLS.keys())
@pytest.mark.parametrize("style", STYLES)
def test_what_is_no_call_is_text(style: str, text: str) -> None:
    assert toolcalls.parse(STYLES[style], text) == [TextDelta(text)]


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("hermes", '<tool_call>{"name": "a", "arguments": {"x": 1}}</tool_call>\n'
                   '<tool_call>{"name": "b", "arguments": {}}</tool_call>'),
        ("hermes", '<tool_call>{"name": "a", "arguments": {"x": 1}}<tool_call>{"name": "b"}'),
        ("llama", '{"name": "a", "parameters": {"x": 1}}; {"name": "b", "parameters": {}}'),
        ("llama", '[a(x=1), b()]'),
        ("llama", '<|python_tag|>{"name": "a", "parameters": {"x": 1}};{"name": "b"}'),
        ("mistral", '[TOOL_CALLS] [{"name": "a", "arguments": {"x": 1}}, {"name": "b"}]'),
        ("mistral", '[TOOL_CALLS]a[ARGS]{"x": 1}[TOOL_CALLS]b[ARGS]{}'),
        ("gemma", "```tool_code\na(x=1)\nb()\n```"),
    ],
)  # fmt: skip
def test_several_calls_come_in_order(style: str, text: str) -> None:
    found = toolcalls.parse(STYLES[style], text)
    assert [(c.name, c.arguments, c.error) for c in calls(found)] == [
        ("a", {"x": 1}, ""),
        ("b", {}, ""),
    ]
    assert texts(found) == text


def test_text_around_a_call_and_thoughts_are_kept_apart() -> None:
    text = '<think>Look it up.</think>\nI search.\n<tool_call>{"name": "a"}</tool_call>\nDone'
    assert toolcalls.parse(STYLES["hermes"], text) == [
        Thought("<think>Look it up.</think>"),
        TextDelta("\nI search.\n"),
        ToolCall("a", {}, '<tool_call>{"name": "a"}</tool_call>'),
        TextDelta("\nDone"),
    ]


def test_a_thought_that_the_prompt_opened_is_no_answer() -> None:
    found = toolcalls.parse(STYLES["hermes"], "so then</think>\nYes.", thinking=True)
    assert found == [Thought("so then</think>"), TextDelta("\nYes.")]


def test_a_call_within_a_thought_is_not_made() -> None:
    text = '<think>maybe <tool_call>{"name": "a"}</tool_call>'
    assert toolcalls.parse(STYLES["hermes"], text) == [Thought(text)]


@pytest.mark.parametrize(
    ("style", "text", "name"),
    [
        ("hermes", '<tool_call>{"name": "literature", "arguments": {"query": "ast', "literature"),
        ("hermes", "<tool_call>I would like to search</tool_call>", toolcalls.UNREADABLE),
        ("hermes", '<tool_call>{"name": "literature", "arguments": [1]}</tool_call>', "literature"),
        ("hermes", '<tool_call>{"name": "a", "arguments": {"x": NaN}}</tool_call>', "a"),
        ("hermes", '<tool_call>{"name": "a", "arguments": ' + "[" * 5000, "a"),
        ("llama", '{"name": "literature", "parameters": {"query": asthma?}}', "literature"),
        ("mistral", '[TOOL_CALLS]literature[ARGS]{"query": oops', "literature"),
        ("gemma", '```tool_code\nliterature("asthma")\n```', "literature"),
        ("gemma4", "<|tool_call>call:literature{query:<|", "literature"),
        ("qwen_xml", "<tool_call><function=>\n</function></tool_call>", toolcalls.UNREADABLE),
    ],
)
def test_a_broken_call_is_told_and_not_lost(style: str, text: str, name: str) -> None:
    found = toolcalls.parse(STYLES[style], text)
    (call,) = calls(found)
    assert call.name == name
    assert call.error
    assert call.arguments == {}
    assert texts(found) == text
    chunk = toolcalls.as_chunk(call)
    assert chunk is not None
    assert chunk.tool_calls[0]["args"] == {"unreadable_arguments": call.raw[:500]}


def test_letters_that_can_not_be_encoded_are_replaced() -> None:
    text = r'<tool_call>{"name": "a", "arguments": {"x": "\ud83d and \ud83d\ude00"}}</tool_call>'
    (call,) = calls(toolcalls.parse(STYLES["hermes"], text))
    assert call.arguments == {"x": "? and 😀"}


def test_an_endless_call_takes_bounded_memory_and_time() -> None:
    for start in ('<tool_call>{"name": "a", "x": "', "[TOOL_CALLS] [", '{"name": "', "[f("):
        parser = StreamParser(STYLES["llama"])
        began = time.perf_counter()
        got = sum(len(texts([event])) for event in parser.feed(start))
        for _ in range(1_500):
            got += sum(len(texts([event])) for event in parser.feed("ab [{ " * 6))
            assert len(parser._buffer) < toolcalls.MAX_CALL + 40
        got += sum(len(texts([event])) for event in parser.close())
        assert got == len(start) + 36 * 1_500
        assert time.perf_counter() - began < 20


PIECES = st.sampled_from([
    "<tool_call>", "</tool_call>", "<function=a>", "<parameter=x>", "</parameter>", "</function>",
    "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<|python_tag|>", "<|eom_id|>", "<think>", "</think>",
    "[THINK]", "[/THINK]", "```", "```json\n", "```tool_code\n", "a(x=1)", "literature", "call:a",
    "<start_function_call>", "<end_function_call>", "<escape>", '<|"|>', "<|tool_call>",
    "<tool_call|>", '{"name": "a", "arguments": {"x": 1}}', '{"name"', '"parameters": {', "{", "}",
    "[", "]", "(", ")", '"', "'", "\\", "\n", " ", ";", ",", "\x0b", "[S1]", "text", "é", "<", "<|",
])  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(sorted(STYLES)),
    st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=14).map("".join),
    st.lists(st.integers(0, 60), max_size=12),
    st.booleans(),
)
def test_any_cut_gives_the_same_and_loses_nothing(
    style: str, text: str, cuts: list[int], thinking: bool
) -> None:
    whole = toolcalls.parse(STYLES[style], text, thinking=thinking)
    assert texts(whole) == text
    for places in (sorted(cut for cut in cuts if cut < len(text)), range(len(text))):
        parser = StreamParser(STYLES[style], thinking=thinking)
        found: list[toolcalls.Event] = []
        before = 0
        for place in [*places, len(text)]:
            found += parser.feed(text[before:place])
            before = place
        assert toolcalls.joined([*found, *parser.close()]) == whole
    for call in calls(whole):
        json.dumps(call.arguments, allow_nan=False).encode()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10**9, 10**9) | st.text(max_size=20)
    | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
ARGUMENTS = st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, max_size=3)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(STYLES)), st.lists(ARGUMENTS, min_size=1, max_size=3))
def test_calls_in_words_are_read_back(style: str, many: list[dict[str, object]]) -> None:
    rows = [{"name": f"tool_{n}", "arguments": arguments} for n, arguments in enumerate(many)]
    text = toolcalls.render_calls(STYLES[style], rows)
    found = calls(toolcalls.parse(STYLES[style], text))
    assert [{"name": c.name, "arguments": c.arguments} for c in found] == rows
    assert not any(call.error for call in found)


def test_tools_in_words_name_every_tool_and_the_form() -> None:
    tool = {"type": "function", "function": {"name": "literature", "description": "Searches é."}}
    for style in STYLES.values():
        said = toolcalls.render_tools(style, [tool])
        assert '"literature"' in said
        assert "Searches é." in said
        assert [c.name for c in calls(toolcalls.parse(style, said)) if c.name == "tool_name"]


@pytest.mark.parametrize(
    ("family", "style"),
    [("qwen", "hermes"), ("hermes", "hermes"), ("llama", "llama"), ("mistral", "mistral"),
     ("gemma", "gemma"), ("no_system", "gemma")],
)  # fmt: skip
def test_a_model_s_own_template_shows_its_style_and_its_calls_are_read_back(
    tiny_chat: Callable[[str], Path], family: str, style: str
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_chat(family))
    found = toolcalls.detect(tokenizer.chat_template, tokenizer.get_vocab())
    assert found.name == style
    assert toolcalls.detect("", tokenizer.get_vocab()).name == style
    if style == "gemma":  # its template writes no calls
        return
    arguments = {
        "query": 'Is "this" asthma, (a) < b?\nSecond line',
        "count": 3,
        "deep": {"x": [1.5]},
    }
    call = {"id": "abcdefghi", "type": "function",
            "function": {"name": "literature", "arguments": arguments}}  # fmt: skip
    messages = [{"role": "user", "content": "Q"}]
    before = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert text.startswith(before)
    reply = text[len(before) :]
    ids = tokenizer(reply, add_special_tokens=False)["input_ids"]
    parser = StreamParser(found)
    events = [e for i in ids for e in parser.feed(tokenizer.decode([i]))] + parser.close()
    assert [(c.name, c.arguments) for c in calls(events)] == [("literature", arguments)]


def test_a_style_is_told_by_what_templates_hold() -> None:
    assert toolcalls.detect("<function= <parameter= <tool_call>", ()).name == "qwen_xml"
    assert toolcalls.detect("<|tool_call>call:", ()).name == "gemma4"
    assert toolcalls.detect("<start_function_call>", ()).name == "function_gemma"
    assert toolcalls.detect("", (), "gemma3_text").name == "gemma"
    assert toolcalls.detect("{{ messages }}", ("a", "b"), "gpt2").name == "json"

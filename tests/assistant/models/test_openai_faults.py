"""Faults of a chat server: each ends in one sentence that names the next step, and none hangs."""

from __future__ import annotations

import email.utils
import importlib.util
import itertools
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from assistant.errors import ModelError
from assistant.models import _openai_errors, _openai_http, _openai_stream, openai
from assistant.resources import Resources
from assistant.settings import Settings

ASK = [HumanMessage("How is gout treated?")]


def load(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


fake = load("openai_server")


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with fake.running() as made:
        yield made


@pytest.fixture
def model(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(openai, "_learned", {})

    def make(spec: str = "", **settings: Any) -> Any:
        resources = Resources(Settings(**{"state_dir": tmp_path, "chat_timeout_s": 30, **settings}))
        made = openai.build((spec or server.spec).removeprefix("openai:"), resources)
        made.server = replace(made.server, backoff_s=0.01)
        return made

    return make


TEXT = fake.event({"content": "Gout is "})
END = fake.event({}, "stop")
HTML = "<!DOCTYPE html><html><body><h1>Sign in</h1></body></html>"
FAULTS = {
    "a page": (fake.raw(HTML.encode(), kind="text/html"), "sent a web page instead of a reply"),
    "a page as events": (fake.raw(HTML.encode()), "sent a web page instead of a reply"),
    "plain words": (fake.raw(b"hello", kind="text/plain"), "sent neither events nor JSON"),
    "broken JSON": (fake.raw(b'data: {"choices": [\n\n'), "sent what is no JSON"),
    "broken JSON after text": (fake.raw(TEXT, b"data: {oops}\n\n"), "sent what is no JSON"),
    "deep JSON": (fake.raw(b"data: " + b"[" * 100_000 + b"\n\n"), "sent what is no JSON"),
    "no UTF-8": (fake.raw(b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n'),
                 "bytes that are no UTF-8"),
    "a list": (fake.raw(b"data: [1]\n\n"), "an event that is no JSON object"),
    "no choices": (fake.raw(b'data: {"object": "x"}\n\n'), "an event without choices"),
    "empty choices": (fake.raw(b'data: {"choices": []}\n\n', b"data: [DONE]\n\n"),
                      "a reply without choices"),
    "an error in the stream": (fake.raw(TEXT, b'data: {"error": {"message": "out of memory"}}\n\n'),
                               r"gave up the reply \(out of memory\)"),
    "broken off": (fake.raw(TEXT), "broke the reply off before its end: ask again"),
    "done without an end": (fake.raw(TEXT, b"data: [DONE]\n\n"), "broke the reply off"),
    "shorter than it says": (fake.raw(TEXT, Content_Length="9999"), "broke the connection off"),
    "compressed": (fake.raw(TEXT, END, Content_Encoding="gzip"), "compressed reply"),
    "an endless line": (fake.endless(b"data: " + b"x" * 65536), "a line without an end"),
    "an endless event": (fake.endless(b"data: " + b"x" * 65536 + b"\n"), "an event without an end"),
    "endless text": (fake.endless(fake.event({"content": "word " * 1000})), "more than 200,000"),
    "endless comments": (fake.endless(b": " + b"w" * 65536 + b"\n"), "more than 16 MB"),
    "endless calls": (fake.endless(fake.event({"tool_calls": [
        {"index": 0, "function": {"name": "x", "arguments": "y" * 9000}}]})), "calls without an end"),
    "many calls": (fake.raw(*(fake.event({"tool_calls": [{"index": n}]}) for n in range(40))),
                   "calls without an end"),
    "hung up": (fake.hang_up, "broke the connection off"),
    "empty": (fake.raw(), "sent an empty reply"),
    "redirect": (fake.refuse(307, "", Location="https://evil.example/v1"),
                 "redirects to evil.example, which is not followed"),
    "no key": (fake.refuse(401), r"wants a key \(HTTP 401: no\): set openai_api_key"),
    "not found page": (fake.refuse(404, HTML), "check the name, and the address"),
    "tools": (fake.refuse(400, {"error": {"message":
              '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'}}),
              "start vLLM with --enable-auto-tool-choice"),
    "images": (fake.refuse(400, {"error": {"message": "At most 0 image(s) may be provided"}}),
               "set chat_images to false"),
    "quota": (fake.refuse(429, {"error": {"message": "quota", "code": "insufficient_quota"}}),
              r"refuses the request \(HTTP 429: quota\)"),
    "bad request": (fake.refuse(400, {"detail": "x" * 999}), r"HTTP 400: x{200}…"),
    "teapot": (fake.refuse(418, "short and stout"), "HTTP 418: short and stout"),
    "overloaded": (fake.refuse(503), r"can't answer now \(HTTP 503: no\): ask again"),
    "a long wait": (fake.refuse(429, None, Retry_After="3600"), "can't answer now"),
}  # fmt: skip


@pytest.mark.parametrize(("step", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_is_one_sentence(
    server: Any, model: Callable[..., Any], step: Any, said: str
) -> None:
    server.script(step)
    with pytest.raises(ModelError, match=said) as caught:
        model().invoke(ASK)
    message = str(caught.value)
    assert type(caught.value) is ModelError
    assert message.startswith("The chat server 127.0.0.1:")
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 500
    assert all(path == "/v1/chat/completions" or "404" in message for path, _, _ in server.asked)


@pytest.mark.parametrize(
    "fault",
    [fake.refuse(503), fake.refuse(429, None, Retry_After="0"), fake.hang_up, fake.raw(),
     fake.refuse(500, HTML), fake.refuse(429, None, Retry_After=email.utils.formatdate(0))],
)  # fmt: skip
def test_what_passes_is_tried_again(server: Any, model: Callable[..., Any], fault: Any) -> None:
    server.script(fault, fault, fake.say("Yes."))
    assert model().invoke(ASK).content == "Yes."
    assert len(server.bodies) == 3
    assert server.bodies[0] == server.bodies[2]


def test_it_is_tried_four_times_and_never_after_the_first_word(
    server: Any, model: Callable[..., Any]
) -> None:
    server.script(fake.refuse(502))
    with pytest.raises(ModelError, match="HTTP 502"):
        model().invoke(ASK)
    assert len(server.bodies) == 4
    server.script(fake.raw(TEXT, Content_Length="9999"))
    with pytest.raises(ModelError):
        model().invoke(ASK)
    assert len(server.bodies) == 1


def test_the_server_s_wish_to_wait_is_met(server: Any, model: Callable[..., Any]) -> None:
    server.script(fake.refuse(429, None, Retry_After="1"), fake.say("Yes."))
    began = time.monotonic()
    assert model().invoke(ASK).content == "Yes."
    assert 1 <= time.monotonic() - began < 10


@pytest.mark.parametrize(
    "step",
    [fake.silent(20), fake.silent(20, [TEXT]), fake.refuse(503, None, Retry_After="1")],
)
def test_the_time_for_a_reply_is_kept(server: Any, model: Callable[..., Any], step: Any) -> None:
    server.script(step)
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"within 0\.5 seconds: set chat_timeout_s|can't answer"):
        model(chat_timeout_s=0.5).invoke(ASK)
    assert time.monotonic() - began < 5


def test_a_wrong_key_is_named_and_never_shown(server: Any, model: Callable[..., Any]) -> None:
    server.script(fake.refuse(401, {"error": {"message": "bad key sk-secret\x1b[31m\nx"}}))
    with pytest.raises(ModelError, match=r"refuses the key in openai_api_key") as caught:
        model(openai_api_key="sk-secret").invoke(ASK)
    assert "sk-secret" not in str(caught.value)
    assert "***" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_model_that_is_not_there_is_told_with_those_that_are(
    server: Any, model: Callable[..., Any], tmp_path: Path
) -> None:
    missing = {"error": {"message": "The model `big` does not exist.", "code": 404}}
    server.script(fake.refuse(404, missing))
    spec = f"openai:big@http://{server.host}/v1"
    with pytest.raises(ModelError, match=r"has no model 'big': it offers tiny-doctor, other\.$"):
        model(spec).invoke(ASK)
    assert [path for path, _, _ in server.asked] == ["/v1/chat/completions", "/v1/models"]
    settings = Settings(state_dir=tmp_path)
    assert openai.check(spec, settings) == (
        f"The chat server {server.host} has no model 'big': it offers tiny-doctor, other."
    )
    assert openai.check(server.spec, settings) is None


def test_the_check_tells_what_is_wrong(server: Any, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    assert "names no server's address" in str(openai.check("openai:m", settings))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        spec = f"openai:m@http://127.0.0.1:{closed.getsockname()[1]}/v1"
        assert "can't be reached" in str(openai.check(spec, settings))
    normal = server.list_models
    try:
        server.list_models = lambda handler: fake.answer(handler, 200, {"data": "x"})
        assert "does not list its models" in str(openai.check(server.spec, settings))
        server.list_models = lambda handler: fake.answer(handler, 401, {})
        assert "wants a key" in str(openai.check(server.spec, settings))
        server.list_models = lambda handler: fake.answer(handler, 404, {})
        assert openai.check(server.spec, settings) is None
    finally:
        server.list_models = normal


def test_an_unreachable_server_is_told(model: Callable[..., Any]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(ModelError, match=rf"127.0.0.1:{port} can't be reached .*: check that"):
            model(f"openai:m@http://127.0.0.1:{port}/v1").invoke(ASK)
    with pytest.raises(ModelError, match="can't be reached"):
        model("openai:m@http://no-such-host.internal:8000/v1").invoke(ASK)


def test_a_server_without_tls_is_told(server: Any, model: Callable[..., Any]) -> None:
    with pytest.raises(ModelError, match="does not speak TLS as it should"):
        model(f"openai:m@https://{server.host}/v1").invoke(ASK)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_a_certificate_that_nobody_vouches_for_is_told(
    model: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [str(tmp_path / name) for name in ("key.pem", "cert.pem")]
    subprocess.run(
        [shutil.which("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", files[0], "-out", files[1], "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    with fake.OpenAIServer() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        server.script(fake.say("Yes."))
        spec = f"openai:{fake.MODEL}@https://{server.host}/v1"
        with pytest.raises(ModelError, match="can't be verified: set SSL_CERT_FILE"):
            model(spec).invoke(ASK)
        assert not server.asked
        monkeypatch.setenv("SSL_CERT_FILE", files[1])
        assert model(spec).invoke(ASK).content == "Yes."
        server.shutdown()


def test_many_turns_at_once_keep_apart_and_leave_no_thread(
    server: Any, model: Callable[..., Any]
) -> None:
    server.script(fake.depends(lambda body: fake.say(body["messages"][0]["content"] + "!")))
    chat = model()
    found: dict[int, str] = {}

    def one(number: int) -> None:
        found[number] = str(chat.invoke([HumanMessage(f"question {number}")]).content)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: f"question {n}!" for n in range(12)}
    until = time.monotonic() + 5
    while any(t.name == "chat-server" for t in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [t for t in threading.enumerate() if t.name == "chat-server"]


def test_words_of_retry_after() -> None:
    assert _openai_errors.retry_after("7") == 7
    assert _openai_errors.retry_after(email.utils.formatdate(time.time() + 60)) == pytest.approx(
        60, abs=3
    )
    assert _openai_errors.retry_after("soon") is None
    assert _openai_errors.retry_after(None) is None


GOOD = b"".join([TEXT, fake.event({"content": "treated. é"}), END, b"data: [DONE]\n\n"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, len(GOOD)), max_size=9))
def test_any_cut_of_the_bytes_reads_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(GOOD)]
    blocks = [GOOD[a:b] for a, b in itertools.pairwise(places)]
    reply = _openai_stream.Reply("h")
    assert "".join(reply.read(blocks)) == "Gout is treated. é"
    assert reply.finish == "stop"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["choices", "delta", "message", "content", "tool_calls", "index",
                                       "function", "name", "arguments", "id", "finish_reason",
                                       "error", "usage", "prompt_tokens"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(VALUES, max_size=4), st.binary(max_size=20))
def test_whatever_comes_is_a_reply_or_one_sentence(rows: list[Any], tail: bytes) -> None:
    body = b"".join(f"data: {json.dumps(row)}\n\n".encode() for row in rows) + tail
    reply = _openai_stream.Reply("h")
    said = ""
    try:
        list(reply.read([body]))
        reply.calls()
    except ModelError as error:
        said = str(error)
    assert "\n" not in said
    place = _openai_http.Place("m", "http://h/v1", "h", encrypted=False)
    assert "\n" not in str(_openai_errors.judge(place, 400, {}, body, ""))

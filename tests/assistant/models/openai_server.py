"""A chat server that speaks the chat completions interface over real HTTP, and its faults.

Each request for a reply takes the next step of the script; the last one stays. A step writes to the
connection itself, so it can do what no well-behaved server does.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "tiny-doctor"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: OpenAIServer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {}, dict(self.headers)))
        self.server.list_models(self)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body, dict(self.headers)))
        try:
            self.server.next_step()(self, body)
        except (BrokenPipeError, ConnectionResetError):
            self.server.left.set()
        self.close_connection = True

    def begin(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        pass


Step = Callable[[Handler, dict[str, Any]], None]


class OpenAIServer(ThreadingHTTPServer):
    """A server with a script.

    Attributes:
        steps: what it does for each request.
        asked: (path, body, headers) of each request that came.
        left: set when a client went away before the end.
        list_models: answers GET.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.steps: list[Step] = []
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.left = threading.Event()
        self.list_models: Callable[[Handler], None] = lambda handler: answer(
            handler, 200, {"object": "list", "data": [{"id": MODEL}, {"id": "other"}]}
        )
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def spec(self) -> str:
        return f"openai:{MODEL}@http://{self.host}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for path, body, _ in self.asked if path.endswith("/chat/completions")]

    def script(self, *steps: Step) -> None:
        with self._lock:
            self.steps, self._taken = list(steps), 0
        self.asked.clear()
        self.left.clear()

    def next_step(self) -> Step:
        with self._lock:
            step = self.steps[min(self._taken, len(self.steps) - 1)]
            self._taken += 1
        return step

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that goes away is part of the tests


@contextmanager
def running() -> Iterator[OpenAIServer]:
    """Run a server in a thread for as long as the context lasts."""
    with OpenAIServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def answer(handler: Handler, status: int, value: Any, **headers: str) -> None:
    """Answer with JSON, or with text as it is."""
    body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    kind = "text/html" if isinstance(value, str) else "application/json"
    handler.begin(status, Content_Type=kind, Content_Length=str(len(body)), **headers)
    handler.send(body)


def refuse(status: int, value: Any = None, **headers: str) -> Step:
    """Answer with a status and a body."""
    if value is None:
        value = {"error": {"message": "no", "type": "x"}}
    return lambda handler, body: answer(handler, status, value, **headers)


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    """Return one event of a stream."""
    row = {"id": "r1", "object": "chat.completion.chunk",
           "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}  # fmt: skip
    return f"data: {json.dumps(row)}\n\n".encode()


def raw(*pieces: bytes, kind: str = "text/event-stream", **headers: str) -> Step:
    """Answer with these bytes, one write each, and close."""

    def step(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin(200, Content_Type=kind, **headers)
        for piece in pieces:
            handler.send(piece)

    return step


def say(text: str, finish: str = "stop", size: int = 9) -> Step:
    """Stream a text in pieces, as servers do: role first, usage last."""
    pieces = [event({"content": text[n : n + size]}) for n in range(0, len(text), size)]
    usage = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}
    return raw(
        event({"role": "assistant", "content": ""}),
        b": keep alive\n\n",
        *pieces,
        event({}, finish),
        f"data: {json.dumps(usage)}\n\n".encode(),
        b"data: [DONE]\n\n",
    )


def call(*calls: tuple[str, Any], size: int = 5) -> Step:
    """Stream tool calls: the name first, then the arguments in pieces."""
    pieces = []
    for number, (name, arguments) in enumerate(calls):
        written = arguments if isinstance(arguments, str) else json.dumps(arguments)
        first = {"index": number, "id": f"call{number:05}", "type": "function",
                 "function": {"name": name, "arguments": ""}}  # fmt: skip
        pieces.append(event({"tool_calls": [first]}))
        pieces += [
            event(
                {
                    "tool_calls": [
                        {"index": number, "function": {"arguments": written[n : n + size]}}
                    ]
                }
            )
            for n in range(0, len(written), size)
        ]
    return raw(*pieces, event({}, "tool_calls"), b"data: [DONE]\n\n")


def whole(message: dict[str, Any], finish: str = "stop") -> Step:
    """Answer at once, as a server that does not stream."""
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return refuse(200, {"object": "chat.completion", "choices": [choice]})


def silent(seconds: float, after: Iterable[bytes] = (), *, head: bool = True) -> Step:
    """Begin a stream and fall silent; without its head not even that."""

    def step(handler: Handler, body: dict[str, Any]) -> None:
        if head:
            handler.begin(200, Content_Type="text/event-stream")
        for piece in after:
            handler.send(piece)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.05)
            handler.connection.setblocking(False)
            try:
                if handler.connection.recv(1) == b"":
                    handler.server.left.set()
                    return
            except BlockingIOError:
                pass
            finally:
                handler.connection.setblocking(True)

    return step


def endless(piece: bytes) -> Step:
    """Write the same for ever, until the client goes away."""

    def step(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin(200, Content_Type="text/event-stream")
        while True:
            handler.send(piece)

    return step


def hang_up(handler: Handler, body: dict[str, Any]) -> None:
    """Close the connection without a word."""
    handler.connection.close()


def depends(choose: Callable[[dict[str, Any]], Step]) -> Step:
    """Do what is chosen by the request."""
    return lambda handler, body: choose(body)(handler, body)

"""Serves the chat page: FastAPI with Gradio mounted in it, on this machine only by default.

Promises that nothing leaves the machine: no analytics, no run history, no share link, no fonts or
scripts from elsewhere. There is no login; `serve` says so when the address is reachable from outside.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import threading
import webbrowser
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant import settings
from assistant.errors import AuscultError, ConfigError
from ui import failures, locales

if TYPE_CHECKING:
    from fastapi import FastAPI

    from assistant.app import Assistant

for _name in ("GRADIO_ANALYTICS_ENABLED", "GRADIO_RUN_HISTORY", "GRADIO_MCP_SERVER",
              "GRADIO_SHARE", "GRADIO_SSR_MODE"):  # fmt: skip
    os.environ[_name] = "False"


SCRIPT = "viewer.js"


class WarmUp:
    """Loads the assistant's parts in the background and says how far that is."""

    def __init__(self) -> None:
        self._done = False
        self._failed = ""
        self._progress = (0, 0)

    def progress(self, name: str, done: int, total: int) -> None:
        """Take a report of the assistant's."""
        self._progress = (done, total)

    def start(self, assistant: Assistant) -> None:
        """Begin to load; return at once."""
        threading.Thread(target=self._run, args=(assistant,), name="warm-up", daemon=True).start()

    def line(self, language: str) -> tuple[str, bool]:
        """Return a line for the page and whether it is the last one."""
        words = locales.words(language)
        if self._failed:
            return words["not_ready"].format(reason=self._failed), True
        if self._done:
            return "", True
        done, total = self._progress
        if 0 < done < total:
            return words["indexing"].format(done=done, total=total), False
        return words["preparing"], False

    def _run(self, assistant: Assistant) -> None:
        try:
            assistant.warm()
        except AuscultError as error:
            self._failed = str(error)
            failures.say(self._failed)
        except Exception as error:  # noqa: BLE001 - a thread's last frame; shown on page and stderr
            self._failed = failures.report(error, lambda: assistant.settings.state_dir)
            failures.say(self._failed)
        else:
            self._done = True


def create_app(assistant: Assistant, warm_up: WarmUp) -> FastAPI:
    """Return the application with the page at `/`.

    Args:
        assistant: answers.
        warm_up: says how far the assistant is in loading.
    """
    import gradio as gr
    from fastapi import FastAPI

    from ui import web_page, web_shelf, web_theme
    from ui.web_uploads import Browsers, Owners

    owners, shelf, bug = Owners(), web_shelf.Shelf(), _bug(assistant)
    page = web_page.build(assistant, owners, shelf, web_page.Warmth(warm_up.line), bug)
    app = FastAPI(title="Auscult", docs_url=None, redoc_url=None, openapi_url=None)
    web_shelf.add_to(app, shelf, bug)
    _add_script(app)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=assistant.settings.max_upload_mb * 1_000_000,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        theme=web_theme.theme(),
        css=_asset("page.css") + _asset("films.css"),
        head=f'<script src="{SCRIPT}" defer></script>',
    )
    app.add_middleware(Browsers, owners=owners)
    return app


def _add_script(app: FastAPI) -> None:
    """Serve the page's own script; everything else on the page is Gradio's."""
    from starlette.responses import Response

    body = _asset("viewer.js")
    headers = {"cache-control": "no-cache"}
    app.add_route(
        f"/{SCRIPT}", lambda request: Response(body, 200, headers, "text/javascript"), ["GET"]
    )


def _asset(name: str) -> str:
    return resources.files("ui.assets").joinpath(name).read_text(encoding="utf-8")


def serve(config: Path | None, overrides: dict[str, Any], *, open_browser: bool) -> int:
    """Serve the page until interrupted.

    Raises:
        ConfigError: if the address can't be listened on.
    """
    loaded, _ = settings.load(config, overrides)
    listener = _listen(loaded.host, loaded.port)
    import uvicorn

    from assistant.app import Assistant

    port = listener.getsockname()[1]
    shown = f"[{loaded.host}]" if ":" in loaded.host else loaded.host
    address = f"http://{shown}:{port}/"
    if not _is_loopback(loaded.host):
        failures.say(
            f"{loaded.host} can be reached from other machines and this page has no login: "
            "put a proxy with login and TLS in front of it."
        )
    warm_up = WarmUp()
    assistant = Assistant.create(loaded, progress=warm_up.progress)
    app = create_app(assistant, warm_up)
    warm_up.start(assistant)
    sys.stdout.write(f"Auscult is at {address}  (Ctrl-C ends it)\n")
    sys.stdout.flush()
    if open_browser and sys.stdout.isatty():
        threading.Timer(1.0, webbrowser.open, args=(address,)).start()
    config_ = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config_).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        raise ConfigError(
            f"The page can't listen on {host} port {port} ({error.strerror or error}): "
            "choose another with --host and --port; port 0 picks a free one."
        ) from None
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bug(assistant: Assistant) -> Any:
    return lambda error: failures.report(error, lambda: assistant.settings.state_dir)

"""LangChain's import without its optional ones.

`langchain_core.language_models` imports transformers if it is installed, for a token counter that
nothing here uses; that costs about two seconds at every start. The import is told that there is no
transformers, and only while it runs.
"""

from __future__ import annotations

import importlib
import sys
import threading
from typing import cast

_lock = threading.Lock()


def import_langchain() -> None:
    """Import LangChain's chat-model base; cheap when it is there already."""
    with _lock:
        if "langchain_core.language_models" in sys.modules or "transformers" in sys.modules:
            return
        modules = cast("dict[str, object]", sys.modules)
        modules["transformers"] = None  # what the import system reads as "not installed"
        try:
            importlib.import_module("langchain_core.language_models")
        finally:
            del modules["transformers"]

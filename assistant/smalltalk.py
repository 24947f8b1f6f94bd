"""Greetings, thanks and questions about the assistant itself, recognised by pattern.

These get a fixed reply before any chat model runs, since nothing in them can be cited.
"""

from __future__ import annotations

import re
from importlib import resources

_PATTERNS = (
    ("about", r"(who|what) (are|r) (you|u)|what can (you|u) do|what do you do|how (do|can) (you|i use you)( work)?|what('s| is) (your name|auscult)|(tell me )?about (yourself|you)|are you (a|an) (doctor|human|ai|robot|bot)( or .*)?|help( me)?|what (are|is) your (purpose|limits?|limitations?|sources?)|how (were you made|do you work)|can i trust (you|this|it|your answers?)|can you be trusted|你是谁|你能做什么|你会什么"),
    ("thanks", r"(ok(ay)?[,. ]*)?(many |much )?(thanks?|thank you|thx|cheers|ta|great|perfect|got it)( (a lot|so much|very much|again|you))*|bye|goodbye|(谢谢|多谢|感谢)(你|您|医生)?(了|啦)?|再见"),
    ("greeting", r"(hi|hello|hey|good (morning|afternoon|evening|day)|greetings|howdy|你好|您好)([,! ]+(there|auscult|doctor|doc|all|everyone))?|how are you( (doing|today))*|(hi|hello|hey)[,!. ]+how are you( (doing|today))*"),
)  # fmt: skip
_COMPILED = tuple(
    (name, re.compile(rf"\W*(?:{pattern})\W*", re.IGNORECASE)) for name, pattern in _PATTERNS
)


def reply(message: str) -> str | None:
    """Return the fixed reply to small talk, or None where the message is anything else."""
    for name, pattern in _COMPILED:
        if pattern.fullmatch(message.strip()):
            return (
                resources.files("assistant.prompts")
                .joinpath(f"{name}.md")
                .read_text("utf-8")
                .strip()
            )
    return None

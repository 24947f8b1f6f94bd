"""Lines of print to running text: words divided at a line's end, ligatures, lists.

Knows nothing of places or pages.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

ITEM = re.compile(r"(?:[•▪‣◦●○■□–*]|\(?[a-z\d]{1,2}[.)])\s+\S")
_HYPHEN = re.compile("([^\\W\\d_]{2,})[-\u00ad\u2010]$")
# The characters that PDFium puts in the place of a hyphen between a divided word's parts.
_DIVIDED = re.compile("([^\\W\\d_]*)[\u0002\ufffe]([^\\W\\d_]*)")
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ft", "ﬆ": "st"}
CLEAN = str.maketrans({**_LIGATURES, "\u00ad": "", "\u0002": "-", "\ufffe": "-", "\u00a0": " "})
_COMPOUNDS = frozenset([
    "non", "anti", "self", "well", "high", "low", "long", "short", "half", "beta", "alpha", "gamma",
    "post", "pre", "meta", "follow", "cross", "double", "single", "two", "three", "evidence", "x",
])  # fmt: skip


def joined_lines(lines: Sequence[str], words: Counter[str]) -> str:
    """Return the lines as one text, words that a line's end divides mended."""
    out = ""
    for line in lines:
        text = _DIVIDED.sub(lambda m: m[1] + _hyphen(m[1], m[2], words) + m[2], line)
        text = " ".join(text.split())
        divided = _HYPHEN.search(out, max(0, len(out) - 60))
        if divided and text[:1].islower():
            rest = re.match(r"[^\W\d_]+", text)
            out = out[:-1] + _hyphen(divided[1], rest[0] if rest else "", words) + text
        else:
            out = f"{out} {text}" if out and not _unspaced(out[-1], text[:1]) else out + text
    return " ".join(out.translate(CLEAN).split())


def _hyphen(start: str, end: str, words: Counter[str]) -> str:
    """Return what joins a divided word: as the document writes it elsewhere, else nothing."""
    start, end = start.lower(), end.lower()
    if not start or not end:
        return "-"
    whole, hyphened = words[start + end], words[f"{start}-{end}"]
    keep = hyphened > whole or (hyphened == whole and start in _COMPOUNDS)
    return "-" if keep else ""


def _unspaced(one: str, other: str) -> bool:
    """Return whether both characters are of a script that has no spaces between words."""
    return "\u2e80" < one < "\uac00" and "\u2e80" < other < "\uac00"


def joined_paragraphs(texts: Sequence[str]) -> str:
    """Return paragraphs with a blank line between them, the items of a list without."""
    out: list[str] = []
    for text in texts:
        if out:
            listed = ITEM.match(text) and ITEM.match(out[-1])
            out.append("\n" if listed else "\n\n")
        out.append(text)
    return "".join(out)

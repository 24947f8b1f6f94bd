"""Which images of a conversation a message means, and whether it asks to compare them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_IMAGE_WORDS = re.compile(
    r"\b(x-?rays?|films?|radiographs?|images?|scans?|pictures?|cxr|heatmap|photo|attachment|uploaded|"
    r"dicom)\b|片子|图像|胸片",
    re.IGNORECASE,
)
_ABOUT_THIS = re.compile(
    r"\b(this|the|my|that|attached|uploaded|above|his|her|these|those|both|all|two)\b",
    re.IGNORECASE,
)
_SHOWS = re.compile(
    r"\b(show|see|seen|find|finding|findings|read|look|normal|abnormal|interpret|report|judge|is there|"
    r"does (it|this)|what is (this|on))\b",
    re.IGNORECASE,
)
_COMPARE = re.compile(
    r"\b(compar\w+|chang(?:e|ed|es|ing)|progress(?:ed|ion|ing)?|regress(?:ed|ion)?|worse\w*|better|"
    r"improv\w+|differ\w*|since|prior|previous|earlier|older|before|interval|follow-?up|versus|vs|"
    r"last (?:film|x-?ray|radiograph|image))\b|对比|比较|变化|上次|之前|好转|加重",
    re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"\b(all|both|each|every|these|those|two|three|four|films|images|x-?rays|radiographs|pictures|"
    r"scans)\b|都|所有|两张|几张",
    re.IGNORECASE,
)
_BOTH_SOURCES = re.compile(
    r"\b(agree\w*|match\w*|consistent|conflict\w*|contradict\w*|fit|fits|together|combin\w+)\b|一致|矛盾",
    re.IGNORECASE,
)
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1, "latest": -1}
_WHICH = r"(?P<which>A\d+|first|second|third|fourth|last|latest)"
_IS_OLDER = (
    re.compile(
        rf"\b{_WHICH}\b[^.?!;]{{0,30}}?\b(?:is|was|as|being|=)\b[^.?!;]{{0,15}}?"
        r"\b(?:older|oldest|earlier|prior|previous|before)\b",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?:older|earlier|prior|previous)\b[^.?!;]{{0,20}}?\b(?:is|was|=|:)\s*(?:the )?{_WHICH}\b",
        re.IGNORECASE,
    ),
    re.compile(rf"\b(?:with|to|from|since) (?:the )?(?:older|earlier|prior|previous)[^.?!;]{{0,12}}?\b{_WHICH}\b", re.IGNORECASE),
)  # fmt: skip

Known = Sequence[Mapping[str, Any]]


def about(message: str, known: Known, attached: Known) -> bool:
    """Whether a message is about images of its conversation."""
    images = _images(known)
    if not images:
        return False
    fresh = bool(_images(attached))
    if mentioned(message, images):
        return True
    if fresh and (not message or _SHOWS.search(message) or _COMPARE.search(message)):
        return True
    if bool(_BOTH_SOURCES.search(message)) and any(a["kind"] == "record" for a in known):
        return bool(_IMAGE_WORDS.search(message))
    return bool(_IMAGE_WORDS.search(message)) and bool(_ABOUT_THIS.search(message))


def arguments(message: str, known: Known, attached: Known, *, meant: bool) -> tuple[tuple[str, str], ...]:  # fmt: skip
    """Return the arguments of a call of the image tool; none where there is nothing to judge.

    Args:
        message: what the user wrote.
        known: all attachments of the conversation, in the order of upload.
        attached: those of this message.
        meant: whether the message is about images.
    """
    images, fresh = _images(known), _images(attached)
    if not images or not (meant or fresh):
        return ()
    named = mentioned(message, images)
    if meant and len(images) > 1 and _COMPARE.search(message):
        return _compared(message, images, named, fresh)
    if named:
        chosen = named
    elif fresh:
        chosen = fresh
    else:
        chosen = images if _SEVERAL.search(message) else images[-1:]
    return (("attachment", _ids(chosen)),)


def mentioned(message: str, images: Known) -> list[Mapping[str, Any]]:
    """Return the images that a message names by id or by file name."""
    ids = {word.upper() for word in re.findall(r"\bA\d+\b", message, re.IGNORECASE)}
    lower = message.lower()
    return [a for a in images if a["id"] in ids or str(a["name"]).lower() in lower]


def _compared(
    message: str, images: Known, named: Known, fresh: Known
) -> tuple[tuple[str, str], ...]:
    if len(named) > 1:
        chosen = list(named)
    elif len(fresh) > 1 and not named:
        chosen = list(fresh)
    elif not named and not fresh and re.search(r"\ball\b|所有", message, re.IGNORECASE):
        chosen = list(images)
    else:
        newer = (named or fresh or images)[-1]
        place = [a["id"] for a in images].index(newer["id"])
        chosen = list(images[place - 1 : place + 1]) if place else list(images[:2])
    older = _older(message, images, chosen)
    extra = (("older", older),) if older else ()
    return (("attachment", _ids(chosen)), ("compare", "true"), *extra)


def _older(message: str, images: Known, chosen: Known) -> str:
    """Return the id of the film that a message calls the earlier one, or ""."""
    for pattern in _IS_OLDER:
        found = pattern.search(message)
        if not found:
            continue
        which = found["which"]
        if which[:1].upper() == "A" and which[1:].isdigit():
            return next((a["id"] for a in images if a["id"] == which.upper()), "")
        place = _ORDINALS[which.lower()]
        return str(chosen[place]["id"]) if -1 <= place < len(chosen) else ""
    return ""


def _images(attachments: Known) -> list[Mapping[str, Any]]:
    return [a for a in attachments if a["kind"] == "image"]


def _ids(images: Known) -> str:
    return ", ".join(str(a["id"]) for a in images)

"""A record pasted into a message, told apart from the question around it."""

from __future__ import annotations

import re

_MIN_HEADINGS = 2
_MIN_LINES = 3
_QUESTION = re.compile(r"[?？]\s*$")
_COMMON = re.compile(
    r"^\W{0,3}(chief complaint|cc|hpi|history of present illness|pmh|past medical history|psh|"
    r"medications?|current medications|meds|home meds|allerg(y|ies)|social history|sh|family history|fh|"
    r"ros|review of systems|vitals?|vital signs|physical exam(ination)?|exam|pe|labs?|laboratory|"
    r"results|imaging|assessment|plan|a/p|assessment (and|&) plan|impression|diagnos[ei]s|subjective|"
    r"objective|discharge \w+|hospital course|problems?|problem list|patient|dob|age|name|mrn)\s*[:\-]",
    re.IGNORECASE | re.MULTILINE,
)


def separate(message: str) -> tuple[str, str]:
    """Return (question, record) of a message; the record is "" where none was pasted.

    A record has at least two headed lines and three lines in all. Its question is the paragraph
    before the first heading or after the last line, where that ends with a question mark.
    """
    heads = list(_COMMON.finditer(message))
    if len(heads) < _MIN_HEADINGS or message.count("\n") + 1 < _MIN_LINES:
        return message, ""
    before = message[: heads[0].start()].strip()
    record = message[heads[0].start() :].strip()
    question = ""
    if before and (_QUESTION.search(before) or len(before.split()) <= 12):
        question = before
    elif before:
        record = f"{before}\n{record}"
    body, _, last = record.rpartition("\n")
    if not question and _QUESTION.search(last) and not _COMMON.match(last):
        question, record = last.strip(), body.strip()
    return question, record

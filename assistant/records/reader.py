"""Reads a medical record: a plain note, a FHIR R4 bundle or resource, or a simple JSON record.

Promises that every fact's span holds its words in the record's text, that the text of the record
is data and is never run or filled in, and one clear sentence where it can't be read. Knows nothing
of questions about the record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from assistant.errors import AttachmentError
from assistant.records.extract import facts
from assistant.records.page import Page
from assistant.types import Attachment, Record
from retrieval.adapters import Entity

# Marks the entities of texts, as `retrieval.adapters.Tagger.tag` does.
Tag = Callable[[Sequence[str]], Sequence[Sequence[Entity]]]

# Text of a record that is read; 5 MB is some 2,000 pages.
MAX_BYTES = 5_000_000
# Characters that a text may hold besides letters: more means that it is no text.
_MAX_CONTROL_SHARE = 0.02
# Characters of a note that a tagger reads too: some 40 pages, 10 s on one core.
MAX_TAGGED = 120_000
# Nesting of JSON that is followed; FHIR needs fewer than 12.
MAX_DEPTH = 60


def read_attachment(attachment: Attachment, tag: Tag | None = None) -> Record:
    """Read an attachment of kind "record" by its format, text or json.

    Args:
        attachment: the upload.
        tag: marks conditions that no word list knows in a plain note; None leaves them out.

    Raises:
        AttachmentError: if it is no record, empty, too large, binary or broken JSON.
    """
    if attachment.kind != "record":
        raise AttachmentError(
            f"{attachment.name} is an {attachment.kind} and not a record: attach a text or JSON file."
        )
    if attachment.format == "json":
        return read_json(attachment.data, attachment.name)
    return read_record(decode(attachment.data, attachment.name), attachment.name, tag)


def read_record(text: str, name: str, tag: Tag | None = None) -> Record:
    """Read a plain note.

    Args:
        text: the note; line ends of any system.
        name: the record's name, for display.
        tag: marks conditions that no word list knows, in notes of up to `MAX_TAGGED` characters.

    Raises:
        AttachmentError: if the text is empty, binary or longer than 5 MB.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    if not text.strip():
        raise AttachmentError(f"{name} is empty: attach a record with text in it.")
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise AttachmentError(f"{name} is larger than 5 MB of text: attach the part that matters.")
    control = sum(1 for c in text if (c < " " and c not in "\n\t\f\v") or c == "\ufffd")
    if control > max(2, _MAX_CONTROL_SHARE * len(text)):
        raise AttachmentError(f"{name} is not a text file: attach plain text or JSON.")
    page = Page(text)
    marks = tag([text])[0] if tag is not None and len(text) <= MAX_TAGGED else ()
    return Record(name, text, page.sections, facts(page, marks))


def decode(data: bytes, name: str) -> str:
    """Return the text of a file: UTF-8, UTF-16 with its mark, or Windows-1252.

    Raises:
        AttachmentError: if it is empty, larger than 5 MB, or binary.
    """
    if not data.strip():
        raise AttachmentError(f"{name} is empty: attach a record with text in it.")
    if len(data) > MAX_BYTES:
        raise AttachmentError(f"{name} is larger than 5 MB: attach the part that matters.")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if b"\0" in data:
        raise AttachmentError(f"{name} is not a text file: attach plain text or JSON.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_json(data: bytes, name: str) -> Record:
    """Read a FHIR R4 bundle or resource, or a simple JSON record.

    The JSON is rendered to a text with sections; the facts' spans refer to that text.

    Raises:
        AttachmentError: if it is empty, too large, no JSON, nested too deeply, or holds nothing
            that a record has.
    """
    from assistant.records import simple_json
    from assistant.records.fhir import read as read_fhir

    text = decode(data, name)
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise AttachmentError(
            f"{name} is not valid JSON{where}: export it again or attach plain text."
        ) from None
    if _depth(value) > MAX_DEPTH:
        raise AttachmentError(f"{name} is nested too deeply to be a record: attach plain text.")
    if isinstance(value, str):
        return read_record(value, name)
    record = read_fhir(value, name) if _is_fhir(value) else simple_json.read(value, name)
    if not record.text.strip():
        raise AttachmentError(
            f"{name} holds no patient data that can be read: attach a FHIR R4 bundle, a JSON "
            "record with text, problems, medications, allergies or labs, or plain text."
        )
    return record


def _is_fhir(value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(value.get("resourceType"), str)
    return isinstance(value, list) and any(
        isinstance(item, dict) and isinstance(item.get("resourceType"), str) for item in value
    )


def _depth(value: Any) -> int:
    """Return the greatest nesting of a JSON value, counted without recursion."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        deepest = max(deepest, depth)
        children = (
            item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        )
        waiting.extend((child, depth + 1) for child in children if isinstance(child, dict | list))
    return deepest

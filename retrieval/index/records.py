"""Documents as bytes: one compressed, self-describing record each.

A record is `MAGIC, length, digest` and the compressed JSON of one document, so that a file of
records can be read from end to end even where everything around it is lost. The digest is
BLAKE2b-128 of the JSON: the same for the same document, whatever compressed it. Knows nothing of
segments or rows.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from retrieval.types import Document, Section, Source

MAGIC = b"AuR2"
HEAD = struct.Struct("<4sI16s")
MAX_JSON_BYTES = 1 << 28
# What small records share, so that it costs them nothing.
_SHARED = (
    b'"metadata":[["page","","Introduction","","Background","","Objective","","Patients and methods"'
    b',"","Discussion","definition","","causes","symptoms","treatment","","Methods","","Results",""'
    b',"Conclusions",""publication_types":["Journal Article","Randomized Controlled Trial",'
    b'"licence":"CC BY 4.0","language":"en","evidence":"trial","journal":"J Clin Med","mesh":["Huma'
    b'ns","Male","Female","Adult","Middle Aged","authors":["identifiers":["doi:10.1","pmcid:pmc","p'
    b'mid:"source":"PubMed","url":"https://pubmed.ncbi.nlm.nih.gov/","year":20,"sources":[["kind":"'
    b'article","synonyms":["sections":[["Abstract","","{"id":"pmid:","title":"'
)
_PLAIN = {f.name: f.default for f in fields(Document)}


class DamagedRecordError(ValueError):
    """A record is not what its digest says."""


def encode(document: Document) -> bytes:
    """Return the JSON of a document without its empty fields; equal for equal documents.

    Raises:
        UnicodeEncodeError: if a text holds a lone surrogate.
    """
    value: dict[str, Any] = {"id": document.id, "title": document.title}
    value["sections"] = [[s.title, s.aspect, s.text] for s in document.sections]
    for name, default in _PLAIN.items():
        if name not in value and (given := getattr(document, name)) != default:
            value[name] = given
    if document.sources:
        value["sources"] = [[s.title, s.url] for s in document.sources]
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def decode(data: bytes) -> Document:
    """Return the document whose JSON `encode` gave."""
    value = json.loads(data)
    value["sections"] = tuple(Section(*parts) for parts in value["sections"])
    value["sources"] = tuple(Source(*parts) for parts in value.get("sources", ()))
    value["metadata"] = tuple((key, text) for key, text in value.get("metadata", ()))
    for name, given in value.items():
        if isinstance(given, list):
            value[name] = tuple(given)
    return Document(**value)


def digest(data: bytes) -> bytes:
    """Return the 16-byte digest of a document's JSON."""
    return hashlib.blake2b(data, digest_size=16).digest()


def pack(data: bytes) -> bytes:
    """Return the record of a document's JSON."""
    squeezer = zlib.compressobj(6, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, _SHARED)
    body = squeezer.compress(data) + squeezer.flush()
    return HEAD.pack(MAGIC, len(body), digest(data)) + body


def unpack(record: bytes, expected: bytes | None = None) -> bytes:
    """Return the JSON in a record, checked.

    Args:
        record: what `pack` returned.
        expected: the digest that it must have; by default the record's own.

    Raises:
        DamagedRecordError: if it is cut, changed, or another record than the expected one.
    """
    try:
        magic, length, own = HEAD.unpack_from(record)
        if magic != MAGIC or length != len(record) - HEAD.size or own != (expected or own):
            raise DamagedRecordError("its head is wrong")
        opener = zlib.decompressobj(-15, _SHARED)
        data = opener.decompress(record[HEAD.size :], MAX_JSON_BYTES)
    except (struct.error, zlib.error) as error:
        raise DamagedRecordError(str(error)) from error
    if not opener.eof or opener.unused_data or digest(data) != own:
        raise DamagedRecordError("its digest is wrong")
    return data


def scan(data: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, JSON) of every sound record, skipping what is damaged.

    For salvage alone: it needs no table of offsets and goes on at the next record's magic.
    """
    whole = bytes(data) if isinstance(data, memoryview) else data
    at = whole.find(MAGIC)
    while at >= 0:
        after = at + 1
        try:
            _, length, _ = HEAD.unpack_from(whole, at)
            end = at + HEAD.size + length
            found = unpack(whole[at:end])
        except (DamagedRecordError, struct.error):
            pass
        else:
            yield at, found
            after = end
        at = whole.find(MAGIC, after)

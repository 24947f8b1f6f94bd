"""XML read record by record in constant memory, from files that may be broken or hostile.

Promises: nothing is fetched, no DTD is loaded, a file that declares entities is refused before any
of it is expanded (entity bombs, external entities), gzip is unpacked within limits, a record can't
outgrow its limit, and what came before damage is handed out before the `SourceError`. Knows
nothing of any one format.

Source: W3C XML 1.0 section 4 (entities); lxml's FAQ on untrusted XML.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from xml.parsers import expat

from retrieval.errors import SourceError

if TYPE_CHECKING:
    from lxml.etree import _Element

CHUNK_BYTES = 1 << 16
PROLOG_BYTES = 1 << 20
FREE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may cost.

    Attributes:
        total_bytes: unpacked size of the whole file.
        record_bytes: size of one record, with the slack of one chunk; the tree of a record takes
            about eight times as much memory.
        ratio: unpacked bytes for each packed one, once `FREE_BYTES` have been unpacked.
    """

    total_bytes: int = 64 << 30
    record_bytes: int = 16 << 20
    ratio: int = 200


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Prolog:
    """What stands before a document's content.

    Attributes:
        doctype: name in the document type declaration, or "".
        public: public identifier in it, or "".
        system: system identifier in it, or "".
        root: qualified name of the root element, or "" where the bytes end before it.
        attributes: of the root element.
        entities: whether an entity is declared.
    """

    doctype: str = ""
    public: str = ""
    system: str = ""
    root: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    entities: bool = False


class _Seen(Exception):
    """Raised inside expat to stop it at the root element or at the first entity."""


class _Head:
    """Reads a document up to its root element, expanding nothing."""

    def __init__(self) -> None:
        self.prolog = Prolog()
        self.done = False
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._entity
        self._parser.StartElementHandler = self._root
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Read on; `done` says whether the head is over. Raises ExpatError or ValueError."""
        self._size += len(data)
        if self._size > PROLOG_BYTES + CHUNK_BYTES:
            raise ValueError("its head, before the first element, is longer than 1 MiB")
        try:
            self._parser.Parse(data, False)
        except _Seen:
            self.done = True

    def _doctype(self, name: str, system: str | None, public: str | None, _: int) -> None:
        self.prolog = Prolog(name, public or "", system or "")

    def _entity(self, *_: Any) -> None:
        p = self.prolog
        self.prolog = Prolog(p.doctype, p.public, p.system, entities=True)
        raise _Seen

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        p = self.prolog
        self.prolog = Prolog(p.doctype, p.public, p.system, name, tuple(attributes.items()))
        raise _Seen


def prolog(head: bytes) -> Prolog:
    """Return what the first bytes of a file say of it as XML; empty where they are no XML."""
    reader = _Head()
    with suppress(expat.ExpatError, ValueError):  # What was seen until then stands.
        reader.feed(head)
    return reader.prolog


def records(
    path: Path, tags: Collection[str], roots: Collection[str], what: str, limits: Limits = LIMITS
) -> Iterator[_Element]:
    """Yield the elements named `tags` as they end, whole; each is emptied after its turn.

    One within another is a part of that and does not come by itself.

    Args:
        path: an XML file, gzip or plain.
        tags: names of elements; `{*}name` fits any namespace.
        roots: what the root element may be called, without prefix.
        what: the format's name, for messages ("PubMed XML").
        limits: what the file may cost.

    Raises:
        SourceError: if the file can't be read, is not well-formed, is cut short, declares entities,
            is of another root, or breaks a limit; after the records before the damage.
    """
    from lxml import etree

    parser = etree.XMLPullParser(
        events=("end",), tag=tuple(tags), resolve_entities=False, no_network=True, load_dtd=False,
        dtd_validation=False, attribute_defaults=False, huge_tree=False, recover=False,
        remove_comments=True, remove_pis=True, collect_ids=False,
    )  # fmt: skip
    head, pending, inner = _Head(), 0, {local(tag) for tag in tags}
    with _failures(path, etree.XMLSyntaxError), path.open("rb") as raw:
        for chunk in _chunks(raw, path, limits):
            if not head.done:
                head.feed(chunk)
                _admit(head, path, roots, what)
            pending += len(chunk)
            try:
                parser.feed(chunk)
            finally:  # What ended before the damage is handed out first.
                for _, element in parser.read_events():
                    if any(local(node.tag) in inner for node in element.iterancestors()):
                        continue  # Part of a record that is still going on.
                    pending = 0
                    yield element
                    _forget(element)
            if pending > limits.record_bytes:
                raise SourceError(
                    f"{path} holds a record of more than {limits.record_bytes >> 20} MiB: "
                    "such a file is damaged or hostile, fetch it again."
                )
        parser.close()


def local(tag: object) -> str:
    """Return an element's name without its namespace; "" for comments and the like."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def plain_names(element: _Element) -> _Element:
    """Take the namespaces off the names in a tree, MathML's and XLink's attributes excepted."""
    for node in element.iter("{*}*"):
        if node.tag.startswith("{"):
            node.tag = local(node.tag)
    return element


def _admit(head: _Head, path: Path, roots: Collection[str], what: str) -> None:
    found = head.prolog
    if found.entities:
        raise SourceError(
            f"{path} declares entities of its own, which can hide bombs or fetch files: "
            "remove its <!ENTITY …> declarations and try again."
        )
    root = found.root.rpartition(":")[2]
    if head.done and root not in roots:
        raise SourceError(
            f"{path} is no {what}: its root element is <{root[:40]}>, not <{min(roots)}>."
        )


def _forget(element: _Element) -> None:
    """Empty an element and drop everything that ended before it."""
    element.clear()
    for node in (element, *element.iterancestors()):
        parent = node.getparent()
        while parent is not None and node.getprevious() is not None:
            del parent[0]


def _chunks(raw: IO[bytes], path: Path, limits: Limits) -> Iterator[bytes]:
    """Yield a file's bytes piece by piece, unpacked where it is gzip."""
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    total = 0
    for chunk in _unpacked(raw) if packed else iter(lambda: raw.read(CHUNK_BYTES), b""):
        total += len(chunk)
        swollen = packed and total > FREE_BYTES and total > limits.ratio * raw.tell()
        if swollen or total > limits.total_bytes:
            raise SourceError(
                f"{path} unpacks to {total >> 20} MiB and more out of {raw.tell() >> 10} KiB: "
                "such a file is damaged or hostile, fetch it again."
            )
        yield chunk


def _unpacked(raw: IO[bytes]) -> Iterator[bytes]:
    """Yield what gzip members hold; what stands before a cut is yielded before the EOFError.

    The standard library's reader keeps its last, incomplete piece to itself.
    """
    member, begun = zlib.decompressobj(31), False
    while block := raw.read(CHUNK_BYTES):
        while block:
            begun = True
            if data := member.decompress(block, CHUNK_BYTES):
                yield data
            block = member.unconsumed_tail
            if member.eof:
                block = member.unused_data.lstrip(b"\0")  # Tapes pad with zeros.
                member, begun = zlib.decompressobj(31), False
    while begun and (data := member.decompress(b"", CHUNK_BYTES)):
        yield data
    if begun and not member.eof:
        raise EOFError


@contextmanager
def _failures(path: Path, syntax: type[Exception]) -> Iterator[None]:
    """Turn what can go wrong with a file into one sentence."""
    try:
        yield
    except (EOFError, zlib.error) as error:
        raise SourceError(f"{path} is cut short or damaged gzip: fetch it again.") from error
    except OSError as error:
        raise SourceError(f"{path} can't be read ({error.strerror}): check the path.") from error
    except syntax as error:
        why = " ".join(str(error).split())[:160].rstrip(".")
        raise SourceError(f"{path} is not well-formed XML ({why}): fetch it again.") from error
    except (expat.ExpatError, ValueError) as error:
        why = " ".join(str(error).split())[:160]
        raise SourceError(f"{path} is not XML ({why}): name an XML file.") from error

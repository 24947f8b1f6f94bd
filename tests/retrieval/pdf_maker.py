"""Small PDF files made by hand, so that every construct in them is known (ISO 32000-1)."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field

WIDTH, HEIGHT = 595, 842
_PAD = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
# The glyph "~" of F3 stands for the ligature fi, "^" for nothing that has a name.
_CMAP = b"""/CIDInit /ProcSet findresource begin 12 dict begin begincmap
/CMapName /L def /CMapType 2 def 1 begincodespacerange <00> <FF> endcodespacerange
1 beginbfrange <20> <5D> <0020> endbfrange 1 beginbfrange <61> <7D> <0061> endbfrange
2 beginbfchar <7E> <FB01> <5E> <E001> endbfchar endcmap end end"""


@dataclass
class Page:
    """What stands on a page: (x, y, size, font, text) each, and whether a picture covers it."""

    texts: list[tuple[float, float, float, str, str]] = field(default_factory=list)
    picture: bool = False

    def column(
        self, x: float, y: float, lines: list[str], size: float = 10, font: str = "F1"
    ) -> float:
        """Add lines below each other; return where the next would stand."""
        for line in lines:
            self.texts.append((x, y, size, font, line))
            y -= 1.2 * size
        return y


def simple(*lines: str) -> Page:
    """Return a page of plain lines."""
    page = Page()
    page.column(72, 760, list(lines))
    return page


def pdf(
    pages: list[Page],
    *,
    title: str = "",
    author: str = "",
    password: str | None = None,
    kids: bytes = b"",
    content: bytes | None = None,
) -> bytes:
    """Return a file; `password` locks it with RC4 of 40 bits, `kids` and `content` replace parts."""
    bodies = [_content(page) if content is None else content for page in pages]
    info = b"".join(b"/%s (%s) " % (key, _escaped(value)) for key, value in
                    ((b"Title", title), (b"Author", author)) if value)  # fmt: skip
    objects: list[tuple[bytes, bytes | None]] = [
        (b"<< /Type /Catalog /Pages 2 0 R >>", None),
        (b"", None),
        (b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>", None),
        (b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>", None),
        (b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman /ToUnicode 6 0 R >>", None),
        (b"", _CMAP),
        (b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray "
         b"/BitsPerComponent 8", b"\x80"),
        (b"<< %s>>" % info, None),
    ]  # fmt: skip
    numbers = []
    for body in bodies:
        objects.append((b"", body))
        numbers.append(len(objects) + 1)
        objects.append((
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R /Resources << /Font "
            b"<< /F1 3 0 R /F2 4 0 R /F3 5 0 R >> /XObject << /Im 7 0 R >> >> >>"
            % (WIDTH, HEIGHT, len(objects)), None))  # fmt: skip
    listed = kids or b" ".join(b"%d 0 R" % number for number in numbers)
    objects[1] = (b"<< /Type /Pages /Count %d /Kids [%s] >>" % (listed.count(b"R"), listed), None)
    return _file(objects, password)


def raw(objects: list[tuple[bytes, bytes | None]]) -> bytes:
    """Return a file of these objects, each a dictionary and a stream or None; the first is the root."""
    return _file([*objects, (b"<< >>", None)], None, info=len(objects) + 1)


def _content(page: Page) -> bytes:
    out = [b"q %d 0 0 %d 0 0 cm /Im Do Q" % (WIDTH, HEIGHT)] if page.picture else []
    for x, y, size, font, text in page.texts:
        out.append(
            b"BT /%s %g Tf %g %g Td (%s) Tj ET" % (font.encode(), size, x, y, _escaped(text))
        )
    return b"\n".join(out)


def _escaped(text: str) -> bytes:
    data = text.encode("cp1252")
    for mark in (b"\\", b"(", b")"):
        data = data.replace(mark, b"\\" + mark)
    return data


def _file(objects: list[tuple[bytes, bytes | None]], password: str | None, info: int = 8) -> bytes:
    key, lock = _lock(password) if password is not None else (b"", b"")
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, (head, stream) in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number
        if stream is None:
            out += head
        else:
            data = zlib.compress(stream) if b"/Filter" not in head else stream
            if key:
                salt = number.to_bytes(3, "little") + b"\0\0"
                data = _rc4(hashlib.md5(key + salt).digest()[:10], data)  # noqa: S324
            packed = b"" if b"/Filter" in head else b"/Filter /FlateDecode "
            out += b"<< %s %s/Length %d >>\nstream\n" % (head, packed, len(data)) + data
            out += b"\nendstream"
        out += b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R %s>>\n" % (len(objects) + 1, info, lock)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def _lock(password: str) -> tuple[bytes, bytes]:
    """Return the file's key and its encryption dictionary (standard handler, revision 2)."""
    padded = (password.encode() + _PAD)[:32]
    owner = _rc4(hashlib.md5(_PAD).digest()[:5], padded)  # noqa: S324
    identity = b"0123456789abcdef"
    key = hashlib.md5(padded + owner + b"\xfc\xff\xff\xff" + identity).digest()[:5]  # noqa: S324
    user = _rc4(key, _PAD)
    return key, (
        b"/ID [<%s> <%s>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> "
        % (identity.hex().encode(), identity.hex().encode(), owner.hex().encode(), user.hex().encode())
    )  # fmt: skip


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    out = bytearray()
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)

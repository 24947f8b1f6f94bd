"""The text lines of a PDF with their places, read by PDFium. Runs in the sandbox's child.

Imports nothing heavy until it is called. What the lines mean is `_pdf_layout`'s.
"""

from __future__ import annotations

import ctypes
import json
import re
from typing import Any

from retrieval.errors import SourceError
from retrieval.sources import _pdf_layout
from retrieval.sources._pdf_layout import Line, Page

# Characters of one page; the densest printed page has a tenth.
MAX_PAGE_CHARS = 200_000
# Below so many letters and digits a page that shows a picture is taken for a scan.
_FEW = 250
_PICTURE_SHARE = 0.5
_MANY_PATHS = 200
_IMAGE, _FORM, _PATH = 3, 5, 2  # FPDF_PAGEOBJ_*
_BREAK = re.compile(r"\r?\n|\r")
_WORD = re.compile(r"\S+")
_DIVIDED = re.compile("[\ufffe\x02]")
_ODD = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]")


def extract(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return what a PDF says as JSON: title, author, created, language, sections, unread pages.

    Args:
        data: the file.
        options: {"max_pages": int}.

    Raises:
        SourceError: if it is locked, no PDF, or has too many pages.
    """
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        raise SourceError(_refusal(str(error))) from None
    count = len(document)
    if count > options["max_pages"]:
        raise SourceError(
            f"it has {count:,} pages and {options['max_pages']:,} are allowed: split it into parts"
        )
    if not count:
        raise SourceError("it has no pages: export it again")
    pages: list[Page] = []
    unread: dict[str, list[int]] = {"scanned": [], "garbled": [], "broken": []}
    for index in range(count):
        try:
            page = document[index]
        except pdfium.PdfiumError:
            unread["broken"].append(index + 1)
            continue
        read, fault = _page(page, index)
        page.close()
        if fault:
            unread[fault].append(index + 1)
        if fault != "garbled":
            pages.append(read)
    told = document.get_metadata_dict()
    title, sections = _pdf_layout.sections(pages, told.get("Title", ""))
    body = {
        "title": title,
        "author": told.get("Author", ""),
        "created": told.get("CreationDate", ""),
        "opening": _pdf_layout.opening(pages),
        "sections": sections,
        "unread": {fault: numbers for fault, numbers in unread.items() if numbers},
    }
    return {"pages": count}, json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _refusal(message: str) -> str:
    if "password" in message.lower() or "security" in message.lower():
        return "it is locked with a password: save an unlocked copy"
    return "it is no PDF or damaged beyond repair: export it again"


def _page(page: Any, index: int) -> tuple[Page, str]:
    """Return a page's lines, and what hinders reading it: scanned, garbled, broken or ""."""
    import pypdfium2.raw as raw

    width, height = page.get_size()
    text_page = page.get_textpage()
    try:
        text = _characters(text_page, raw)
        lines = _lines(text_page, raw, text, index, (width, height))
    finally:
        text_page.close()
    words = sum(c.isalnum() for c in text)
    seen = sum(not c.isspace() for c in text)
    fault = ""
    if seen > 20 and len(_ODD.findall(text)) > seen // 5:
        fault = "garbled"
    elif words < _FEW:
        fault = _unread(page, raw, width * height, words)
    return Page(index, width, height, lines), fault


def _characters(text_page: Any, raw: Any) -> str:
    """Return one character for each that PDFium counts, so that an offset is its index."""
    count = min(raw.FPDFText_CountChars(text_page), MAX_PAGE_CHARS)
    if count <= 0:
        return ""
    buffer = (ctypes.c_ushort * (count + 1))()
    units = raw.FPDFText_GetText(text_page, 0, count, buffer) - 1
    text = bytes(buffer)[: 2 * units].decode("utf-16-le", "replace")
    if len(text) == units == count:
        return text
    codes = (raw.FPDFText_GetUnicode(text_page, i) for i in range(count))
    return "".join(chr(c) if c < 0x110000 else "\ufffd" for c in codes)


def _lines(
    text_page: Any, raw: Any, text: str, index: int, size: tuple[float, float]
) -> tuple[Line, ...]:
    out: list[Line] = []
    start = 0
    box = _Boxes(text_page, raw)
    for end in [*(m.start() for m in _BREAK.finditer(text)), len(text)]:
        words = [(m.start(), m.end()) for m in _WORD.finditer(text, start, end)]
        start = end
        if not words or box.is_turned(words[0][0]):
            continue
        out.extend(_pieces(box, text, words, index))
    width, height = size
    return tuple(
        line
        for line in out
        if 0 <= (line.left + line.right) / 2 <= width
        and 0 <= (line.top + line.bottom) / 2 <= height
    )


def _pieces(box: _Boxes, text: str, words: list[tuple[int, int]], index: int) -> list[Line]:
    """Return a line, cut where the gap between two words is as wide as between columns."""
    height, bold = box.style(words[0][0])
    out: list[Line] = []
    run: list[str] = []
    left = right = bottom = top = 0.0
    for start, end in words:
        # PDFium puts the end of a divided word, which stands on the next line, behind its mark.
        mark = _DIVIDED.search(text, start + 1, end)
        first, last = box.of(start), box.of((mark.start() if mark else end) - 1)
        if run and (first[0] - right > 1.6 * height or first[0] < left - height):
            out.append(Line(index, " ".join(run), left, right, bottom, top, height, bold))
            run = []
            height, bold = box.style(start)
        if not run:
            left, bottom, top, right = first[0], first[1], first[3], first[2]
        right, bottom, top = max(right, last[2]), min(bottom, first[1]), max(top, first[3])
        run.append(text[start:end])
    out.append(Line(index, " ".join(run), left, right, bottom, top, height, bold))
    return out


class _Boxes:
    """Places and styles of a text page's characters, in points from the page's lower left corner."""

    def __init__(self, text_page: Any, raw: Any) -> None:
        self._page, self._raw = text_page, raw
        self._at = [ctypes.c_double() for _ in range(4)]

    def of(self, index: int) -> tuple[float, float, float, float]:
        """Return left, bottom, right, top of a character."""
        left, right, bottom, top = self._at
        self._raw.FPDFText_GetCharBox(self._page, index, left, right, bottom, top)
        return left.value, bottom.value, right.value, top.value

    def style(self, index: int) -> tuple[float, bool]:
        """Return the height of a character's line of type, and whether it is bold."""
        rect = self._raw.FS_RECTF()
        height = 0.0
        if self._raw.FPDFText_GetLooseCharBox(self._page, index, rect):
            height = abs(rect.top - rect.bottom)
        weight = self._raw.FPDFText_GetFontWeight(self._page, index)
        name = ctypes.create_string_buffer(128)
        flags = ctypes.c_int()
        self._raw.FPDFText_GetFontInfo(self._page, index, name, 128, flags)
        bold = weight >= 600 or b"bold" in name.value.lower() or b"black" in name.value.lower()
        return round(height, 1) or 10.0, bold

    def is_turned(self, index: int) -> bool:
        """Return whether a character doesn't stand upright, as in stamps at a page's edge."""
        angle = self._raw.FPDFText_GetCharAngle(self._page, index)
        return 0.1 < angle < 6.18


def _unread(page: Any, raw: Any, area: float, words: int) -> str:
    """Return "scanned" where a page with hardly any text shows pictures or outlines, else ""."""
    covered, paths = 0.0, 0
    for number in range(min(raw.FPDFPage_CountObjects(page), 20_000)):
        item = raw.FPDFPage_GetObject(page, number)
        kind = raw.FPDFPageObj_GetType(item)
        paths += kind == _PATH
        if kind == _IMAGE or (kind == _FORM and _has_image(item, raw)):
            at = [ctypes.c_float() for _ in range(4)]
            if raw.FPDFPageObj_GetBounds(item, *at):
                covered += max(0.0, at[2].value - at[0].value) * max(0.0, at[3].value - at[1].value)
    if covered >= _PICTURE_SHARE * area or (words < 20 and paths >= _MANY_PATHS):
        return "scanned"
    return ""


def _has_image(form: Any, raw: Any, depth: int = 3) -> bool:
    for number in range(min(raw.FPDFFormObj_CountObjects(form), 200)):
        item = raw.FPDFFormObj_GetObject(form, number)
        kind = raw.FPDFPageObj_GetType(item)
        if kind == _IMAGE or (kind == _FORM and depth and _has_image(item, raw, depth - 1)):
            return True
    return False

"""Drawing on one A4 page with reportlab: text that fits, boxes, pictures. Knows nothing of findings.

The standard fonts serve Latin text; text beyond them is set in the viewer's own CJK font, which also
has Greek and Cyrillic. Nothing is fetched, and the same calls give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

WIDTH, HEIGHT = 595.28, 841.89
MARGIN = 42.0
INK, FAINT, LINE = "#1c2430", "#5b6675", "#d5dae1"
_WIDE = "STSong-Light"


class Sheet:
    """One page that is written from the top downwards.

    Args:
        title: the document's title.

    Attributes:
        y: points from the bottom to the next thing.
    """

    def __init__(self, title: str) -> None:
        from reportlab.pdfgen.canvas import Canvas

        self._stream = io.BytesIO()
        # invariant: no clock and no random number in the file.
        self._canvas: Any = Canvas(self._stream, pagesize=(WIDTH, HEIGHT), invariant=1)
        self._canvas.setTitle(title)
        self._canvas.setAuthor("Auscult")
        self._canvas.setSubject("Research use only")
        self.y = HEIGHT - MARGIN

    def end(self) -> bytes:
        """Close the page and return the document."""
        self._canvas.showPage()
        self._canvas.save()
        return self._stream.getvalue()

    def box(self, left: float, low: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle."""
        self._canvas.setFillColor(colour)
        self._canvas.rect(left, low, width, height, stroke=0, fill=1)

    def rule(self, y: float, left: float = MARGIN, right: float = WIDTH - MARGIN) -> None:
        """Draw a thin line across."""
        self._canvas.setStrokeColor(LINE)
        self._canvas.setLineWidth(0.7)
        self._canvas.line(left, y, right, y)

    def tick(self, x: float, low: float, high: float, colour: str, width: float = 1.0) -> None:
        """Draw an upright line."""
        self._canvas.setStrokeColor(colour)
        self._canvas.setLineWidth(width)
        self._canvas.line(x, low, x, high)

    def say(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 9,
        *,
        bold: bool = False,
        colour: str = INK,
        align: str = "left",
    ) -> None:
        """Write one line at a place; `align` is left, right or middle of x."""
        text, font = _clean(text), _font(text, bold)
        self._canvas.setFillColor(colour)
        self._canvas.setFont(font, size)
        draw = {"right": self._canvas.drawRightString, "middle": self._canvas.drawCentredString}
        draw.get(align, self._canvas.drawString)(x, y, text)

    def lines(self, text: str, width: float, size: float = 9, bold: bool = False) -> list[str]:
        """Return text broken into lines of at most `width` points."""
        text = _clean(text)
        font, found, line = _font(text, bold), [], ""
        for word in _pieces(text, font, width, size):
            joined = f"{line} {word}" if line else word
            if line and _measure(joined, font, size) > width:
                found.append(line)
                line = word
            else:
                line = joined
        return [*found, line] if line else found

    def paragraph(
        self,
        text: str,
        size: float = 9,
        *,
        bold: bool = False,
        colour: str = INK,
        left: float = MARGIN,
        width: float = WIDTH - 2 * MARGIN,
    ) -> None:
        """Write text in as many lines as it takes, and go down by them."""
        for line in self.lines(text, width, size, bold):
            self.y -= 1.32 * size
            self.say(left, self.y, line, size, bold=bold, colour=colour)

    def heading(self, text: str) -> None:
        """Write a small heading and go down."""
        self.y -= 20
        self.say(MARGIN, self.y, text, 9.5, bold=True)
        self.y -= 3

    def bullets(self, items: Iterable[str], low: float, more: str) -> None:
        """Write items as a list that ends above `low`, in a smaller size or cut where it must be.

        Args:
            items: the items.
            low: points from the bottom that must stay free.
            more: what to say in place of items that have no room.
        """
        wanted = [item for item in items if item]
        width = WIDTH - 2 * MARGIN - 10
        size, broken = 0.0, [[""]]
        for size in (8.5, 7.8, 7.0, 6.4):
            broken = [self.lines(item, width, size) for item in wanted]
            if self.y - sum(1.32 * size * len(b) + 2 for b in broken) >= low:
                break
        for lines in broken:
            if self.y - 1.32 * size * (len(lines) + 1) - 2 < low:
                self.y -= 1.32 * size + 2
                self.say(MARGIN + 10, self.y, more, size, colour=FAINT)
                return
            for place, line in enumerate(lines):
                self.y -= 1.32 * size + (2 if place == 0 else 0)
                if place == 0:
                    self.box(MARGIN + 2, self.y + 0.26 * size, 2.4, 2.4, FAINT)
                self.say(MARGIN + 10, self.y, line, size)

    def picture(self, png: bytes, left: float, width: float, height: float) -> float:
        """Draw a picture below `y` inside a frame, keeping its shape; return its height."""
        from reportlab.lib.utils import ImageReader

        reader = ImageReader(io.BytesIO(png))
        columns, rows = reader.getSize()
        factor = min(width / columns, height / rows)
        shown = (columns * factor, rows * factor)
        self.box(left, self.y - shown[1], width, shown[1], "#000000")
        self._canvas.drawImage(reader, left + (width - shown[0]) / 2, self.y - shown[1], *shown)
        return shown[1]


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _font(text: str, bold: bool) -> str:
    """Return a font that has the text's characters."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont

        pdfmetrics.registerFont(UnicodeCIDFont(_WIDE))
        return _WIDE
    return "Helvetica-Bold" if bold else "Helvetica"


def _measure(text: str, font: str, size: float) -> float:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(stringWidth(text, font, size))


def _pieces(text: str, font: str, width: float, size: float) -> list[str]:
    """Return the words; one that is wider than the line is cut into parts that fit."""
    found = []
    for word in text.split():
        part = ""
        for character in word:
            if part and _measure(part + character, font, size) > width:
                found.append(part)
                part = ""
            part += character
        found.append(part)
    return found

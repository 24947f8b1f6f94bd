"""Lines on pages to sections of paragraphs: reading order, running heads, headings, hyphens.

Pure functions on places and sizes. Conservative: where the page doesn't say clearly that a line is a
heading or a column, it is text in the order in which the file draws it.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from retrieval.sources._pdf_words import CLEAN, ITEM, joined_lines, joined_paragraphs

# A line's share of the page's height at top and bottom where running heads and feet stand.
_EDGE = 0.09
_MAX_PIECES = 3000
_MAX_LINES = 150  # Of one paragraph; text without any sign of an end is cut.
_NUMBER = re.compile(
    r"(?:page|p\.|seite)?\s*[-–(]?\s*(\d{1,5}|[ivxl]{1,7})\s*[-–)]?(?:\s*(?:of|/|von)\s*\d{1,5})?",
    re.IGNORECASE,
)
_KNOWN = re.compile(
    r"(?:\d{1,2}(?:\.\d{1,2})*\.?\s+)?(?:abstract|summary|background|introduction|objectives?|aims?|"
    r"(?:materials?|patients?|subjects?) and methods?|methods?|methodology|results?|findings|"
    r"discussion|conclusions?|recommendations?|limitations|interpretation|references|bibliography|"
    r"acknowledge?ments?|funding|appendix(?: \w{1,3})?|摘要|引言|方法|结果|讨论|结论|参考文献)",
    re.IGNORECASE,
)
_REFERENCES = re.compile(
    r"(?:\d{1,2}\.?\s+)?(?:references?|bibliography|literature cited|works cited|reference list|"
    r"参考文献)",
    re.IGNORECASE,
)
_ENDED = re.compile(r"[.!?:;。！？：；][\"'”’)\]\d]*$")
_LEADER = re.compile(r"(?:\s?[.…·]){6,}")  # From a table of contents' entry to its page.


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of a printed line; places in points from the page's lower left corner.

    Attributes:
        page: index of its page, from 0.
        text: its words.
        left: left edge.
        right: right edge.
        bottom: lower edge.
        top: upper edge.
        size: height of the line of type, in points.
        bold: whether it begins in bold.
        cells: left and right edges of the pieces of one row that were joined to it.
        is_row: whether it is a row of a table.
    """

    page: int
    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool = False
    cells: tuple[tuple[float, float], ...] = ()
    is_row: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """The lines of a page in the order in which the file draws them."""

    index: int
    width: float
    height: float
    lines: tuple[Line, ...]


def sections(pages: Sequence[Page], named: str) -> tuple[str, list[tuple[str, int, str]]]:
    """Return a document's title and its sections as (heading, page from 1, text).

    A section ends at the next heading, and at the first paragraph that begins on a later page, so
    that the page of each text is known. What stands under "References" is left out.

    Args:
        pages: the pages.
        named: the title in the file's metadata, or "".
    """
    kept = _without_edges(pages)
    lines = [line for page in kept for line in _in_order(page)]
    if not lines:
        return _plausible(named), []
    body = _Body.of(lines)
    head = _title_lines(lines, body)
    title = _title(named, head, pages)
    out: list[tuple[str, int, list[str]]] = []
    heading, waiting = "", ""
    skipping = 0.0  # Size of the heading of a list of references that is being left out.
    for paragraph in _paragraphs([line for line in lines if line not in head], body):
        first = paragraph[0]
        text = joined_lines([line.text for line in paragraph], body.words)
        if _is_heading(paragraph, body, text):
            if not skipping or first.size >= skipping - 0.3:
                skipping = first.size if _REFERENCES.fullmatch(text) else 0.0
                heading = f"{waiting}: {text}" if waiting and first.size < body.waiting else text
                waiting, body.waiting = text, first.size
                out.append((heading, first.page + 1, []))
            continue
        if skipping or not text:
            continue
        waiting = ""
        if not out or out[-1][1] != first.page + 1:
            out.append((heading, first.page + 1, []))
        out[-1][2].append(text)
    return title, [(name, page, joined_paragraphs(texts)) for name, page, texts in out if texts]


def opening(pages: Sequence[Page]) -> str:
    """Return the words of the first page, for its identifiers and dates."""
    first = pages[0].lines if pages else ()
    return "\n".join(line.text.translate(CLEAN) for line in first)[:20_000]


@dataclass(slots=True)
class _Body:
    """What most of a document's text looks like.

    Attributes:
        size: height of its type.
        bold: whether it is bold.
        pitch: distance between its lines.
        words: the words that stand within lines, in lower case, as often as they do.
        waiting: size of a heading that has no text yet.
    """

    size: float
    bold: bool
    pitch: float
    words: Counter[str]
    waiting: float = 0.0

    @classmethod
    def of(cls, lines: Sequence[Line]) -> _Body:
        sizes: Counter[float] = Counter()
        bold = 0
        words: Counter[str] = Counter()
        for line in lines:
            sizes[line.size] += len(line.text)
            bold += len(line.text) if line.bold else 0
            words.update(word.strip(".,;:()[]").lower() for word in line.text.split()[1:-1])
        half, size = sum(sizes.values()) / 2, 0.0
        for size, count in sorted(sizes.items()):  # noqa: B007 - the weighted median is the last
            half -= count
            if half <= 0:
                break
        steps = [a.bottom - b.bottom for a, b in itertools.pairwise(lines)
                 if a.page == b.page and 0 < a.bottom - b.bottom < 3 * size]  # fmt: skip
        pitch = median(steps) if steps else 1.2 * size
        return cls(size, bold > sum(sizes.values()) / 2, pitch, words)


def _without_edges(pages: Sequence[Page]) -> list[Page]:
    """Return the pages without running heads and feet, page numbers and lines of contents."""
    seen: Counter[tuple[str, str, int]] = Counter()
    for page in pages:
        seen.update({key for line in page.lines if (key := _edge(line, page))})
    least = 2 if len(pages) == 2 else 3
    out = []
    for page in pages:
        numbers = [line.bottom for line in page.lines if _is_number(line, page, len(pages))]
        lines = []
        for line in page.lines:
            key = _edge(line, page)
            # What stands in one row with a page's number runs with it.
            running = key and (seen[key] >= least or any(abs(line.bottom - b) < 4 for b in numbers))
            if not running and not _LEADER.search(line.text):
                lines.append(line)
        out.append(replace(page, lines=tuple(lines)))
    return out


def _is_number(line: Line, page: Page, pages: int) -> bool:
    found = _NUMBER.fullmatch(line.text.strip()) if _edge(line, page) else None
    return found is not None and (pages > 1 or found[1] == str(page.index + 1))


def _edge(line: Line, page: Page) -> tuple[str, str, int] | None:
    """Return what stands where at a page's edge, numbers apart; None for what stands in the page."""
    depth = _EDGE * page.height
    high = line.bottom > page.height - depth
    if not high and line.top > depth:
        return None
    text = re.sub(r"\d+", "#", " ".join(line.text.lower().split()))
    return ("head" if high else "foot", text, round(line.bottom / 4))


def _in_order(page: Page) -> list[Line]:
    """Return a page's lines as they are read: columns one after the other, rows joined."""
    lines = list(page.lines)
    if len(lines) <= _MAX_PIECES:
        lines = _ordered(lines, 6)
    out: list[Line] = []
    for line in lines:
        last = out[-1] if out else None
        same = (
            last
            and abs(last.bottom - line.bottom) < 0.35 * line.size
            and line.left >= last.right - 1
        )
        if last and same:
            out[-1] = replace(
                last, text=f"{last.text} {line.text}", right=line.right,
                cells=(*(last.cells or ((last.left, last.right),)), (line.left, line.right)),
                bottom=min(last.bottom, line.bottom), top=max(last.top, line.top),
            )  # fmt: skip
        else:
            out.append(line)
    near = [None, *out, None]
    return [
        replace(line, is_row=True) if _aligned(line, a) or _aligned(line, b) else line
        for a, line, b in zip(near, out, near[2:], strict=False)
    ]


def _aligned(line: Line, other: Line | None) -> bool:
    """Return whether two neighbours have a cell in common; the gaps of justified lines differ."""
    if other is None or len(line.cells) < 2 or len(other.cells) < 2:
        return False
    lefts = any(abs(a[0] - b[0]) < 2.5 for a in line.cells[1:] for b in other.cells[1:])
    inner = any(abs(a[1] - b[1]) < 2.5 for a in line.cells[1:-1] for b in other.cells[1:-1])
    return lefts or inner


def _ordered(lines: list[Line], depth: int) -> list[Line]:
    cut = _gutter(lines) if depth and len(lines) >= 6 else None
    if cut is None:
        return _rows(lines)
    # Lines across the columns divide the page: what is above one is read before it.
    across = sorted((line for line in lines if line.left < cut < line.right), key=lambda a: -a.top)
    bands: list[list[Line]] = [[] for _ in range(len(across) + 1)]
    for line in lines:
        if not line.left < cut < line.right:
            middle = (line.top + line.bottom) / 2
            bands[sum(span.bottom > middle for span in across)].append(line)
    out = _columns(bands[0], cut, depth)
    for span, band in zip(across, bands[1:], strict=True):
        out += [span, *_columns(band, cut, depth)]
    return out


def _columns(band: list[Line], cut: float, depth: int) -> list[Line]:
    left = [line for line in band if line.right <= cut]
    right = [line for line in band if line.right > cut]
    return _ordered(left, depth - 1) + _ordered(right, depth - 1)


def _gutter(lines: Sequence[Line]) -> float | None:
    """Return where two columns of prose part, or None where there are none."""
    edges = sorted({round(line.left, 1) for line in lines})
    least = max(3, len(lines) // 10)
    best: tuple[int, float] | None = None
    common = Counter(round(line.left) for line in lines)
    for edge in edges:
        if common[round(edge)] < 3:
            continue
        cut = edge - 2.0
        left = [line for line in lines if line.right <= cut]
        right = [line for line in lines if line.left >= cut]
        across = len(lines) - len(left) - len(right)
        if min(len(left), len(right)) < least or across > 0.4 * len(lines):
            continue
        if not _is_prose(left) or not _is_prose(right) or not _beside(left, right):
            continue
        if best is None or across < best[0]:
            best = (across, cut)
    return best[1] if best else None


def _is_prose(lines: Sequence[Line]) -> bool:
    """Return whether lines are as long as a column's; the cells of a table are shorter."""
    return median(len(line.text) for line in lines) >= 22 or (
        median(sum(c > "\u2e80" for c in line.text) for line in lines) >= 9
    )


def _beside(left: Sequence[Line], right: Sequence[Line]) -> bool:
    top = min(max(line.top for line in left), max(line.top for line in right))
    bottom = max(min(line.bottom for line in left), min(line.bottom for line in right))
    height = min(max(line.top for line in side) - min(line.bottom for line in side)
                 for side in (left, right))  # fmt: skip
    return top - bottom > 0.5 * height


def _rows(lines: list[Line]) -> list[Line]:
    """Return lines from top to bottom where the file draws them otherwise, else as they are."""
    back = sum(b.bottom > a.top + a.size for a, b in itertools.pairwise(lines))
    if back <= max(1, len(lines) // 20):
        return lines
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: -line.bottom):
        if rows and rows[-1][0].bottom - line.bottom < 0.35 * line.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.left)]


def _title_lines(lines: Sequence[Line], body: _Body) -> list[Line]:
    """Return the lines of the largest type on the first page, if they can be a title."""
    first = [line for line in lines if line.page == lines[0].page]
    first = [line for line in first if sum(c.isalpha() for c in line.text) > 2]
    largest = max((line.size for line in first), default=0.0)
    if largest < 1.2 * body.size:
        return []
    at = next(n for n, line in enumerate(first) if line.size == largest)
    before = sum(len(line.text) for line in first[:at])
    if before > 600 or _KNOWN.fullmatch(first[at].text.strip()):
        return []
    head = []
    for line in first[at : at + 6]:
        if line.size < 0.97 * largest:
            break
        head.append(line)
    return head if len(" ".join(line.text for line in head)) <= 300 else []


def _title(named: str, head: Sequence[Line], pages: Sequence[Page]) -> str:
    """Return the metadata's title if the first pages bear it out, else the printed one."""
    named = _plausible(named)
    printed = joined_lines([line.text for line in head], Counter()) if head else ""
    seen = {word for page in pages[:2] for line in page.lines for word in _letters(line.text)}
    words = _letters(named)
    if named and sum(word in seen for word in words) >= 0.8 * len(words):
        return named
    return printed or named


def _letters(text: str) -> list[str]:
    return re.findall(r"\w{3,}", text.translate(CLEAN).lower())


def _plausible(named: str) -> str:
    """Return a metadata title, or "" for what programs put there."""
    named = " ".join(named.split())
    junk = (
        r"(?i)untitled|microsoft word|.*\.(?:docx?|pdf|indd|tex|qxd|dvi|rtf)$|.*\\|doi:|(?:\W*\d)+$"
    )
    return "" if len(named) < 4 or re.match(junk, named) else named[:500]


def _paragraphs(lines: Sequence[Line], body: _Body) -> list[list[Line]]:
    out: list[list[Line]] = []
    for line in lines:
        if out and len(out[-1]) < _MAX_LINES and _goes_on(out[-1][-20:], line, body):
            out[-1].append(line)
        else:
            out.append([line])
    return out


def _goes_on(paragraph: Sequence[Line], line: Line, body: _Body) -> bool:
    last = paragraph[-1]
    if abs(line.size - last.size) > 0.12 * last.size or ITEM.match(line.text):
        return False
    if line.bold != last.bold and (len(paragraph) < 2 or line.bold) and _starts(line):
        return False
    step = last.bottom - line.bottom
    if last.page != line.page or step < -0.5 * line.size or line.left > last.right:
        # A new column or page: the sentence goes on, or a paragraph begins.
        return not _ENDED.search(last.text) and len(last.text) > 25 and not last.is_row
    if step > 1.35 * max(body.pitch, last.size):
        return False
    if last.is_row or line.is_row:
        return False
    indented = line.left > min(piece.left for piece in paragraph) + 0.8 * line.size
    ended = _ENDED.search(last.text) is not None
    short = last.right < max(piece.right for piece in (*paragraph, line)) - 4 * line.size
    return not (ended and (indented or short))


def _starts(line: Line) -> bool:
    return line.text[:1].isupper() or line.text[:1].isdigit() or line.bold


def _is_heading(paragraph: Sequence[Line], body: _Body, text: str) -> bool:
    first = paragraph[0]
    if len(paragraph) > 3 or len(text) > 120 or len(text.split()) > 14 or first.is_row:
        return False
    if sum(c.isalpha() for c in text) < 2 or text[-1] in ".,;:-–" or text[:1].islower():
        return False
    if ITEM.match(text) and not re.match(r"\d{1,2}\.? ", text):
        return False
    bold = all(line.bold for line in paragraph) and not body.bold
    larger = first.size >= 1.12 * body.size
    return larger or bold or _KNOWN.fullmatch(text) is not None

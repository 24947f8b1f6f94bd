"""A finding as a report of one A4 page: film, heatmap, probability, thresholds, gate and caveats."""

from __future__ import annotations

from dataclasses import dataclass

from assistant.findings import Finding, OperatingPoint
from assistant.vision.outputs import Context, _words
from assistant.vision.outputs._sheet import FAINT, HEIGHT, INK, MARGIN, WIDTH, Sheet

_BAND = "#16324f"
_COLOURS = {"suspected": "#a4281b", "uncertain": "#80600a", "ruled out": "#1d6a3f", "": "#444c57"}
# Tints of the scale: below rule out, between, at or above rule in.
_ZONES = ("#cfe7d8", "#f4e6bd", "#f2cfc9")
_FOOT = 74.0
_INSIDE = WIDTH - 2 * MARGIN


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes `.pdf`."""

    suffix: str = ".pdf"

    def lacks(self, finding: Finding) -> str:
        """Return "": a refusal has a page too."""
        return ""

    def write(self, finding: Finding, context: Context) -> bytes:
        """Return the page as a PDF document."""
        sheet = Sheet("Film report (research use)")
        _head(sheet, finding, context)
        if finding.probability is not None:
            _scale(sheet, finding, finding.probability)
        _pictures(sheet, finding)
        _points(sheet, finding, context)
        _remarks(sheet, finding)
        _foot(sheet, finding, context)
        return sheet.end()

    def also(self, finding: Finding, context: Context) -> dict[str, bytes]:
        """Return no further files."""
        return {}


def build() -> Writer:
    """Return the writer."""
    return Writer()


def _head(sheet: Sheet, finding: Finding, context: Context) -> None:
    sheet.box(0, HEIGHT - 46, WIDTH, 46, _BAND)
    sheet.say(MARGIN, HEIGHT - 29, "Auscult film report", 14, bold=True, colour="#ffffff")
    sheet.say(
        WIDTH - MARGIN, HEIGHT - 28, "RESEARCH USE ONLY", 10, bold=True, colour="#ffffff",
        align="right",
    )  # fmt: skip
    sheet.y = HEIGHT - 62
    made = context.made.strftime("%Y-%m-%d %H:%M %Z").strip()
    film = f"Film {context.digest[:12]}"
    if context.source is not None:
        film += " (DICOM)"
    sheet.say(MARGIN, sheet.y, f"{film}, judged {made}", 8.5, colour=FAINT)
    who = ", ".join(part for part in (context.patient_name, context.patient_id) if part)
    sheet.say(WIDTH - MARGIN, sheet.y, who or "no patient named", 8.5, colour=FAINT, align="right")
    sheet.y -= 14
    colour = _COLOURS.get(finding.decision, _COLOURS[""])
    sheet.paragraph(_words.title(finding), 20, bold=True, colour=colour)
    sheet.y -= 3
    sheet.paragraph(_words.statement(finding), 10.5)
    sheet.paragraph(_words.RESEARCH, 9, colour=FAINT)


def _scale(sheet: Sheet, finding: Finding, chance: float) -> None:
    """Draw the probability on a line from 0 to 1 with the zones between the thresholds."""
    low = _named(finding, "rule out")
    high = _named(finding, "rule in")
    sheet.y -= 34
    base, tall = sheet.y, 12.0
    ends = [0.0, low.threshold if low else 0.0, high.threshold if high else 1.0, 1.0]
    if low or high:
        for colour, start, stop in zip(_ZONES, ends[:-1], ends[1:], strict=True):
            sheet.box(_at(start), base, max(0.0, _at(stop) - _at(start)), tall, colour)
    else:
        sheet.box(MARGIN, base, _INSIDE, tall, "#e4e8ee")
    if finding.spread:
        left, right = max(0.0, chance - finding.spread), min(1.0, chance + finding.spread)
        sheet.box(_at(left), base + tall / 2 - 1, _at(right) - _at(left), 2, INK)
    sheet.tick(_at(chance), base - 3, base + tall + 3, INK, 2.4)
    x = min(max(_at(chance), MARGIN + 34), WIDTH - MARGIN - 34)
    sheet.say(
        x, base + tall + 7, f"probability {_words.number(chance)}", 8.5, bold=True, align="middle"
    )
    for point, align in ((low, "middle"), (high, "middle")):
        if point is not None:
            sheet.tick(_at(point.threshold), base - 3, base + tall, FAINT, 0.8)
            x = min(max(_at(point.threshold), MARGIN + 40), WIDTH - MARGIN - 40)
            text = f"{point.name} {point.threshold:.3f}"
            sheet.say(x, base - 12, text, 7.5, colour=FAINT, align=align)
    sheet.say(MARGIN, base - 12, "0", 7.5, colour=FAINT)
    sheet.say(WIDTH - MARGIN, base - 12, "1", 7.5, colour=FAINT, align="right")
    sheet.y = base - 14


def _at(share: float) -> float:
    return MARGIN + share * _INSIDE


def _named(finding: Finding, name: str) -> OperatingPoint | None:
    return next((point for point in finding.points if point.name == name), None)


def _pictures(sheet: Sheet, finding: Finding) -> None:
    """Draw the film and its heatmap side by side, with captions."""
    shown = [(finding.picture, "The film as judged"), (finding.heatmap, _heat_words(finding))]
    there = [(png, caption) for png, caption in shown if png is not None]
    if not there:
        return
    sheet.y -= 14
    width = (_INSIDE - 16) / 2
    tallest = 0.0
    for place, (png, _) in enumerate(there):
        left = MARGIN + place * (width + 16)
        tallest = max(tallest, sheet.picture(png, left, width, 250))
    sheet.y -= tallest
    under = sheet.y
    for place, (_, caption) in enumerate(there):
        sheet.y = under - 1
        sheet.paragraph(caption, 7.5, colour=FAINT, left=MARGIN + place * (width + 16), width=width)
        tallest = min(tallest, sheet.y)
    sheet.y = min(sheet.y, under - 11)


def _heat_words(finding: Finding) -> str:
    said = "Heatmap: where the network looked, not where disease is"
    if finding.lung_share is not None:
        said += f"; {finding.lung_share:.0%} of it on the lungs"
    return said


def _points(sheet: Sheet, finding: Finding, context: Context) -> None:
    """Draw the table of operating points."""
    if not finding.points:
        return
    sheet.heading("Thresholds and what was measured at them")
    columns = [MARGIN, 150.0, 225.0, 300.0, 375.0, 440.0]
    head = ["", "threshold", "sensitivity", "specificity"]
    prevalence = context.prevalence
    head += ["PPV", f"NPV, prevalence {prevalence:.1%}"] if prevalence is not None else []
    _row(sheet, columns, head, FAINT)
    for point in finding.points:
        cells = [point.name, f"{point.threshold:.3f}", _words.number(point.sensitivity),
                 _words.number(point.specificity)]  # fmt: skip
        if prevalence is not None:
            values = (point.ppv(prevalence), point.npv(prevalence))
            cells += ["-" if value is None else _words.number(value) for value in values]
        _row(sheet, columns, cells, INK)
    measured = dict.fromkeys(point.measured_on for point in finding.points)
    sheet.paragraph(f"Measured on {'; '.join(measured)}.", 7.5, colour=FAINT)
    if prevalence is None:
        sheet.paragraph(
            "Predictive values need the prevalence where the film was taken; none was given.",
            7.5, colour=FAINT,
        )  # fmt: skip


def _row(sheet: Sheet, columns: list[float], cells: list[str], colour: str) -> None:
    sheet.y -= 12
    for x, cell in zip(columns, cells, strict=False):
        sheet.say(x, sheet.y, cell, 8.5, colour=colour)
    sheet.rule(sheet.y - 3)


def _remarks(sheet: Sheet, finding: Finding) -> None:
    """Write what else there is to say: reason, set, second readings, gate, caveats."""
    sheet.heading("Remarks")
    items = [] if finding.refused else [finding.reason]
    if finding.labels:
        items.append(f"Prediction set: {' or '.join(finding.labels)}.")
    items += [reading.text for reading in finding.second]
    seen = _words.seen(finding)
    items += [f"The input gate saw: {seen}."] if seen else []
    items += _words.caveats(finding)
    more = "There is more than this page holds: see the finding's JSON form."
    sheet.bullets(dict.fromkeys(items), _FOOT + 6, more)


def _foot(sheet: Sheet, finding: Finding, context: Context) -> None:
    sheet.rule(_FOOT)
    lines = [
        f"Model {finding.model}; its card says how it was trained and measured, and its limits.",
        f"Film's SHA-256: {context.digest}",
        "Made by software; nobody has read, verified or signed it. It replaces no reading by a "
        "clinician.",
    ]
    if context.source is not None:
        lines.insert(2, f"Instance (pseudonymous): {context.source.instance}")
    y = _FOOT - 12
    for line in lines:
        sheet.say(MARGIN, y, line, 7.5, colour=FAINT)
        y -= 10

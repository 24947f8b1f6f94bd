"""Findings on images for the terminal, and what is said of them together.

As in `ui.render`, everything from outside goes in as plain text. Returns renderables of rich.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from assistant.comparisons import Agreement, Comparison, Estimate
from assistant.findings import Finding, GateReport, OperatingPoint
from ui import facts, render

_BAR = 24
_STYLES = {"suspected": "bold red", "uncertain": "bold yellow", "ruled out": "bold green"}
_ACCORDS = {
    "agreement": "Film and record agree", "conflict": "Film and record disagree",
    "open": "Film and record: left open",
}  # fmt: skip


def finding(value: Finding, saved: str | None, prevalence: float | None = None) -> RenderableType:
    """Return a finding or a refusal.

    Args:
        value: what the image tool said.
        saved: where its heatmap was saved, or None.
        prevalence: predictive values are stated at it; None states none.
    """
    lines: list[RenderableType] = []
    if value.refused or value.probability is None:
        lines += [Text("Not judged", style="bold yellow"), render.plain_text(value.reason)]
    else:
        lines += [_head(value, value.probability), render.plain_text(value.reason)]
        lines += list(_measured(value, prevalence))
    lines += [render.plain_text(f"Note: {note}") for note in _notes(value)]
    if value.gate is not None:
        lines.append(render.plain_text(f"Input gate: {_seen(value.gate)}", "dim"))
    if value.heatmap is not None:
        kept = saved or "save it with --heatmaps DIR"
        lines.append(render.plain_text(f"Heatmap: {kept}", "dim"))
    lines.append(render.plain_text(f"Model: {value.model}", "dim"))
    title = Text.assemble(render.plain_text(value.image), " · ", render.RESEARCH)
    return Panel(Group(*lines), title=title, title_align="left", box=box.ROUNDED)


def _head(value: Finding, chance: float) -> Text:
    """Return label, decision and the probability as a bar with the two thresholds in it."""
    filled = round(chance * _BAR)
    cells = ["█"] * filled + ["░"] * (_BAR - filled)
    for point in value.points:
        if point.name in ("rule out", "rule in"):
            cells[min(_BAR - 1, int(point.threshold * _BAR))] = "│"
    head = render.plain_text(f"{value.label}  ", "bold")
    head.append("".join(cells))
    head.append(f"  {facts.probability(chance)}", style="bold")
    if value.spread is not None:
        head.append(f" ± {facts.spread(value.spread)}")
    if value.decision:
        head.append("  ")
        style = _STYLES.get(value.decision, "bold")
        head.append_text(render.plain_text(value.decision.upper(), style))
    return head


def _measured(value: Finding, prevalence: float | None) -> Iterator[RenderableType]:
    points = value.points or (() if value.operating_point is None else (value.operating_point,))
    for point in points:
        yield render.plain_text(_point(point, prevalence), "dim")
    if value.labels:
        yield render.plain_text(f"Not excluded: {' or '.join(value.labels)}.")
    if len(value.scores) > 2:
        ranked = sorted(value.scores, key=lambda pair: -pair[1])
        listed = ", ".join(f"{label} {facts.probability(chance)}" for label, chance in ranked)
        yield render.plain_text(f"All labels: {listed}.")
    if value.lung_share is not None:
        yield render.plain_text(f"{100 * value.lung_share:.0f}% of the heat lies on the lungs.")
    for reading in value.second:
        yield render.plain_text(f"{reading.text} ({reading.model})")


def _point(point: OperatingPoint, prevalence: float | None) -> str:
    said = (
        f"Operating point '{point.name}': threshold {point.threshold:.2f}, sensitivity "
        f"{point.sensitivity:.2f}, specificity {point.specificity:.2f}"
    )
    if prevalence is not None:
        for name, figure in (("PPV", point.ppv(prevalence)), ("NPV", point.npv(prevalence))):
            said += f", {name} {'undefined' if figure is None else f'{figure:.2f}'}"
        said += f" at a prevalence of {prevalence:.3g}"
    return f"{said}, measured on {point.measured_on}."


def _notes(value: Finding) -> list[str]:
    warned = value.gate.warnings if value.gate is not None else ()
    return list(dict.fromkeys((*warned, *value.notes)))


def _seen(report: GateReport) -> str:
    parts = [f"{report.kind} ({100 * min(report.share, 0.99):.0f}% sure)"]
    parts += [f"{report.view} view"] if report.view else []
    parts += [f"turned by {report.turned} degrees"] if report.turned else []
    parts += ["mirrored back"] if report.mirrored else []
    parts += ["grey scale turned over"] if report.inverted else []
    if report.distance is not None:
        parts.append(f"{100 * report.distance:.0f}% of held-out training-hospital films lie nearer")
    return ", ".join(parts)


def agreement(value: Agreement) -> RenderableType:
    """Return how a film and a record stand to each other."""
    style = "bold red" if value.accord == "conflict" else "bold"
    head = render.plain_text(f"{_ACCORDS[value.accord]}: ", style)
    head.append_text(render.plain_text(value.statement))
    place = f"“{' '.join(value.quote.split())}” ({value.record}, {value.start}-{value.end})"
    return Group(head, render.note(place)) if value.quote else head


def comparison(value: Comparison) -> RenderableType:
    """Return a film beside an earlier one."""
    changed = {"unchanged": "no change beyond the spread", "": "change can't be said"}
    called = changed.get(value.change, value.change)
    lines = [render.plain_text(called, "bold")]
    lines += [render.plain_text(sentence) for sentence in value.statements]
    if value.difference is not None:
        lines.append(render.plain_text("The difference picture is shown on the page.", "dim"))
    title = render.plain_text(f"{value.newer} compared with {value.older}")
    title.append(f" · {render.RESEARCH}")
    return Panel(Group(*lines), title=title, title_align="left", box=box.ROUNDED)


def estimate(value: Estimate) -> RenderableType:
    """Return an estimate from film and record, and what each part adds."""
    rows = [
        (
            part.name,
            part.said,
            f"{part.ratio:.2g} ({part.low:.2g} to {part.high:.2g})"
            + (f" × {part.weight:.2g}" if part.weight < 1 else ""),
            f"{part.log_odds:+.2f} {_bar(part.log_odds)}",
            part.source,
        )
        for part in value.parts
    ]
    lines: list[RenderableType] = [
        render.plain_text(value.statement),
        render.plain_text(
            f"Film alone {facts.probability(value.image_alone)}, record alone "
            f"{facts.probability(value.record_alone)}, both {facts.probability(value.probability)} "
            f"({value.low:.2f} to {value.high:.2f}).",
            "bold",
        ),
        render.table(("Part", "Found", "Likelihood ratio", "Adds (log odds)", "Source"), rows),
    ]
    lines += [render.plain_text(f"Assumed: {sentence}", "dim") for sentence in value.assumptions]
    title = Text.assemble("Estimate from film and record · ", render.RESEARCH)
    return Panel(Group(*lines), title=title, title_align="left", box=box.ROUNDED)


def _bar(log_odds: float) -> str:
    return ("+" if log_odds > 0 else "−") * min(8, round(abs(log_odds) * 2))


def together(
    agreements: Sequence[Agreement],
    comparisons: Sequence[Comparison],
    estimates: Sequence[Estimate],
) -> list[RenderableType]:
    """Return what is said of several sources together; conflicts first."""
    first = sorted(agreements, key=lambda value: value.accord != "conflict")
    out: list[RenderableType] = [agreement(value) for value in first]
    out += [comparison(value) for value in comparisons]
    return out + [estimate(value) for value in estimates]

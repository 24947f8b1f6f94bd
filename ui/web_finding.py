"""The card of an image finding: what was decided and how sure that is, the film, and what was seen.

A reader meets the decision in words first, then the probability between the operating points, then
the film. Every piece of data passes `web_html.text`. Knows nothing of Gradio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.findings import Finding, GateReport, OperatingPoint
from ui import facts, web_html, web_viewer
from ui.web_exhibits import Exhibit, data_uri
from ui.web_viewer import Film

# Shown until the reader sets their own; a figure to reckon with, not one that was measured.
PREVALENCE = 0.1
_SHAPES = {"suspected": "▲", "uncertain": "◆", "ruled out": "●"}


def findings(
    values: Sequence[tuple[Finding, Exhibit]],
    words: Mapping[str, str],
    prefix: str,
    prevalence: float | None = None,
) -> str:
    """Return the cards of a turn's images, with a list of them on top where there are several.

    Args:
        values: each finding with what is shown of it.
        words: the page's words.
        prefix: begins every id.
        prevalence: the one that is set, in (0, 1), or None.
    """
    if not values:
        return ""
    cards = "".join(
        card(finding, exhibit, words, f"{prefix}-film-{number}", prevalence)
        for number, (finding, exhibit) in enumerate(values)
    )
    over = _overview([finding for finding, _ in values], words, prefix) if len(values) > 1 else ""
    once = f'<p class="au-once">{web_html.text(words["research_long"])}</p>'
    return f"{over}{cards}{once}"


def _overview(values: Sequence[Finding], words: Mapping[str, str], prefix: str) -> str:
    text = web_html.text
    rows = "".join(
        f'<li><a href="#{prefix}-film-{number}">{text(value.image)}</a> {_called(value, words)}'
        + (
            f'<span class="au-figure">{text(facts.probability(value.probability))}</span>'
            if value.probability is not None
            else ""
        )
        + "</li>"
        for number, value in enumerate(values)
    )
    head = text(words["films"].format(count=len(values)))
    return f'<nav class="au-overview" aria-label="{head}"><h4>{head}</h4><ol>{rows}</ol></nav>'


def card(
    value: Finding,
    exhibit: Exhibit,
    words: Mapping[str, str],
    key: str,
    prevalence: float | None = None,
) -> str:
    """Return the card of one finding, or of a refusal; arguments as in `findings`."""
    text = web_html.text
    judged = value.probability is not None and not value.refused
    tags = f'<span class="au-tag">{text(words["research"])}</span>'
    if exhibit.synthetic:
        tags = f'<span class="au-tag au-strong">{text(words["synthetic"])}</span>' + tags
    aside = _measured(value, words, prevalence) + _further(value, words) if judged else ""
    stage = _stage(value, exhibit, words, key)
    body = (_scale(value, words) if judged else "") + (
        f'<p class="au-reason">{text(value.reason)}</p>' if value.reason else ""
    )
    model = f" · {text(words['model'].format(model=value.model))}" if value.model else ""
    return (
        f'<section class="au-card au-finding" id="{text(key)}" tabindex="-1" '
        f'data-refused="{str(not judged).lower()}" aria-label="{text(value.image)}">'
        f"<header><h3>{text(_title(value, words))}</h3>{_called(value, words) if judged else ''}"
        f'<span class="au-tags">{tags}</span></header>'
        f'{body}{_notes(value)}<div class="au-cols">{stage}<div class="au-side">{aside}'
        f"{_gate(value.gate, words)}{_card(exhibit, words)}{_downloads(exhibit, words)}</div></div>"
        f'<footer class="au-quiet">{text(value.image)}{model}</footer></section>'
    )


def _binary(value: Finding) -> bool:
    return len(value.scores) <= 2


def _title(value: Finding, words: Mapping[str, str]) -> str:
    if value.probability is None or value.refused:
        return words["not_judged"]
    if value.decision == "uncertain" and not _binary(value):
        return words["nothing_stated"]
    return value.label


def _called(value: Finding, words: Mapping[str, str]) -> str:
    """Return the decision in words, with a shape so that colour isn't all that tells it."""
    text = web_html.text
    if value.probability is None or value.refused:
        return f'<span class="au-called" data-called="refused">{text(words["not_judged"])}</span>'
    if not value.decision:
        return ""
    word = words[value.decision.replace(" ", "_")]
    if value.decision == "ruled out" and not _binary(value):
        word = words["nothing_suspected"]
    shape = _SHAPES.get(value.decision, "")
    return (
        f'<span class="au-called" data-called="{text(value.decision)}">'
        f'<i aria-hidden="true">{shape}</i> {text(word)}</span>'
    )


def _scale(value: Finding, words: Mapping[str, str]) -> str:
    """Return the probability on a scale with the zones of the decision, and the same as text."""
    text = web_html.text
    chance = value.probability or 0.0
    low, high = _ends(value)
    spread = ""
    if value.spread is not None:
        left, right = max(0.0, chance - value.spread), min(1.0, chance + value.spread)
        spread = f'<i class="au-spread" style="left:{100 * left:.1f}%;width:{100 * (right - left):.1f}%"></i>'
    zones, legend = "", ""
    if low is not None and high is not None:
        edges = (("ruled out", 0.0, low), ("uncertain", low, high), ("suspected", high, 1.0))
        zones = "".join(
            f'<i class="au-zone" data-called="{name}" '
            f'style="left:{100 * start:.2f}%;width:{100 * max(0.0, end - start):.2f}%"></i>'
            for name, start, end in edges
        )
        said = (
            words["zone_out"].format(threshold=_threshold(low)),
            words["zone_between"],
            words["zone_in"].format(threshold=_threshold(high)),
        )
        legend = "".join(
            f'<li data-called="{name}">{text(line)}</li>'
            for (name, _, _), line in zip(edges, said, strict=True)
        )
        legend = f'<ul class="au-legend">{legend}</ul>'
    label = text(words["probability"])
    number = facts.probability(chance)
    plus = (
        f" <small>± {text(facts.spread(value.spread))}</small>" if value.spread is not None else ""
    )
    return (
        f'<div class="au-scale"><span class="au-value"><small>{label}</small> {text(number)}{plus}</span>'
        f'<div class="au-bar" role="meter" aria-label="{label}" aria-valuemin="0" aria-valuemax="1" '
        f'aria-valuenow="{chance:.3f}" aria-valuetext="{text(f"{number}. {value.reason}")}">'
        f'{zones}{spread}<b style="left:{100 * chance:.1f}%"></b></div>'
        f'<span class="au-ends" aria-hidden="true"><span>0</span><span>1</span></span>{legend}</div>'
    )


def _ends(value: Finding) -> tuple[float | None, float | None]:
    """Return the thresholds below which the label is ruled out and from which it is suspected."""
    named = {point.name: point.threshold for point in value.points}
    return named.get("rule out"), named.get("rule in")


def _threshold(value: float) -> str:
    return f"{value:.3f}" if value < 0.01 or value > 0.99 else f"{value:.2f}"


def _measured(value: Finding, words: Mapping[str, str], prevalence: float | None) -> str:
    """Return the operating points with predictive values that follow the reader's prevalence."""
    points = sorted(
        value.points or (() if value.operating_point is None else (value.operating_point,)),
        key=lambda point: point.threshold,
    )
    if not points:
        return f'<p class="au-note">{web_html.text(words["no_points"])}</p>'
    text = web_html.text
    at = PREVALENCE if prevalence is None else prevalence
    heads = (
        ("threshold", "threshold"), ("sensitivity", "sens"), ("specificity", "spec"),
        ("ppv", "ppv_short"), ("npv", "npv_short"),
    )  # fmt: skip
    head = "".join(
        f'<th scope="col"><abbr title="{text(words[whole])}">{text(words[short])}</abbr></th>'
        for whole, short in heads
    )
    rows = "".join(_point(point, at, words) for point in points)
    measured = dict.fromkeys(point.measured_on for point in points if point.measured_on)
    source = "; ".join(words["measured_on"].format(data=name) for name in measured)
    field = (
        f'<label class="au-prevalence">{text(words["prevalence"])} '
        f'<input type="number" data-do="prevalence" inputmode="decimal" min="0.1" max="99.9" '
        f'step="any" value="{100 * at:.3g}"> %</label>'
    )
    return (
        f'<section class="au-points"><h4>{text(words["points"])}</h4><table><thead><tr>'
        f'<th scope="col"><span class="au-hidden">{text(words["points"])}</span></th>{head}</tr></thead>'
        f'<tbody>{rows}</tbody></table>{field}<p class="au-quiet">{text(words["prevalence_hint"])} '
        f"{text(source)}</p></section>"
    )


def _point(point: OperatingPoint, at: float, words: Mapping[str, str]) -> str:
    text = web_html.text

    def figure(share: float) -> str:
        return text(facts.probability(share))

    name = words.get("point_" + point.name.replace(" ", "_"), point.name)
    ppv, npv = ("–" if value is None else figure(value) for value in (point.ppv(at), point.npv(at)))
    return (
        f'<tr data-sensitivity="{point.sensitivity!r}" data-specificity="{point.specificity!r}">'
        f'<th scope="row">{text(name)}</th><td>{_threshold(point.threshold)}</td>'
        f"<td>{figure(point.sensitivity)}</td><td>{figure(point.specificity)}</td>"
        f'<td data-say="ppv">{ppv}</td><td data-say="npv">{npv}</td></tr>'
    )


def _further(value: Finding, words: Mapping[str, str]) -> str:
    """Return prediction set, spread, the heat's place, other labels and further statements."""
    text = web_html.text
    rows = []
    if value.labels:
        rows.append((words["set"], f" {words['or']} ".join(value.labels)))
    if value.spread is not None:
        rows.append(
            (words["spread"], words["spread_said"].format(spread=facts.spread(value.spread)))
        )
    if value.lung_share is not None:
        percent = f"{100 * value.lung_share:.0f}"
        rows.append((words["lungs"], words["lungs_said"].format(percent=percent)))
    listed = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(said)}</dd></div>" for name, said in rows
    )
    out = f'<dl class="au-facts">{listed}</dl>' if listed else ""
    if not _binary(value):
        out += _scores(value, words)
    for reading in value.second:
        out += (
            f'<section class="au-second"><h4>{text(words["second"])}</h4><p>{text(reading.text)}</p>'
            f'<p class="au-quiet">{text(words["model"].format(model=reading.model))}</p></section>'
        )
    return out


def _scores(value: Finding, words: Mapping[str, str]) -> str:
    text = web_html.text
    rows = "".join(
        f'<tr><th scope="row">{text(label)}</th><td><i class="au-share" '
        f'style="width:{100 * min(1.0, max(0.0, chance)):.1f}%"></i></td>'
        f"<td>{text(facts.probability(chance))}</td></tr>"
        for label, chance in sorted(value.scores, key=lambda pair: -pair[1])
    )
    return f'<section class="au-scores"><h4>{text(words["scores"])}</h4><table><tbody>{rows}</tbody></table></section>'


def _notes(value: Finding) -> str:
    """Return the caveats: warnings of the gate among them, the standing one left to the turn's end."""
    from assistant.vision.statement import RESEARCH

    warned = value.gate.warnings if value.gate is not None else ()
    notes = [note for note in dict.fromkeys((*warned, *value.notes)) if note != RESEARCH]
    listed = "".join(f"<li>{web_html.text(note)}</li>" for note in notes)
    return f'<ul class="au-notes">{listed}</ul>' if listed else ""


def _stage(value: Finding, exhibit: Exhibit, words: Mapping[str, str], key: str) -> str:
    """Return the film with its tools; the drawn overlay where there is no bare heatmap."""
    text = web_html.text
    out = ""
    if exhibit.picture:
        caption = words["as_judged" if exhibit.judged else "original"]
        out = web_viewer.viewer(
            Film(
                key, exhibit.picture, value.image, caption, exhibit.size, exhibit.heat,
                exhibit.presets, exhibit.synthetic, exhibit.check,
            ),
            words,
        )  # fmt: skip
        if exhibit.heat:
            out += f'<p class="au-quiet au-under">{text(words["heatmap"])}</p>'
    if value.heatmap is not None and not exhibit.heat:
        caption = text(words["heatmap"])
        out += (
            f'<figure class="au-drawn"><img src="{text(data_uri(value.heatmap))}" '
            f'alt="{caption}: {text(value.image)}"><figcaption>{caption}</figcaption></figure>'
        )
    return f'<div class="au-main">{out}</div>' if out else ""


def _gate(report: GateReport | None, words: Mapping[str, str]) -> str:
    """Return what the input gate saw and put right."""
    if report is None:
        return ""
    text = web_html.text
    kind = words.get(f"kind_{report.kind}", report.kind)
    seen = words["seen_said"].format(kind=kind, percent=_percent(report.share))
    rows = [(words["seen"], seen)]
    if report.view:
        rows.append((words["view"], words.get(f"view_{report.view}", report.view)))
    fixed = []
    if report.turned:
        fixed.append(words["turned"].format(degrees=report.turned))
    if report.mirrored:
        fixed.append(words["mirrored"])
    if report.inverted:
        fixed.append(words["inverted"])
    rows.append((words["corrected"], "; ".join(fixed) or words["nothing_corrected"]))
    if report.distance is not None:
        rows.append((words["distance"], words["distance_said"].format(percent=_percent(report.distance))))  # fmt: skip
    listed = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(said)}</dd></div>" for name, said in rows
    )
    return f'<section class="au-gate"><h4>{text(words["gate"])}</h4><dl class="au-facts">{listed}</dl></section>'


def _percent(share: float) -> str:
    """Return a share in percent that never rounds to all or nothing."""
    if 0.99 < share < 1:
        return "> 99"
    return "< 1" if 0 < share < 0.01 else f"{100 * share:.0f}"


def _card(exhibit: Exhibit, words: Mapping[str, str]) -> str:
    """Return what the model's card says, folded away."""
    if not exhibit.card:
        return ""
    text = web_html.text
    groups: dict[str, list[str]] = {}
    for key, said in exhibit.card:
        groups.setdefault(key, []).append(said)
    rows = "".join(
        f"<div><dt>{text(words[f'card_{key}'])}</dt><dd>{'<br>'.join(map(text, said))}</dd></div>"
        for key, said in groups.items()
    )
    head = text(words["model_card"])
    return f'<details class="au-fold au-model"><summary>{head}</summary><dl class="au-facts">{rows}</dl></details>'


def _downloads(exhibit: Exhibit, words: Mapping[str, str]) -> str:
    if not exhibit.downloads:
        return ""
    text = web_html.text
    links = "".join(
        f'<a href="{text(address)}" download>{text(words[f"form_{form}"])}</a>'
        for form, address in exhibit.downloads
    )
    return f'<section class="au-downloads"><h4>{text(words["downloads"])}</h4>{links}</section>'

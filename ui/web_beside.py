"""Cards for what sources say together: two films, a film and a record, and an estimate from both.

Every piece of data passes `web_html.text`. Knows nothing of Gradio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from assistant.comparisons import Agreement, Comparison, Contribution, Estimate
from ui import facts, web_html, web_viewer
from ui.web_viewer import Film

# Log odds at the end of a contribution's bar: a likelihood ratio of 20.
_MOST = 3.0


def comparison(
    value: Comparison, words: Mapping[str, str], key: str, show: Callable[[bytes], str]
) -> str:
    """Return the card of a film beside an earlier one.

    Args:
        value: the comparison.
        words: the page's words.
        key: unique on the page.
        show: returns the address of a PNG.
    """
    text = web_html.text
    title = words["compared"].format(newer=value.newer, older=value.older)
    called = f"change_{value.change}" if value.change else "change_unsaid"
    said = "".join(f"<p>{text(sentence)}</p>" for sentence in value.statements)
    picture = ""
    if value.difference is not None:
        name = f"{value.newer} – {value.older}"
        film = Film(key, show(value.difference), name, words["difference"])
        picture = web_viewer.viewer(film, words) + (
            f'<ul class="au-legend"><li data-colour="denser">{text(words["denser"])}</li>'
            f'<li data-colour="lighter">{text(words["lighter"])}</li></ul>'
        )
        picture = f'<div class="au-main">{picture}</div>'
    return (
        f'<section class="au-card au-comparison" id="{text(key)}"><header><h3>{text(title)}</h3>'
        f'<span class="au-called" data-called="{text(value.change or "unsaid")}">{text(words[called])}'
        f'</span><span class="au-tags"><span class="au-tag">{text(words["research"])}</span></span></header>'
        f'<div class="au-cols">{picture}<div class="au-side">{_change(value, words)}{said}</div></div>'
        "</section>"
    )


def _change(value: Comparison, words: Mapping[str, str]) -> str:
    """Return the interval of the difference on a scale from -1 to 1, and its figures as text."""
    if value.low is None or value.high is None:
        return ""
    now, before = value.newer_probability, value.older_probability
    if now is None or before is None:
        return ""
    text = web_html.text
    left, right = (50 + 50 * max(-1.0, min(1.0, end)) for end in (value.low, value.high))
    rows = (
        (value.older, facts.probability(before)),
        (value.newer, facts.probability(now)),
        (words["change"], f"{now - before:+.2f} ({value.low:+.2f} … {value.high:+.2f})"),
    )
    listed = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(said)}</dd></div>" for name, said in rows
    )
    label = text(words["change_label"].format(label=value.label))
    return (
        f'<h4>{label}</h4><div class="au-change" aria-hidden="true"><i class="au-zero"></i>'
        f'<i class="au-spread" style="left:{left:.1f}%;width:{max(0.5, right - left):.1f}%"></i>'
        f'<b style="left:{50 + 50 * (now - before):.1f}%"></b></div>'
        '<span class="au-ends" aria-hidden="true"><span>−1</span><span>0</span><span>+1</span></span>'
        f'<dl class="au-facts">{listed}</dl>'
    )


def agreement(value: Agreement, words: Mapping[str, str]) -> str:
    """Return how a film and a record stand to each other; a conflict is an alert."""
    text = web_html.text
    role = ' role="alert"' if value.accord == "conflict" else ""
    quote = f"<blockquote>{text(value.quote)}</blockquote>" if value.quote else ""
    return (
        f'<section class="au-accord" data-accord="{text(value.accord)}"{role}>'
        f"<h4>{text(words[f'accord_{value.accord}'])}</h4><p>{text(value.statement)}</p>{quote}"
        f'<p class="au-quiet">{text(value.record)} {value.start}–{value.end} · {text(value.image)}</p>'
        "</section>"
    )


def estimate(value: Estimate, words: Mapping[str, str]) -> str:
    """Return an estimate from film and record, each alone, and what each part adds."""
    text = web_html.text
    bars = "".join(
        (
            _alone(words["image_alone"], value.image_alone, None, None),
            _alone(words["record_alone"], value.record_alone, None, None),
            _alone(words["both"], value.probability, value.low, value.high),
        )
    )
    head = "".join(
        f'<th scope="col">{text(words[name])}</th>'
        for name in ("part", "part_said", "ratio", "part_adds")
    )
    rows = "".join(_part(part, words) for part in value.parts)
    assumed = "".join(f"<li>{text(sentence)}</li>" for sentence in value.assumptions)
    return (
        f'<section class="au-card au-estimate"><header><h3>{text(words["estimate"])}: {text(value.label)}'
        f'</h3><span class="au-tags"><span class="au-tag">{text(words["research"])}</span></span></header>'
        f'<p class="au-reason">{text(value.statement)}</p><table class="au-alone"><tbody>{bars}</tbody>'
        f'</table><table class="au-parts"><caption>{text(words["parts"])}</caption><thead><tr>{head}'
        f'</tr></thead><tbody>{rows}</tbody></table><details class="au-fold" open><summary>'
        f'{text(words["assumed"])}</summary><ul class="au-notes">{assumed}</ul></details>'
        f'<footer class="au-quiet">{text(value.image)} · {text(value.record)}</footer></section>'
    )


def _alone(name: str, chance: float, low: float | None, high: float | None) -> str:
    text = web_html.text
    interval = spread = ""
    if low is not None and high is not None:
        interval = f' <span class="au-quiet">({low:.2f} … {high:.2f})</span>'
        spread = f'<i class="au-spread" style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
    return (
        f'<tr><th scope="row">{text(name)}</th><td><div class="au-bar" aria-hidden="true">'
        f'<i class="au-share" style="width:{100 * chance:.1f}%"></i>{spread}</div></td>'
        f'<td class="au-figure">{text(facts.probability(chance))}{interval}</td></tr>'
    )


def _part(part: Contribution, words: Mapping[str, str]) -> str:
    text = web_html.text
    adds = part.log_odds
    size = 50 * min(1.0, abs(adds) / _MOST)
    left = 50 - size if adds < 0 else 50
    ratio = f"{part.ratio:.2g} ({part.low:.2g} … {part.high:.2g})"
    if part.weight < 1:
        ratio += f" × {part.weight:.2g}"
    place = f" {part.start}–{part.end}" if part.start >= 0 else ""
    return (
        f'<tr data-kind="{text(part.kind)}"><th scope="row">{text(part.name)}'
        f"<small>{text(words.get(f'part_{part.kind}', part.kind))}{place}</small></th>"
        f"<td>{text(part.said)}<small>{text(part.source)}</small></td>"
        f'<td class="au-figure">{text(ratio)}</td><td><div class="au-adds" aria-hidden="true">'
        f'<i class="{"less" if adds < 0 else "more"}" style="left:{left:.1f}%;width:{size:.1f}%"></i></div>'
        f'<span class="au-figure">{adds:+.2f}</span></td></tr>'
    )

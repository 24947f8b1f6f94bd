"""Cards of the page as HTML: an image finding, a record's facts, the steps of a turn.

Every piece of data passes `web_html.text`. Knows nothing of Gradio.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from assistant.types import Answer, Fact, Finding, Record
from ui import facts, web_html

KINDS = ("problem", "medication", "allergy", "lab", "vital", "procedure")


def finding(value: Finding, words: Mapping[str, str], original: str) -> str:
    """Return the card of an image finding, or of a refusal.

    Args:
        value: what the image tool said.
        words: the page's words.
        original: the image as a data URI, or "".
    """
    text = web_html.text
    judged = value.probability is not None and not value.refused
    title = text(value.label) if judged else text(words["not_judged"])
    body = _scale(value, words) if judged else ""
    body += f"<p>{text(value.reason)}</p>" if value.reason else ""
    body += "".join(f'<p class="au-note">{text(note)}</p>' for note in value.notes)
    model = text(words["model"].format(model=value.model)) if value.model else ""
    return (
        f'<section class="au-card au-finding" data-refused="{str(not judged).lower()}">'
        f'<header><h3>{title}</h3><span class="au-tag">{text(words["research"])}</span></header>'
        f"{body}{_pictures(value, words, original)}"
        f'<footer class="au-quiet">{text(value.image)}{" · " if model else ""}{model}</footer></section>'
    )


def _scale(value: Finding, words: Mapping[str, str]) -> str:
    text = web_html.text
    probability, point = value.probability or 0.0, value.operating_point
    percent = f"{100 * probability:.1f}"
    tick = above = figures = ""
    if point is not None:
        above = "above" if probability >= point.threshold else "below"
        tick = f'<i class="au-tick" style="left:{100 * point.threshold:.1f}%"></i>'
        measured = text(words["measured_on"].format(data=point.measured_on))
        figures = (
            '<dl class="au-point">'
            + "".join(
                f"<div><dt>{text(words[name])}</dt><dd>{figure:.2f}</dd></div>"
                for name, figure in (
                    ("threshold", point.threshold),
                    ("sensitivity", point.sensitivity),
                    ("specificity", point.specificity),
                )
            )
            + f'</dl><p class="au-quiet">{text(point.name)} · {measured}</p>'
        )
    label = text(words["probability"])
    return (
        f'<div class="au-scale {above}"><div class="au-bar" role="meter" aria-label="{label}" '
        f'aria-valuemin="0" aria-valuemax="1" aria-valuenow="{probability:.3f}">'
        f'<b style="width:{percent}%"></b>{tick}</div>'
        f'<span class="au-value"><small>{label}</small> {text(facts.probability(probability))}</span></div>{figures}'
    )


def _pictures(value: Finding, words: Mapping[str, str], original: str) -> str:
    shown = [(original, words["original"])] if original else []
    if value.heatmap is not None:
        uri = "data:image/png;base64," + base64.b64encode(value.heatmap).decode("ascii")
        shown.append((uri, words["heatmap"]))
    text = web_html.text
    figures = "".join(
        f'<figure><img src="{text(uri)}" alt="{text(caption)}: {text(value.image)}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
        for uri, caption in shown
    )
    return f'<div class="au-pictures">{figures}</div>' if figures else ""


def record(value: Record, words: Mapping[str, str], *, folded: bool) -> str:
    """Return the tables of a record's facts, folded away if the reader has seen them."""
    text = web_html.text
    tables = ""
    for kind in KINDS:
        found = [fact for fact in value.facts if fact.kind == kind]
        if found:
            rows = "".join(_row(fact, words) for fact in found)
            tables += (
                f'<table><caption>{text(words[kind])} <span class="au-quiet">{len(found)}</span>'
                f"</caption><thead><tr><th>{text(words['fact'])}</th><th>{text(words['assertion'])}"
                f"</th><th>{text(words['details'])}</th><th>{text(words['place'])}</th></tr></thead>"
                f"<tbody>{rows}</tbody></table>"
            )
    if not tables:
        tables = f"<p>{text(words['no_facts'])}</p>"
    return (
        f'<details class="au-card au-record"{"" if folded else " open"}><summary><h3>{text(words["record"])}</h3> '
        f'<span class="au-quiet">{text(value.name)}</span></summary>{tables}</details>'
    )


def _row(fact: Fact, words: Mapping[str, str]) -> str:
    text = web_html.text
    known = facts.known_as(fact)
    known = f' <span class="au-quiet">{text(known)}</span>' if known else ""
    details = "".join(
        f"<span><small>{text(key)}</small> {text(value)}</span>"
        for key, value in facts.details(fact)
    )
    return (
        f"<tr><td>{text(facts.said(fact))}{known}</td>"
        f'<td><span class="au-chip" data-assertion="{text(fact.assertion)}">'
        f"{text(words[fact.assertion])}</span></td>"
        f'<td class="au-details">{details}</td>'
        f'<td class="au-span">{fact.start}–{fact.end}</td></tr>'
    )


def steps(answer: Answer, tools: Sequence[tuple[str, str, str]], words: Mapping[str, str]) -> str:
    """Return what was done for an answer, folded away.

    Args:
        answer: for its steps and model.
        tools: tool, what it was asked, its one-line summary.
        words: the page's words.
    """
    text = web_html.text
    total = sum(step.seconds for step in answer.steps)
    called = "".join(
        f"<tr><td>{text(tool)}</td><td>{text(asked)}</td><td>{text(summary)}</td></tr>"
        for tool, asked, summary in tools
    )
    called = f'<table class="au-tools"><tbody>{called}</tbody></table>' if called else ""
    timed = "".join(
        f"<li><span>{text(step.name)}</span><span>"
        f"{text(words['seconds'].format(seconds=f'{step.seconds:.2f}'))}</span></li>"
        for step in answer.steps
    )
    seconds = text(words["seconds"].format(seconds=f"{total:.1f}"))
    model = text(words["model"].format(model=answer.model))
    return (
        f'<details class="au-steps"><summary>{text(words["steps"])} · {seconds}</summary>{called}'
        f'<ul class="au-times">{timed}</ul><p class="au-quiet">{model}</p></details>'
    )

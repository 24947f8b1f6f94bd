"""Cards of the page as HTML: a record's facts, the steps of a turn.

Every piece of data passes `web_html.text`. Knows nothing of Gradio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.types import Answer, Fact, Record
from ui import facts, web_html

KINDS = ("problem", "medication", "allergy", "lab", "vital", "procedure")


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

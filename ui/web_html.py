"""A view of a turn as HTML: the sentences with their chips, and the panel behind each chip.

Every word that comes from a document, a record, a model or a user passes `text`, which escapes it.
The panels are HTML popovers, so they open by keyboard and close by Escape without a script. Knows
nothing of Gradio.
"""

from __future__ import annotations

import html
import secrets
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from assistant.types import Answer, Citation, Finding, Record
from ui import marks, web_beside, web_cards, web_exhibits, web_finding
from ui.web_exhibits import Exhibit
from ui.web_turn import View

WINDOW = 1200


@dataclass(frozen=True, slots=True)
class Scene:
    """What the fragments need besides the view.

    Attributes:
        words: the page's words in the reader's language.
        context: the whole section or record around a citation, or "".
        exhibit: addresses of a finding's pictures and files.
        show: the address of a PNG.
        prevalence: the one that is set, or None.
        seen: records whose facts the conversation shows already.
        prefix: begins every id of the fragment, so that two answers share none.
    """

    words: Mapping[str, str]
    context: Callable[[Citation], str]
    exhibit: Callable[[Finding], Exhibit] = web_exhibits.plain
    show: Callable[[bytes], str] = web_exhibits.data_uri
    prevalence: float | None = None
    seen: Collection[Record] = ()
    prefix: str = field(default_factory=lambda: "au" + secrets.token_hex(4))


def text(value: str) -> str:
    """Return data as HTML text or an attribute's value; control characters are taken out."""
    clean = "".join(c for c in value if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf"))
    return html.escape(clean, quote=True)


def address(url: str) -> str:
    """Return a URL for a link, or "" where it is no web address."""
    return text(url) if url.lower().startswith(("https://", "http://")) else ""


def question(message: str, pictures: Sequence[tuple[str, str]]) -> str:
    """Return the user's bubble.

    Args:
        message: what was written.
        pictures: (file name, address or "") of each attachment.
    """
    files = "".join(
        f'<figure class="au-file"><img src="{text(uri)}" alt=""><figcaption>{text(name)}</figcaption>'
        "</figure>"
        if uri
        else f'<span class="au-file au-doc">{text(name)}</span>'
        for name, uri in pictures
    )
    files = f'<div class="au-files">{files}</div>' if files else ""
    words = f'<div class="au-said">{text(message)}</div>' if message.strip() else ""
    return f'<div class="au-question">{words}{files}</div>'


def turn(view: View, scene: Scene) -> str:
    """Return the assistant's side of a turn, whole or so far."""
    words = scene.words
    parts: list[str] = []
    if view.emergency is not None:
        parts.append(
            f'<div class="au-emergency" role="alert"><strong>{text(words["emergency"])}</strong>'
            f"<p>{text(view.emergency.notice)}</p></div>"
        )
    panels: list[str] = []
    answer = view.answer
    if view.error:
        parts.append(f'<div class="au-error" role="alert">{text(view.error)}</div>')
    elif answer is None:
        parts.append(_so_far(view, words))
    elif answer.abstained:
        parts.append(_abstention(answer, scene, panels))
    else:
        parts.append(_answer(answer, scene, panels))
    parts += _films(view, scene)
    record = answer.record if answer is not None else view.record
    if record is not None:
        parts.append(web_cards.record(record, words, folded=record in scene.seen))
    if answer is not None:
        parts += [_sources(answer, scene), _withheld(answer, words)]
        parts += [f'<p class="au-quiet">{text(notice)}</p>' for notice in answer.notices]
        parts.append(web_cards.steps(answer, view.tools, words))
    state = "done" if view.over else "busy"
    return f'<article class="au-answer" data-state="{state}">{"".join(parts)}{"".join(panels)}</article>'


def _films(view: View, scene: Scene) -> list[str]:
    """Return what was said of images: findings, conflicts with a record first, then the rest."""
    said, words = view.answer or view, scene.words
    parts = [
        web_beside.agreement(value, words)
        for value in sorted(said.agreements, key=lambda value: value.accord != "conflict")
    ]
    shown = [(finding, scene.exhibit(finding)) for finding in said.findings]
    parts.append(web_finding.findings(shown, words, scene.prefix, scene.prevalence))
    parts += [
        web_beside.comparison(value, words, f"{scene.prefix}-beside-{number}", scene.show)
        for number, value in enumerate(said.comparisons)
    ]
    return parts + [web_beside.estimate(value, words) for value in said.estimates]


def _so_far(view: View, words: Mapping[str, str]) -> str:
    said = f'<div class="au-text">{text(marks.plain(view.text))}</div>' if view.text.strip() else ""
    if view.stopped:
        return said + f'<div class="au-quiet">{text(words["stopped"])}</div>'
    step = f": {view.running}" if view.running else ""
    return (
        said
        + f'<div class="au-busy" role="status"><span class="au-dots"><i></i><i></i><i></i></span>'
        f"{text(words['working'] + step)}</div>"
    )


def _answer(answer: Answer, scene: Scene, panels: list[str]) -> str:
    out = []
    for place, piece in enumerate(marks.pieces(answer)):
        out.append(text(piece.text))
        for number, (mark, citation) in enumerate(piece.marks):
            identity = f"{scene.prefix}-{place}-{number}"
            out.append(_chip(str(mark), citation, identity, scene.words))
            support = piece.claim.support if piece.claim is not None else None
            panels.append(_panel(str(mark), citation, identity, scene, support))
    return f'<div class="au-text">{"".join(out)}</div>'


def _abstention(answer: Answer, scene: Scene, panels: list[str]) -> str:
    words = scene.words
    reason = answer.reason or marks.plain(answer.answer)
    near = ""
    if answer.nearest:
        rows = []
        for number, citation in enumerate(answer.nearest, start=1):
            identity = f"{scene.prefix}-near-{number}"
            rows.append(f"<li>{_row(citation, identity)}</li>")
            panels.append(_panel(str(number), citation, identity, scene, None))
        near = f"<h4>{text(words['nearest'])}</h4><ol>{''.join(rows)}</ol>"
    return (
        f'<section class="au-abstained"><h3>{text(words["abstained"])}</h3>'
        f"<p>{text(reason)}</p>{near}</section>"
    )


def _sources(answer: Answer, scene: Scene) -> str:
    found = marks.sources(answer)
    if not found or answer.abstained:
        return ""
    rows = []
    for source in found:
        citation = source.citation
        publisher = (
            f'<span class="au-quiet"> · {text(citation.source)}</span>' if citation.source else ""
        )
        url = address(citation.url)
        title = text(citation.title)
        if url:
            title = f'<a href="{url}" target="_blank" rel="noopener noreferrer">{title}</a>'
        rows.append(f'<li value="{source.number}">{title}{publisher}</li>')
    head = text(scene.words["sources"])
    return f'<section class="au-sources"><h4>{head}</h4><ol>{"".join(rows)}</ol></section>'


def _withheld(answer: Answer, words: Mapping[str, str]) -> str:
    if not answer.withheld:
        return ""
    return f'<p class="au-quiet">{text(words["withheld"].format(count=len(answer.withheld)))}</p>'


def _chip(mark: str, citation: Citation, identity: str, words: Mapping[str, str]) -> str:
    label = f"{words['source'].format(number=mark)}: {citation.title}"
    return (
        f'<button type="button" class="au-cite" popovertarget="{identity}" '
        f'aria-label="{text(label)}">{text(mark)}</button>'
    )


def _row(citation: Citation, identity: str) -> str:
    quote = " ".join(citation.quote.split())
    short = quote if len(quote) <= 160 else quote[:160].rsplit(" ", 1)[0] + "…"
    return (
        f'<button type="button" class="au-near" popovertarget="{identity}">'
        f"<b>{text(citation.title)}</b> <span>{text(short)}</span></button>"
    )


def _panel(
    mark: str, citation: Citation, identity: str, scene: Scene, support: float | None
) -> str:
    words = scene.words
    about = [text(citation.source)] if citation.source else []
    if support is not None:
        percent = f"{100 * support:.0f}"
        whole = support >= 0.9995
        about.append(text(words["verbatim"] if whole else words["support"].format(percent=percent)))
    url = address(citation.url)
    link = ""
    if url:
        link = (
            f'<a class="au-open" href="{url}" target="_blank" rel="noopener noreferrer">'
            f"{text(words['open_source'])} ↗</a>"
        )
    close = text(words["close"])
    return (
        f'<div popover id="{identity}" class="au-panel" role="dialog" '
        f'aria-label="{text(words["source"].format(number=mark))}">'
        f'<header><span class="au-number">{text(mark)}</span><h3>{text(citation.title)}</h3>'
        f'<button type="button" class="au-close" popovertarget="{identity}" '
        f'popovertargetaction="hide" aria-label="{close}" title="{close}" autofocus>✕</button></header>'
        f'<p class="au-about">{" · ".join(about)}</p>'
        f'<div class="au-passage" tabindex="0">{highlighted(citation, scene.context(citation))}</div>'
        f"{link}</div>"
    )


def highlighted(citation: Citation, whole: str) -> str:
    """Return the text around a quote with the quote marked.

    The citation's offsets are trusted only where they really hold the quote. Text further than 1,200
    characters away is left out.
    """
    quote = citation.quote
    start = citation.start if whole[citation.start : citation.end] == quote else whole.find(quote)
    if not quote or start < 0:
        return f"<mark>{text(quote)}</mark>"
    end = start + len(quote)
    first, last = _edge(whole, start - WINDOW, 1), _edge(whole, end + WINDOW, -1)
    before = ("… " if first else "") + whole[first:start]
    after = whole[end:last] + (" …" if last < len(whole) else "")
    return f"{text(before)}<mark>{text(quote)}</mark>{text(after)}"


def _edge(whole: str, at: int, step: int) -> int:
    """Return the word boundary nearest to `at` in the direction of `step`."""
    if at <= 0:
        return 0
    if at >= len(whole):
        return len(whole)
    for _ in range(40):
        if whole[at].isspace():
            break
        at += step
    return at

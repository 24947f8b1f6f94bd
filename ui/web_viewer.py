"""A film on the page: the stage that `assets/viewer.js` brings to life, and its controls.

Without a script the film is shown as it is. Every control is a native one, so it works by keyboard
and is named to a screen reader. Knows nothing of findings or of Gradio.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ui import web_html
from ui.web_exhibits import Preset

# Four corners, drawn: few fonts have the sign for full screen.
_CORNERS = (
    '<svg viewBox="0 0 16 16" width="15" height="15" aria-hidden="true"><path fill="none" '
    'stroke="currentColor" stroke-width="1.7" d="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4"/></svg>'
)


@dataclass(frozen=True, slots=True)
class Film:
    """What is on a stage.

    Attributes:
        key: unique on the page and the same whenever the film is drawn again.
        picture: its address.
        name: what it is called.
        caption: what kind of picture it is, in words.
        size: width and height in pixels, (0, 0) where not known.
        heat: address of the bare heatmap, or "".
        presets: windows; none for a picture in colours.
        synthetic: whether it is no patient's.
        check: where an occlusion check can be asked for, or "".
    """

    key: str
    picture: str
    name: str
    caption: str
    size: tuple[int, int] = (0, 0)
    heat: str = ""
    presets: Sequence[Preset] = ()
    synthetic: bool = False
    check: str = ""


def viewer(film: Film, words: Mapping[str, str]) -> str:
    """Return a film with its tools."""
    text = web_html.text
    width, height = film.size
    shape = f' style="aspect-ratio:{width}/{height}"' if width and height else ""
    mark = f'<b class="au-synthetic">{text(words["synthetic"])}</b>' if film.synthetic else ""
    hint = f"{film.key}-keys"
    greys = "" if film.presets else ' data-colour="yes"'
    return (
        f'<div class="au-viewer" data-key="{text(film.key)}" data-heat="{text(film.heat)}"'
        f' data-presets="{text(_listed(film.presets))}"{greys}>'
        f'<div class="au-stage" tabindex="0" role="group" aria-label="{text(words["viewer"])}: '
        f'{text(film.name)}" aria-describedby="{text(hint)}"{shape}>'
        f'<div class="au-sheet"><img class="au-film" src="{text(film.picture)}" '
        f'alt="{text(film.caption)}: {text(film.name)}" draggable="false"></div>'
        f'<span class="au-corner au-top">{mark}</span>'
        f'<span class="au-corner au-bottom" aria-hidden="true"><span data-say="window"></span>'
        f'<span data-say="zoom"></span></span></div>'
        f"{_tools(film, words)}"
        f'<p class="au-quiet au-under">{text(film.caption)}. {text(words["preview"])}</p>'
        f'<p class="au-hidden" id="{text(hint)}">{text(words["viewer_keys"])}</p></div>'
    )


def _listed(presets: Sequence[Preset]) -> str:
    return json.dumps(
        [{"n": p.name, "lo": p.low, "hi": p.high, "g": p.gamma, "at": p.address} for p in presets]
    )


def _tools(film: Film, words: Mapping[str, str]) -> str:
    """Return the controls; those that the film has no use for are left out."""
    parts = [_first(film, words)]
    if film.heat or film.check:
        parts.append(_heat(film, words))
    if film.presets:
        folded = (
            _slider("level", words["level"], 0, 255, 127.5)
            + _slider("width", words["window_width"], 1, 510, 255)
            + f'<p class="au-quiet">{web_html.text(words["viewer_mouse"])}</p>'
        )
        parts.append(
            f'<details class="au-fold"><summary>{web_html.text(words["adjust"])}</summary>{folded}</details>'
        )
    return f'<div class="au-tools">{"".join(parts)}</div>'


def _first(film: Film, words: Mapping[str, str]) -> str:
    text = web_html.text
    out = ""
    if film.presets:
        options = "".join(
            f'<option value="{number}">{text(_named(preset.name, words))}</option>'
            for number, preset in enumerate(film.presets)
        )
        out = (
            f'<label class="au-pick"><span>{text(words["window"])}</span>'
            f'<select data-do="preset">{options}</select></label>'
            f'<button type="button" data-do="invert" aria-pressed="false">{text(words["invert"])}</button>'
        )
    signs = (
        ("out", "−", "zoom_out"), ("in", "+", "zoom_in"), ("fit", "⤢", "zoom_fit"),
        ("full", _CORNERS, "full"),
    )  # fmt: skip
    buttons = "".join(
        f'<button type="button" data-do="{do}" aria-label="{text(words[word])}" '
        f'title="{text(words[word])}">{sign}</button>'
        for do, sign, word in signs
    )
    return f'<div class="au-row">{out}<span class="au-zooms">{buttons}</span></div>'


def _heat(film: Film, words: Mapping[str, str]) -> str:
    text = web_html.text
    check = ""
    if film.check:
        check = (
            f'<button type="button" data-do="check" data-at="{text(film.check)}" '
            f'data-busy="{text(words["checking"])}">{text(words["check"])}</button>'
            f'<p class="au-quiet" data-say="check" role="status"></p>'
        )
    hidden = "" if film.heat else " hidden"
    return (
        f'<div class="au-row au-heat"{hidden}>{_slider("heat", words["heat"], 0, 100, 0)}'
        '<span class="au-ramp" aria-hidden="true"></span></div>'
        f'<div class="au-row au-check">{check}</div>'
    )


def _slider(do: str, label: str, low: float, high: float, value: float) -> str:
    return (
        f'<label class="au-slide"><span>{web_html.text(label)}</span>'
        f'<input type="range" data-do="{do}" min="{low}" max="{high}" step="any" value="{value}">'
        f'<output data-say="{do}"></output></label>'
    )


def _named(name: str, words: Mapping[str, str]) -> str:
    return words.get("window_" + name.replace(" ", "_"), name)

"""Inline markup of XML literature as plain text: indices, formulas, entities, white space.

Promises that a number keeps its meaning: "10<sup>9</sup>/L" becomes "10⁹/L", never "109/L". Knows
the elements that PubMed and JATS share, and no format's structure.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING

from retrieval.sources._xml import local

if TYPE_CHECKING:
    from lxml.etree import _Element

# Stands for a removed reference mark until the text around it is known (a private code point).
MARK = "\ue000"
FORMULA = "[formula]"
MAX_FORMULA = 200

_RAISED = str.maketrans("0123456789+-−–=()nix", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾ⁿⁱˣ")
_RAISABLE = frozenset("0123456789+-−–=()nix")
_SIGNED = frozenset("0123456789+-−–.")

Special = Callable[["_Element", str], "str | None"]


def flat(element: _Element | None, special: Special | None = None) -> str:
    """Return an element's text with its inline markup resolved and its white space squeezed.

    Args:
        element: the element, or None for "".
        special: asked for each descendant, with the text before it, before the rules here; its
            answer stands for the descendant, None leaves it to the rules.

    Raises:
        RecursionError: if markup is nested hundreds deep; the caller leaves the record out.
    """
    if element is None:
        return ""
    if not len(element):
        return " ".join((element.text or "").split())
    parts: list[str] = []
    gather(element, parts, special)
    return " ".join("".join(parts).split())


def gather(element: _Element, parts: list[str], special: Special | None = None) -> None:
    """Append the text of an element's content to `parts`, white space as it stands."""
    if element.text:
        parts.append(element.text)
    for child in element:
        parts.append(_inline(child, parts, special))
        if child.tail:
            parts.append(child.tail)


def _inline(child: _Element, parts: list[str], special: Special | None) -> str:
    name = local(child.tag)
    if not name:
        return html.unescape(child.text or "")  # An entity that no DTD explained, or nothing.
    if special is not None:
        answer = special(child, parts[-1] if parts else "")
        if answer is not None:
            return answer
    if name in ("sup", "sub"):
        _close_up(parts)
        return raised(flat(child, special), parts[-1] if parts else "") if name == "sup" else flat(
            child, special
        )  # fmt: skip
    if name == "math":
        return formula(child)
    if name in ("break", "br"):
        return " "
    inner: list[str] = []
    gather(child, inner, special)
    return "".join(inner)


def _close_up(parts: list[str]) -> None:
    """Cut the line break that indented files have before an index."""
    if parts and "\n" in parts[-1]:
        body = parts[-1].rstrip()
        if "\n" in parts[-1][len(body) :]:
            parts[-1] = body


def raised(text: str, before: str) -> str:
    """Return a superscript as plain text.

    After a digit it would change the number, so there it is raised in Unicode where that has the
    characters ("10⁹"), and marked where it has not ("10^6.5"). Elsewhere it is set as it is, as
    readers write it ("m2", "Ca2+", "131I"), and so are letters ("1st").
    """
    if not text or not before[-1:].isdigit():
        return text
    if _RAISABLE.issuperset(text):
        return text.translate(_RAISED)
    return f"^{text}" if text[0] in _SIGNED and not text[-1].isalpha() else text


def formula(element: _Element) -> str:
    """Return a MathML formula as one line of text, or `FORMULA` where that would mislead."""
    try:
        text = " ".join(_math(element).split())
    except RecursionError:
        return FORMULA
    return text if 0 < len(text) <= MAX_FORMULA else FORMULA


def _math(element: _Element) -> str:
    name = local(element.tag)
    children = [child for child in element if local(child.tag)]
    if name in ("annotation", "annotation-xml", "mphantom"):
        return ""
    if name == "mtable":
        return " " * (MAX_FORMULA + 1) + "x" * (MAX_FORMULA + 1)  # A matrix has no one-line form.
    if name in ("msup", "msub", "mfrac", "mroot") and len(children) == 2:
        first, second = (_math(child) for child in children)
        if name == "msup":
            return first + (raised(second.strip(), "0") if second.strip() else "")
        joint = {"msub": "_", "mfrac": "/", "mroot": "^1/"}[name]
        return f"{_grouped(first)}{joint}{_grouped(second)}" if name != "msub" else first + second
    inner = "".join(_math(child) + (child.tail or "").strip() for child in children)
    text = (element.text or "").strip() if not children else ""
    if name == "mo" and text in ("=", "<", ">", "≤", "≥", "≈", "±", "×", "+"):
        return f" {text} "
    return f"√({inner})" if name == "msqrt" else text + inner


def _grouped(text: str) -> str:
    text = text.strip()
    return text if text.replace(".", "").isalnum() else f"({text})"

"""De-identification of text by rules and word lists of our own, after the Safe Harbor method.

Promises the kinds of 45 CFR 164.514(b)(2)(i) that can stand in text, from (A) names to (R) other
unique numbers; that the drugs and conditions of the record lists stay; and that `find` on a masked
text finds nothing. It reads no file but its lists and asks nobody. It is no guarantee: rules miss
names without any evidence around them, which is why a person reviews what leaves the store. Knows
nothing of records' structure or of the store.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from assistant.records import _deid_chinese, _deid_dates, _deid_names, _deid_numbers, _deid_places

# Which kind wins where two overlap: the earlier one.
KINDS = (
    "email", "url", "ip", "national_id", "ssn", "mrn", "health_plan", "account", "licence", "vehicle",
    "device", "fax", "phone", "address", "date", "age_over_89", "zip", "facility", "name", "place",
)  # fmt: skip
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}
_MOST = 8  # rounds of masking until nothing is found


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier in a text.

    Attributes:
        start: first character.
        end: one past the last.
        kind: one of `KINDS`.
        text: the characters; kept out of the representation, so that no log shows it.
    """

    start: int
    end: int
    kind: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Masked:
    """A text without its identifiers.

    Attributes:
        text: with `[kind]` or a stand-in in each identifier's place.
        spans: what was taken out, in order, with its place in the original text.
    """

    text: str
    spans: tuple[Identifier, ...] = field(repr=False)

    @property
    def kinds(self) -> dict[str, int]:
        """How many identifiers of each kind were taken out."""
        counts: dict[str, int] = {}
        for span in self.spans:
            counts[span.kind] = counts.get(span.kind, 0) + 1
        return counts


def find(text: str) -> tuple[Identifier, ...]:
    """Return the identifiers of a text in order; none overlap.

    Source: 45 CFR 164.514(b)(2)(i)(A) to (R), the text parts: (A) names, (B) places smaller than a
    state, (C) dates but the year and ages above 89, (D) to (R) numbers, addresses and marks. Of
    postal codes the whole is taken, though (B) allows the first three digits of most.
    """
    found = chain(
        _deid_numbers.find(text),
        _deid_dates.find(text),
        _deid_places.find(text),
        _deid_names.find(text),
        _deid_chinese.find(text),
    )
    spans = _apart(item for item in found if not _is_masked(text, item[0], item[1]))
    return tuple(Identifier(start, end, kind, text[start:end]) for start, end, kind in spans)


def mask(text: str, surrogates: bool = False, key: bytes | None = None) -> Masked:
    """Return a text with its identifiers replaced.

    Args:
        text: any text.
        surrogates: put stand-ins in place of `[kind]`: equal names stay equal, dates keep their
            distances.
        key: what the stand-ins depend on; a random one by default, which ties no two calls together.
    """
    if surrogates:
        return _with_surrogates(text, key or secrets.token_bytes(32))
    spans: tuple[Identifier, ...] = find(text)
    out = _replaced(text, [(s.start, s.end, f"[{s.kind}]") for s in spans])
    # A name beside another may show only when that is gone: mask until nothing is left.
    for _ in range(_MOST):
        more = find(out)
        if not more:
            break
        out = _replaced(out, [(s.start, s.end, f"[{s.kind}]") for s in more])
        spans = (*spans, *_placed(text, more, spans))
    return Masked(out, tuple(sorted(spans, key=lambda span: span.start)))


def _with_surrogates(text: str, key: bytes) -> Masked:
    from assistant.records._deid_surrogates import Surrogates

    names = Surrogates(key)
    spans = find(text)
    return Masked(
        _replaced(text, [(s.start, s.end, names.of(s.kind, s.text)) for s in spans]), spans
    )


def _placed(
    text: str, more: Iterable[Identifier], taken: tuple[Identifier, ...]
) -> Iterator[Identifier]:
    """Yield identifiers of a later round with their places in the original text."""
    for item in more:
        at = text.find(item.text)
        while at >= 0 and any(s.start < at + len(item.text) and at < s.end for s in taken):
            at = text.find(item.text, at + 1)
        if at >= 0:
            yield Identifier(at, at + len(item.text), item.kind, item.text)


def _replaced(text: str, pieces: list[tuple[int, int, str]]) -> str:
    out, at = [], 0
    for start, end, piece in pieces:
        out += [text[at:start], piece]
        at = end
    return "".join([*out, text[at:]])


def _is_masked(text: str, start: int, end: int) -> bool:
    """Whether a span lies in a mark such as `[name]` that stands for an identifier already."""
    opening = text.rfind("[", 0, start + 1)
    closing = text.find("]", end - 1)
    return opening >= 0 and closing >= 0 and text[opening + 1 : closing] in _RANK


def _apart(found: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Return spans in order with overlaps joined; the joined span has the first-ranked kind."""
    ordered = sorted(found, key=lambda item: (item[0], _RANK[item[2]], -item[1]))
    out: list[tuple[int, int, str]] = []
    for start, end, kind in ordered:
        if out and start < out[-1][1]:
            last_start, last_end, last_kind = out[-1]
            best = min(last_kind, kind, key=_RANK.__getitem__)
            out[-1] = (last_start, max(last_end, end), best)
        else:
            out.append((start, end, kind))
    return out

"""What the image tool says of films beside records and beside each other, as evidence.

Every sentence rests on the sources that it sets against each other and cites them. Knows nothing of
networks or of how the comparisons are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from assistant.errors import AttachmentError
from assistant.tools import TurnContext
from assistant.types import Agreement, Attachment, Comparison, Estimate, Evidence, Record

if TYPE_CHECKING:
    from assistant.tools.image import Judged
    from assistant.vision.prior import Film

_RECORDS = 3
_SOURCE = "Film and record set against each other"


def records(context: TurnContext) -> list[tuple[Attachment, Record]]:
    """Return the latest records of the conversation that can be read; the record tool says why not.

    Read by rules alone: what is asked of them here needs no tagger.
    """
    from assistant.records import reader

    out = []
    for attachment in context.of_kind("record")[-_RECORDS:]:
        try:
            out.append((attachment, reader.read_attachment(attachment)))
        except AttachmentError:
            continue
    return out


def agreements(context: TurnContext, films: Sequence[Judged]) -> list[tuple[Evidence, Agreement]]:
    """Return how each film and each record stand to each other, where both say something."""
    from assistant.vision import agreement

    out = []
    for attachment, record in records(context):
        for film in films:
            found = agreement.judge(film.finding, record)
            if found is None:
                continue
            quote = _quoted(context, attachment, record, found.start, found.end)
            rests = (film.evidence.key, quote.key)
            item = _cite(context, found.statement, film, rests, _SOURCE)
            if found.accord == "conflict":
                context.must[item.key] = True
            out.append((item, found))
    return out


def estimates(
    context: TurnContext, films: Sequence[Judged]
) -> tuple[list[tuple[Evidence, Estimate]], list[str]]:
    """Return estimates from each judged film and the latest record, and why there is none."""
    from assistant.vision import fusion

    read = records(context)[-1:]
    out: list[tuple[Evidence, Estimate]] = []
    reasons: list[str] = []
    for attachment, record in read:
        for film in films:
            if film.finding.refused or film.finding.label != "pneumonia":
                continue
            found = fusion.fuse(
                film.finding,
                record,
                prevalence=context.resources.settings.prevalence,
                age_years=film.age,
            )
            if isinstance(found, str):
                reasons.append(found)
                continue
            places = [(part.start, part.end) for part in found.parts if part.start >= 0]
            keys = [_quoted(context, attachment, record, *place).key for place in places]
            rests = (film.evidence.key, *dict.fromkeys(keys))
            text = f"{found.statement} {found.assumptions[-3]}"
            out.append((_cite(context, text, film, rests, _SOURCE), found))
    return out, list(dict.fromkeys(reasons))


def comparisons(
    context: TurnContext, films: Sequence[Judged], older: str, most: int
) -> list[tuple[Evidence, Comparison]]:
    """Return each film beside the one before it in time, the latest pairs first to be kept.

    Args:
        context: the turn.
        films: in the order of upload.
        older: id of the film that the user calls the earlier one, or "".
        most: pairs that are compared.
    """
    from assistant.vision import prior

    named = [_film(film) for film in films]
    order = list(range(len(films)))
    if all(film.taken for film in named) and len({film.patient for film in named}) == 1:
        order.sort(key=lambda place: named[place].taken)
    out = []
    for before, after in list(pairwise(order))[-most:]:
        pair = (films[before], films[after])
        label = next((f.finding.label for f in pair if f.finding.label), "")
        says = next((film.name for film in pair if film.attachment.id == older), "")
        found = prior.compare(
            named[before], named[after], label, context.resources.judge.reader(label), says
        )
        rests = (pair[0].evidence.key, pair[1].evidence.key)
        text = " ".join(found.statements)
        out.append((_cite(context, text, pair[1], rests, "Films set beside each other"), found))
    return out


def _film(film: Judged) -> Film:
    from assistant.tools.image import pixels
    from assistant.vision.prior import Film

    study = film.image.study if film.image is not None else None
    return Film(
        film.name,
        pixels(film),
        judged=not film.finding.refused,
        taken=study.acquired if study else "",
        patient=study.patient if study else "",
        model=film.finding.model if not film.finding.refused else "",
    )


def _quoted(
    context: TurnContext, attachment: Attachment, record: Record, start: int, end: int
) -> Evidence:
    return context.cite(
        Evidence(
            key="",
            kind="record",
            text=record.text[start:end],
            document=attachment.id,
            title=attachment.name,
            source="Patient record",
            start=start,
        )
    )


def _cite(
    context: TurnContext, text: str, film: Judged, rests: tuple[str, ...], source: str
) -> Evidence:
    item = context.cite(
        Evidence(
            key="",
            kind="image",
            text=text,
            document=film.attachment.id,
            title=film.attachment.name,
            source=source,
        )
    )
    context.rests[item.key] = rests
    return item

"""Judge uploaded images, set films beside earlier ones and beside a record's text.

Each image gets its own sentences, a refused one too. What sets sources against each other cites
them, and a conflict is said whatever the chat model writes. Estimates stand beside findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from langchain_core.tools import BaseTool, StructuredTool
from numpy.typing import NDArray

from assistant.errors import AttachmentError, ToolError
from assistant.tools import ToolResult, TurnContext, render
from assistant.types import Attachment, Evidence, Finding
from assistant.vision.statement import digits as in_words

if TYPE_CHECKING:
    from assistant.vision.decode import RadiographImage

__all__ = ["build", "in_words", "statements"]

# Images judged in one call, and pairs compared.
MOST = 24
_PAIRS = 4
_RECORDS = 3


@dataclass(frozen=True, eq=False)
class Judged:
    """An image of the conversation, decoded and judged.

    Attributes:
        attachment: the upload.
        name: what it is called in sentences: its name, with its id where two share one.
        finding: a finding or a refusal.
        image: the decoded image; None where it could not be decoded.
        evidence: its sentences, keyed.
    """

    attachment: Attachment
    name: str
    finding: Finding
    image: RadiographImage | None
    evidence: Evidence

    @property
    def age(self) -> float | None:
        """The patient's age by the file, in years, or None."""
        return self.image.age_years if self.image is not None else None


def build(context: TurnContext) -> BaseTool:
    """Return the tool for one turn."""

    def image(
        attachment: str = "", compare: bool = False, older: str = ""
    ) -> tuple[str, ToolResult]:
        """Judge images of this conversation, and compare films of one patient with earlier ones.

        Args:
            attachment: an image's id such as "A1", several as "A1, A3", or "all"; the latest image
                if left out.
            compare: whether to compare the films too, each with the one before it; with one id,
                that film with the image uploaded before it.
            older: id of the film that the user calls the earlier one, if they do.
        """
        from assistant.tools import _image_beside as beside

        chosen = _chosen(context, attachment, compare=compare)
        known = context.attachment(older, "image").id if older else ""
        films = _judge(context, chosen)
        agreements = beside.agreements(context, films)
        comparisons = beside.comparisons(context, films, known, _PAIRS) if compare else []
        estimates, reasons = beside.estimates(context, films)
        result = ToolResult(
            _summary(films, len(comparisons)),
            (
                *(film.evidence for film in films),
                *(item for item, _ in agreements),
                *(item for item, _ in comparisons),
                *(item for item, _ in estimates),
            ),
            findings=tuple(film.finding for film in films),
            comparisons=tuple(value for _, value in comparisons),
            agreements=tuple(value for _, value in agreements),
            estimates=tuple(value for _, value in estimates),
            notices=tuple(reasons),
        )
        return render(result.evidence), result

    return StructuredTool.from_function(image, response_format="content_and_artifact")


def statements(name: str, finding: Finding) -> list[str]:
    """Return the sentences that say what a finding says, and no more."""
    if finding.refused or finding.probability is None:
        return [f"{name} was not judged: {finding.reason.rstrip('.')}."]
    out = [
        f"The image classifier gives {name} a calibrated probability of "
        f"{in_words(finding.probability)} for {finding.label}.",
        f"{finding.reason.rstrip('.')}.",
    ]
    out += [f"{reading.text.rstrip('.')}." for reading in finding.second]
    return out + [f"{note.rstrip('.')}." for note in finding.notes[:1]]


def pixels(film: Judged) -> NDArray[np.uint8]:
    """Return a film as it was judged: upright, dense bright, (H, W) uint8."""
    if film.finding.picture is not None:
        import io

        from PIL import Image

        with Image.open(io.BytesIO(film.finding.picture), formats=["PNG"]) as picture:
            return np.asarray(picture.convert("L"))
    return film.image.pixels if film.image is not None else np.zeros((1, 1), np.uint8)


def _chosen(context: TurnContext, wanted: str, *, compare: bool) -> list[Attachment]:
    """Return the images that a call names, in the order of upload, each once.

    Raises:
        ToolError: if one of them isn't there, or there is nothing to compare with.
    """
    images = context.of_kind("image")
    if wanted.strip().lower() in ("all", "both", "every", "*"):
        named = images or [context.attachment(wanted, "image")]
    elif any(wanted.strip() in (a.id, a.name) for a in images) or not wanted.strip():
        named = [context.attachment(wanted.strip(), "image")]
    else:
        parts = [part.strip() for part in wanted.replace(";", ",").split(",")]
        named = [context.attachment(part, "image") for part in parts if part]
    places = sorted({images.index(item) for item in named})
    if compare and len(places) == 1:
        if places[0] == 0 and len(images) == 1:
            raise ToolError(
                "There is only one image in this conversation: a comparison needs two. Judge it "
                "alone, or ask for the earlier film."
            )
        places = sorted({*places, places[0] - 1 if places[0] else 1})
    return [images[place] for place in places[-MOST:]]


def _judge(context: TurnContext, chosen: Sequence[Attachment]) -> list[Judged]:
    """Judge images; one of several that can't be decoded is refused with the reason.

    Raises:
        AttachmentError: if the only one can't be decoded.
    """
    from assistant.vision.decode import decode

    resources = context.resources
    names = _names(context, chosen)
    images: dict[int, RadiographImage] = {}
    broken: dict[int, str] = {}
    for place, attachment in enumerate(chosen):
        try:
            images[place] = decode(attachment, resources.settings)
        except AttachmentError as error:
            if len(chosen) == 1:
                raise
            broken[place] = str(error)
    judged = resources.judge.judge_many(
        list(images.values()), [names[place] for place in images], heatmap=True
    )
    findings = dict(zip(images, judged, strict=True))
    out = []
    for place, attachment in enumerate(chosen):
        finding = findings.get(place) or Finding(
            names[place], "", None, None, True, broken[place], ""
        )
        evidence = context.cite(_evidence(attachment, names[place], finding))
        if finding.refused:
            context.must[evidence.key] = False
        out.append(Judged(attachment, names[place], finding, images.get(place), evidence))
    return out


def _names(context: TurnContext, chosen: Sequence[Attachment]) -> list[str]:
    shared = [a.name for a in context.of_kind("image")]
    return [a.name if shared.count(a.name) == 1 else f"{a.name} ({a.id})" for a in chosen]


def _evidence(attachment: Attachment, name: str, finding: Finding) -> Evidence:
    return Evidence(
        key="",
        kind="image",
        text=" ".join(statements(name, finding)),
        document=attachment.id,
        title=attachment.name,
        source=finding.model if not finding.refused else "Input gate",
    )


def _summary(films: Sequence[Judged], compared: int) -> str:
    said = []
    for film in films:
        finding = film.finding
        verdict = "refused"
        if not finding.refused and finding.probability is not None:
            verdict = f"{finding.label} {finding.probability:.2f}"
        said.append(f"{film.name}: {verdict}")
    pairs = f"; {compared} compared" if compared else ""
    return "; ".join(said) + pairs

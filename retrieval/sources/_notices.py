"""What became of a publication: retracted, under an expression of concern, corrected; and notices.

Turns the links that PubMed and JATS keep between an article and its notices into a status, lines
for display, and, for the notices themselves, the word that they are no evidence.

Source: NLM, "Errata, Retractions, and Other Linked Citations in PubMed"; JATS tag library,
`related-article-type`; JATS4R recommendation on corrections and retractions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from retrieval import bibliography


@dataclass(frozen=True, slots=True)
class Link:
    """A link between two publications.

    Attributes:
        relation: PubMed's RefType or JATS' related-article-type.
        target: the other publication, for display ("PMID 123"), or "".
    """

    relation: str
    target: str


@dataclass(frozen=True, slots=True)
class Fate:
    """What links and types say of a publication.

    Attributes:
        status: one of `types.STATUSES`, or "".
        notices: lines for display.
        notice: "retraction", "concern" or "erratum" where the publication is such a notice, or "".
    """

    status: str = ""
    notices: tuple[str, ...] = ()
    notice: str = ""


# Relation in lower case -> what it says of this publication, and the line for display.
_OF_THIS: dict[str, tuple[str, str]] = {
    "retractionin": ("retracted", "Retraction in"),
    "retraction-forward": ("retracted", "Retraction in"),
    "retractedandrepublishedin": ("retracted", "Retracted and republished in"),
    "partialretractionin": ("concern", "Partial retraction in"),
    "partial-retraction-forward": ("concern", "Partial retraction in"),
    "expressionofconcernin": ("concern", "Expression of concern in"),
    "concern-forward": ("concern", "Expression of concern in"),
    "expression-of-concern-forward": ("concern", "Expression of concern in"),
    "erratumin": ("corrected", "Erratum in"),
    "correction-forward": ("corrected", "Correction in"),
    "correctedandrepublishedin": ("corrected", "Corrected and republished in"),
    "republishedin": ("corrected", "Republished in"),
    "updatein": ("", "Updated in"),
    "update-forward": ("", "Updated in"),
}
# Relation in lower case -> the notice that this publication is, and the line for display.
_OF_OTHER: dict[str, tuple[str, str]] = {
    "retractionof": ("retraction", "Retraction of"),
    "retracted-article": ("retraction", "Retraction of"),
    "article-retracted": ("retraction", "Retraction of"),
    "partialretractionof": ("retraction", "Partial retraction of"),
    "partial-retraction": ("retraction", "Partial retraction of"),
    "expressionofconcernfor": ("concern", "Expression of concern for"),
    "object-of-concern": ("concern", "Expression of concern for"),
    "erratumfor": ("erratum", "Erratum for"),
    "corrected-article": ("erratum", "Correction of"),
}
# Earlier forms of this very publication: told, but neither a status nor a notice.
_FORMS: dict[str, str] = {
    "retractedandrepublishedfrom": "Republished after retraction of",
    "correctedandrepublishedfrom": "Corrected and republished from",
    "republishedfrom": "Republished from",
    "updateof": "Update of",
    "updated-article": "Update of",
}
_NOTICE_TYPES: dict[str, str] = {
    "retraction of publication": "retraction",
    "retraction notice": "retraction",
    "retraction": "retraction",
    "partial-retraction": "retraction",
    "published erratum": "erratum",
    "correction": "erratum",
    "erratum": "erratum",
    "expression of concern": "concern",
    "expression-of-concern": "concern",
}
# How a notice's title begins; "Correction of scoliosis" is none.
_NOTICE_TITLES = (
    (re.compile(r"\W*(?:partial )?retraction(?: note| notice)?\s*(?:to\s*)?:|"
                r"\W*retraction (?:note|notice)\b", re.IGNORECASE), "retraction"),
    (re.compile(r"\W*(?:author |publisher )?correction(?: to)?\s*:|\W*(?:erratum|errata|"
                r"corrigendum|corrigenda)\b", re.IGNORECASE), "erratum"),
)  # fmt: skip
_STATUS_TYPES = {"retracted publication": "retracted", "retracted-article": "retracted"}
_LABELS = {"retraction": "Retraction notice", "concern": "Expression of concern",
           "erratum": "Erratum"}  # fmt: skip


def fate(links: Iterable[Link], types: Iterable[str], title: str) -> Fate:
    """Return what became of a publication.

    Args:
        links: to other publications; relations not known here are passed over.
        types: publication types and the journal's article type.
        title: as printed; publishers put "RETRACTED:" before it.
    """
    statuses, lines, kinds = [bibliography.title_status(title)], [], []
    names = [name.strip().lower() for name in types]
    kinds += [_NOTICE_TYPES[name] for name in names if name in _NOTICE_TYPES]
    kinds += [kind for pattern, kind in _NOTICE_TITLES if pattern.match(title)]
    republished = False
    for link in links:
        relation = link.relation.lower()
        if relation in _OF_THIS:
            status, label = _OF_THIS[relation]
            statuses.append(status)
        elif relation in _OF_OTHER:
            kind, label = _OF_OTHER[relation]
            kinds.append(kind)
        elif relation in _FORMS:
            label = _FORMS[relation]
            republished = republished or relation == "retractedandrepublishedfrom"
        else:
            continue
        lines.append(f"{label}: {link.target}" if link.target else label)
    statuses += [_STATUS_TYPES[name] for name in names if name in _STATUS_TYPES]
    notice = "" if republished else next((k for k in _LABELS if k in kinds), "")
    if notice and not lines:
        lines.append(_LABELS[notice])
    status = "" if notice else bibliography.worst(statuses)
    return Fate(status, tuple(dict.fromkeys(lines)), notice)

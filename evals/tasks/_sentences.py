"""Sentences written for this project with their entities marked, for a check on a bare machine.

`[D ...]` marks a disease, `[C ...]` a chemical.
"""

from __future__ import annotations

import re
from typing import Any

_MARKED = (
    "[C Lithium] can cause [D nephrogenic diabetes insipidus] after years of treatment.",
    "We describe a case of [D hepatotoxicity] in a woman who took [C isoniazid] for [D tuberculosis].",
    "[D Hypertension] was treated with [C amlodipine] and [C hydrochlorothiazide].",
    "[C Doxorubicin]-induced [D cardiomyopathy] is dose dependent in patients with [D breast cancer].",
    "The rats developed [D seizures] after an injection of [C pilocarpine].",
    "[D Agranulocytosis] is a rare adverse effect of [C clozapine] in [D schizophrenia].",
    "Blood samples were taken on the first and the seventh day of the study.",
    "[C Amiodarone] may cause [D hypothyroidism] and [D pulmonary fibrosis].",
    "A patient with [D Parkinson's disease] had [D hallucinations] on [C levodopa].",
    "[D Acute kidney injury] followed high doses of [C gentamicin] and [C vancomycin].",
    "[C Heparin] was stopped because of [D thrombocytopenia].",
    "The control group received saline and had no adverse events.",
    "[D Gout] flares were fewer in patients who took [C allopurinol].",
    "[C Methotrexate] is used for [D rheumatoid arthritis] and [D psoriasis].",
)
_TYPES = {"D": "Disease", "C": "Chemical"}


def rows() -> list[dict[str, Any]]:
    """Return the sentences in the form of the task's data, one a document, without abstract."""
    out = []
    for number, marked in enumerate(_MARKED, 1):
        text, entities = "", []
        for piece in re.split(r"(\[[DC] [^\]]+\])", marked):
            mark = re.fullmatch(r"\[([DC]) ([^\]]+)\]", piece)
            words = mark[2] if mark else piece
            if mark:
                entities.append([len(text), len(text) + len(words), words, _TYPES[mark[1]]])
            text += words
        out.append({"title": text, "abstract": "", "entities": entities, "_line": number})
    return out

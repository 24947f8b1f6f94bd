"""Headings of articles and abstracts, and the aspect of a subject that each answers.

Only headings that mean the same in every article count: "Treatment" of an abstract is about
treatment, while its "Results" are a study's and not those of a laboratory test.
"""

from __future__ import annotations

import re
from functools import lru_cache

_ASPECTS: dict[str, tuple[str, ...]] = {
    "definition": ("definition", "definitions", "what it is", "overview of the disease"),
    "causes": (
        "cause", "causes", "etiology", "aetiology", "etiologies", "pathogenesis",
        "etiology and pathogenesis", "pathophysiology", "transmission",
    ),
    "risk_factors": ("risk factor", "risk factors", "predisposing factors", "who is at risk"),
    "symptoms": (
        "symptom", "symptoms", "signs and symptoms", "clinical features", "clinical presentation",
        "clinical manifestations", "clinical picture", "clinical findings", "presentation",
    ),
    "red_flags": ("red flags", "warning signs"),
    "diagnosis": (
        "diagnosis", "diagnoses", "differential diagnosis", "diagnostic evaluation",
        "diagnostic criteria", "diagnostic methods", "diagnostic approach", "clinical diagnosis",
        "work-up", "workup", "diagnosis and evaluation", "investigations",
    ),
    "treatment": (
        "treatment", "treatments", "management", "therapy", "management and treatment",
        "treatment and management", "management and outcome", "treatment / management",
        "intervention and outcome", "therapeutic management", "disease management", "therapeutics",
        "prevention and treatment", "medical management", "surgical management",
    ),
    "uses": ("indications", "indications and usage", "indication", "therapeutic uses"),
    "dose": ("dosage", "dose", "dosage and administration", "dosing"),
    "mechanism": ("mechanism of action", "mechanisms of action", "pharmacology"),
    "side_effects": (
        "adverse effects", "side effects", "adverse events", "adverse reactions", "toxicity",
        "safety and tolerability",
    ),
    "contraindications": ("contraindications", "contraindication", "precautions"),
    "interactions": ("drug interactions", "interactions"),
    "monitoring": ("monitoring",),
    "overdose": ("overdose", "overdosage"),
    "complications": ("complications", "complication"),
    "prognosis": ("prognosis", "outlook", "prognosis and outcome"),
    "prevention": ("prevention", "prophylaxis", "prevention and control"),
    "follow_up": ("follow-up", "follow up", "followup"),
    "pregnancy": ("pregnancy", "pregnancy and lactation", "use in pregnancy"),
    "children": ("children", "pediatric use", "paediatric use"),
    "older_adults": ("geriatric use", "older adults"),
}  # fmt: skip
_ASPECT_OF = {name: aspect for aspect, names in _ASPECTS.items() for name in names}
_NUMBER = re.compile(r"^(?:(?:\d+(?:\.\d+)*|[ivx]+|[a-h])[.)]\s+|\d+(?:\.\d+)*\s+)", re.IGNORECASE)


@lru_cache(4096)
def aspect(heading: str) -> str:
    """Return the aspect that a heading names, one of `types.ASPECTS`, or ""."""
    return _ASPECT_OF.get(_NUMBER.sub("", heading.strip()).rstrip(" :.").lower(), "")


@lru_cache(4096)
def tidy(heading: str) -> str:
    """Return a heading as it is shown: without number or colon, and not all in capitals."""
    text = _NUMBER.sub("", " ".join(heading.split())).rstrip(" :.")
    if len(text) > 4 and text.isupper():
        text = text[0] + text[1:].lower()
    return text

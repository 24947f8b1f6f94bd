"""A finding as JSON by the schema `finding.schema.json` beside this file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from assistant.findings import Finding
from assistant.vision.outputs import Context, _words

FORMAT = "auscult-finding-1"


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes `.finding.json`."""

    suffix: str = ".finding.json"

    def lacks(self, finding: Finding) -> str:
        """Return "": every finding has a JSON form."""
        return ""

    def write(self, finding: Finding, context: Context) -> bytes:
        """Return the finding with pictures as data URIs, indented, UTF-8."""
        text = json.dumps(value(finding, context), indent=2, ensure_ascii=False)
        return (text + "\n").encode("utf-8", "replace")

    def also(self, finding: Finding, context: Context) -> dict[str, bytes]:
        """Return no further files."""
        return {}


def build() -> Writer:
    """Return the writer."""
    return Writer()


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) that every written finding follows."""
    text = resources.files("assistant.vision.outputs").joinpath("finding.schema.json")
    return json.loads(text.read_text(encoding="utf-8"))


def value(finding: Finding, context: Context) -> dict[str, Any]:
    """Return what is written, as JSON values."""
    source = context.source
    return {
        "format": FORMAT,
        "use": _words.RESEARCH,
        "made": context.made.isoformat(timespec="seconds"),
        "film": {
            "name": context.name or finding.image,
            "sha256": context.digest,
            "study": source.study if source else None,
            "series": source.series if source else None,
            "instance": source.instance if source else None,
        },
        "patient": {"id": context.patient_id, "name": context.patient_name}
        if context.patient_id or context.patient_name
        else None,
        "statement": _words.statement(finding),
        "finding": finding.to_json(),
        "predictive_values": None if context.prevalence is None else _values(finding, context),
    }


def _values(finding: Finding, context: Context) -> dict[str, Any]:
    prevalence = context.prevalence
    if prevalence is None:
        return {}
    return {
        "prevalence": prevalence,
        "points": [
            {"name": p.name, "ppv": p.ppv(prevalence), "npv": p.npv(prevalence)}
            for p in finding.points
        ],
    }

"""A finding in the forms that other systems read: one file a form, each with `build() -> Writer`.

`plugins.names("assistant.vision.outputs")` lists them. A writer turns one finding into the bytes of
one file and touches no disk. What it writes is marked for research use and names no patient, and not
the film's file either (file names hold names), unless the caller gives an identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from assistant.findings import Finding


@dataclass(frozen=True, slots=True)
class Source:
    """The DICOM instance that was judged, under pseudonymous identifiers.

    Attributes:
        study: Study Instance UID.
        series: Series Instance UID.
        instance: SOP Instance UID.
        sop_class: SOP Class UID.
    """

    study: str
    series: str
    instance: str
    sop_class: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a writer needs beside the finding.

    Attributes:
        digest: hexadecimal SHA-256 of the file that was judged.
        made: when it was judged, with a time zone.
        prevalence: prevalence that predictive values are stated at, in (0, 1), or None for none.
        source: the DICOM instance, or None for a picture of another format.
        patient_id: the patient's identifier, only where the user gave it.
        patient_name: the patient's name, likewise.
        name: what the reader calls the film; in the JSON form only.
        burned_in: what was seen of writing in the film's pixels, as sentences.
    """

    digest: str
    made: datetime
    prevalence: float | None = None
    source: Source | None = None
    patient_id: str = ""
    patient_name: str = ""
    name: str = ""
    burned_in: tuple[str, ...] = ()


class Writer(Protocol):
    """Turns a finding into the bytes of one file."""

    @property
    def suffix(self) -> str:
        """The file's ending, with its dot; no two writers share one."""

    def lacks(self, finding: Finding) -> str:
        """Return what the finding lacks for this form, in words, or "" where it has all."""

    def write(self, finding: Finding, context: Context) -> bytes:
        """Return the file's bytes; the same finding and context give the same bytes.

        Raises:
            InputError: if the finding `lacks` something.
        """

    def also(self, finding: Finding, context: Context) -> dict[str, bytes]:
        """Return further files that the first one refers to, by their endings; mostly none."""

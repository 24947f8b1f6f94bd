"""Codes of labels in SNOMED CT, RadLex and DICOM, and identifiers that are made from contents.

A label without a code here is written as text; no code is guessed. Codes of the vocabularies are
constants of SNOMED CT (International Edition), RadLex 4 and DICOM PS3.16.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

SNOMED = "http://snomed.info/sct"
RADLEX = "http://radlex.org"
LOINC = "http://loinc.org"
# Under this system stand the names of operating points and the like, which no vocabulary has.
LOCAL = "urn:uuid:60976e51-db7f-56b8-97a0-c84432059eda"
# The algorithm's own object identifier names the system of file digests (NIST).
SHA256 = "urn:oid:2.16.840.1.101.3.4.2.1"
FILM_KINDS = ("film", "lateral", "chest film")


@dataclass(frozen=True, slots=True)
class Coded:
    """A label's codes.

    Attributes:
        snomed: SNOMED CT code and term.
        radlex: RadLex code and term, or None.
    """

    snomed: tuple[str, str]
    radlex: tuple[str, str] | None = None


LABELS = {
    "pneumonia": Coded(("233604007", "Pneumonia"), ("RID5350", "pneumonia")),
    "bacterial pneumonia": Coded(("53084003", "Bacterial pneumonia")),
    "viral pneumonia": Coded(("75570004", "Viral pneumonia")),
}


def of_label(label: str) -> Coded | None:
    """Return a label's codes, or None where none are known."""
    return LABELS.get(label.strip().casefold())


def identifier(*parts: str) -> uuid.UUID:
    """Return a UUID that depends on `parts` alone (as RFC 9562 version 8, from SHA-256)."""
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8")).digest()
    value = int.from_bytes(digest[:16], "big")
    value &= ~(0xF000 << 64) & ~(0xC000 << 48)
    return uuid.UUID(int=value | 0x8000 << 64 | 0x8000 << 48)


def uid(*parts: str) -> str:
    """Return a DICOM UID under 2.25 (PS3.5 annex B.2) that depends on `parts` alone."""
    return f"2.25.{identifier(*parts).int}"

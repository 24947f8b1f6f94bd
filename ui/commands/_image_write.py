"""The files that `auscult image` writes for a film: one a form, at a place or in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import InputError
from retrieval import files, plugins

if TYPE_CHECKING:
    from assistant.findings import Finding
    from assistant.vision.outputs import Context, Source, Writer
    from ui.commands._image_stream import Film

PACKAGE = "assistant.vision.outputs"
HEATMAP = "heatmap"
HEATMAP_SUFFIX = ".heatmap.png"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where each form goes.

    Attributes:
        places: by form, a file for a single film or a folder.
        folder: where every form of every film goes, or None.
        single: whether there is one film only.
        prevalence: for predictive values, or None.
        window: name of the window that pictures are shown in, or None for the film's own.
        patient_id: written where the user gave it.
        patient_name: likewise.
    """

    places: Mapping[str, Path]
    folder: Path | None = None
    single: bool = False
    prevalence: float | None = None
    window: str | None = None
    patient_id: str = ""
    patient_name: str = ""
    _writers: dict[str, Writer] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        """Say whether anything is wanted."""
        return bool(self.places) or self.folder is not None

    def check(self) -> None:
        """Refuse a place that can't take what it is for, before any film is judged.

        Raises:
            InputError: if several films should go into one file.
        """
        for form, place in self.places.items():
            if not self.single and place.is_file():
                raise InputError(
                    f"{place} is a file, and there are several films: name a folder for {form}."
                )
        if self.folder is not None and self.folder.is_file():
            raise InputError(f"{self.folder} is a file: name a folder for --out.")

    def save(self, film: Film) -> list[str]:
        """Write what is wanted of one film; return sentences on what could not be made of it.

        Raises:
            InputError: if a file can't be written.
        """
        finding = film.finding
        if finding is None:
            return []
        context = self._context(film, finding)
        if self.window is not None:
            finding = windowed(finding, self.window)
        lacking = []
        for form, place in self._wanted(film):
            try:
                lacking += self._form(form, place, finding, context)
            except OSError as error:
                raise InputError(
                    f"{place} can't be written ({error.strerror}): name a place with room that can."
                ) from None
        return lacking

    def _form(self, form: str, place: Path, finding: Finding, context: Context) -> list[str]:
        if form == HEATMAP:
            if finding.heatmap is None:
                return [f"There is no heatmap of {finding.image}: it was not judged."]
            _save(place, finding.heatmap)
            return []
        writer = self._writer(form)
        lacks = writer.lacks(finding)
        if lacks:
            return [lacks]
        _save(place, writer.write(finding, context))
        for suffix, data in writer.also(finding, context).items():
            _save(place.with_name(_stem(place.name, writer.suffix) + suffix), data)
        return []

    def _wanted(self, film: Film) -> Iterator[tuple[str, Path]]:
        """Yield each form with its file."""
        for form, place in self.places.items():
            inside = not self.single or place.is_dir()
            yield form, place / (_name(film) + self._suffix(form)) if inside else place
        if self.folder is not None:
            for form in (*plugins.names(PACKAGE), HEATMAP):
                yield form, self.folder / (_name(film) + self._suffix(form))

    def _suffix(self, form: str) -> str:
        return HEATMAP_SUFFIX if form == HEATMAP else self._writer(form).suffix

    def _writer(self, form: str) -> Writer:
        if form not in self._writers:
            self._writers[form] = plugins.load(PACKAGE, form).build()
        return self._writers[form]

    def _context(self, film: Film, finding: Finding) -> Context:
        from assistant.vision.outputs import Context

        return Context(
            digest=film.digest,
            made=datetime.now(UTC).replace(microsecond=0),
            prevalence=self.prevalence,
            source=source_of(film.image),
            patient_id=self.patient_id,
            patient_name=self.patient_name,
            name=finding.image,
            burned_in=tuple(getattr(film.image, "burned_in", ())),
        )


def windowed(finding: Finding, window: str) -> Finding:
    """Return a finding whose pictures are shown in a window; what was judged stays as it was."""
    from assistant.vision import heatmap, windows
    from assistant.vision.outputs import _dicom

    if finding.picture is None:
        return finding
    shown = windows.apply(_dicom.grey(finding.picture), window)
    over = finding.heatmap
    if finding.heat is not None:
        over = heatmap.overlay(shown, _dicom.grey(finding.heat) / 255)
    return replace(finding, picture=_dicom.png(shown), heatmap=over)


def source_of(image: Any) -> Source | None:
    """Return the pseudonymous DICOM instance of a decoded image, or None where it has none."""
    from assistant.vision.outputs import Source

    study = getattr(image, "study", None)
    if study is None or not study.instance:
        return None
    # Old exports name no class: then it is what every picture can be.
    sop_class = getattr(study, "sop_class", "") or "1.2.840.10008.5.1.4.1.1.7"
    return Source(study.study, study.series, study.instance, sop_class)


def _name(film: Film) -> str:
    """Return a file name for a film: of its own name, and of its contents, so that none meet."""
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in film.path.stem)[:60]
    return f"{stem.encode('utf-8', 'replace').decode()}-{film.digest[:8]}"


def _stem(name: str, suffix: str) -> str:
    return name.removesuffix(suffix) if name.endswith(suffix) else name.partition(".")[0] or name


def _save(place: Path, data: bytes) -> None:
    with files.atomic_path(place) as temporary:
        temporary.write_bytes(data)

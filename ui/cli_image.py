"""The command `auscult image`: what can be asked for, and nothing of how it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Form = "FILE|DIR"


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(image)


def image(  # noqa: PLR0913 - typer makes an option of each parameter
    ctx: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Films, folders of them, DICOM studies."),
    ],
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row a film.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the CSV file where it stopped.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON lines to stdout.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write every form of each finding here.")
    ] = None,
    fhir: Annotated[
        Path | None, typer.Option(metavar=Form, help="FHIR R4 bundle; a folder for many films.")
    ] = None,
    sr: Annotated[Path | None, typer.Option(metavar=Form, help="DICOM Structured Report.")] = None,
    sc: Annotated[
        Path | None, typer.Option(metavar=Form, help="Heatmap as DICOM Secondary Capture.")
    ] = None,
    pdf: Annotated[Path | None, typer.Option(metavar=Form, help="Report of one page.")] = None,
    heatmap: Annotated[
        Path | None, typer.Option(metavar=Form, help="Heatmap over the film, PNG.")
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(metavar="P", help="Prevalence for predictive values, between 0 and 1."),
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="NAME", help="Window for the pictures: lung, bone, ...")
    ] = None,
    patient_id: Annotated[
        str, typer.Option(metavar="ID", help="Patient's identifier to write; none by default.")
    ] = "",
    patient_name: Annotated[
        str, typer.Option(metavar="NAME", help="Patient's name to write; none by default.")
    ] = "",
) -> int:
    """Judge films: one, a folder, or a DICOM study."""
    from ui.commands import image as command

    options = command.Options(
        csv=csv,
        resume=resume,
        as_json=as_json,
        out=out,
        places={"fhir": fhir, "sr": sr, "capture": sc, "pdf": pdf, "heatmap": heatmap},
        prevalence=prevalence,
        window=window,
        patient_id=patient_id,
        patient_name=patient_name,
    )
    return command.run(ctx.obj.config, tuple(paths), options)

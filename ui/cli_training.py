"""The commands of training: what can be asked for, and nothing of how it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

feedback = typer.Typer(
    help="Turn corrections and thumbs from the chat into a reviewed dataset.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands and the `feedback` group to `app`."""
    for command in (finetune, promote, rollback, optimize, merge):
        app.command()(command)
    app.add_typer(feedback, name="feedback")


def finetune(  # noqa: PLR0913 - typer makes an option of each parameter
    ctx: typer.Context,
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="A shipped recipe's name, or a YAML file.", show_default=False
        ),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace one value; repeatable."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Data folder; else AUSCULT_DATA.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The adapter's folder; else under --run.")
    ] = None,
    run: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of checkpoints and caches.")
    ] = Path("runs"),
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check the data, estimate memory, show a sample; stop."),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Describe every key of the recipe's task; stop.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew instead of resuming.")] = False,
    search: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", show_default=False, help="Try N settings of the search: block."
        ),
    ] = 0,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard/--no-tensorboard", help="Write TensorBoard events to --run."),
    ] = True,
) -> int:
    """Train an adapter by a recipe."""
    from ui.commands import finetune as command

    options = command.Options(
        changes=tuple(changes or ()),
        data=data,
        out=out,
        run=run,
        dry_run=dry_run,
        explain=explain,
        fresh=fresh,
        search=search,
        tensorboard=tensorboard,
    )
    return command.run(ctx.obj.config, recipe, options)


def promote(
    ctx: typer.Context,
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="The adapter's folder.")],
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recipe whose gate decides.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote whatever the gate says; it is recorded.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Measure the first N items only.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Measure an adapter against what is served, and serve it if it is no worse."""
    from ui.commands import promote as command

    return command.run(
        ctx.obj.config, adapter, recipe=recipe, force=force, as_json=as_json, limit=limit
    )


def rollback(
    ctx: typer.Context,
    slot: Annotated[
        str, typer.Argument(metavar="SLOT", help="Task of the adapter: chat, entities, rerank ...")
    ],
    as_json: AsJson = False,
) -> int:
    """Serve the adapter that was promoted before this one."""
    from ui.commands import rollback as command

    return command.run(ctx.obj.config, slot, as_json=as_json)


def optimize(
    ctx: typer.Context,
    adapters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ADAPTER...", help="Names or folders; else all shipped.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the compressed forms.")
    ] = None,
    forms: Annotated[
        list[str] | None,
        typer.Option("--form", metavar="merged|bf16|int8", help="Form to make; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Make compressed forms of the encoder with adapters; measure their speed and quality."""
    from ui.commands import optimize as command

    return command.run(
        ctx.obj.config, tuple(adapters or ()), out=out, forms=tuple(forms or ()), as_json=as_json
    )


def merge(
    ctx: typer.Context,
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="A chat adapter's folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write the model to.")],
    bits: Annotated[int, typer.Option(metavar="16|8|4", help="Bits a weight.")] = 16,
) -> int:
    """Write an adapter and its base as one model."""
    from ui.commands import merge as command

    return command.run(ctx.obj.config, adapter, out, bits)


@feedback.callback()
def feedback_options(ctx: typer.Context) -> None:
    """Turn corrections and thumbs from the chat into a reviewed dataset."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(2)


@feedback.command()
def export(
    ctx: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the dataset.")],
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only what came since (2026-01-31).")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="What is not yet reviewed, too.")
    ] = False,
) -> int:
    """Write the reviewed feedback, de-identified, as a versioned dataset."""
    from ui.commands import feedback as command

    return command.export(ctx.obj.config, out, since, everything)


@feedback.command()
def review(
    ctx: typer.Context,
    show_next: Annotated[
        bool, typer.Option("--next", help="Show the next one that waits for a review.")
    ] = False,
    accept: Annotated[
        str | None, typer.Option(metavar="ID", help="Take this one into the dataset.")
    ] = None,
    reject: Annotated[
        str | None, typer.Option(metavar="ID", help="Keep this one out of the dataset.")
    ] = None,
    edit: Annotated[
        tuple[str, Path] | None,
        typer.Option(metavar="ID FILE", help="Take this one in with the answer in FILE."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """List what waits for a review, or decide on one."""
    from ui.commands import feedback as command

    return command.review(
        ctx.obj.config,
        show_next=show_next,
        accept=accept,
        reject=reject,
        edit=edit,
        as_json=as_json,
    )

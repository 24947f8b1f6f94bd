"""The `auscult library` commands: what can be asked for, and nothing of how it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

library = typer.Typer(
    help="See, remove, export and check what the library holds.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
Name = Annotated[
    str, typer.Option("--collection", metavar="NAME", help="Collection; the common one by default.")
]
User = Annotated[str, typer.Option(metavar="USER", help="Whose collection.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")]


@library.callback()
def library_options(ctx: typer.Context) -> None:
    """See, remove, export and check what the library holds."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(2)


@library.command(name="list")
def list_documents(
    ctx: typer.Context,
    collection: Name = "",
    user: User = "",
    match: Annotated[
        str, typer.Option(metavar="TEXT", help="Only ids and titles with this in them.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Most lines.")] = 100,
    as_json: AsJson = False,
) -> int:
    """List documents: id, title, year, source, passages."""
    from ui.commands import library as command

    place = command.Place(ctx.obj.config, collection, user)
    return command.list_documents(place, match, limit, as_json=as_json)


@library.command()
def show(
    ctx: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="A document's id.")],
    collection: Name = "",
    user: User = "",
    as_json: AsJson = False,
) -> int:
    """Show a document with all that is known of it."""
    from ui.commands import library as command

    place = command.Place(ctx.obj.config, collection, user)
    return command.show(place, identity, as_json=as_json)


@library.command()
def remove(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of documents.")],
    collection: Name = "",
    user: User = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> int:
    """Remove documents at once, without asking."""
    from ui.commands import library as command

    place = command.Place(ctx.obj.config, collection, user)
    return command.remove(place, tuple(ids), dry_run=dry_run)


@library.command()
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl[.gz]", help="File to write.")],
    collection: Name = "",
    user: User = "",
) -> int:
    """Write every document to a file that 'auscult ingest' takes in again."""
    from ui.commands import library as command

    return command.export(command.Place(ctx.obj.config, collection, user), file)


@library.command()
def verify(ctx: typer.Context, collection: Name = "", user: User = "") -> int:
    """Check every file and record of the index; exit with 4 if something is wrong."""
    from ui.commands import library as command

    return command.verify(command.Place(ctx.obj.config, collection, user))


@library.command()
def compact(ctx: typer.Context, collection: Name = "", user: User = "") -> int:
    """Merge the index into one piece and give back the space of what was removed."""
    from ui.commands import library as command

    return command.compact(command.Place(ctx.obj.config, collection, user))


@library.command()
def collections(ctx: typer.Context, user: User = "", as_json: AsJson = False) -> int:
    """List the collections: the common library, shared ones, and the user's own."""
    from ui.commands import library as command

    return command.collections(command.Place(ctx.obj.config, "", user), as_json=as_json)


@library.command()
def drop(
    ctx: typer.Context,
    collection: Annotated[str, typer.Argument(metavar="NAME", help="A collection's name.")],
    user: User = "",
) -> int:
    """Remove a whole collection at once, without asking."""
    from ui.commands import library as command

    return command.drop(command.Place(ctx.obj.config, collection, user))

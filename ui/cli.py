"""The `auscult` command: what can be asked for, and nothing of how it is done.

Promises that `--help` imports nothing but typer and the standard library; each command imports what
it needs when it runs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ui import cli_image, cli_library, cli_training, failures

app = typer.Typer(
    name="auscult",
    help="A medical assistant that shows its evidence. Decision support for professionals.",
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
evals = typer.Typer(
    help="Measure the assistant offline.", invoke_without_command=True, rich_markup_mode=None
)
app.add_typer(cli_library.library, name="library")
app.add_typer(evals, name="eval")


@dataclass
class Invocation:
    """The options given before the command; one a run of the command line."""

    config: Path | None = None

    def state_dir(self) -> Path:
        """Return the folder for what is kept between runs."""
        from assistant import settings

        return settings.load(self.config)[0].state_dir


def main() -> None:
    """Run the command line and exit."""
    invocation = Invocation()
    sys.exit(failures.guarded(lambda: _run(invocation), invocation.state_dir))


def _run(invocation: Invocation) -> int:
    try:
        code = app(prog_name="auscult", obj=invocation, standalone_mode=False)
    except Exception as error:
        # typer's own usage errors: which class they are depends on its version.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        failures.say(
            f"{message()} 'auscult --help' and 'auscult COMMAND --help' list what there is."
        )
        return int(getattr(error, "exit_code", 2))
    return code if isinstance(code, int) else 0


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"auscult {metadata.version('auscult')}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings file (TOML).")
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take the options that come before the command."""
    ctx.ensure_object(Invocation).config = config
    _help_if_bare(ctx)


def _help_if_bare(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(2)


@app.command()
def chat(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
) -> int:
    """Open the chat page."""
    from ui import web

    return web.serve(ctx.obj.config, {"host": host, "port": port}, open_browser=browser)


@app.command()
def ask(  # noqa: PLR0913 - typer makes an option of each parameter
    ctx: typer.Context,
    question: Annotated[str, typer.Argument(help="What to ask.", show_default=False)] = "",
    image: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Film to look at; repeatable.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Medical record to read.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")] = False,
    batch: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help='One question a line: {"id", "question", "image", "record"}.',
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Chat model for this run.")
    ] = None,
    heatmaps: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to save heatmaps in.")
    ] = None,
) -> int:
    """Ask one question, or a file of them."""
    from ui.commands import ask as command

    given = command.Given(question, tuple(image or ()), record)
    output = command.Output(as_json=as_json, heatmaps=heatmaps)
    return command.run(ctx.obj.config, model, given, batch, output)


@app.command()
def demo(ctx: typer.Context) -> int:
    """Ask three questions of the parts that come with Auscult, and print what it says."""
    from ui.commands import demo as command

    return command.run(ctx.obj.config)


@app.command()
def ingest(  # noqa: PLR0913 - typer makes an option of each parameter
    ctx: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Files, folders or archives; or: pubmed 'QUERY'.",
            show_default=False,
        ),
    ] = None,
    collection: Annotated[
        str, typer.Option(metavar="NAME", help="Collection; the common one by default.")
    ] = "",
    owner: Annotated[
        str, typer.Option(metavar="USER", help="Whose collection; everybody's by default.")
    ] = "",
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Reader to use, whatever the files look like."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--map", metavar="title=A,text=B", help="Columns of a table."),
    ] = None,
    maximum: Annotated[
        int | None, typer.Option("--max", min=1, metavar="N", help="Most records of a query.")
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="local|ray", help="Where texts are embedded.")
    ] = "local",
    address: Annotated[str, typer.Option(help="Address of the engine's cluster.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be taken in.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Read files once more that were taken in before.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First salvage the index and build it anew.")
    ] = False,
) -> int:
    """Add literature to the library."""
    from ui.commands import ingest as command

    options = command.Options(collection, owner, source, columns, maximum, engine, address)
    return command.run(
        ctx.obj.config, tuple(what or ()), options, dry_run=dry_run, again=again, rebuild=rebuild
    )


@app.command()
def search(  # noqa: PLR0913 - typer makes an option of each parameter
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="A question, or some words.", show_default=False)],
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="Passages wanted.")] = 10,
    mode: Annotated[
        str, typer.Option(metavar="full|fused|dense|lexical", help="Who judges.")
    ] = "full",
    year: Annotated[str, typer.Option(metavar="2015-2020", help="Years; 2015- or -2010.")] = "",
    evidence: Annotated[
        list[str] | None, typer.Option(metavar="LEVEL", help="Level of evidence; repeatable.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Kind of document; repeatable.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Language (en, zh); repeatable.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Source; repeatable.")
    ] = None,
    retracted: Annotated[
        bool, typer.Option("--retracted/--no-retracted", help="Show retracted documents too.")
    ] = True,
    prefer: Annotated[
        str, typer.Option(metavar="evidence|recent", help="What gets a small bonus.")
    ] = "",
    collection: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Search only this one; repeatable.")
    ] = None,
    user: Annotated[str, typer.Option(metavar="USER", help="Whose collections, too.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say how the scores arose.")] = False,
) -> int:
    """Search the library for passages."""
    from ui.commands import search as command

    options = command.Options(
        k=k,
        mode=mode,
        year=year,
        evidence=tuple(evidence or ()),
        kinds=tuple(kind or ()),
        languages=tuple(language or ()),
        sources=tuple(source or ()),
        retracted=retracted,
        prefer=prefer,
        collections=tuple(collection or ()),
        user=user,
        as_json=as_json,
        explain=explain,
    )
    return command.run(ctx.obj.config, query, options)


@app.command()
def doctor(ctx: typer.Context) -> int:
    """Check the installation and say how to mend what is wrong."""
    from ui.commands import doctor as command

    return command.run(ctx.obj.config)


@app.command(name="settings")
def show_settings(ctx: typer.Context) -> int:
    """Print every setting: its value, where that came from, and what it is for."""
    from ui.commands import settings as command

    return command.run(ctx.obj.config)


@evals.callback()
def eval_options(ctx: typer.Context) -> None:
    """Measure the assistant offline."""
    _help_if_bare(ctx)


@evals.command(name="list")
def list_evals() -> int:
    """List the evaluation tasks."""
    from ui.commands import evals as command

    return command.list_tasks()


@evals.command(name="run")
def run_eval(
    ctx: typer.Context,
    task: Annotated[str, typer.Argument(help="One of 'auscult eval list'.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report.")],
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Data in the task's format.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Measure the first N items only.")
    ] = None,
) -> int:
    """Run one evaluation task and write its report."""
    from ui.commands import evals as command

    return command.run_task(ctx.obj.config, task, data, limit, out)


cli_image.add_to(app)
cli_training.add_to(app)

if __name__ == "__main__":
    main()

"""What `auscult finetune` and `python -m finetune` do with their options; both call `execute`.

Says things through the functions that it is given, so it knows nothing of terminals beyond whether
there is one.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from finetune import recipe as recipes
from retrieval.errors import ConfigError

if TYPE_CHECKING:
    from finetune.progress import Report
    from finetune.recipe import AnyRecipe, TextRecipe
    from finetune.validation import DataReport

log = logging.getLogger(__name__)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for besides the recipe.

    Attributes:
        changes: `key=value` texts that replace single values of the recipe.
        data: the data folder; else the environment's AUSCULT_DATA.
        out: the adapter's folder; else below `run`.
        run: folder of checkpoints and caches.
        dry_run: check and show, but train nothing.
        explain: describe the recipe's keys and do nothing else.
        fresh: begin anew instead of resuming.
        search: how many settings of the search block to try; 0 for none.
        tensorboard: whether to write TensorBoard's files.
    """

    changes: tuple[str, ...] = ()
    data: Path | None = None
    out: Path | None = None
    run: Path = Path("runs")
    dry_run: bool = False
    explain: bool = False
    fresh: bool = False
    search: int = 0
    tensorboard: bool = True


def execute(name: str, options: Options, say: Say) -> int:
    """Do what was asked for and return the exit code.

    Args:
        name: a shipped recipe's name or a YAML file; with `explain` a task's name will do.
        options: what else was asked for.
        say: writes text for the user.

    Raises:
        AuscultError: if something given can't be used, or the training can't go on.
    """
    if options.explain:
        say(recipes.explain(_task(name)))
        return 0
    recipe = recipes.load(name, recipes.pairs(options.changes))
    data = _data_folder(options)
    if options.dry_run:
        return _dry_run(recipe, data, say)
    if options.search:
        return _search(recipe, data, options, say)
    from finetune import run as running

    main = running.is_main_process()
    checked = _checked(recipe, data, say) if main else None
    out = options.out or options.run / "adapters" / recipe.name
    with reports(recipe, options) as report:
        made = running.run(
            recipe,
            data=data,
            out=out,
            run_dir=options.run,
            report=report,
            fresh=options.fresh,
            checked=checked,
        )
    if main:
        results = json.dumps(dict(made.results), ensure_ascii=False, default=str)
        say(f"{recipe.name} is in {made.adapter} after {made.seconds:.0f} s: {results}\n")
    return 0


def _task(name: str) -> str:
    return name if name in recipes.TASKS else recipes.values(recipes.find(name))["task"]


def _data_folder(options: Options) -> Path | None:
    folder = options.data or (Path(p) if (p := os.environ.get("AUSCULT_DATA")) else None)
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"There is no data folder {folder}: mend --data or AUSCULT_DATA.")
    return folder


def _checked(recipe: AnyRecipe, data: Path | None, say: Say) -> DataReport:
    from finetune import validation

    report = validation.check(recipe, data)
    if report.errors or report.warnings:
        say(validation.table(report))
    report.enforce()
    return report


def _dry_run(recipe: AnyRecipe, data: Path | None, say: Say) -> int:
    """Check the data with lengths, estimate memory, show the first sample; train nothing."""
    if recipe.task in recipes.IMAGE_TASKS:
        from finetune.image import dry

        pictures: Any = recipe
        return dry.run(pictures, data, say)
    from finetune import _preview, memory, validation

    text = cast("TextRecipe", recipe)
    known = _preview.tokenizer(text)
    report = validation.check(text, data, count=_preview.counter(text, known))
    say(f"== Data\n{validation.table(report)}\n")
    estimate = memory.for_recipe(text, report.lengths)
    say(f"== Memory\n{memory.table(estimate)}\n")
    report.enforce()
    sample = _preview.first(text, data, known)
    say(f"== First sample ({sample.tokens:,} tokens; {_preview.LEGEND})\n{sample.marked()}\n")
    if sample.note:
        say(f"({sample.note})\n")
    say("\nNothing was trained: leave out --dry-run to train.\n")
    return 0


def _search(recipe: AnyRecipe, data: Path | None, options: Options, say: Say) -> int:
    from finetune import run as running
    from finetune import search

    if running.processes() > 1:
        raise ConfigError("A search runs in one process: leave out accelerate, or --search.")
    report = _checked(recipe, data, say)
    found = search.run(
        recipe, options.search, data=data, run_dir=options.run, checked=report, fresh=options.fresh
    )
    say(search.table(found))
    if found.best is None:
        raise ConfigError(
            f"None of the {len(found.trials)} trials ended with a figure: the table says why; narrow "
            "the search: block of the recipe."
        )
    say(f"The best is {found.best.value:.4f}; its recipe is {found.recipe}.\n")
    return 0


@contextmanager
def reports(recipe: AnyRecipe, options: Options) -> Iterator[Report | None]:
    """Yield what shows the progress: a bar or log lines, and TensorBoard's files where installed."""
    from finetune import progress
    from finetune import run as running

    if not running.is_main_process():
        yield None
        return
    with ExitStack() as stack:
        shown: list[Report | None] = []
        if sys.stderr.isatty():
            shown.append(stack.enter_context(progress.bar(recipe.name)))
        else:
            shown.append(progress.log_line())
        if options.tensorboard and (writer := _tensorboard(options.run / recipe.name)):
            stack.callback(writer.close)
            shown.append(writer)
        yield progress.together(*shown)


def _tensorboard(folder: Path) -> Any:
    from importlib.util import find_spec

    from finetune import progress

    if find_spec("tensorboard") is None:
        log.info("tensorboard is not installed, so no event files are written")
        return None
    return progress.TensorBoardWriter(folder / "tensorboard")


def given(values: Mapping[str, Any]) -> Options:
    """Return options from parsed arguments by name."""
    known = {k: v for k, v in values.items() if k in Options.__dataclass_fields__}
    return Options(**{**known, "changes": tuple(known.get("changes") or ())})

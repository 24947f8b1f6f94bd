"""Hyper-parameter search: N trainings of a recipe with values drawn from its `search:` block.

Draws are seeded (TPE, Bergstra et al. 2011), trials that fall behind at a validation are pruned
(below the median of the others at that step), and one that fails is noted and passed over. Trials
are kept in a journal in the run folder, so a search that was interrupted goes on. The best recipe
is written as `best.yaml`. Knows nothing of what is trained.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from finetune import recipe as recipes
from finetune._recipe_common import ASIDE
from finetune._search_space import Range, Space
from finetune.checkpoints import TrainingError
from retrieval import files
from retrieval.errors import ConfigError, InputError

if TYPE_CHECKING:
    import optuna

    from finetune.progress import Progress
    from finetune.recipe import AnyRecipe
    from finetune.validation import DataReport

log = logging.getLogger(__name__)
JOURNAL, BEST = "search.journal", "best.yaml"


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of a search.

    Attributes:
        number: from 0, in order.
        values: by key of the recipe.
        value: its best validation figure; None if it had none.
        state: complete, pruned or failed.
        said: why it failed, or at which step it was pruned.
    """

    number: int
    values: Mapping[str, Any]
    value: float | None
    state: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        trials: all of them, in order.
        best: the best of the complete ones, if there is any.
        recipe: file with the best recipe, if there is one.
        higher_is_better: whether a larger figure is the better one.
    """

    trials: tuple[Trial, ...]
    best: Trial | None
    recipe: Path | None
    higher_is_better: bool


def run(
    recipe: AnyRecipe,
    trials: int,
    *,
    data: Path | None,
    run_dir: Path,
    checked: DataReport | None = None,
    fresh: bool = False,
) -> Found:
    """Train a recipe with up to `trials` settings of its search block, those of an earlier call included.

    Args:
        recipe: with a `search` block.
        trials: how many settings to try in all.
        data: the data folder.
        run_dir: folder for the journal, the trials' checkpoints and `best.yaml`.
        checked: the data's report, where the checks were made.
        fresh: forget the trials of an earlier call.

    Raises:
        ConfigError: if there is no search block, or it names keys or values that a recipe can't take.
    """
    check_space(recipe)
    folder = run_dir / recipe.name / "search"
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    study = _study(recipe, folder)
    todo = trials - len([t for t in study.trials if t.state.is_finished()])
    objective = _Objective(recipe, data, folder, checked)
    if todo > 0:
        study.optimize(objective, n_trials=todo, catch=(_FailedTrialError,))
    made = tuple(_trial(recipe, t) for t in study.trials if t.state.is_finished())
    complete = [t for t in made if t.state == "complete" and t.value is not None]
    higher = higher_is_better(recipe)
    best = (max if higher else min)(complete, key=_value, default=None)
    path = _write_best(recipe, best, folder / BEST) if best is not None else None
    return Found(made, best, path, higher)


def higher_is_better(recipe: AnyRecipe) -> bool:
    """Whether a larger validation figure is better: a chat model's is a loss."""
    return recipe.task not in recipes.CHAT_TASKS


def check_space(recipe: AnyRecipe) -> None:
    """Try both ends, or every choice, of each key of the search block in the recipe.

    Raises:
        ConfigError: if there is no block, or the recipe can't take a value.
    """
    space: Space = recipe.search
    if not space:
        raise ConfigError(
            f"The recipe {recipe.name!r} has no search: block: add one, such as "
            "search: {learning_rate: {low: 0.0001, high: 0.01, log: true}}."
        )
    for key, rule in space.items():
        tried = (rule.low, rule.high) if isinstance(rule, Range) else rule.choices
        if key in {"task", "name", "search", "gate"}:
            raise ConfigError(f"search: the key {key!r} can't be varied.")
        for value in tried:
            _with(recipe, {key: value}, f"search, {key}")


class _Objective:
    """Trains a trial's recipe and returns its best validation figure."""

    def __init__(
        self, recipe: AnyRecipe, data: Path | None, folder: Path, checked: DataReport | None
    ) -> None:
        self.recipe, self.data, self.folder, self.checked = recipe, data, folder, checked
        self.better = max if higher_is_better(recipe) else min

    def __call__(self, trial: optuna.Trial) -> float:
        import optuna

        from finetune import run as running

        space: Space = self.recipe.search
        values = {key: _draw(trial, key, rule) for key, rule in space.items()}
        name = f"trial-{trial.number:04d}"
        figures: list[float] = []

        def report(progress: Progress) -> None:
            if progress.validation is None:
                return
            figures.append(progress.validation)
            trial.report(progress.validation, progress.step)
            # A last validation is a result, whatever the others were.
            if progress.step < progress.steps and trial.should_prune():
                raise optuna.TrialPruned(f"step {progress.step}")

        try:
            changed = _with(self.recipe, {**values, "name": name}, "search")
            running.run(
                changed,
                data=self.data,
                out=self.folder / "adapters" / name,
                run_dir=self.folder,
                report=report,
                fresh=True,
                checked=self.checked,
            )
            if not figures:
                raise InputError("the training made no validation")
        except optuna.TrialPruned as pruned:
            trial.set_user_attr("said", f"pruned at {pruned}")
            raise
        except _FAILURES as error:
            trial.set_user_attr("said", " ".join(str(error).split())[:300] or type(error).__name__)
            log.warning("trial %d failed: %s", trial.number, type(error).__name__)
            raise _FailedTrialError from error
        finally:
            # Checkpoints of many trials would fill a disk; the figures are in the journal.
            shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.better(figures)


class _FailedTrialError(Exception):
    """A trial ended without a figure; its reason is in the study."""


# What a value may bring about: a diverged loss, memory that isn't there, a setting that doesn't fit.
_FAILURES = (TrainingError, ConfigError, InputError, ArithmeticError, RuntimeError, MemoryError, ValueError)  # fmt: skip


def _study(recipe: AnyRecipe, folder: Path) -> optuna.Study:
    """Return the study of this very recipe and space: after a change a new one begins."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    told = recipe.model_dump(mode="json", exclude={*ASIDE} - {"search"})
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            study_name=f"{recipe.name}-{digest}",
            storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
            load_if_exists=True,
            direction="maximize" if higher_is_better(recipe) else "minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        )
    # A search that goes on draws from another seed, not the first one's values again.
    study.sampler = optuna.samplers.TPESampler(seed=recipe.seed + len(study.trials))
    return study


def _draw(trial: optuna.Trial, key: str, rule: Any) -> Any:
    if isinstance(rule, Range):
        if rule.whole:
            return trial.suggest_int(key, int(rule.low), int(rule.high), log=rule.log)
        return trial.suggest_float(key, rule.low, rule.high, log=rule.log)
    # By its place: the library stores plain values only.
    place = trial.suggest_categorical(key, list(range(len(rule.choices))))
    return rule.choices[place]


def _with(recipe: AnyRecipe, values: Mapping[str, Any], origin: str) -> AnyRecipe:
    found = recipes.changed(recipe.model_dump(mode="json"), values)
    return recipes.build(found, origin)


def _trial(recipe: AnyRecipe, frozen: optuna.trial.FrozenTrial) -> Trial:
    names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    space: Space = recipe.search
    return Trial(
        frozen.number,
        {
            k: v if isinstance(r := space[k], Range) else r.choices[v]
            for k, v in frozen.params.items()
        },
        frozen.value if frozen.state.name == "COMPLETE" else None,
        names.get(frozen.state.name, frozen.state.name.lower()),
        str(frozen.user_attrs.get("said", "")),
    )


def _value(trial: Trial) -> float:
    return trial.value if trial.value is not None else float("nan")


def _write_best(recipe: AnyRecipe, best: Trial, path: Path) -> Path:
    found = recipes.changed(recipe.model_dump(mode="json", exclude_defaults=True), best.values)
    found.pop("search", None)
    head = f"# The best of a search: validation {best.value:.6g} in trial {best.number}.\n"
    first: dict[str, Any] = {key: found[key] for key in ("task", "name") if key in found}
    ordered: dict[str, Any] = {"task": recipe.task, **first, **found}
    text = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True)
    files.write_text(path, head + text)
    return path


def table(found: Found) -> str:
    """Return the trials as plain text, best first, those without a figure last."""
    keys = sorted({key for trial in found.trials for key in trial.values})
    head = ("trial", "figure", "state", *keys, "")
    sign = -1 if found.higher_is_better else 1
    order = sorted(found.trials, key=lambda t: (t.value is None, sign * (t.value or 0.0), t.number))
    rows = [head]
    rows += [
        (
            str(t.number),
            "-" if t.value is None else f"{t.value:.4f}",
            t.state,
            *(_shown(t.values.get(key)) for key in keys),
            t.said,
        )
        for t in order
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows)
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

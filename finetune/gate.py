"""The gate: an adapter serves only if it was shown to be better than what serves, and safe.

`judge` runs the evaluations that the adapter's recipe names, with what serves now and with the
adapter, each without passages and with them, on the same samples; refuses where one is significantly
worse, where a safety metric falls, where nothing could be measured, or where nothing is better; writes
the decision; and promotes. The evaluations are passed in. Knows nothing of how they run, and nothing of
how an adapter is trained.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from assistant import _promoted_files as stored
from assistant import promotions
from assistant.errors import AuscultError, InputError
from assistant.promotions import Promotions
from assistant.serving import Serving
from assistant.settings import Settings
from finetune import _gate_check as check
from finetune import _gate_judge as rules
from finetune import _gate_write as paper
from finetune._gate_types import Asked, Comparison, Decision, Evaluate, Group, Row
from finetune.recipe_gate import Gate

__all__ = ["Asked", "Comparison", "Decision", "Evaluate", "Row", "judge"]

log = logging.getLogger(__name__)


def judge(
    folder: Path,
    settings: Settings,
    evaluate: Evaluate,
    *,
    recipe: Path | None = None,
    force: bool = False,
    limit: int | None = None,
) -> Decision:
    """Judge an adapter, write the decision, and promote it if it may serve.

    Args:
        folder: the adapter's.
        settings: whose state folder and models count.
        evaluate: runs one evaluation in all arms.
        recipe: a YAML file whose `gate` block counts instead of that of the adapter's own recipe.
        force: promote it in any case; the reasons against are recorded.
        limit: samples of each evaluation at most.

    Returns:
        The decision; `promoted` says whether the adapter serves now.

    Raises:
        ModelError: before any evaluation, if the adapter is damaged, a pickle, or of another base.
        ConfigError: if a rule of the gate or a setting can't be used.
        InputError: if the adapter serves already, it or what serves changed meanwhile, or nothing
            can be written.
    """
    began = time.monotonic()
    found = check.candidate(folder, settings)
    gate = check.gate(found, recipe, limit)
    rows: list[Row] = []
    digests: dict[str, str] = {}
    for group in check.groups(gate, recipe):
        more, seen = _measure(group, found, gate, evaluate)
        rows += more
        digests |= seen
    reasons = rules.reasons(rows, allow_equal=gate.allow_equal)
    registry = Promotions(settings.state_dir)
    when = promotions.now()
    place = paper.place(registry.folder, when, found.slot)
    promoted = force or not reasons
    decision = Decision(
        slot=found.slot,
        adapter={"name": found.name, "folder": str(found.folder), "digest": found.digest},
        base={"name": found.base or "the bare model"},
        accepted=not reasons,
        forced=force and bool(reasons),
        promoted=promoted,
        reasons=reasons,
        rows=tuple(rows),
        gate=gate.model_dump(mode="json"),
        digests=digests,
        environment=paper.environment(),
        when=when,
        who=promotions.who(),
        seconds=round(time.monotonic() - began, 2),
        file=place.relative_to(registry.folder).as_posix(),
    )
    if promoted and Serving(settings).name(found.slot) != found.base:
        raise InputError(
            f"What serves in the slot {found.slot!r} changed while {found.name!r} was judged: judge it "
            "again, against what serves now."
        )
    return _enact(decision, found, registry, place)


def _measure(
    group: Group, found: check.Candidate, gate: Gate, evaluate: Evaluate
) -> tuple[list[Row], dict[str, str]]:
    """Run one evaluation and return its lines, and the digests of what it read."""
    asked = Asked(
        task=group.task,
        metrics=tuple(dict.fromkeys(task.metric for task in group.tasks)),
        data=group.data,
        limit=group.limit,
        seed=gate.seed,
        rounds=gate.rounds,
        slot=found.slot,
        base=found.base,
        adapter=str(found.folder),
    )
    try:
        comparison = evaluate(asked)
    except AuscultError as error:
        return [rules.missing(task, str(error)) for task in group.tasks], {}
    read = check.read_in_training(found.card)
    rows = [rules.row(task, comparison, read) for task in group.tasks]
    return rows, {f"{group.task} {name}": d for name, d in comparison.digests.items()}


def _enact(
    decision: Decision, found: check.Candidate, registry: Promotions, place: Path
) -> Decision:
    """Write the decision, and promote the very files that were judged."""
    if decision.promoted and stored.inspect(found.folder).digest != found.digest:
        raise InputError(
            f"The adapter in {found.folder} changed while it was judged: wait until its training "
            "has ended, and promote it again."
        )
    paper.write(decision, place)
    if decision.promoted:
        noted: dict[str, Any] = {"forced": decision.forced, "file": decision.file}
        try:
            registry.promote(found.slot, found.folder, noted)
        except AuscultError as error:
            failed = replace(
                decision, promoted=False, accepted=False, reasons=(*decision.reasons, str(error))
            )
            log.warning("The decision in %s was not carried out: %s", place, error)
            _rewrite(failed, place)
            raise
    return decision


def _rewrite(decision: Decision, place: Path) -> None:
    """Replace a decision that could not be carried out."""
    from retrieval import files

    try:
        files.write_json(place / "decision.json", asdict(decision))
        files.write_text(place / "decision.md", paper.markdown(decision))
    except OSError:
        log.warning("The decision in %s can't be corrected.", place)

"""Feedback as a dataset: a numbered folder that is written once and never changed.

Promises the formats that `auscult finetune` reads, prompts that are built by the code that serves,
a validation part that shares no user and no question with the training part, and that nothing is
written while a scan still finds personal data. Knows nothing of SQL.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant.errors import InputError
from assistant.models import _prompting
from assistant.records import deidentify
from assistant.store.feedback import Entry, FeedbackStore
from retrieval.files import atomic_folder, sha256

_VALIDATION = 0.1  # the share of groups that is held back
FILES = ("train", "validation", "preference_train", "preference_validation")


@dataclass(frozen=True, slots=True)
class Exported:
    """A dataset that was written: its folder, its number and its rows a file."""

    folder: Path
    version: int
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Passage:
    key: str
    title: str
    section: str
    text: str


def export(
    store: FeedbackStore, out: Path, *, since: str | None = None, everything: bool = False
) -> Exported:
    """Write the next version below `out`; see `assistant.feedback.Feedback.export`."""
    start = _time(since)
    entries = [
        entry
        for entry in store.entries(since=start)
        if entry.state == "accepted" or (everything and entry.state == "pending")
    ]
    entries = [entry for entry in entries if entry.target]
    if not entries:
        raise InputError(
            "There is no feedback to export: review what waits with `auscult feedback review`"
            + ("." if everything else ", or take what is not reviewed with --all.")
        )
    _scan(entries)
    version = 1 + max([store.newest_dataset(), *map(_number, _folders(out))])
    folder = out / f"v{version:04d}"
    held, group, kind = split(entries)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"since": start, "reviewed_only": not everything}
    try:
        with atomic_folder(folder) as temporary:
            rows = _write(temporary, entries, held, group)
            digests = {name: sha256(temporary / name) for name in sorted(rows)}
            card = _card(entries, rows, digests, created, version, kind) | {"filters": about}
            text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
            (temporary / "card.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{folder} can't be written ({error.strerror or error}): name a folder with room that "
            "you may write to."
        ) from None
    digest = hashlib.sha256(text.encode()).hexdigest()
    store.note_dataset(version, created, digest, [entry.id for entry in entries])
    return Exported(folder, version, rows)


def split(entries: Sequence[Entry]) -> tuple[frozenset[str], dict[str, str], str]:
    """Return the ids of the validation part, each entry's group, and what keeps the parts apart.

    Entries that share a user or a question belong to one group, and a group is in one part whole.
    Where all hang together (one user), questions alone make the groups.
    """
    groups: dict[str, list[str]] = {}
    for kind in ("user and question", "question"):
        groups = _groups(entries, by_owner=kind != "question")
        if len(groups) > 1:
            break
    else:
        kind = "nothing: all entries share one question, so nothing is held back"
    group = {identity: key for key, ids in groups.items() for identity in ids}
    if len(groups) < 2:
        return frozenset(), group, kind
    ranked = sorted(groups)
    held = set(ranked[: max(1, round(_VALIDATION * len(ranked)))])
    paired = [key for key in ranked if key in {group[e.id] for e in entries if _is_pair(e)}]
    # Preferences are validated on preferences, so one group that has them is held back as well.
    if len(paired) > 1 and not held.intersection(paired) and len(held) + 1 < len(ranked):
        held.add(paired[0])
    return frozenset(identity for key in held for identity in groups[key]), group, kind


def _groups(entries: Sequence[Entry], *, by_owner: bool) -> dict[str, list[str]]:
    """Return connected entries by a digest that doesn't change with their order."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for entry in entries:
        question = root("q" + _normal(entry.question))
        if by_owner:
            first, second = sorted((question, root("o" + entry.owner)))
            parent[second] = first
    groups: dict[str, list[str]] = {}
    for entry in entries:
        key = hashlib.sha256(root("q" + _normal(entry.question)).encode()).hexdigest()[:16]
        groups.setdefault(key, []).append(entry.id)
    return groups


def _is_pair(entry: Entry) -> bool:
    return entry.thumb < 0 and entry.target.strip() != entry.answer.strip()


def _normal(question: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in question.casefold()).split())


def prompt(entry: Entry) -> list[dict[str, Any]]:
    """Return the messages at which the model was to answer: with the passages that were shown."""
    passages = [
        _Passage(p["key"], p["title"], p["section"], p["text"])
        for p in entry.passages
        if p["text"].strip()
    ]
    if passages:
        return _prompting.grounded_messages(entry.question, passages)
    system = {"role": "system", "content": _prompting.system_prompt()}
    return [system, {"role": "user", "content": entry.question}]


def _write(
    folder: Path, entries: Sequence[Entry], held: frozenset[str], group: dict[str, str]
) -> dict[str, int]:
    lines: dict[str, list[str]] = {name: [] for name in FILES}
    for entry in entries:
        part = "validation" if entry.id in held else "train"
        asked = prompt(entry)
        # The call of the tool is the agent's own; it is shown and not learned.
        shown = [{**m, "weight": 0} if m["role"] == "assistant" else m for m in asked]
        said = {"role": "assistant", "content": entry.target}
        about = {"id": entry.id, "group": group[entry.id]}
        lines[part].append(_line({"messages": [*shown, said], **about}))
        if _is_pair(entry):
            pair = {"prompt": asked, "chosen": entry.target, "rejected": entry.answer, **about}
            lines[f"preference_{part}"].append(_line(pair))
    rows = {}
    for name, found in lines.items():
        if found:
            (folder / f"{name}.jsonl").write_text("".join(found), encoding="utf-8")
            rows[f"{name}.jsonl"] = len(found)
    return rows


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _scan(entries: Iterable[Entry]) -> None:
    """Refuse entries in which personal data is left, by their ids and never by the words."""
    left: dict[str, set[str]] = {}
    for entry in entries:
        texts = [entry.question, entry.answer, entry.correction, entry.reviewed_text]
        texts += [text for p in entry.passages for text in (p["title"], p["text"])]
        for text in texts:
            for found in deidentify.find(text):
                left.setdefault(entry.id[:8], set()).add(found.kind)
    if left:
        shown = "; ".join(f"{k} ({', '.join(sorted(v))})" for k, v in list(left.items())[:10])
        more = f" and {len(left) - 10} more" if len(left) > 10 else ""
        raise InputError(
            f"Personal data is left in {len(left)} entries, so nothing was exported: {shown}{more}. "
            "Reject them, or edit them with `auscult feedback review --edit`."
        )


def _card(
    entries: Sequence[Entry],
    rows: dict[str, int],
    digests: dict[str, str],
    created: str,
    version: int,
    kind: str,
) -> dict[str, Any]:
    states = [entry.state for entry in entries]
    masked: dict[str, int] = {}
    for entry in entries:
        for name, count in entry.masked.items():
            masked[name] = masked.get(name, 0) + count
    return {
        "name": "feedback",
        "version": version,
        "created_at": created,
        "entries": len(entries),
        "reviewed": states.count("accepted"),
        "not_reviewed": states.count("pending"),
        "users": len({entry.owner for entry in entries}),
        "rows": rows,
        "sha256": digests,
        "disjoint_by": kind,
        "reviewers": sorted({entry.reviewer for entry in entries if entry.reviewer}),
        "models": sorted({entry.model for entry in entries}),
        "from": min(entry.created_at for entry in entries),
        "to": max(entry.created_at for entry in entries),
        "masked": dict(sorted(masked.items())),
        "method": "Safe Harbor rules (45 CFR 164.514(b)(2)) before storage, a review by a person, "
        "and a second scan at export",
    }


def _time(since: str | None) -> str:
    if not since:
        return ""
    try:
        found = datetime.fromisoformat(since)
    except ValueError:
        raise InputError(f"{since!r} is no date: write it as 2026-01-31.") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC).isoformat(timespec="milliseconds")


def _folders(out: Path) -> list[Path]:
    return [path for path in out.glob("v*") if path.is_dir()] if out.is_dir() else []


def _number(folder: Path) -> int:
    digits = folder.name.removeprefix("v")
    return int(digits) if folder.name.startswith("v") and digits.isdigit() else 0

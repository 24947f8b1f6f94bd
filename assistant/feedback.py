"""Feedback on answers: thumbs and corrections in, reviewed training data out.

Promises that text is de-identified before it is stored, that of a patient's record only the quotes
that an answer cites are kept, that users read their own entries only, and that a dataset holds what
a person has reviewed. Knows nothing of pages, terminals or SQL.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import InputError
from assistant.records import deidentify
from assistant.settings import Settings
from assistant.types import Answer, Citation

if TYPE_CHECKING:
    from assistant._feedback_export import Exported
    from assistant.store.feedback import Entry, FeedbackStore

# Why an answer is not good; the page offers them as chips.
REASONS = ("wrong", "unsupported", "incomplete", "outdated", "unsafe", "unclear", "off_topic")
MAX_CORRECTION = 20_000  # characters
_MAX_PASSAGE = 8_000


@dataclass(frozen=True, slots=True)
class Said:
    """What feedback is about.

    Attributes:
        question: what was asked.
        answer: what the assistant answered.
        turn: the answer's place in its conversation, from 1.
        adapters: what served in each slot: name or folder.
    """

    question: str
    answer: Answer
    turn: int = 1
    adapters: Mapping[str, str] = field(default_factory=dict)


class Feedback:
    """Takes, reviews and exports feedback.

    Args:
        settings: name the database; it is opened on first use.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def store(self) -> FeedbackStore:
        """The rows."""
        from assistant.store.feedback import FeedbackStore

        return FeedbackStore(self._settings)

    def record(
        self,
        said: Said,
        *,
        user: str,
        thumb: int,
        correction: str = "",
        reasons: Sequence[str] = (),
        context: Callable[[Citation], str] | None = None,
    ) -> Entry:
        """Store a user's word on an answer, without identifiers; return what was stored.

        Args:
            said: the question and its answer.
            user: whose word it is; stored as a pseudonym. A second word replaces the first.
            thumb: 1 for up, -1 for down.
            correction: what the answer should have said, or "".
            reasons: of `REASONS`.
            context: gives the passage around a citation; by default its quote alone.

        Raises:
            InputError: if the thumb, a reason or the correction can't be used.
            ConfigError: if the database fails; nothing is stored then.
        """
        _check(thumb, correction, reasons)
        answer = said.answer
        cleaner = _Cleaner((said.question, correction, answer.answer))
        question = cleaner.clean(said.question)
        from assistant.store.feedback import Entry

        entry = Entry(
            id=uuid.uuid4().hex,
            created_at=_now(),
            owner=self.store.owner(user),
            answer_id=answer.id,
            turn=said.turn,
            question=question,
            answer=cleaner.clean(answer.answer),
            thumb=thumb,
            correction=cleaner.clean(correction.strip()),
            reasons=tuple(name for name in REASONS if name in reasons),
            claims=tuple(
                {"text": cleaner.clean(claim.text), "support": round(claim.support, 4),
                 "keys": [citation.key for citation in claim.citations]}
                for claim in answer.claims
            ),
            passages=tuple(_passages(answer, context, cleaner)),
            model=_without_place(answer.model),
            adapters={slot: _without_place(name) for slot, name in said.adapters.items()},
            masked=dict(sorted(cleaner.kinds.items())),
        )  # fmt: skip
        return self.store.put(entry)

    def mine(self, user: str) -> list[Entry]:
        """Return a user's own entries, the oldest first."""
        return self.store.entries(owner=self.store.owner(user))

    def withdraw(self, identity: str, user: str) -> bool:
        """Remove an entry of a user's own; return whether there was one."""
        return self.store.remove(identity, self.store.owner(user))

    def pending(self) -> list[Entry]:
        """Return what waits for a review, the oldest first; for reviewers."""
        return self.store.entries(state="pending")

    def get(self, identity: str) -> Entry:
        """Return an entry by its id or the beginning of it; for reviewers.

        Raises:
            InputError: if there is none, or several begin so.
        """
        entry = self.store.get(identity)
        if entry is None:
            raise InputError(
                f"No single feedback entry has an id that begins with {identity!r}: "
                "`auscult feedback review` lists what waits."
            )
        return entry

    def accept(self, identity: str, reviewer: str) -> Entry:
        """Take an entry into the next dataset as it is.

        Raises:
            InputError: if it holds nothing to learn from: a thumb down without a correction.
        """
        entry = self.get(identity)
        if not entry.target:
            raise InputError(
                f"Entry {entry.id[:8]} is a thumb down without a correction: write one with --edit, "
                "or reject it."
            )
        return self._decide(entry, "accepted", reviewer, entry.reviewed_text)

    def edit(self, identity: str, text: str, reviewer: str) -> Entry:
        """Take an entry into the next dataset with the reviewer's text as the right answer.

        Raises:
            InputError: if the text is empty or too long.
        """
        text = text.strip()
        if not text:
            raise InputError("The reviewed text is empty: write the answer it should have been.")
        _check(1, text, ())
        return self._decide(self.get(identity), "accepted", reviewer, deidentify.mask(text).text)

    def reject(self, identity: str, reviewer: str) -> Entry:
        """Keep an entry out of every dataset to come."""
        entry = self.get(identity)
        return self._decide(entry, "rejected", reviewer, entry.reviewed_text)

    def export(self, out: Path, *, since: str | None = None, everything: bool = False) -> Exported:
        """Write a new version of the dataset below `out`; earlier versions stay as they are.

        Args:
            out: folder of all versions.
            since: only entries from this date or ISO 8601 time on.
            everything: also what no one has reviewed; what was rejected stays out.

        Raises:
            InputError: if nothing is there to export, the date can't be read, or personal data is
                left; names the entries.
        """
        from assistant import _feedback_export

        return _feedback_export.export(self.store, out, since=since, everything=everything)

    def _decide(self, entry: Entry, state: Any, reviewer: str, text: str) -> Entry:
        if not reviewer.strip():
            raise InputError("A review needs the reviewer's name.")
        return self.store.put(
            replace(entry, state=state, reviewer=reviewer.strip()[:100], reviewed_at=_now(),
                    reviewed_text=text)
        )  # fmt: skip


# Kinds whose words point to one person wherever they stand.
_TELLING = frozenset({"name", "mrn", "ssn", "phone", "fax", "email", "account", "licence"})
_LEAST_LETTERS = 3


class _Cleaner:
    """Masks texts and counts what was masked.

    What one text of an entry gives away as a person's is masked in the others too, where nothing
    around it tells: an answer may repeat a bare surname of its question.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.kinds: dict[str, int] = {}
        self.known: dict[str, str] = {}
        for text in texts:
            for found in deidentify.find(text):
                if found.kind in _TELLING:
                    words = re.findall(r"[^\W_](?:[^\W_]|[-'’.@])*", found.text)
                    self.known |= {w: found.kind for w in words if len(w) >= _LEAST_LETTERS}

    def clean(self, text: str, *, repeated: bool = True) -> str:
        masked = deidentify.mask(text)
        for kind, count in masked.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + count
        out = masked.text
        for word, kind in self.known.items() if repeated else ():
            out, count = re.subn(rf"(?<!\w){re.escape(word)}(?!\w)", f"[{kind}]", out)
            if count:
                self.kinds[kind] = self.kinds.get(kind, 0) + count
        return out


def _check(thumb: int, correction: str, reasons: Iterable[str]) -> None:
    if thumb not in (1, -1):
        raise InputError(f"A thumb is 1 or -1, not {thumb!r}.")
    unknown = sorted(set(reasons) - set(REASONS))
    if unknown:
        raise InputError(f"Unknown reason {unknown[0]!r}: use {', '.join(REASONS)}.")
    if len(correction) > MAX_CORRECTION:
        raise InputError(
            f"The correction has {len(correction):,} characters, more than {MAX_CORRECTION:,}: "
            "shorten it."
        )


def _passages(
    answer: Answer, context: Callable[[Citation], str] | None, cleaner: _Cleaner
) -> Iterable[dict[str, str]]:
    """Yield the passages that were shown, each key once."""
    cited = [citation for claim in answer.claims for citation in claim.citations]
    seen: set[str] = set()
    for citation in (*cited, *answer.nearest):
        if citation.key in seen:
            continue
        seen.add(citation.key)
        ours = citation.key.startswith("S")
        # Of a record or an image nothing but the quote is kept, and not the file's name.
        text = (context(citation) if context and ours else citation.quote) or citation.quote
        yield {
            "key": citation.key,
            "title": cleaner.clean(citation.title, repeated=False) if ours else "Patient record",
            "section": "",
            "url": citation.url if ours else "",
            "text": cleaner.clean(_around(text, citation.quote), repeated=not ours),
        }


def _around(text: str, quote: str) -> str:
    """Return at most `_MAX_PASSAGE` characters of a passage with the quote among them."""
    if len(text) <= _MAX_PASSAGE:
        return text
    at = max(0, text.find(quote) - _MAX_PASSAGE // 2)
    return text[at : at + _MAX_PASSAGE]


def _without_place(name: str) -> str:
    """Return a model's name without the folder or the host that it comes from."""
    kind, colon, rest = name.partition(":")
    rest, plus, adapter = (rest if colon else kind).partition("+")
    rest = rest.split("@", 1)[0]
    parts = [Path(part).name if part.startswith(("/", ".", "~")) or "\\" in part else part
             for part in (rest, adapter)]  # fmt: skip
    return (f"{kind}:" if colon else "") + plus.join(parts if plus else parts[:1])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

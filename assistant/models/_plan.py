"""Which tools a message needs, and what a follow-up means in its conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, HumanMessage

from assistant.models import _plan_images
from assistant.models._generic import is_generic
from retrieval import aspects, words
from retrieval.librarian import Librarian
from retrieval.subjects import Mention

if TYPE_CHECKING:
    from assistant.resources import Resources

_FOLLOW_UP_START = re.compile(
    r"^\W*(and|but|so|ok(ay)?|also|then|what about|how about|what if|which (one|ones)?|any|why|"
    r"那|那么|还有)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\b(it|its|they|them|their|theirs|this|that|these|those|then|the (condition|disease|drug|test|"
    r"medication|medicine|disorder|infection|same|dose|first|second))\b|它|这个病|该病",
    re.IGNORECASE,
)
_PERSON = re.compile(r"\b(she|he|her|him|his|the (patient|child|baby|woman|man))\b", re.IGNORECASE)
_LEAD_IN = re.compile(
    r"^\W*(and|but|so|ok(ay)?|also|then|what about|how about)\b[\s,]*", re.IGNORECASE
)
_SHORT_WORDS = 7


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and its arguments."""

    tool: str
    arguments: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a message asks for.

    Attributes:
        question: the message as a question that stands alone.
        calls: tools to call, in order.
    """

    question: str
    calls: tuple[Call, ...]


def make(messages: Sequence[BaseMessage], resources: Resources) -> Plan:
    """Return the plan for the last human message, in the light of those before it."""
    asked = [m for m in messages if isinstance(m, HumanMessage)]
    last = asked[-1]
    message = str(last.content).strip()
    attached: list[dict[str, Any]] = last.additional_kwargs.get("attachments", [])
    known: list[dict[str, Any]] = last.additional_kwargs.get("known_attachments", attached)
    calls: list[Call] = []
    records = [a for a in attached if a["kind"] == "record"]
    about_image = _plan_images.about(message, known, attached)
    about_record = _about_record(message, known)
    if about_record and not records:
        records = [a for a in known if a["kind"] == "record"][-1:]
    # A record that comes alone is set beside the latest film.
    beside = bool(records) and not message
    judged = _plan_images.arguments(message, known, attached, meant=about_image or beside)
    if judged:
        calls.append(Call("image", judged))
    question = message
    if message:
        for attachment in records:
            text = message if about_record else ""
            calls.append(Call("record", (("question", text), ("attachment", attachment["id"]))))
        if not (about_image or about_record):
            before = [str(m.content) for m in asked[:-1]]
            question = standalone(before, message, resources.librarian)
            calls.append(Call("literature", (("query", question),)))
    else:
        calls.extend(Call("record", (("attachment", a["id"]),)) for a in records)
    return Plan(question, tuple(calls))


def standalone(before: Sequence[str], message: str, librarian: Librarian) -> str:
    """Return a message as a question that names its subject, from the questions before it."""
    carried = ""
    for earlier in (*before, message):
        carried = _resolve(carried, librarian.correct(earlier.strip()), librarian)
    return carried


def _resolve(previous: str, message: str, librarian: Librarian) -> str:
    if not previous or not message:
        return message or previous
    mentions = librarian.subjects.find(message)
    old = librarian.subjects.find(previous)
    asked = [a for a in aspects.asked(message) if a != "definition"]
    starts = bool(_FOLLOW_UP_START.search(message))
    leans = starts or bool(_PRONOUN.search(message))
    short = len(message.split()) <= _SHORT_WORDS
    if not mentions:
        follows = leans or bool(_PERSON.search(message)) or (short and _is_open(message, asked))
        return _with_subject(message, previous, old) if follows else message
    if not old or not leans:
        return message
    if starts and short and not asked:  # "and asthma?" asks of asthma what was asked before
        name = message[mentions[0].start : mentions[-1].end]
        return previous[: old[0].start] + name + previous[old[-1].end :]
    same_kind = {librarian.kind(d) for m in mentions for d in m.documents} & {
        librarian.kind(d) for m in old for d in m.documents
    }
    return message if same_kind else _with_subject(message, previous, old)


def _is_open(message: str, asked: Sequence[str]) -> bool:
    """Whether a short message names nothing of its own: what it says is aspect or generic."""
    own = words.content(message) - {words.stem(w) for w in aspects.words_of_aspects(message)}
    return bool(asked) or all(is_generic(stem) for stem in own)


def _with_subject(message: str, previous: str, old: Sequence[Mention]) -> str:
    bare = _LEAD_IN.sub("", message).rstrip(" ?.!？。")
    asked = [a for a in aspects.asked(message) if a != "definition"]
    if not asked or all(a in aspects.POPULATIONS for a in asked):
        # "and in children?" keeps the aspect that was asked: repeat the question with it.
        kept = re.sub(
            r"\b(in|for) (adults|children|pregnancy|older adults|the elderly)\b", "", previous
        ).rstrip(" ?.!？。")
        if asked or len(bare.split()) <= 3:
            return f"{kept} {bare}?"
    if not old:
        return f"{previous.rstrip(' ?.!？。')}: {bare}?"
    name = previous[old[0].start : old[0].end]
    replaced, count = _PRONOUN.subn(name, bare, count=1)
    return f"{replaced}?" if count else f"{bare} ({name})?"


def _about_record(message: str, known: Sequence[dict[str, Any]]) -> bool:
    if not message or not any(a["kind"] == "record" for a in known):
        return False
    from assistant.records import answer

    return answer.is_about_record(message)

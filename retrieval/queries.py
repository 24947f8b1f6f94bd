"""What a query means, before anything is searched: abbreviations, its parts, its conversation.

`understand` is a pure function of the query and of the questions before it; every step that it took
is named in the result, so that a search can be explained. It adds words, it never takes any away.
Knows nothing of indexes or ranking.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from retrieval import aspects, words

PREFERENCES = ("recent", "evidence")
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Z0-9]\w*)?")
# Written small, these are everyday words or everyday short forms.
_EVERYDAY = frozenset(
    """
    ace ad aed aids all alp arch ards arm art as bad bal bar bars bat be bed bp bus bv cab can
    cap cart cat cd cf ck de do dress ed fast fit hap hd he hello hellp hit hot id ie if il in
    iris is it its kd lean ln loc lp lv map mash mat may me men mg mi mm mr ms nac nas neo net
    ng no oa or ors os pad panda pandas pat pd pe peg pep per pet plus pod prep prom pt ra rap
    rod rop rot sad sat so sob sort st tee ten tens tip tips to top tv uc us vs we
    """.split()  # noqa: SIM905
)
_RECENT = re.compile(
    r"\b(latest|newest|most recent|up[- ]to[- ]date|current (evidence|guidelines?|recommendations?))"
    r"\b|最新",
    re.IGNORECASE,
)
_FOLLOW_UP = re.compile(
    r"^\W*(?:(?:and|but|so|also|then|ok(?:ay)?)\b[\s,]*)?(?:(?:what|how) about\b\s*)?",
    re.IGNORECASE,
)
_FOLLOW_UP_ZH = re.compile(r"^(那么?|还有|如果|要是)")
_PRONOUN = re.compile(
    r"\b(it|its|they|them|their|this|that|these|those|the (?:condition|disease|drug|test|medication|"
    r"medicine|disorder|infection|same))\b|它|这个病|该病|该药",
    re.IGNORECASE,
)
_SHORT_WORDS = 7
_CJK = re.compile("[\u3400-\u9fff]+")
# What a Chinese question says beside its subject.
_ASKING_ZH = re.compile(
    "怎么治疗|怎么治|怎么办|怎么|如何|什么|哪些|为什么|是不是|可以|能不能|请问|吗|呢|是|的|有|治疗|用药|症状|表现|副作用|"
    "不良反应|原因|病因|诊断|检查|预防|疫苗|剂量|用量|禁忌|并发症|后遗症|预后|随访|监测|传染|遗传|用途|适应症|孕妇|怀孕|妊娠|"
    "哺乳|儿童|小孩|婴儿|孩子|老年人?|那么?|还有|它|这个病|该病|该药"
)


class Expansion(NamedTuple):
    """Words added to a query: what was written, what it stands for, and why."""

    written: str
    meaning: str
    why: str


@dataclass(frozen=True, slots=True)
class Pico:
    """The parts of a clinical question, each "" where it is not said.

    Source: Richardson et al. 1995, "The well-built clinical question".
    """

    population: str = ""
    intervention: str = ""
    comparison: str = ""
    outcome: str = ""

    def parts(self) -> dict[str, str]:
        """Return the parts that are said, by name."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: part for name, part in named.items() if part}


@dataclass(frozen=True, slots=True)
class Query:
    """A query understood.

    Attributes:
        asked: as typed.
        text: what is searched: the same, or what a follow-up means in its conversation.
        expansions: what was added, in order.
        pico: the parts of a comparing question, or None.
        aspects: the aspects asked about, of `retrieval.types.ASPECTS`.
        prefer: "recent" where the query itself asks for the newest, else "".
        notes: one sentence for each step that changed something.
    """

    asked: str
    text: str
    expansions: tuple[Expansion, ...] = ()
    pico: Pico | None = None
    aspects: tuple[str, ...] = ()
    prefer: str = ""
    notes: tuple[str, ...] = ()

    @property
    def added(self) -> str:
        """The words of all expansions."""
        return " ".join(expansion.meaning for expansion in self.expansions)


def understand(query: str, history: Sequence[str] = ()) -> Query:
    """Return what a query means.

    Args:
        query: words or a question, in English or Chinese.
        history: the questions before it in the same conversation, oldest first.
    """
    text, notes = standalone(query, history), []
    if text != query.strip():
        notes.append(f"Read as a follow-up: “{text}”.")
    expansions = abbreviations(text)
    notes += [f"“{e.written}” is searched as “{e.meaning}” too ({e.why})." for e in expansions]
    parts = pico(text)
    if parts is not None:
        said = "; ".join(f"{name} “{part}”" for name, part in parts.parts().items())
        notes.append(f"Read as a comparing question: {said}.")
    prefer = "recent" if _RECENT.search(text) else ""
    if prefer:
        notes.append("It asks for the newest: recent passages get a small bonus.")
    return Query(query, text, expansions, parts, aspects.asked(text), prefer, tuple(notes))


def standalone(query: str, history: Sequence[str]) -> str:
    """Return a query with the subject, or the aspect, that it takes over from the one before.

    "and in pregnancy?" keeps what was asked and adds to it; "what about gout?" asks of gout what was
    asked before; "what is its dose?" names what "its" stands for.
    """
    carried = ""
    for earlier in (*history, query):
        carried = _resolved(earlier.strip(), carried)
    return carried


def _resolved(message: str, before: str) -> str:
    if not before or not message:
        return message or before
    lead = _FOLLOW_UP.match(message) or _FOLLOW_UP_ZH.match(message)
    bare = message[lead.end() if lead else 0 :].lstrip()
    if bare == message and (match := _FOLLOW_UP_ZH.match(message)):
        bare = message[match.end() :]
    leans = bare != message or _PRONOUN.search(message) is not None
    asked = [a for a in aspects.asked(bare) if a != "definition"]
    own = _subject(bare)
    short = len(bare.split()) <= _SHORT_WORDS
    if not leans and not (asked and not own and short):
        return message
    if own and bare != message and short and not asked:
        kept = " ".join(sorted(aspects.words_of_aspects(before)))
        return f"{bare.rstrip(' ?.!？。')} {kept}".strip()
    if own and not _PRONOUN.search(message):
        return message
    if asked and all(a in aspects.POPULATIONS for a in asked):
        return f"{before.rstrip(' ?.!？。')} {bare}"
    subject = " ".join(_subject(before))
    return f"{bare.rstrip(' ?.!？。')} ({subject})" if subject else message


def _subject(text: str) -> list[str]:
    """Return the words of a text that name its subject: neither function word nor aspect."""
    skipped = aspects.words_of_aspects(text) | words.STOPWORDS
    plain = _CJK.sub(lambda match: " ".join(_ASKING_ZH.split(match[0])), text)
    return [
        w.text
        for w in words.words(plain)
        if w.text.lower() not in skipped and not _PRONOUN.fullmatch(w.text)
    ]


class _Sense(NamedTuple):
    meaning: str
    context: frozenset[str]


def abbreviations(text: str) -> tuple[Expansion, ...]:
    """Return what the medical abbreviations of a text stand for, in order, each once.

    A sense that needs a context is taken where one of its words stands in the text; the usual sense
    otherwise. An abbreviation whose meaning is already written out is left alone.
    """
    found: dict[str, Expansion] = {}
    held = None
    for match in _TOKEN.finditer(text):
        senses = _senses(match[0], shouted=text.isupper())
        if not senses:
            continue
        held = set(words.stems(text)) if held is None else held
        best = max(senses, key=lambda s: len(s.context & held))
        usual = next((s for s in senses if not s.context), None)
        chosen = best if best.context & held else usual
        if chosen is None or set(words.stems(chosen.meaning)) <= held:
            continue
        why = "by its context" if chosen.context else "the usual sense"
        found.setdefault(match[0], Expansion(match[0], chosen.meaning, why))
    return tuple(found.values())


def _senses(word: str, *, shouted: bool) -> tuple[_Sense, ...]:
    table = _table()
    if len(word) < 2:
        return ()
    if word in table and not (shouted and word.lower() in _EVERYDAY):
        return table[word]
    plain = word.removesuffix("s")
    if plain in table and len(plain) > 2 and plain.isupper():
        return table[plain]
    small = word.islower() and len(word) > 2 and word not in _EVERYDAY
    if small or shouted:
        return table.get(word.upper()) or _mixed().get(word.lower(), ())
    return ()


@cache
def _table() -> dict[str, tuple[_Sense, ...]]:
    """Return the senses of every abbreviation, those with a context after the usual one."""
    text = (files(__package__) / "lexicon" / "abbreviations.tsv").read_text(encoding="utf-8")
    out: dict[str, list[_Sense]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            written, meaning, context = (line + "\t\t").split("\t")[:3]
            sense = _Sense(meaning, frozenset(words.stems(context)))
            out.setdefault(written, []).append(sense)
    return {written: tuple(senses) for written, senses in out.items()}


@cache
def _mixed() -> dict[str, tuple[_Sense, ...]]:
    """Return the abbreviations that are not all capitals, by their lower-case form."""
    return {
        written.lower(): senses for written, senses in _table().items() if not written.isupper()
    }


_VERSUS = (
    r"(?:,?\s*(?:as )?(?:compared|in comparison) (?:with|to)|,?\s*versus|,?\s*vs\.?|,?\s*rather than"
    r"|,?\s*instead of|,?\s*relative to)"
)
_THAN = (
    r"(?:(?:more|less|as) (?:effective|safe|efficacious|likely|cost[- ]effective)(?: than| as)"
    r"|(?:better|worse|safer|superior|inferior|non-?inferior|preferable)(?: than| to))"
)
_DO = r"(?:does|do|did|can|could|will|would|should|is|are|was|were)"
_CHANGE = (
    r"(?:(?:significantly )?(?:reduc\w+|increas\w+|improv\w+|lower\w*|decreas\w+|prevent\w*|affect\w*"
    r"|chang\w+|prolong\w*|shorten\w*|rais\w+|influenc\w+|worsen\w*|rais\w+|have (?:an )?effect on"
    r"|lead to|result in|cause|associated with))"
)
_PICO = tuple(
    re.compile(rf"^\W*{pattern}\W*$", re.IGNORECASE)
    for pattern in (
        rf"(?:in|for|among) (?P<p>[^,]+?),?\s+{_DO} (?P<i>.+?){_VERSUS} (?P<c>.+?),? {_CHANGE} (?P<o>.+)",
        rf"(?:in|for|among) (?P<p>[^,]+?),?\s+{_DO} (?P<i>.+?) {_THAN} (?P<c>.+?)"
        r"(?: (?:for|at|to|in) (?P<o>.+))?",
        rf"(?:in|for|among) (?P<p>[^,]+?),?\s+{_DO} (?P<i>.+?) {_CHANGE} (?P<o>.+?)"
        rf"(?:{_VERSUS} (?P<c>.+))?",
        rf"{_DO} (?P<i>.+?){_VERSUS} (?P<c>.+?),? {_CHANGE} (?P<o>.+?)(?: (?:in|among) (?P<p>.+))?",
        rf"{_DO} (?P<i>.+?) {_CHANGE} (?P<o>.+?){_VERSUS} (?P<c>.+?)(?: (?:in|among) (?P<p>.+))?",
        rf"{_DO} (?P<i>.+?) {_THAN} (?P<c>.+?)(?: (?:for|at|to) (?P<o>.+?))?"
        r"(?: (?:in|among) (?P<p>.+))?",
        r"(?:what (?:is|was) )?the effects? of (?P<i>.+?)" + _VERSUS
        + r" (?P<c>.+?) on (?P<o>.+?)(?: (?:in|among) (?P<p>.+))?",
        rf"(?P<i>[^?]+?){_VERSUS} (?P<c>.+?) (?:for|on) (?P<o>.+?)(?: (?:in|among) (?P<p>.+))?",
    )
)  # fmt: skip


def pico(question: str) -> Pico | None:
    """Return the parts of a question that compares or asks for an effect in a population."""
    for pattern in _PICO:
        match = pattern.match(question)
        if match is not None:
            said = match.groupdict()
            return Pico(*(_clean(said.get(name)) for name in "pico"))
    return None


def _clean(part: str | None) -> str:
    return " ".join((part or "").strip(" ,;.?!").split())

"""Plain signs that a text agrees with a claim, or answers a question, read by words alone.

Shares of words met, negation near the claim's words, directions that agree or oppose, results that are
flat or significant in the sentences that speak of the claim, numbers and names met, and the form of
a question. A small encoder learns such signs badly from a few hundred examples; a linear layer
weighs them. Training and serving use the same function. Knows nothing of models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retrieval import sentences, words
from retrieval._claims import FLAT, NEGATION, SIGNIFICANT, stems

# Beginnings of words, and those that say the opposite.
_OPPOSITES: Mapping[str, str] = {
    "increas": "decreas reduc lower declin diminish attenuat suppress",
    "higher": "lower reduc", "high": "low", "more": "less fewer", "greater": "smaller lesser",
    "improv": "wors impair deterior", "enhanc": "impair reduc diminish inhibit",
    "promot": "inhibit prevent suppress block reduc",
    "activ": "inactiv inhibit suppress repress", "upregul": "downregul",
    "up-regul": "down-regul", "better": "wors", "longer": "shorter", "posit": "negat",
    "presenc": "absenc lack", "strong": "weak", "elev": "reduc lower decreas",
    "rais": "lower reduc", "earli": "late", "safe": "unsaf", "superior": "inferior",
    "gain": "loss", "stimul": "inhibit suppress", "induc": "prevent inhibit suppress block",
    "sensit": "resist", "benefici": "harm", "necessari": "dispens unnecessari",
    "requir": "independ dispens", "protect": "risk harm promot", "associ": "unrel independ",
    "caus": "prevent", "acceler": "delay slow", "facilit": "imped hinder inhibit",
    "poor": "good", "rare": "common frequent", "worsen": "improv",
    "lack": "have possess exhibit", "start": "stop", "first": "last", "exceed": "below",
}  # fmt: skip
_UP = re.compile(
    r"\b(?:increas\w+|high(?:er|est)?|more|greater|elevat\w+|rais\w+|improv\w+|enhanc\w+|promot\w+|"
    r"induc\w+|activat\w+|upregulat\w+|gain\w*|better|superior|stimulat\w+|accelerat\w+|long(?:er)?|"
    r"positiv\w+|strong\w*|facilitat\w+|necessary|required?s?)\b",
    re.IGNORECASE,
)
_DOWN = re.compile(
    r"\b(?:decreas\w+|low(?:er|est)?|less|fewer|smaller|reduc\w+|declin\w+|impair\w+|inhibit\w*|"
    r"suppress\w+|downregulat\w+|loss|los[et]s?|worse\w*|inferior|prevent\w*|block\w*|attenuat\w+|"
    r"short(?:er)?|negativ\w+|weak\w*|deficien\w+|diminish\w+|protect\w*|dispensable)\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:may|might|could|suggest\w*|possibl\w+|potential\w*|trend|however|although|further)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NAME = re.compile(r"\b(?:[A-Z]{2,}[\w-]*|\w*\d\w*|[A-Z][a-z]+[A-Z]\w*)\b")
_WORD = re.compile(r"[\w'-]+")
_LOW_P = re.compile(r"\bp ?[<=] ?0?\.0[0-4]", re.IGNORECASE)
_HIGH_P = re.compile(r"\bp ?[=>] ?0?\.[1-9]|\bp ?= ?0?\.0[5-9]", re.IGNORECASE)
_QUESTIONS = tuple(
    re.compile(pattern)
    for pattern in (
        r"^(is|are)\b", r"^(do|does|did)\b", r"^can\b", r"^(has|have)",
        r"^(should|will|could|would|must)", r":", r"predict|marker|prognos",
        r"effective|efficac|feasible|useful|possible|reliable|valid|safe", r"differ",
        r"associat|relat|correl|link", r"influence|affect|impact|effect",
        r"improve|reduce|increase|better|more|worse", r"necessary|need|justified|routine",
        r" or ", r"same|really|still|matter|enough|worth|all ", r"risk|cause|factor",
    )
)  # fmt: skip
_ANSWERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"no significant", r"did not|does not|do not", r"not? (\w+ )?associated",
        r"similar|comparable|equivalent", r"significantly", r"associated with",
        r"however|although|but", r"only", r"independent", r"improve",
        r"successful|success|feasible|effective|safe|useful",
        r"complication|failure|mortality", r"higher|increased", r"lower|decreased|reduced",
        r"predict", r"correlat", r"no (\w+ )?difference", r"not significant|\bns\b",
    )
)  # fmt: skip
_REACH = 5
_LATE = 0.2
_PLAIN = 48
CUES = _PLAIN + len(_QUESTIONS) + len(_ANSWERS) + 5


def cues(claim: str, text: str) -> NDArray[np.float32]:
    """Return plain signs of agreement between a claim or question and its chosen text.

    Returns:
        float32 (CUES,), most in [-1, 1], counts up to 20. Those of a question are 0 for a claim.
    """
    seen = _Pair(claim, text)
    values = [
        *seen.shares(),
        *seen.polarity(),
        *seen.results(),
        *seen.directions(),
        *seen.details(),
    ]
    asked = [*seen.question()] if claim.rstrip().endswith("?") else [0.0] * (CUES - _PLAIN)
    return np.array([*values, *asked], dtype=np.float32).clip(-20, 20)


@dataclass(frozen=True, eq=False)
class _Pair:
    """A claim, a text, and what several cues need of both."""

    claim: str
    text: str

    @cached_property
    def wanted(self) -> frozenset[str]:
        return stems(self.claim)

    @cached_property
    def parts(self) -> list[str]:
        return [s.text for s in sentences.split(self.text)] or [""]

    @cached_property
    def held(self) -> list[frozenset[str]]:
        return [stems(part) for part in self.parts]

    @cached_property
    def shared(self) -> NDArray[np.float64]:
        return np.array([len(self.wanted & s) / max(len(self.wanted), 1) for s in self.held])

    @cached_property
    def late(self) -> NDArray[np.float64]:
        return np.arange(len(self.parts)) / max(len(self.parts) - 1, 1)

    @cached_property
    def best(self) -> int:
        return int((self.shared + _LATE * self.late).argmax())

    @cached_property
    def weight(self) -> NDArray[np.float64]:
        """How much each sentence speaks of the claim; they sum to 1 or, where none does, to 0."""
        raw = self.shared**2 * (0.6 + 0.4 * self.late)
        return raw / max(float(raw.sum()), 1e-6)

    @cached_property
    def sign(self) -> float:
        return -1.0 if NEGATION.search(self.claim) else 1.0

    @cached_property
    def denied(self) -> NDArray[np.float64]:
        """Which sentences negate one of the claim's words."""
        return np.array([_denies(part, self.wanted) for part in self.parts], dtype=np.float64)

    @cached_property
    def flat(self) -> NDArray[np.float64]:
        return np.array([bool(FLAT.search(part)) for part in self.parts], dtype=np.float64)

    @cached_property
    def sure(self) -> NDArray[np.float64]:
        found = [bool(SIGNIFICANT.search(part)) for part in self.parts]
        return np.array(found, dtype=np.float64) * (1 - self.flat)

    def shares(self) -> Iterator[float]:
        """Yield how much of the claim the text says."""
        whole = frozenset().union(*self.held)
        long = [w for w in self.wanted if len(w) > 6]
        own, other = _two(self.claim), _two(self.text)
        yield len(self.wanted & whole) / max(len(self.wanted), 1)
        yield float(self.shared.max())
        yield float(self.shared.mean())
        yield float(np.sort(self.shared)[-2:].mean())
        yield len(own & other) / max(len(own), 1)
        yield sum(w in whole for w in long) / max(len(long), 1)
        yield len(self.wanted - whole) / 10
        yield len(self.wanted) / 10
        yield len(self.parts) / 5

    def polarity(self) -> Iterator[float]:
        """Yield negation on both sides and whether it agrees."""
        negated, best = self.sign < 0, bool(NEGATION.search(self.parts[self.best]))
        near = bool(self.denied[self.best])
        yield negated
        yield best
        yield negated != best
        yield float(self.weight @ self.denied)
        yield near
        yield near != negated

    def results(self) -> Iterator[float]:
        """Yield flat and significant results where the text speaks of the claim, and at its end."""
        flat, sure = float(self.weight @ self.flat), float(self.weight @ self.sure)
        yield from (flat, sure, self.sign * flat, self.sign * sure)
        yield from (self.flat[-1], self.sure[-1], self.flat.mean(), self.sure.mean())
        yield self.sign * self.flat[-1]

    def directions(self) -> Iterator[float]:
        """Yield words of direction that agree with the claim's, or say the opposite."""
        wanted = _directions(self.claim)
        found = [_directions(part) for part in self.parts]
        agree = np.array([bool(wanted & d) for d in found], dtype=np.float64)
        against = np.array([bool(_turned(wanted) & d) for d in found], dtype=np.float64)
        alone = against * (1 - agree)
        yield from (float(self.weight @ agree), float(self.weight @ against))
        yield from (agree[self.best], against[self.best], alone[self.best])
        yield self.sign * float(self.weight @ agree)
        yield self.sign * float(self.weight @ alone)
        here, there = _balance(self.claim), _balance(self.parts[self.best])
        yield from (here, there, here * there)
        yield here * there * self.sign * (1 - 2 * self.denied[self.best])

    def details(self) -> Iterator[float]:
        """Yield names and numbers met, hedging, and p values."""
        lower = self.text.lower()
        names, numbers = _NAME.findall(self.claim), _NUMBER.findall(self.claim)
        known = set(_NUMBER.findall(self.text))
        missed = sum(n.lower() not in lower for n in names)
        unmet = sum(n not in known for n in numbers)
        yield bool(names)
        yield 1 - missed / len(names) if names else 0.7
        yield missed / 3
        yield bool(numbers)
        yield 1 - unmet / len(numbers) if numbers else 0.5
        yield unmet / 3
        yield min(len(_HEDGE.findall(self.text)), 4) / 4
        low, high = len(_LOW_P.findall(self.text)), len(_HIGH_P.findall(self.text))
        yield from (min(low, 6) / 3, min(high, 6) / 3, (min(low, 6) - min(high, 6)) / 3)
        yield bool(_LOW_P.search(self.parts[self.best]))
        yield bool(_HIGH_P.search(self.parts[self.best]))
        yield self.claim.rstrip().endswith("?")

    def question(self) -> Iterator[float]:
        """Yield the form of a question and the words of its answer."""
        asked, lower = self.claim.lower(), self.text.lower()
        yield from (bool(pattern.search(asked)) for pattern in _QUESTIONS)
        yield from (bool(pattern.search(lower)) for pattern in _ANSWERS)
        spread = max(float(self.late.sum()), 1e-6)
        yield float(self.flat @ self.late) / spread
        yield float(self.sure @ self.late) / spread
        differ = bool(re.search(r"differ|affect|influence|effect|impact", asked))
        yield differ * float(self.weight @ self.flat)
        yield differ * float(self.weight @ self.sure)
        yield len(asked.split()) / 20


def _two(text: str) -> set[tuple[str, str]]:
    found = [word.lower() for word in _WORD.findall(text)]
    return set(pairwise(found))


def _denies(text: str, wanted: frozenset[str]) -> bool:
    found = _WORD.findall(text)
    return any(
        NEGATION.search(word)
        and any(words.stem(next_) in wanted for next_ in found[at + 1 : at + 1 + _REACH])
        for at, word in enumerate(found)
    )


def _pairs() -> dict[str, frozenset[str]]:
    out: dict[str, set[str]] = {}
    for one, others in _OPPOSITES.items():
        for other in others.split():
            out.setdefault(one, set()).add(other)
            out.setdefault(other, set()).add(one)
    return {start: frozenset(others) for start, others in out.items()}


_TURNED = _pairs()
_DIRECTION = re.compile(rf"\b({'|'.join(sorted(_TURNED, key=len, reverse=True))})")


def _directions(text: str) -> frozenset[str]:
    return frozenset(_DIRECTION.findall(text.lower()))


def _turned(found: frozenset[str]) -> frozenset[str]:
    return frozenset().union(*(_TURNED[start] for start in found))


def _balance(text: str) -> float:
    up, down = len(_UP.findall(text)), len(_DOWN.findall(text))
    return (up - down) / max(up + down, 1)

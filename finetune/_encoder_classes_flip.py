"""Claims turned round by rules: into their opposite, and into yes/no questions with their answer.

Opposites swap words of direction, take a negation away, or put one after the first auxiliary, as the
authors of SciFact's refuted claims did by hand (Wadden et al. 2020). Questions bring the auxiliary
forward, as PubMedQA's artificial part was made from titles (Jin et al. 2019). Knows nothing of data
files or models.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

_OPPOSITES = (
    "increase/decrease", "increases/decreases", "increased/decreased", "increasing/decreasing",
    "higher/lower", "high/low", "more/less", "greater/smaller", "improve/worsen",
    "improves/worsens", "improved/worsened", "enhance/impair", "enhances/impairs",
    "enhanced/impaired", "promote/inhibit", "promotes/inhibits", "promoted/inhibited",
    "activate/suppress", "activates/suppresses", "activated/suppressed", "activation/suppression",
    "upregulated/downregulated", "up-regulated/down-regulated", "better/worse",
    "longer/shorter", "positively/negatively", "positive/negative", "presence/absence",
    "strong/weak", "elevated/reduced", "raises/lowers", "raised/lowered", "raise/reduce",
    "early/late", "safe/unsafe", "effective/ineffective", "superior/inferior", "gain/loss",
    "stimulates/blocks", "induces/prevents", "induce/prevent", "sufficient/insufficient",
    "common/rare", "sensitive/resistant", "beneficial/harmful", "likely/unlikely",
    "necessary/dispensable", "with/without", "before/after", "possible/impossible",
)  # fmt: skip
_REMOVALS = (
    (re.compile(r"\b(did|does|do|was|were|is|are|has|have|had|may|can|could|should|would|will) not\b"), r"\1"),
    (re.compile(r"\bcannot\b"), "can"),
    (re.compile(r"\bno (significant|clear|such|difference|effect|association|correlation|evidence|"
                r"increase|change|benefit|role|relationship|influence|impact|improvement)"), r"a \1"),
    (re.compile(r"\b(?:fails?|failed) to\b"), "was able to"),
    (re.compile(r"\blacks?\b"), "has"),
    (re.compile(r"\bnot (?=associated|related|significant|different|effective|necessary|required)"), ""),
)  # fmt: skip
_AUXILIARY = re.compile(r"\b(is|are|was|were|can|may|could|should|has|have|had|does|do|did|will)\b")
_QUESTION = re.compile(
    r"^(?P<subject>[^,;:]{3,140}?) (?P<aux>is|are|was|were|can|could|should|has|have|did|does|do|may|"
    r"might|will) (?P<no>not )?(?P<rest>[^;]{6,220})$"
)
_VERBS = (
    "increase", "decrease", "reduce", "improve", "affect", "influence", "inhibit", "promote",
    "induce", "enhance", "predict", "prevent", "cause", "require", "regulate", "mediate",
    "modulate", "activate", "suppress", "impair", "protect", "provide", "contribute", "alter",
    "decline", "differ", "lead", "result", "show", "reveal", "support", "appear", "seem", "play",
    "lower", "raise", "block", "stimulate", "facilitate", "determine", "control", "limit",
    "accelerate", "attenuate", "delay",
)  # fmt: skip


@cache
def _swaps() -> dict[str, str]:
    pairs = [line.split("/") for line in _OPPOSITES]
    return {pair[0]: pair[1] for pair in pairs} | {pair[1]: pair[0] for pair in pairs}


@cache
def _swapped_words() -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(sorted(_swaps(), key=len, reverse=True))})\b", re.IGNORECASE)


def mirror(text: str) -> str:
    """Return a text with every word of direction swapped for its opposite."""
    return _swapped_words().sub(lambda m: _like(m[0], _swaps()[m[0].lower()]), text)


def affirmed(claim: str) -> str:
    """Return a claim without its first negation; the claim itself where there is none."""
    for pattern, plain in _REMOVALS:
        if pattern.search(claim):
            return pattern.sub(plain, claim, count=1)
    return claim


def opposite(claim: str, rng: np.random.Generator) -> str | None:
    """Return a claim that can't be true together with this one, or None where no rule applies."""
    if affirmed(claim) != claim:
        return affirmed(claim)
    ways = []
    found = [m for m in _swapped_words().finditer(claim) if m[0].lower() not in {"with", "more"}]
    if found:
        one = found[int(rng.integers(len(found)))]
        ways.append(
            claim[: one.start()] + _like(one[0], _swaps()[one[0].lower()]) + claim[one.end() :]
        )
    auxiliary = _AUXILIARY.search(claim)
    if auxiliary:
        ways.append(claim[: auxiliary.end()] + " not" + claim[auxiliary.end() :])
    else:
        verb = _verb(claim)
        if verb:
            base = _base(verb[0])
            did = "did" if verb[0].endswith("ed") else "does" if verb[0].endswith("s") else "do"
            ways.append(f"{claim[: verb.start()]}{did} not {base}{claim[verb.end() :]}")
    return ways[int(rng.integers(len(ways)))] if ways else None


def ask(claim: str) -> tuple[str, bool] | None:
    """Return a claim as a yes/no question and whether the answer is yes; None where no rule applies."""
    plain = claim.strip().rstrip(".")
    match = _QUESTION.match(plain)
    if match and len(match["subject"].split()) <= 18:
        opening = f"{match['aux'].capitalize()} {_lowered(match['subject'])}"
        return f"{opening} {match['rest']}?", not match["no"]
    verb = _verb(plain)
    if verb is None or verb.start() < 3 or "," in plain[: verb.start()]:
        return None
    did = "Did" if verb[0].endswith("ed") else "Does" if verb[0].endswith("s") else "Do"
    subject = _lowered(plain[: verb.start()].strip())
    return f"{did} {subject} {_base(verb[0])}{plain[verb.end() :]}?", True


@cache
def _verbs() -> re.Pattern[str]:
    forms = {f for v in _VERBS for f in (f"{v}s", f"{v}es", f"{v.removesuffix('e')}ed")}
    return re.compile(rf"(?<=[\w)] )({'|'.join(sorted(forms, key=len, reverse=True))})\b")


def _verb(claim: str) -> re.Match[str] | None:
    return _verbs().search(claim)


def _base(verb: str) -> str:
    for stem in _VERBS:
        if verb in {f"{stem}s", f"{stem}es", f"{stem.removesuffix('e')}ed"}:
            return stem
    return verb


def _lowered(subject: str) -> str:
    first = subject.split()[0] if subject.split() else ""
    return subject if first[1:] != first[1:].lower() else subject[:1].lower() + subject[1:]


def _like(old: str, new: str) -> str:
    return new.capitalize() if old[:1].isupper() else new

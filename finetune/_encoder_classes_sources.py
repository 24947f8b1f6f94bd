"""Where the classifiers learn to compare a claim or question with a text, before their own task.

Evidence Inference's labels as claims and questions over their annotated spans; conclusions and
statement titles of abstracts over the rest of the abstract, and BioASQ's answers over their snippets,
each as it stands (supported), turned round by rules (contradicted), and over another document
(neither). Documents that the task's own data cites are left out. Knows nothing of models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finetune import _encoder_classes_flip as flips
from finetune import _encoder_pairs as pairs
from retrieval import _claims, sentences

SUPPORT, CONTRADICT, NEITHER = 0, 1, 2
MIRRORED = 0.25
ASKED = 0.35
YES_KEPT = 0.6
_CONCLUSION = re.compile(r"conclu|interpret|discussion", re.IGNORECASE)
_FINITE = re.compile(
    r"\b(is|are|was|were|can|may|does|do|did|has|have|\w+(?:ates?|ases?|ces?|bits?|otes?|nces?|"
    r"ices?|ains?|ulates?|rols?|uces?|oves?|ects?|icts?))\b"
)
_WHETHER = re.compile(
    r"\b(?:whether|if|hypothesi[sz]ed? that|that) (?:or not )?((?:[\w-]+ ){1,12}?"
    r"(?:is|are|was|were|can|could|would|will|has|have|does|do|\w+s|\w+ed)\b[^;:]{8,160})"
)
_EFFECT = re.compile(
    r"^(?:the )?(?:effects?|impact|influence|efficacy|effectiveness) of (?P<what>.{4,70}?) "
    r"(?:on|in|for) (?P<on>[^:?]{5,110})",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\b(?:unclear|inconclusive|uncertain|further (?:research|stud\w+|trials?|investigation)|"
    r"more research|insufficient evidence|remains? to be)\b",
    re.IGNORECASE,
)
# What no abstract bears out: plans, calls for research, notes of registers and funds.
_UNSTATED = re.compile(
    r"\b(?:we (?:anticipate|propose|discuss|review|recommend|hope|present)|is designed|future|"
    r"further|needed|warranted|highlights?|fund\w*|registr\w+|clinicaltrials|isrctn|this review|"
    r"implications?|should)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^(?:in conclusion|in summary|conclusions?|thus|therefore|overall|our (?:results|data|findings|study)"
    r" (?:suggest|show|indicate|demonstrate)s?(?: that)?|these (?:results|data|findings)"
    r" (?:suggest|show|indicate|demonstrate)s?(?: that)?|we (?:conclude|found|show|find)(?: that)?|"
    r"this study (?:shows|suggests|demonstrates|found|indicates)(?: that)?)[,:]? *",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Example:
    """A pair of texts and its class.

    Attributes:
        first: a claim or a question.
        second: the text that it is held against, sentences chosen already.
        label: number of the class: 0 support or yes, 1 contradict or no, 2 neither or maybe.
        group: what must not be shared between parts: a document or a component of documents.
    """

    first: str
    second: str
    label: int
    group: str


def examples(
    data: Path, seed: int, count: int, without: frozenset[str], share: dict[str, float]
) -> list[Example]:
    """Return about `share[source]` examples of each source, shuffled.

    Args:
        data: the data folder.
        seed: of every draw.
        count: sentences that a text is cut to.
        without: ids, PubMed ids and plain titles of documents that must not be used.
        share: examples at most by source: "trials", "conclusions", "titles", "answers", "aims".
    """
    rng = np.random.default_rng(seed)
    makers: dict[str, Iterator[Example]] = {
        "trials": _trials(data, rng),
        "conclusions": _abstracts(_concluded(data, without), rng, count),
        "titles": _abstracts(_titled(data, without), rng, count),
        "answers": _answers(data, without, rng, count),
        "aims": _aims(data, without, rng),
    }
    out = []
    for name, maker in makers.items():
        out += [e for e, _ in zip(maker, range(int(share.get(name, 0))), strict=False)]
    return [out[i] for i in rng.permutation(len(out))]


def kept_back(data: Path) -> frozenset[str]:
    """Return what names the documents of both tasks' own data: ids, PubMed ids, plain titles."""
    names: set[str] = set()
    for claim in pairs.rows(data / "retrieval/scifact_claims_train.jsonl.gz"):
        names |= set(claim["cited_doc_ids"])
    for row in pairs.rows(data / "qa/pubmedqa_train.jsonl.gz"):
        names |= {f"pmid {row['pmid']}", plain(row["question"])}
    return frozenset(names)


def plain(title: str) -> str:
    """Return a title's letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", title.lower())


def _trials(data: Path, rng: np.random.Generator) -> Iterator[Example]:
    """Yield claims and questions about an intervention's effect over the annotated evidence."""
    rows = pairs.rows(data / "qa/evidence_inference_v2_train.jsonl.gz")
    by_article: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_article.setdefault(row["pmcid"], []).append(row)
    for place in [*rng.permutation(len(rows)), *rng.permutation(len(rows))]:
        row = rows[place]
        if not row["evidence"]:
            continue
        text = row["evidence"][int(rng.integers(len(row["evidence"])))][:900]
        claims = _effects(row, rng)
        for first, label in claims:
            yield Example(first, text, label, row["pmcid"])
        others = [o for o in by_article[row["pmcid"]] if not _same(o, row)]
        if others:
            other = others[int(rng.integers(len(others)))]
            away = other["evidence"][0][:900] if other["evidence"] else ""
            if away and away not in row["evidence"]:
                yield Example(claims[0][0], away, NEITHER, row["pmcid"])


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    a, b = _claims.stems(one["outcome"]), _claims.stems(other["outcome"])
    return bool(a & b) or bool(set(one["evidence"]) & set(other["evidence"]))


def _effects(row: dict[str, Any], rng: np.random.Generator) -> list[tuple[str, int]]:
    """Return two phrasings of a trial's result, true or not, with their labels."""
    what, than, on = row["intervention"], row["comparator"], row["outcome"]
    result = {"significantly increased": "up", "significantly decreased": "down"}.get(
        row["label"], "flat"
    )
    forms = {
        "up": (f"{what} increases {on} compared with {than}.",
               f"Does {what} increase {on} compared with {than}?",
               f"{on} is higher with {what} than with {than}."),
        "down": (f"{what} reduces {on} compared with {than}.",
                 f"Does {what} reduce {on} compared with {than}?",
                 f"{on} is lower with {what} than with {than}."),
        "flat": (f"{what} does not affect {on} compared with {than}.",
                 f"There is no difference in {on} between {what} and {than}."),
        "any": (f"Does {what} affect {on}?", f"{what} affects {on} compared with {than}.",
                f"Is there a difference in {on} between {what} and {than}?"),
    }  # fmt: skip
    out = []
    for kind in rng.permutation(["up", "down", "flat", "any"])[:2]:
        true = result == kind or (kind == "any" and result != "flat")
        form = forms[kind][int(rng.integers(len(forms[kind])))]
        out.append((form[:1].upper() + form[1:], SUPPORT if true else CONTRADICT))
    return out


def _concluded(data: Path, without: frozenset[str]) -> list[tuple[str, str, str]]:
    """Return (document, conclusion's sentence, the rest of the abstract)."""
    out = []
    for row in pairs.rows(data / "literature/rct_articles_open.jsonl.gz"):
        if f"pmid {row['pmid']}" in without:
            continue
        rest = "\n".join(
            f"{a.upper()}: {t}" for a, t in row["abstract"] if not _CONCLUSION.search(a)
        )
        ends = [
            s.text for a, t in row["abstract"] if _CONCLUSION.search(a) for s in sentences.split(t)
        ]
        if rest and ends:
            out += [(row["pmcid"], end, rest) for end in ends[:2]]
    for row in pairs.rows(data / "retrieval/scifact_corpus.jsonl.gz"):
        lines = row["abstract"]
        if not {row["doc_id"], plain(row["title"])} & without and len(lines) >= 5:
            out.append((row["doc_id"], lines[-1], " ".join(lines[:-1])))
    return out


def _titled(data: Path, without: frozenset[str]) -> list[tuple[str, str, str]]:
    """Return (document, title, abstract) where the title states something."""
    out = []
    for row in pairs.rows(data / "retrieval/scifact_corpus.jsonl.gz"):
        title = row["title"].split(":")[-1].strip()
        if not {row["doc_id"], plain(row["title"])} & without and (
            flips.ask(title) or _verbal(title)
        ):
            out.append((row["doc_id"], title, " ".join(row["abstract"])))
    return out


def _verbal(title: str) -> bool:
    return bool(
        re.search(r"\b\w+(?:ates|ases|ces|bits|otes|nces|uces|oves|ects|icts|ires)\b", title)
    )


def _abstracts(
    items: Sequence[tuple[str, str, str]], rng: np.random.Generator, count: int
) -> Iterator[Example]:
    """Yield a statement over its own abstract as it stands and turned, and over a near one."""
    order = rng.permutation(len(items))
    for at, place in enumerate(order):
        document, raw, text = items[place]
        claim = _OPENING.sub("", raw.strip())
        claim = claim[:1].upper() + claim[1:]
        stated = 5 <= len(claim.split()) <= 40 and _FINITE.search(claim)
        if not stated or _UNSTATED.search(claim):
            continue
        pool = [items[order[(at + n) % len(order)]] for n in range(1, 9)]
        yield from _around(claim, text, document, _nearest(claim, pool, document), rng, count)


def _nearest(claim: str, pool: Sequence[tuple[str, str, str]], document: str) -> str:
    wanted = _claims.stems(claim)
    near = [(len(wanted & _claims.stems(t[:400])), t) for d, _, t in pool if d != document]
    return max(near)[1]


def _around(
    claim: str, text: str, group: str, other: str, rng: np.random.Generator, count: int
) -> Iterator[Example]:
    turned = flips.opposite(claim, rng)
    asked = flips.ask(claim)
    chosen = _claims.choose(claim, text, count)
    if asked and (not asked[1] or rng.random() < ASKED):
        question, yes = asked
        yield Example(question, chosen, SUPPORT if yes else CONTRADICT, group)
        mirrored = flips.mirror(question)
        if yes and mirrored != question:
            yield Example(mirrored, chosen, CONTRADICT, group)
        if not yes:
            yield Example(claim, chosen, SUPPORT, group)
            yield Example(flips.affirmed(claim), chosen, CONTRADICT, group)
    else:
        yield Example(claim, chosen, SUPPORT, group)
        if turned:
            yield Example(turned, chosen, CONTRADICT, group)
    if rng.random() < MIRRORED:
        mirrored = flips.mirror(claim)
        if mirrored != claim and flips.mirror(chosen) != chosen:
            yield Example(mirrored, flips.mirror(chosen), SUPPORT, group)
            yield Example(claim, flips.mirror(chosen), CONTRADICT, group)
    if rng.random() < 0.55:
        first = asked[0] if asked and rng.random() < 0.2 else claim
        yield Example(first, _claims.choose(claim, other, count), NEITHER, group)


def _aims(data: Path, without: frozenset[str], rng: np.random.Generator) -> Iterator[Example]:
    """Yield the questions that abstracts say they ask, where the conclusion answers plainly."""
    items = _concluded(data, without)
    titles = {
        r["pmcid"]: r["title"] for r in pairs.rows(data / "literature/rct_articles_open.jsonl.gz")
    }
    seen: set[str] = set()
    for place in rng.permutation(len(items)):
        document, conclusion, text = items[place]
        if document in seen:
            continue
        answer = _answer(conclusion)
        question = _asked(text) or _effect(titles.get(document, ""))
        often = answer != SUPPORT or rng.random() < YES_KEPT
        if question is not None and answer is not None and often:
            seen.add(document)
            yield Example(question, _claims.choose(question, text, 5), answer, document)


def _answer(conclusion: str) -> int | None:
    """Return what a conclusion answers: yes, no, maybe, or None where it is not plain."""
    flat = bool(_claims.is_flat(conclusion))
    sure = bool(_claims.is_significant(conclusion))
    if _UNSURE.search(conclusion):
        return NEITHER
    if flat:
        return CONTRADICT
    return SUPPORT if sure and not _claims.is_negated(conclusion) else None


def _asked(text: str) -> str | None:
    for sentence in sentences.split(text)[:8]:
        match = _WHETHER.search(sentence.text)
        if match:
            made = flips.ask(match[1].rstrip(".") + ".")
            if made and made[1]:
                return made[0]
    return None


def _effect(title: str) -> str | None:
    match = _EFFECT.match(title)
    if not match:
        return None
    return f"Does {match['what']} affect {match['on']}?"


def _answers(
    data: Path, without: frozenset[str], rng: np.random.Generator, count: int
) -> Iterator[Example]:
    """Yield sentences of BioASQ's ideal answers over their snippets."""
    snippets = {
        r["snippet_id"]: r["text"]
        for r in pairs.rows(data / "retrieval/bioasq_snippets_corpus.jsonl.gz")
        if f"pmid {r['pmid']}" not in without
    }
    rows = pairs.rows(data / "qa/bioasq_train.jsonl.gz")
    items = []
    for row in rows:
        text = " ".join(snippets[i] for i in row["snippet_ids"][:6] if i in snippets)
        for answer in row["ideal_answer"][:1]:
            parts = [s.text for s in sentences.split(answer)]
            items += [(row["id"], part, text) for part in parts[:2] if text]
    yield from _abstracts(items, rng, count)

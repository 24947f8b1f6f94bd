"""The level of evidence of a publication, from what its index, its journal and its title say.

One of `types.EVIDENCE`, or "" where nothing tells; a pure function. It reads labels, not methods:
a badly made trial is a trial. Knows nothing of files or formats.

Order of judgement, first match wins:
1. notices (retractions, errata), comments, letters, news, protocols and veterinary studies: "";
2. animal work (MeSH "Animals" without "Humans"): "", unless it is a guideline or systematic review;
3. guideline, systematic review or meta-analysis, trial, review, observational study, case report by
   the index's publication types; a case report that also counts as a review is a case report;
4. the journal's own article type;
5. the title's words, since many records carry no type but "Journal Article";
6. publication types that fit several designs ("Comparative Study"): observational study.
The index (people who read the paper) goes before the journal, and both before the title.

Source: publication characteristics of MeSH (tree V), and the order of the Oxford Centre for
Evidence-Based Medicine's levels (2011), with guidelines on top as syntheses of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

# MeSH publication types in lower case. Renamed and retired ones stay: old records keep them.
_TYPES: dict[str, tuple[str, ...]] = {
    "guideline": (
        "guideline", "practice guideline", "consensus development conference",
        "consensus development conference, nih", "consensus statement", "practice guidelines",
        "clinical practice guideline", "clinical guideline",
    ),
    "systematic_review": (
        "systematic review", "meta-analysis", "network meta-analysis", "metaanalysis",
        "systematic-review", "systematic review and meta-analysis", "cochrane review",
    ),
    "trial": (
        "randomized controlled trial", "controlled clinical trial", "clinical trial",
        "clinical trial, phase i", "clinical trial, phase ii", "clinical trial, phase iii",
        "clinical trial, phase iv", "pragmatic clinical trial", "equivalence trial",
        "adaptive clinical trial", "randomised controlled trial", "clinical-trial",
    ),
    "review": (
        "review", "scoping review", "review-article", "review article", "literature review",
        "review literature as topic", "mini review", "mini-review", "narrative review",
    ),
    "cohort": (
        "observational study", "cohort study", "case-control study", "cross-sectional study",
    ),
    "case_report": ("case reports", "case report", "case-report", "case series"),
}  # fmt: skip
# These say that patients were looked at, not how: they count after the title.
_WEAK = dict.fromkeys(
    (
        "comparative study", "clinical study", "evaluation study", "evaluation studies",
        "validation study", "validation studies", "twin study",
    ),
    "cohort",
)  # fmt: skip
_LEVEL_OF = {name: level for level, names in _TYPES.items() for name in names}
# What is no evidence of its own, whatever else it is called.
_NONE = frozenset(
    [
        "retraction of publication", "retraction notice", "published erratum", "erratum",
        "expression of concern", "comment", "letter", "editorial", "news", "newspaper article",
        "clinical trial protocol", "clinical trial, veterinary", "observational study, veterinary",
        "randomized controlled trial, veterinary", "biography", "portrait", "interview", "address",
        "congress", "book-review", "correction", "retraction", "expression-of-concern", "obituary",
        "article-commentary", "addendum", "announcement", "calendar", "partial-retraction",
        "protocol", "study-protocol", "study protocol", "product-review", "reply", "in-brief",
        "commentary", "opinion", "viewpoint", "correspondence", "letter to the editor",
        "meeting-report", "collection", "introduction", "books-received", "dissertation",
    ]
)  # fmt: skip
_PROTOCOL = re.compile(
    r"\bprotocol (?:for|of)\b|\b(?:study|trial|review)[- ]protocol\b|: (?:a )?protocol\b"
    r"|\brationale,? and design\b|\bdesign,? and rationale\b|\bdesign and protocol\b|研究方案",
    re.IGNORECASE,
)
# A title that talks about guidelines is not one: "adherence to guidelines".
_ABOUT = re.compile(
    r"\b(?:adherence|compliance|concordance|conformity|according|implement\w+|impact|effects?|use"
    r"|comparison|comparing|review|appraisal|quality|evaluation|knowledge|awareness|based on"
    r"|uptake|dissemination)\b(?: [\w-]+){0,6}? (?:guidelines?|consensus statements?)"
    r"|\bguidelines?[- ](?:adherence|implementation|compliance|concordan\w+|recommended|directed)",
    re.IGNORECASE,
)
_TITLES: tuple[tuple[str, str], ...] = (
    (
        "guideline",
        r"\bpractice guidelines?\b"
        r"|^[^:]{0,90}\bguidelines? (?:for|on) the (?:\w+[ ,]+(?:and )?){0,4}?"
        r"(?:management|diagnosis|treatment|prevention)\b"
        r"|\bconsensus statement\b|\bclinical guidelines?$|指南|专家共识",
    ),
    (
        "systematic_review",
        r"\bsystematic (?:literature )?(?:review|overview)s?\b|\bmeta-?\s?analys[ie]s\b"
        r"|系统评价|系统综述|meta\s?分析|荟萃分析",
    ),
    (
        "trial",
        r"\brandomi[sz]ed\b[^.:?]{0,60}\b(?:trial|study)\b|\bclinical trial\b(?! data)"
        r"|\bphase (?:[1-4]|i{1,3}v?|iv)[ab]?(?:[/-](?:[1-4]|i{1,3}|iv)[ab]?)?"
        r" (?:\w+[- ]){0,3}?(?:trial|study)\b|\bdouble-blind\b(?! placebo.controlled food)"
        r"|\bplacebo[- ]controlled (?:\w+ ){0,2}?(?:trial|study|investigation)\b|随机对照(?:试验|研究)|临床试验",
    ),
    (
        "case_report",
        r"\bcase (?:report|series)\b|(?:^|: )(?:a|an unusual|a rare) case of\b"
        r"|\breport of (?:a|one|two|three|four|\d+) cases?\b|病例报告|例报告",
    ),
    (
        "cohort",
        r"\b(?:cohort|case-control|cross-sectional|observational|longitudinal|registry-based"
        r"|prospective|retrospective|population-based)\b[^.:?]{0,30}\b(?:study|analysis|cohort)\b"
        r"|队列研究|回顾性|前瞻性|横断面",
    ),
    (
        "review",
        r"\b(?:narrative|scoping|literature|integrative|critical|comprehensive) review\b"
        r"|(?:^|: )(?:a |an )?(?:\w+ )?(?:review|overview)(?: of the literature)?\.?$|综述",
    ),
)
_COMPILED = tuple((level, re.compile(pattern, re.IGNORECASE)) for level, pattern in _TITLES)
# A title without any of these is of no level: most titles are done with here.
_HINT = re.compile(
    r"guideline|consensus|review|overview|meta|random|trial|phase|blind|placebo|case|cohort|stud|analys"
    r"|[\u4e00-\u9fff]",
    re.IGNORECASE,
)
_SYNTHESES = ("guideline", "systematic_review")
_ORDER = tuple(_TYPES)


def level(
    types: Iterable[str],
    *,
    article_type: str = "",
    title: str = "",
    mesh: Collection[str] = (),
) -> str:
    """Return the level of evidence of a publication, one of `types.EVIDENCE`, or "".

    Args:
        types: publication types as its index names them ("Randomized Controlled Trial").
        article_type: what its journal calls it (JATS `article-type`, a subject heading).
        title: its title; used where neither of the two tells.
        mesh: its MeSH headings, to tell work on animals.
    """
    names = [name.strip().lower() for name in types]
    journal = article_type.strip().lower()
    if journal in _NONE or not _NONE.isdisjoint(names) or _PROTOCOL.search(title):
        return ""
    found = _by_type(names) or _by_type([journal]) or _by_title(title)
    found = found or next((_WEAK[name] for name in names if name in _WEAK), "")
    animals = "Animals" in mesh and "Humans" not in mesh
    return "" if animals and found not in _SYNTHESES else found


def _by_type(names: Iterable[str]) -> str:
    found = {_LEVEL_OF[name] for name in names if name in _LEVEL_OF}
    if found == {"case_report", "review"}:
        return "case_report"
    return next((level for level in _ORDER if level in found), "")


def _by_title(title: str) -> str:
    if not _HINT.search(title):
        return ""
    plain = _ABOUT.sub(" ", title)
    for name, pattern in _COMPILED:
        if pattern.search(plain if name == "guideline" else title):
            return name
    return ""

"""What a sentence of a study is worth as an answer: its findings answer, its aims and methods don't.

Source: the rhetorical zones of abstracts (aim, method, result, conclusion) as told apart by heading
and by cue phrases (Teufel & Moens 2002, "Summarizing scientific articles"). Knows nothing of
questions.
"""

from __future__ import annotations

import re

# Kinds of documents that report studies rather than summarise a subject.
KINDS = frozenset({"", "article"})

_HEADINGS: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), value)
    for pattern, value in (
        (r"conclusion|interpretation|key (points|messages)|summary", 1.0),
        (r"end ?points?|outcome measures?|outcomes? assess|power", -0.6),
        (r"result|finding|outcome", 0.6),
        (r"discussion|implication", 0.2),
        (r"background|introduction|objective|aim|purpose|rationale|hypothes", -0.5),
        (r"method|design|setting|participant|patients|subjects|protocol|statistic|measure|"
         r"material|intervention|procedure|sample size|randomi[sz]ation|recruitment", -0.6),
        (r"funding|competing|conflict|contribution|acknowledg|registration|pre-publication|"
         r"abbreviation|consent|ethic", -1.0),
    )
)  # fmt: skip
_AIM = re.compile(
    r"^\W*(therefore|thus|hence|so|in this (regard|study|trial|paper|work)|here|accordingly|"
    r"based on [^,]{1,60})?,? *"
    r"(to (evaluate|determine|compare|assess|investigate|examine|study|explore|test|describe|"
    r"establish|identify|clarify|address|understand|analy[sz]e)\b|"
    r"(the |our )?(primary |main |secondary |present |current )?(study |trial )?"
    r"(aims?|objectives?|purpose|goals?|hypothesis)\b|"
    r"(in [^,]{3,40}, )?we (also )?(aimed|sought|hypothesi[sz]ed|conducted|performed|designed|"
    r"undertook|planned|set out|investigated|evaluated|examined|tested|compared|assessed|studied)\b|"
    r"this (study|trial|paper|article|review|research) (aim|was (designed|undertaken|conducted|"
    r"performed|planned)|will|seeks|describes|investigates|evaluates|examines|compares))",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(no (previous |prior )?stud(y|ies) (has|have)|little is known|(is|are|remains?) (still )?"
    r"(unclear|unknown|uncertain|controversial|limited|scarce|to be (determined|seen))|"
    r"(was|were) (randomly |then )?(randomi[sz]ed|assigned|allocated|recruited|enrolled|included|"
    r"measured|assessed|recorded|collected|compared (against|with|to))|will be\b|"
    r"informed consent|sample size|statistical power)",
    re.IGNORECASE,
)
_RESULT = re.compile(
    r"\b(significant(ly)?|no differences?|improv(ed|es|ement)|reduc(ed|es|tion)|increas(ed|es)|"
    r"decreas(ed|es)|lower(ed)?|higher|greater|fewer|effective|ineffective|non-?inferior\w*|superior|"
    r"associated with|conclu\w+|suggests?|show(s|ed|n)|found|did not|similar|comparable|"
    r"95% ?(ci|confidence)|p ?[<=>] ?0?[.·])",
    re.IGNORECASE,
)


def finding(heading: str, sentence: str) -> float:
    """Return how much a sentence reads like a finding, from -1 (aim, method) to 1 (conclusion).

    Args:
        heading: title of the section that it stands in; "Results: Survival" counts as both.
        sentence: the sentence.
    """
    value = next((worth for pattern, worth in _HEADINGS if pattern.search(heading)), 0.0)
    if _AIM.search(sentence):
        value -= 0.8
    elif _OPEN.search(sentence):
        value -= 0.4
    if _RESULT.search(sentence):
        value += 0.4
    return max(-1.0, min(1.0, value))

"""Answers and attachments made by hand for tests of what shows them; plain values, no mocks."""

from __future__ import annotations

from dataclasses import replace

from assistant.types import (
    Answer,
    Citation,
    Claim,
    Emergency,
    Fact,
    Finding,
    OperatingPoint,
    Record,
    Step,
)

SECTION = "Rest the joint. Colchicine relieves a flare. Ice helps."
# What a hostile document, record or model might say.
HOSTILE = '<script>document.title="owned"</script><img src=x onerror=alert(1)>[bold red]x[/] \x1b[31m${7*7}{{7*7}}'


def citation(key: str, quote: str, url: str = "https://example.org/gout") -> Citation:
    start = SECTION.find(quote)
    return Citation(
        key=key, passage="gout#1", document="gout", title="Gout: Treatment", source="Library",
        url=url, start=start, end=start + len(quote), quote=quote,
    )  # fmt: skip


def answered() -> Answer:
    """Two claims on one source and one on another."""
    claims = (
        Claim(
            "Colchicine relieves a flare.", 1.0, (citation("S1", "Colchicine relieves a flare."),)
        ),
        Claim("Ice helps.", 0.8, (citation("S1", "Ice helps."),)),
        Claim("Rest the joint.", 1.0, (citation("S2", "Rest the joint."),)),
    )
    return Answer(
        id="a1",
        answer="Colchicine relieves a flare. [S1] Ice helps. [S1]\nRest the joint. [S2]",
        abstained=False,
        reason="",
        emergency=None,
        claims=claims,
        findings=(),
        record=None,
        steps=(Step("plan", 0.1), Step("check", 0.2)),
        model="extractive",
    )


def abstained() -> Answer:
    return replace(
        answered(),
        answer="I can't answer that from what I have. Nothing found says so.",
        abstained=True,
        reason="Nothing found says so.",
        claims=(),
        nearest=(citation("S1", "Ice helps."),),
    )


def urgent() -> Answer:
    return replace(answered(), emergency=Emergency("stroke", "Call 112 now."))


def judged(image: str = "film.png") -> Finding:
    return Finding(
        image=image, label="pneumonia", probability=0.87,
        operating_point=OperatingPoint("balanced", 0.42, 0.95, 0.91, "validation films"),
        refused=False, reason="Above the operating point of 0.42.", model="cnn 1",
        heatmap=b"\x89PNG not really", notes=("Trained on children.",),
    )  # fmt: skip


def refused(image: str = "ct.dcm") -> Finding:
    return Finding(image, "", None, None, True, "It is a CT slice, not a chest film.", "gate 1")


def record(text: str = "Allergies: penicillin (rash)") -> Record:
    start = text.find("penicillin")
    facts = (
        Fact("allergy", text[start:], start, len(text), "present", "penicillin", "allergies",
             (("reaction", "rash"),)),
        Fact("problem", text[:9], 0, 9, "negated", "allergies", ""),
    )  # fmt: skip
    return Record("note.txt", text, (), facts)


def hostile() -> Answer:
    """An answer in which every word that can come from outside is hostile."""
    bad = Citation("S1", HOSTILE, HOSTILE, HOSTILE, HOSTILE, "javascript:alert(1)", 0, 3, HOSTILE)
    return replace(
        answered(),
        answer=f"{HOSTILE} [S1]",
        emergency=Emergency(HOSTILE, HOSTILE),
        claims=(Claim(HOSTILE, 0.9, (bad,)),),
        findings=(replace(judged(HOSTILE), label=HOSTILE, reason=HOSTILE, notes=(HOSTILE,)),),
        record=Record(
            HOSTILE, HOSTILE, (),
            (Fact("problem", HOSTILE, 0, 3, "present", HOSTILE, "", ((HOSTILE, HOSTILE),)),),
        ),
        steps=(Step(HOSTILE, 0.1),),
        model=HOSTILE,
    )  # fmt: skip

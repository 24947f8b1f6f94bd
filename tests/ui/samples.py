"""Answers and attachments made by hand for tests of what shows them; plain values, no mocks."""

from __future__ import annotations

from dataclasses import replace

from assistant.comparisons import Contribution
from assistant.types import (
    Agreement,
    Answer,
    Citation,
    Claim,
    Comparison,
    Emergency,
    Estimate,
    Fact,
    Finding,
    GateReport,
    OperatingPoint,
    Record,
    SecondReading,
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


def decided(image: str = "film.png", decision: str = "uncertain", word: str = "x") -> Finding:
    """Every field of a finding is filled; `word` stands wherever a model's words may."""
    points = (
        OperatingPoint("rule out", 0.12, 0.97, 0.71, "validation films"),
        OperatingPoint("balanced", 0.42, 0.95, 0.91, "validation films"),
        OperatingPoint("rule in", 0.81, 0.82, 0.96, "validation films"),
    )
    return replace(
        judged(image), decision=decision, points=points, spread=0.04,
        labels=("normal", "pneumonia"), scores=(("normal", 0.13), ("pneumonia", 0.87)),
        second=(SecondReading("viral", 0.7, f"If it is pneumonia, viral rather. {word}", word),),
        gate=GateReport("film", 0.98, "frontal", 90, True, True, (f"Under-exposed. {word}",), 0.4),
        lung_share=0.72,
    )  # fmt: skip


def compared(word: str = "x", picture: bytes | None = b"\x89PNG") -> Comparison:
    return Comparison(
        "new.png", "old.png", word, "pneumonia", 0.9, 0.2, "higher", 0.6, 0.8, 0.9, True,
        (f"It is higher. {word}",), picture,
    )  # fmt: skip


def conflict(word: str = "x", accord: str = "conflict") -> Agreement:
    return Agreement(
        "film.png", "note.txt", "pneumonia", accord, "suspected", "negated",  # type: ignore[arg-type]
        f"The film says yes, the record no. {word}", f"no pneumonia {word}", 3, 15,
    )  # fmt: skip


def estimated(word: str = "x") -> Estimate:
    parts = (
        Contribution("prevalence", "prior", "19 in 100", 0.23, 0.2, 0.26, 1.0, word),
        Contribution("chest film", "image", "suspected", 12.0, 8.0, 18.0, 1.0, word),
        Contribution("fever", "record", f"39.1 {word}", 0.5, 0.4, 0.7, 0.5, word, 4, 9),
    )
    return Estimate(
        "film.png", "note.txt", "radiographic pneumonia", 0.66, 0.5, 0.8, 0.73, 0.14, parts,
        (f"Both are of one patient. {word}",), f"Together 0.66. {word}",
    )  # fmt: skip


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
        findings=(
            replace(judged(HOSTILE), label=HOSTILE, reason=HOSTILE, notes=(HOSTILE,)),
            replace(
                decided(HOSTILE, word=HOSTILE), labels=(HOSTILE,),
                gate=GateReport(HOSTILE, 1.0, HOSTILE),
                points=(OperatingPoint(HOSTILE, 0.1, 0.9, 0.9, HOSTILE),),
                scores=tuple((f"{HOSTILE}{n}", 0.3) for n in range(3)),
            ),
        ),
        comparisons=(replace(compared(HOSTILE), newer=HOSTILE, older=HOSTILE, label=HOSTILE),),
        agreements=(conflict(HOSTILE), replace(conflict(), record=HOSTILE, image=HOSTILE)),
        estimates=(replace(estimated(HOSTILE), label=HOSTILE, image=HOSTILE, record=HOSTILE),),
        record=Record(
            HOSTILE, HOSTILE, (),
            (Fact("problem", HOSTILE, 0, 3, "present", HOSTILE, "", ((HOSTILE, HOSTILE),)),),
        ),
        steps=(Step(HOSTILE, 0.1),),
        model=HOSTILE,
    )  # fmt: skip

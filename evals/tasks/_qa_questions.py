"""Questions with their passages and answers, written for this project, for a check on a bare machine."""

from __future__ import annotations

from typing import Any

# Question, passage, answer, and "yes", "no", "maybe" or "" where it is no such question.
_ROWS = (
    (
        "What lowers urate in people with gout?",
        "Gout|Allopurinol lowers urate by blocking xanthine oxidase. Attacks become fewer over months.",
        "Allopurinol lowers urate.",
        "",
    ),
    (
        "Does inhaled salbutamol prevent attacks of asthma when it is the only treatment?",
        "Asthma|Salbutamol relieves symptoms within minutes and does not prevent later attacks. An "
        "inhaled corticosteroid does.",
        "No, salbutamol relieves symptoms and does not prevent later attacks.",
        "no",
    ),
    (
        "Is a low ferritin a sign of iron deficiency?",
        "Iron deficiency|A low ferritin confirms iron deficiency. A normal one does not rule it out "
        "during inflammation.",
        "Yes, a low ferritin confirms iron deficiency.",
        "yes",
    ),
    (
        "How is scabies treated?",
        "Scabies|Permethrin cream is put on the whole skin and washed off after some hours. It is "
        "repeated after one week.",
        "Permethrin cream is put on the whole skin and repeated after one week.",
        "",
    ),
    (
        "Does the new ointment heal leg ulcers sooner than plain dressings?",
        "A trial of an ointment|Ulcers healed in eleven weeks with the ointment and in twelve without. "
        "The groups were small, and the difference may be due to chance.",
        "It is unclear: the difference was small and may be due to chance.",
        "maybe",
    ),
    (
        "Which vitamin is given with isoniazid?",
        "Isoniazid|Pyridoxine is given together with isoniazid to protect the nerves.",
        "Pyridoxine is given with isoniazid.",
        "",
    ),
    (
        "Is metformin stopped before surgery with contrast in severe kidney failure?",
        "Metformin|In severe kidney failure metformin is stopped before contrast is given, because "
        "lactate may rise.",
        "Yes, metformin is stopped because lactate may rise.",
        "yes",
    ),
    (
        "Can warfarin be started in early pregnancy?",
        "Warfarin|Warfarin harms the unborn child in early pregnancy and is not started then. Heparin "
        "is used instead.",
        "No, heparin is used instead of warfarin in early pregnancy.",
        "no",
    ),
    (
        "What is the first test for suspected deep vein thrombosis of the leg?",
        "Deep vein thrombosis|Compression ultrasound is the first imaging test where a thrombosis of "
        "the leg is likely.",
        "Compression ultrasound is the first imaging test.",
        "",
    ),
    (
        "Does walking every day lower blood pressure in older adults?",
        "Walking and blood pressure|Older adults who walked every day had a systolic pressure that was "
        "five mmHg lower after twelve weeks.",
        "Yes, systolic pressure was five mmHg lower after twelve weeks.",
        "yes",
    ),
    (
        "What reverses an overdose of paracetamol?",
        "Paracetamol|Acetylcysteine protects the liver after an overdose of paracetamol, best within "
        "eight hours.",
        "Acetylcysteine protects the liver, best within eight hours.",
        "",
    ),
    (
        "Do antibiotics shorten a common cold?",
        "Common cold|A common cold is caused by viruses. Antibiotics do not shorten it and may cause "
        "diarrhoea.",
        "No, antibiotics do not shorten a common cold.",
        "no",
    ),
)


def rows() -> list[dict[str, Any]]:
    """Return the questions in the form of the task's data."""
    out = []
    for number, (question, passage, answer, label) in enumerate(_ROWS, 1):
        title, _, text = passage.partition("|")
        row = {
            "id": f"own-{number:02}",
            "question": question,
            "passages": [{"title": title, "text": text}],
            "answer": answer,
            "_line": number,
        }
        out.append({**row, "final_decision": label} if label else row)
    return out

"""Sessions: nothing of one reaches another, and an error leaves its session as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from assistant.app import Assistant
from assistant.errors import AttachmentError, InputError
from assistant.events import Answered, ToolCalled
from assistant.session import Session
from assistant.types import Answer

SESSIONS = 50
WAIT_S = 800  # a machine under load is no reason to fail
SUBJECTS = ("asthma", "gout", "migraine", "appendicitis", "metformin", "warfarin", "sepsis", "acne")
DRUGS = (
    "metformin", "lisinopril", "warfarin", "amlodipine", "atorvastatin", "omeprazole",
    "levothyroxine", "prednisone",
)  # fmt: skip
ALLERGENS = ("penicillin", "sulfa", "aspirin", "codeine", "latex")


@dataclass(frozen=True)
class Talk:
    """A conversation of two turns: messages, and what is attached to the first."""

    messages: tuple[str, str]
    record: bytes = b""
    picture: bytes = b""
    own: str = ""  # a word that only this conversation's answers may hold


def record_of(number: int) -> bytes:
    drug, allergen = DRUGS[number % len(DRUGS)], ALLERGENS[number % len(ALLERGENS)]
    return (
        f"Patient: code word TOKEN{number:03d}\nAllergies: {allergen} (TOKEN{number:03d})\n"
        f"Medications: {drug} {number + 1} mg daily\n"
    ).encode()


def talk(number: int, picture: Callable[[int], bytes]) -> Talk:
    subject = SUBJECTS[number % len(SUBJECTS)]
    asked = "Which medications is this patient taking?"
    if number < len(SUBJECTS):
        return Talk((f"What is {subject}?", "what about its side effects and complications?"))
    if number % 12 == 0:
        return Talk(("What does this film show?", "hi"), picture=picture(number))
    allergic = "What is this patient allergic to?"
    if number % 5 == 0:
        return Talk(
            (f"{allergic}\n\n{record_of(number).decode()}", asked), own=f"TOKEN{number:03d}"
        )
    return Talk((allergic, asked), record=record_of(number), own=f"TOKEN{number:03d}")


def hold(assistant: Assistant, given: Talk, gate: threading.Barrier | None = None) -> list[Answer]:
    """Run a conversation; at the gate all conversations wait for each other before each turn."""
    session = Session.new()
    answers = []
    for number, message in enumerate(given.messages):
        attached = []
        if not number and given.record:
            attached.append(assistant.accept(session, "note.txt", given.record))
        if not number and given.picture:
            attached.append(assistant.accept(session, "film.png", given.picture))
        if gate is not None:
            gate.wait(600)
        answers.append(assistant.answer(message, attached, session))
    assert len(session.turns) == 2
    return answers


def essence(answer: Answer) -> dict[str, object]:
    """An answer without what differs from run to run: its id and its seconds."""
    row = answer.to_json()
    del row["id"]
    row["steps"] = [step["name"] for step in row["steps"]]
    return row


@pytest.mark.timeout(900)
@pytest.mark.timeout(900)
def test_fifty_interleaved_sessions_answer_as_they_do_alone(
    assistant: Assistant, picture: Callable[[int], bytes]
) -> None:
    talks = [talk(number, picture) for number in range(SESSIONS)]
    alone = [[essence(answer) for answer in hold(assistant, given)] for given in talks]
    gate = threading.Barrier(SESSIONS)
    with ThreadPoolExecutor(SESSIONS) as pool:
        waiting = [pool.submit(hold, assistant, given, gate) for given in talks]
        together = [[essence(answer) for answer in future.result(WAIT_S)] for future in waiting]
    assert together == alone
    tokens = {given.own for given in talks if given.own}
    assert len(tokens) > SESSIONS / 2
    for given, answers in zip(talks, together, strict=True):
        said = str(answers)
        assert {token for token in tokens if token in said} == ({given.own} - {""})


def test_a_session_never_sees_an_attachment_of_another(assistant: Assistant) -> None:
    mine, yours = Session.new(), Session.new()
    assert mine.id != yours.id
    record = assistant.accept(mine, "note.txt", record_of(7))
    assistant.answer("What is this patient allergic to?", [record], mine)
    answer = assistant.answer("Which medications is this patient taking?", session=yours)
    assert yours.attachments == []
    assert answer.record is None
    assert "TOKEN007" not in str(answer.to_json())
    assert "warfarin 8 mg" not in answer.answer


def test_turns_of_one_session_wait_for_each_other(assistant: Assistant) -> None:
    session = Session.new()
    first = assistant.reply(session, "What is asthma?")
    next(first)
    done = threading.Event()

    def second() -> None:
        assistant.answer("thanks", session=session)
        done.set()

    waiting = threading.Thread(target=second)
    waiting.start()
    assert not done.wait(0.3)
    list(first)
    waiting.join(60)
    assert done.is_set()
    assert [turn.message for turn in session.turns] == ["What is asthma?", "thanks"]


def test_a_turn_that_is_given_up_frees_its_session(assistant: Assistant) -> None:
    session = Session.new()
    record = assistant.accept(session, "note.txt", record_of(3))
    stream = assistant.reply(session, "What is this patient allergic to?", [record])
    for event in stream:
        if isinstance(event, ToolCalled):
            break
    stream.close()
    assert session.turns == []
    assert session.attachments == []
    assert assistant.answer("hi", session=session).answer


def test_an_upload_that_cannot_be_decoded_leaves_the_session_as_it_was(
    assistant: Assistant,
) -> None:
    session = Session.new()
    assistant.answer("hi", session=session)
    broken = assistant.accept(session, "film.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 200)
    with pytest.raises(AttachmentError, match=r"film\.png"):
        assistant.answer("What does this film show?", [broken], session)
    assert session.attachments == []
    assert len(session.turns) == 1
    assert not session.lock.locked()


def test_a_message_that_is_refused_leaves_the_session_as_it_was(assistant: Assistant) -> None:
    session = Session.new()
    with pytest.raises(InputError):
        assistant.answer(" ", session=session)
    assert session.turns == []
    assert isinstance(list(assistant.reply(session, "hi"))[-1], Answered)


def test_uploads_are_numbered_through_the_session(assistant: Assistant) -> None:
    session = Session.new()
    for number in range(1, 4):
        record = assistant.accept(session, f"note{number}.txt", record_of(number))
        assistant.answer("", [record], session)
    assert [attachment.id for attachment in session.attachments] == ["A1", "A2", "A3"]


def test_files_of_one_message_get_ids_of_their_own(assistant: Assistant) -> None:
    session = Session.new()
    records = [assistant.accept(session, f"note{n}.txt", record_of(n)) for n in (1, 2)]
    answer = assistant.answer("", records, session)
    assert [attachment.id for attachment in session.attachments] == ["A1", "A2"]
    assert "TOKEN001" in answer.answer
    assert "TOKEN002" in answer.answer

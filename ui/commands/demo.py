"""`auscult demo`: three questions to the parts that come with Auscult, answered here and now.

Literature, a film (and one that must be refused), and a record with a follow-up. Nothing is stored
answer: every line is what the assistant says of these inputs on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ui.commands.opening import open_assistant

if TYPE_CHECKING:
    from rich.console import Console

    from assistant.app import Assistant
    from assistant.session import Session


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of the demonstration.

    Attributes:
        title: what it shows.
        question: what is asked.
        files: what is attached.
        follow_up: whether it goes on with the conversation before.
    """

    title: str
    question: str
    files: tuple[Path, ...] = ()
    follow_up: bool = False


def run(config: Path | None) -> int:
    """Ask and print every turn."""
    from assistant.session import Session
    from ui import render

    console = render.console()
    assistant = open_assistant(config)
    session = Session.new()
    for turn in turns():
        session = session if turn.follow_up else Session.new()
        _ask(console, assistant, session, turn)
    return 0


def turns() -> Iterator[Turn]:
    """Yield the demonstration's turns."""
    yield Turn("A question for the literature", "How is community-acquired pneumonia treated?")
    films = [*_films(), *_not_a_film()]
    if films:
        yield Turn(
            "A synthetic chest film, and a picture that must be refused",
            "Is there pneumonia on these images?",
            tuple(films),
        )
    yield Turn(
        "An invented record",
        "What are the active problems and allergies in this record?",
        (Path(str(resources.files("ui.demo").joinpath("record.txt"))),),
    )
    yield Turn("A follow-up", "Which medications is the patient on?", follow_up=True)


def _films() -> list[Path]:
    """Return the first synthetic film that comes with the image tool."""
    folder = Path(str(resources.files("assistant.vision").joinpath("samples")))
    found = sorted(folder.glob("*.png")) + sorted(folder.glob("*.dcm"))
    return found[:1]


def _not_a_film() -> list[Path]:
    """Return the CT slice that comes with pydicom, which the input gate must refuse."""
    from pydicom.data import get_testdata_file

    path = get_testdata_file("CT_small.dcm", download=False)
    return [Path(str(path))] if path else []


def _ask(console: Console, assistant: Assistant, session: Session, turn: Turn) -> None:
    from ui import render

    console.rule(turn.title)
    console.print(f"> {turn.question}")
    for path in turn.files:
        console.print(f"  [{path.name}]")
    console.print()
    attachments = [assistant.accept_file(session, path) for path in turn.files]
    seen = [past.answer.record for past in session.turns if past.answer.record is not None]
    answer = assistant.answer(turn.question, attachments, session)
    console.print(render.answer(answer, seen=seen))
    console.print()

"""Feedback from the thumb to the dataset: masked before it is stored, reviewed before it is exported."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant import _feedback_export
from assistant.errors import InputError
from assistant.feedback import Feedback, Said
from assistant.settings import Settings
from assistant.store import tables
from assistant.types import Answer, Citation, Claim
from retrieval.files import sha256

PASSAGE = "Amoxicillin is the first choice. Doxycycline is an alternative for adults."
QUOTE = "Amoxicillin is the first choice."


def answer(identity: str = "a1", text: str = f"{QUOTE} [S1]", key: str = "S1") -> Answer:
    citation = Citation(
        key, "p1", "d1", "Pneumonia: treatment", "Library", "", 0, len(QUOTE), QUOTE
    )
    return Answer(
        id=identity, answer=text, abstained=False, reason="", emergency=None,
        claims=(Claim(QUOTE, 1.0, (citation,)),), findings=(), record=None, steps=(),
        model="extractive",
    )  # fmt: skip


def said(identity: str = "a1", question: str = "What treats pneumonia?", **more: Any) -> Said:
    return Said(question, answer(identity, **more))


@pytest.fixture
def feedback(tmp_path: Path) -> Feedback:
    return Feedback(Settings(state_dir=tmp_path / "state"))


def stored(feedback: Feedback) -> bytes:
    """Return every byte that the store has on disk, its log included."""
    folder = feedback._settings.state_dir
    return b"".join(path.read_bytes() for path in sorted(folder.glob("store*")))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_is_stored_is_what_was_said_without_identifiers(feedback: Feedback) -> None:
    entry = feedback.record(
        said(question="Mrs. Okonkwo, MRN 00447123: what treats her pneumonia?"),
        user="u", thumb=-1, correction="Give Mrs. Okonkwo doxycycline. [S1]", reasons=["wrong"],
        context=lambda _: PASSAGE,
    )  # fmt: skip
    (back,) = feedback.mine("u")
    assert back == entry
    assert entry.question == "Mrs. [name], MRN [mrn]: what treats her pneumonia?"
    assert entry.correction == "Give Mrs. [name] doxycycline. [S1]"
    assert entry.passages[0]["text"] == PASSAGE
    assert entry.masked == {"mrn": 1, "name": 2}
    assert b"Okonkwo" not in stored(feedback)


DIGITS_TO_LETTERS = str.maketrans("0123456789", "ghijklmnop")
PLANTED = st.fixed_dictionaries({
    "name": st.sampled_from(["Okonkwo", "Halvorsen", "Vasquez", "Przybylski"]),
    "mrn": st.integers(10_000_000, 99_999_999).map(str),
    "phone": st.integers(2_000_000, 9_999_999).map(lambda n: f"617-{str(n)[:3]}-{str(n)[3:]}"),
    "mail": st.from_regex(r"[a-z]{6,10}", fullmatch=True).map(lambda w: f"{w}@example.org"),
    "day": st.dates(date(1900, 1, 1)).map(lambda d: d.strftime("%m/%d/%Y")).filter(lambda d: d[6] in "12"),
})  # fmt: skip


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(PLANTED, st.sampled_from(["question", "answer", "correction", "passage", "claim", "title"]))
def test_planted_identifiers_never_reach_the_files_of_the_store(
    feedback: Feedback, planted: dict[str, str], where: str
) -> None:
    text = (
        f"Mr. {planted['name']} (MRN {planted['mrn']}), phone {planted['phone']}, "
        f"{planted['mail']}, was seen on {planted['day']}."
    )
    quote = text if where == "claim" else QUOTE
    title = text if where == "title" else "Pneumonia"
    citation = Citation("S1", "p", "d", title, "", "", 0, len(quote), quote)
    made = Answer(
        # Of no letters or digits of the planted: a number that reads alike backwards was one once.
        id=uuid.uuid4().hex.translate(DIGITS_TO_LETTERS), answer=text if where == "answer" else QUOTE, abstained=False, reason="",
        emergency=None, claims=(Claim(quote, 1.0, (citation,)),), findings=(), record=None, steps=(),
        model="extractive",
    )  # fmt: skip
    feedback.record(
        Said(text if where == "question" else "What treats it?", made), user="u", thumb=-1,
        correction=text if where == "correction" else "Something else.",
        context=lambda c: text if where == "passage" else c.quote,
    )  # fmt: skip
    on_disk = stored(feedback)
    for value in planted.values():
        assert value.encode() not in on_disk, value


def test_of_a_record_only_the_cited_words_are_kept(feedback: Feedback) -> None:
    made = answer(key="R1")
    entry = feedback.record(
        Said("Which drug?", made), user="u", thumb=1, context=lambda _: "the whole record"
    )
    assert entry.passages[0]["text"] == QUOTE
    assert entry.passages[0]["title"] == "Patient record"


def test_users_read_and_remove_their_own_only(feedback: Feedback) -> None:
    entry = feedback.record(said(), user="one", thumb=1)
    feedback.record(said("a2"), user="two", thumb=1)
    assert [e.answer_id for e in feedback.mine("one")] == ["a1"]
    assert feedback.mine("three") == []
    assert not feedback.withdraw(entry.id, "two")
    assert feedback.withdraw(entry.id, "one")
    assert feedback.mine("one") == []
    assert b"one@ward" not in stored(feedback)
    feedback.record(said(), user="one@ward", thumb=1)
    assert b"one@ward" not in stored(feedback)


def test_a_second_word_on_an_answer_replaces_the_first(feedback: Feedback) -> None:
    first = feedback.record(said(), user="u", thumb=1)
    feedback.accept(first.id, "Reviewer")
    second = feedback.record(said(), user="u", thumb=-1, correction="Give doxycycline.")
    (only,) = feedback.mine("u")
    assert (only.id, only.thumb, only.state) == (first.id, -1, "pending")
    assert second.id == first.id


def test_threads_that_rate_one_answer_leave_one_entry(feedback: Feedback) -> None:
    _ = feedback.store
    threads = [
        threading.Thread(target=feedback.record, args=(said(),), kwargs={"user": "u", "thumb": 1})
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(feedback.mine("u")) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"thumb": 0}, "1 or -1"),
        ({"reasons": ["ugly"]}, "Unknown reason 'ugly'"),
        ({"correction": "x" * 20_001}, "20,001 characters"),
    ],
)
def test_what_cant_be_used_is_refused(
    feedback: Feedback, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        feedback.record(said(), **({"user": "u", "thumb": 1} | change))
    assert feedback.pending() == []


def test_review_decides_and_names_the_reviewer(feedback: Feedback) -> None:
    up = feedback.record(said("a1"), user="u", thumb=1)
    down = feedback.record(said("a2"), user="u", thumb=-1)
    with pytest.raises(InputError, match="without a correction"):
        feedback.accept(down.id, "R")
    with pytest.raises(InputError, match="reviewer's name"):
        feedback.accept(up.id, " ")
    with pytest.raises(InputError, match="begins with 'zz'"):
        feedback.accept("zz", "R")
    accepted = feedback.accept(up.id[:8], "R")
    edited = feedback.edit(down.id, "Mrs. Okonkwo needs doxycycline.", "R")
    assert (accepted.state, accepted.reviewer) == ("accepted", "R")
    assert edited.reviewed_text == "Mrs. [name] needs doxycycline."
    assert feedback.pending() == []
    assert feedback.reject(up.id, "R").state == "rejected"


def fill(feedback: Feedback, users: int = 6) -> None:
    for number in range(users):
        feedback.record(
            said(f"up{number}", f"What treats disease {number}?"), user=f"u{number}", thumb=1,
            context=lambda _: PASSAGE,
        )  # fmt: skip
        feedback.record(
            said(f"down{number}", f"What else treats disease {number}?"), user=f"u{number}", thumb=-1,
            correction="Doxycycline is an alternative for adults. [S1]", context=lambda _: PASSAGE,
        )  # fmt: skip


def test_only_what_is_reviewed_is_exported(feedback: Feedback, tmp_path: Path) -> None:
    fill(feedback, 2)
    with pytest.raises(InputError, match="feedback review"):
        feedback.export(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    waiting = feedback.pending()
    feedback.reject(waiting[0].id, "R")
    feedback.accept(waiting[1].id, "R")
    first = feedback.export(tmp_path / "out")
    everything = feedback.export(tmp_path / "out", everything=True)
    assert sum(n for f, n in first.rows.items() if not f.startswith("pref")) == 1
    assert sum(n for f, n in everything.rows.items() if not f.startswith("pref")) == 3
    card = json.loads((everything.folder / "card.json").read_text())
    assert (card["reviewed"], card["not_reviewed"]) == (1, 2)


def test_a_version_is_never_changed_and_its_parts_share_no_user(
    feedback: Feedback, tmp_path: Path
) -> None:
    fill(feedback)
    for entry in feedback.pending():
        feedback.accept(entry.id, "R")
    first = feedback.export(tmp_path / "out")
    before = {path.name: sha256(path) for path in first.folder.iterdir()}
    card = json.loads((first.folder / "card.json").read_text())
    assert {n: d for n, d in before.items() if n != "card.json"} == card["sha256"]
    assert card["disjoint_by"] == "user and question"
    assert card["reviewers"] == ["R"]
    feedback.record(said("new", "And in children?"), user="new", thumb=1)
    feedback.accept(feedback.pending()[0].id, "R")
    second = feedback.export(tmp_path / "out")
    assert (first.version, second.version) == (1, 2)
    assert {path.name: sha256(path) for path in first.folder.iterdir()} == before
    part = {
        name: {row["group"] for row in rows(second.folder / f"{name}.jsonl")}
        for name in ("train", "validation")
    }
    assert part["train"]
    assert part["validation"]
    assert not part["train"] & part["validation"]
    versions = {entry.answer_id: entry.dataset_version for entry in feedback.store.entries()}
    assert versions["up0"] == 1
    assert versions["new"] == 2


def test_one_users_questions_are_split_by_question(feedback: Feedback, tmp_path: Path) -> None:
    for number in range(4):
        entry = feedback.record(said(f"a{number}", f"Question {number}?"), user="u", thumb=1)
        feedback.accept(entry.id, "R")
    done = feedback.export(tmp_path / "out")
    assert json.loads((done.folder / "card.json").read_text())["disjoint_by"] == "question"
    assert done.rows == {"train.jsonl": 3, "validation.jsonl": 1}


def test_the_files_are_what_the_training_script_reads(feedback: Feedback, tmp_path: Path) -> None:
    from finetune.chat import formats

    fill(feedback)
    for entry in feedback.pending():
        feedback.accept(entry.id, "R")
    done = feedback.export(tmp_path / "out")
    for row in rows(done.folder / "train.jsonl"):
        read = formats.read(formats.choose("auto", row, "row"), row, "row")
        learned = [m for m in read.messages if m["role"] == "assistant" and m.get("weight", 1)]
        assert [m["content"] for m in learned] == [row["messages"][-1]["content"]]
        assert any(PASSAGE in m["content"] for m in read.messages)
    (pair, *_) = rows(done.folder / "preference_train.jsonl")
    kind = formats.choose("auto", pair, "row")
    assert kind.name == "preference"
    read = formats.read(kind, pair, "row")
    assert read.messages[-1]["content"] == "Doxycycline is an alternative for adults. [S1]"
    assert read.rejected == f"{QUOTE} [S1]"


def test_personal_data_that_is_left_stops_the_export(feedback: Feedback, tmp_path: Path) -> None:
    entry = feedback.record(said(), user="u", thumb=1)
    feedback.accept(entry.id, "R")
    with feedback.store._engine.begin() as connection:
        change = {"question": "Mrs. Okonkwo, MRN 00447123?"}
        connection.execute(sa.update(tables.feedback).values(change))
    with pytest.raises(InputError, match=rf"{entry.id[:8]} \(mrn, name\)") as caught:
        feedback.export(tmp_path / "out")
    assert "Okonkwo" not in str(caught.value)
    assert not list((tmp_path / "out").glob("v*"))


def test_a_place_that_cant_be_written_is_named(feedback: Feedback, tmp_path: Path) -> None:
    feedback.accept(feedback.record(said(), user="u", thumb=1).id, "R")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(InputError, match="v0001 can't be written"):
        feedback.export(tmp_path / "file")
    assert feedback.store.newest_dataset() == 0


def test_since_takes_a_date_and_nothing_else(feedback: Feedback, tmp_path: Path) -> None:
    feedback.accept(feedback.record(said(), user="u", thumb=1).id, "R")
    with pytest.raises(InputError, match="no date"):
        feedback.export(tmp_path / "out", since="yesterday")
    with pytest.raises(InputError, match="no feedback to export"):
        feedback.export(tmp_path / "out", since="2999-01-01")
    assert feedback.export(tmp_path / "out", since="2020-01-01").version == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=20))
def test_a_split_shares_no_user_or_question(pairs: list[tuple[int, int]]) -> None:
    from assistant.store.feedback import Entry

    entries = [
        Entry(str(n), "", f"o{owner}", "", 1, f"q {question}", "", 1, "", (), (), (), "", {}, {})
        for n, (owner, question) in enumerate(pairs)
    ]
    held, group, kind = _feedback_export.split(entries)
    inside = [e for e in entries if e.id in held]
    outside = [e for e in entries if e.id not in held]
    assert not {e.question for e in inside} & {e.question for e in outside}
    if kind == "user and question":
        assert not {e.owner for e in inside} & {e.owner for e in outside}
    assert outside
    assert set(group) == {e.id for e in entries}
    assert (held, group, kind) == _feedback_export.split(entries[::-1])


def test_a_name_that_the_question_gives_away_is_masked_where_it_stands_bare() -> None:
    from assistant.feedback import _Cleaner

    cleaner = _Cleaner(("Mrs. Okonkwo, MRN 00447123: which dose?", "", ""))
    said = "Nothing in the library mentions “Okonkwo”. Chart 00447123."
    assert cleaner.clean(said) == "Nothing in the library mentions “[name]”. Chart [mrn]."
    assert "Okonkwo" in cleaner.clean("Okonkwo and others 2019", repeated=False)

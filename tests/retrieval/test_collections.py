"""Collections: names, folders, who sees which, and that nothing crosses from one user to another."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrieval import ingest as pipeline
from retrieval.collections import Collections
from retrieval.errors import InputError
from retrieval.index.store import Index
from retrieval.index.writer import Writer
from retrieval.librarian import Librarian
from retrieval.search import Searcher
from retrieval.types import Document, Section

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

BAD_NAMES = [
    "../x",
    "a/b",
    "a\\b",
    ".hidden",
    "Upper",
    "-x",
    " x",
    "x\n",
    "x" * 65,
    "ä",
    "a\0b",
    "con:",
]


@pytest.fixture
def collections(tmp_path: Path) -> Collections:
    return Collections(tmp_path)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_none_is_refused_everywhere(collections: Collections, name: str) -> None:
    for use in (collections.create, collections.find, collections.drop):
        with pytest.raises(InputError, match="can't be the name"):
            use(name)


@pytest.mark.parametrize("owner", ["../../etc", "a\0b", "x" * 5000, "安娜", ""])
def test_any_owner_gets_a_folder_within_the_state(
    collections: Collections, tmp_path: Path, owner: str
) -> None:
    info = collections.create("ward notes", owner)
    assert info.folder.parent.parent == tmp_path / "collections"
    assert collections.find("ward notes", owner).folder == info.folder
    assert collections.create("ward notes", owner) == info


def test_an_owner_that_is_no_text_is_refused(collections: Collections) -> None:
    with pytest.raises(InputError, match="no text"):
        collections.create("notes", "\ud83d")


def test_two_users_may_use_one_name_and_see_their_own(collections: Collections) -> None:
    mine, yours = collections.create("notes", "ann"), collections.create("notes", "bob")
    shared = collections.create("guidelines")
    assert mine.folder != yours.folder
    assert [i.folder for i in collections.visible("ann")] == [
        collections.common.folder,
        shared.folder,
        mine.folder,
    ]
    assert [i.name for i in collections.visible()] == ["", "guidelines"]
    assert collections.find("notes", "ann").folder == mine.folder
    assert collections.find("guidelines", "ann").folder == shared.folder
    assert collections.find("", "ann") == collections.find("common") == collections.common


def test_what_is_another_users_does_not_exist(collections: Collections) -> None:
    collections.create("secret", "ann")
    messages = []
    for name, user in (("secret", "bob"), ("secret", ""), ("absent", "bob")):
        with pytest.raises(InputError) as caught:
            collections.find(name, user)
        messages.append(str(caught.value).replace(name, "NAME"))
        with pytest.raises(InputError) as caught:
            collections.drop(name, user)
        messages.append(str(caught.value).replace(name, "NAME"))
    assert len(set(messages)) == 1


def test_a_card_in_a_foreign_place_gives_nothing(collections: Collections, tmp_path: Path) -> None:
    info = collections.create("secret", "ann")
    stolen = tmp_path / "collections" / "secret-0123456789abcdef"
    stolen.mkdir()
    card = (info.folder.parent / "collection.json").read_text()
    (stolen / "collection.json").write_text(card.replace("ann", "bob"))
    assert [i.name for i in collections.visible("bob")] == [""]
    (info.folder.parent / "collection.json").write_text("[]")
    assert [i.name for i in collections.visible("ann")] == [""]


def test_a_dropped_collection_is_gone_and_its_name_free(collections: Collections) -> None:
    info = collections.create("notes", "ann")
    (info.folder).mkdir()
    collections.drop("notes", "ann")
    assert not info.folder.parent.exists()
    assert collections.create("notes", "ann").is_built is False
    with pytest.raises(InputError, match="can't be dropped"):
        collections.drop("")


USERS = ("ann", "bob")
CANARIES = {"ann": "zanthropsy", "bob": "quilberoxin"}


def canary_documents(user: str) -> list[Document]:
    word = CANARIES[user]
    text = f"Fever is treated with {word} at {word} dose, and fever passes with {word}."
    return [
        Document(
            id=f"{user}-{n}",
            title=f"{word} {n}",
            sections=(Section("Treatment", "treatment", f"{text} Case {n}."),),
            kind="drug",
            synonyms=(f"{word}ol",),
        )
        for n in range(5)
    ]


def librarian_for(collections: Collections, user: str, encoder: Any) -> Librarian:
    indexes = [
        Index.open(info.folder, encoder) for info in collections.visible(user) if info.is_built
    ]
    return Librarian(Searcher(indexes, encoder))


def fill(collections: Collections, encoder: Any) -> None:
    common = [
        Document(f"c{n}", f"Fever {n}", (Section("", "", f"Fever is common in ward {n}."),))
        for n in range(5)
    ]
    for info, given in (
        (collections.common, common),
        *((collections.create("notes", user), canary_documents(user)) for user in USERS),
    ):
        with Writer(info.folder, encoder, name=info.name, owner=info.owner) as writer:
            list(pipeline.ingest(given, writer))


def test_a_thousand_interleaved_searches_cross_nowhere(
    collections: Collections, tiny: Encoder
) -> None:
    fill(collections, tiny)
    shelves = {user: librarian_for(collections, user, tiny) for user in (*USERS, "")}
    crossed: list[str] = []
    found_own = dict.fromkeys(USERS, 0)

    def look(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(125):
            user = draw.choice((*USERS, ""))
            theirs = [word for name, word in CANARIES.items() if name != user]
            word = draw.choice((*CANARIES.values(), "fever"))
            mode = draw.choice(("fused", "dense", "lexical"))
            hits = shelves[user].searcher.search(f"fever {word}", 20, mode)
            shown = repr([(hit.passage, hit.score, hit.parts) for hit in hits])
            crossed.extend(f"{user}: {t}" for t in theirs if t in shown)
            if user and CANARIES[user] in shown:
                found_own[user] += 1

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crossed == []
    assert min(found_own.values()) > 50


def test_words_names_and_corrections_cross_nowhere(collections: Collections, tiny: Encoder) -> None:
    fill(collections, tiny)
    for user in (*USERS, ""):
        shelf = librarian_for(collections, user, tiny)
        for other in USERS:
            word = CANARIES[other]
            own = other == user
            assert shelf.knows(word) is own
            assert bool(shelf.subjects.find(f"What is {word} 1?")) is own
            assert shelf.passages(f"{other}-1") == [] or own
            misspelt = word[:-2] + word[-1]
            assert (word in shelf.correct(f"{misspelt} dose")) is own
            assert any(word in hit.passage.text for hit in shelf.find(f"{word} dose").hits) is own

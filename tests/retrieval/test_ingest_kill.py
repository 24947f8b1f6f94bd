"""An ingestion that is killed at any point: what was acknowledged is there once, the rest is whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.index import writer as writers
from retrieval.index.store import Index
from tests.retrieval.hashed import HashedWords

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = 60
CHILD = f"""
import random, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from retrieval import ingest as pipeline
from retrieval.index.writer import Writer
from retrieval.types import Document, Section
from tests.retrieval.hashed import HashedWords
pipeline.BATCH_DOCUMENTS = 6
folder, turn = Path(sys.argv[1]), int(sys.argv[2])
def document(n):
    text = f"Document {{n}} as of turn {{turn}}, with words of its own: w{{n}} t{{turn}}."
    return Document(f"d{{n}}", f"Title {{n}}", (Section("", "", text),), identifiers=(f"doi:10.1/{{n}}",))
order = list(range({DOCUMENTS}))
random.Random(turn).shuffle(order)
with Writer(folder, HashedWords(), timeout_s=60) as writer:
    print("began", flush=True)
    for step in pipeline.ingest(map(document, order), writer):
        print("in", step.tally.read, flush=True)
    for n in order[:20]:
        pipeline.remove(writer, [f"d{{n}}"], lambda _: [])
        print("out", n, flush=True)
print("done", flush=True)
"""


def run_and_kill(folder: Path, turn: int, draw: random.Random) -> list[str]:
    """Run one turn, kill it after some acknowledgements or a moment later; return what it said."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(turn)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stderr is not None
    wanted = draw.randrange(0, 32)
    said = []
    for line in child.stdout:
        said.append(line.strip())
        if len(said) > wanted:
            break
    try:
        child.wait(draw.random() * 0.05)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    rest, errors = child.stdout.read(), child.stderr.read()
    child.stdout.close()
    child.stderr.close()
    assert child.wait(60) in (0, -signal.SIGKILL), errors
    return [*said, *rest.split("\n")[:-1]]


def check(
    folder: Path, turns: int, said: list[str], before: dict[int, int | None]
) -> dict[int, int | None]:
    """Check what is in the index against what was said; return each document's turn."""
    now = turn_of_each(folder)
    turn, order = turns, list(range(DOCUMENTS))
    random.Random(turn).shuffle(order)
    taken = max((int(s.split()[1]) for s in said if s.startswith("in ")), default=0)
    removed = {int(s.split()[1]) for s in said if s.startswith("out ")}
    for n in order[:taken]:
        assert now[n] == (None if n in removed else turn) or (
            # A removal that was done and not yet said.
            now[n] is None and taken == DOCUMENTS and n == order[len(removed)]
        ), (n, said)
    for n in order[taken:]:
        assert now[n] in (before[n], turn), (n, said)
    batch = order[taken : taken + 6]
    assert len({now[n] == turn for n in batch}) <= 1, "a batch is there as a whole or not at all"
    assert all(now[n] == before[n] for n in order[taken + 6 :])
    return now


def turn_of_each(folder: Path) -> dict[int, int | None]:
    found: dict[int, int | None] = dict.fromkeys(range(DOCUMENTS))
    if not (folder / "CURRENT").exists():
        return found
    index = Index.open(folder, HashedWords())
    ids = [document.id for document in index.documents]
    assert len(ids) == len(set(ids)) == len(index.documents)
    for document in index.documents:
        text = document.sections[0].text
        found[int(document.id[1:])] = int(text.rsplit(" t", 1)[1].rstrip("."))
        assert len(index.documents.rows(document.id)) == 1
        assert index.documents.find(document.identifiers[0]) == document.id
    return found


def rounds(folder: Path, count: int, seed: int) -> None:
    draw = random.Random(seed)
    state: dict[int, int | None] = dict.fromkeys(range(DOCUMENTS))
    for turn in range(count):
        said = run_and_kill(folder, turn, draw)
        state = check(folder, turn, said, state)
    # The next writer clears away what the killed ones left half done.
    with writers.Writer(folder, HashedWords()):
        pass
    assert writers.verify(folder) == []


def test_a_few_kills(tmp_path: Path) -> None:
    rounds(tmp_path / "index", 3, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_kills(tmp_path: Path) -> None:
    rounds(tmp_path / "index", 100, seed=2)

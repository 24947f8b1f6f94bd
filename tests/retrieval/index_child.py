"""What the tests of the index share with the processes that they kill: an encoder and documents.

Runs as a program too: `index_child.py FOLDER SEED` changes an index for ever, printing what was
acknowledged, until somebody kills it.
"""

from __future__ import annotations

import hashlib
import random
import re
import sys
from pathlib import Path

import numpy as np

from retrieval.index.writer import Writer
from retrieval.types import Document, Section

WIDTH = 24


class WordsEncoder:
    """Texts as sums of one random vector a word: near texts share words. Takes microseconds."""

    width = WIDTH

    def __init__(self, identity: str = "words@1") -> None:
        self.identity = identity
        self.embedded = 0

    def embed(self, texts, max_tokens=256, progress=None):
        """Return unit vectors, float32 (texts, WIDTH)."""
        vectors = np.stack([self._one(text) for text in texts])
        self.embedded += len(texts)
        if progress is not None:
            progress(len(texts), len(texts))
        return vectors

    def embed_queries(self, queries, max_tokens=256):
        """Return unit vectors, float32 (queries, WIDTH)."""
        return self.embed(queries, max_tokens)

    def _one(self, text: str):
        total = np.zeros(WIDTH)
        for word in re.findall(r"\w+", f"{self.identity} {text}".lower()):
            seed = int.from_bytes(hashlib.sha256(word.encode("utf-8", "replace")).digest()[:8])
            total += np.random.default_rng(seed).standard_normal(WIDTH)
        return (total / np.linalg.norm(total)).astype(np.float32)


def document(number: int, version: int = 0) -> Document:
    """A document whose text tells its number and version; two passages."""
    return Document(
        id=f"d{number}",
        title=f"Title {number}",
        sections=(
            Section("Part", "causes", f"Text {number} in version {version}."),
            Section("Other", "", f"More of number {number}."),
        ),
        kind="condition" if number % 2 else "article",
        year=1990 + number % 30,
        identifiers=(f"pmid:{number}",),
    )


def change_for_ever(folder: Path, seed: int) -> None:
    """Add, update, remove and compact; print each change before and after it was published."""
    draw = random.Random(seed)
    with Writer(folder, WordsEncoder()) as writer:
        print("ready", flush=True)
        version = 0
        while True:
            version += 1
            numbers = draw.sample(range(40), 3)
            kind = draw.choice(["add", "add", "remove", "both", "compact"])
            add = numbers if kind == "add" else numbers[:1] if kind == "both" else []
            gone = numbers if kind == "remove" else numbers[1:] if kind == "both" else []
            told = f"{version}|{','.join(map(str, add))}|{','.join(map(str, gone))}"
            print(f"begin|{told}", flush=True)
            if kind == "compact":
                writer.compact()
            else:
                writer.commit(
                    [document(n, seed * 100_000 + version) for n in add],
                    [f"d{n}" for n in gone],
                )
            print(f"done|{told}", flush=True)


if __name__ == "__main__":
    change_for_ever(Path(sys.argv[1]), int(sys.argv[2]))

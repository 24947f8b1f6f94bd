"""Films to findings as a stream: decoded ahead in threads while the network judges, in batches.

Order is the order of the paths. What is wrong with one film is that film's result; memory stays
bounded by the films that are decoded ahead.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import AttachmentError, AuscultError, ModelError
from ui import failures

if TYPE_CHECKING:
    from assistant.findings import Finding
    from assistant.settings import Settings
    from assistant.types import Attachment
    from assistant.vision.decode import RadiographImage
    from assistant.vision.judge import ImageJudge

# Pixels of a batch, and pixels that may wait decoded (a byte each).
BATCH_PIXELS = 96_000_000
WAITING_PIXELS = 256_000_000


@dataclass(frozen=True, slots=True)
class Film:
    """One file and what became of it.

    Attributes:
        path: the file.
        key: its path as text, for the CSV file.
        digest: hexadecimal SHA-256 of its bytes; "" where it could not be read.
        image: its pixels, or None.
        finding: what the judge said, or None.
        error: why there is no finding, or "".
        known: whether it was judged in an earlier run, and was left out in this one.
        seconds: time that decoding and judging it took.
    """

    path: Path
    key: str
    digest: str = ""
    image: RadiographImage | None = field(default=None, repr=False)
    finding: Finding | None = field(default=None, repr=False)
    error: str = ""
    known: bool = False
    seconds: float = 0.0

    @property
    def pixels(self) -> int:
        """How many pixels it holds."""
        return 0 if self.image is None else int(self.image.pixels.size)


@dataclass(frozen=True, slots=True)
class Work:
    """How films are judged.

    Attributes:
        judge: the judge.
        settings: limits for decoding, and where a bug's frames are saved.
        heatmap: whether findings carry one.
        done: paths and digests of films that need no judgement any more.
    """

    judge: ImageJudge
    settings: Settings
    heatmap: bool = False
    done: Collection[tuple[str, str]] = ()


def stream(paths: Iterable[Path], work: Work) -> Iterator[Film]:
    """Yield every film with its finding, its error, or that it is known.

    Raises:
        ConfigError: if the model can't be loaded.
    """
    from assistant.vision.judge import BATCH

    waiting: list[Film] = []
    for film in _ahead(paths, lambda some: read(some, work), 2 * BATCH):
        waiting.append(film)
        judged = [one for one in waiting if one.image is not None]
        if len(judged) >= BATCH or sum(one.pixels for one in judged) >= BATCH_PIXELS:
            yield from _judge(waiting, work)
            waiting = []
    yield from _judge(waiting, work)


def read(paths: Sequence[Path], work: Work) -> list[Film]:
    """Read and decode a few files; what is wrong with one goes into its film."""
    from assistant.vision.decode import decode_together

    started = time.perf_counter()
    opened = [_open(path, work) for path in paths]
    given = [attachment for _, attachment in opened if attachment is not None]
    try:
        decoded = iter(decode_together(given, work.settings))
    except Exception as error:  # noqa: BLE001 - one file's bug must not lose the other films
        if len(paths) > 1:
            return [film for path in paths for film in read([path], work)]
        return [
            replace(opened[0][0], error=failures.report(error, lambda: work.settings.state_dir))
        ]
    each = (time.perf_counter() - started) / max(len(given), 1)
    films = []
    for film, attachment in opened:
        found = next(decoded) if attachment is not None else None
        if isinstance(found, AttachmentError):
            film = replace(film, error=_line(found))
        elif found is not None:
            film = replace(film, image=found, seconds=each)
        films.append(film)
    return films


def _open(path: Path, work: Work) -> tuple[Film, Attachment | None]:
    """Read one file; the attachment is None where nothing is left to be decoded."""
    from assistant.intake import accept_file

    # A name that is no text in this system's encoding is still one key, always the same.
    key = os.fsencode(path).decode("utf-8", "backslashreplace")
    film = Film(path, key)
    try:
        attachment = accept_file(path, work.settings)
        film = replace(film, digest=hashlib.sha256(attachment.data).hexdigest())
        if (key, film.digest) in work.done:
            return replace(film, known=True), None
    except AttachmentError as error:
        return replace(film, error=_line(error)), None
    except Exception as error:  # noqa: BLE001 - one file's bug must not lose the other films
        return replace(film, error=failures.report(error, lambda: work.settings.state_dir)), None
    return film, attachment


def _judge(films: list[Film], work: Work) -> Iterator[Film]:
    """Yield the films in their order, those with an image judged in one batch."""
    batch = [film for film in films if film.image is not None]
    findings = iter(_findings(batch, work))
    for film in films:
        yield film if film.image is None else next(findings)


def _findings(batch: list[Film], work: Work) -> list[Film]:
    started = time.perf_counter()
    try:
        found = list(_ask(batch, work))
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001 - see below: the film that breaks it is found alone
        if len(batch) == 1:
            known = isinstance(error, AuscultError)
            said = (
                _line(error) if known else failures.report(error, lambda: work.settings.state_dir)
            )
            return [replace(batch[0], error=said, image=None)]
        return [one for film in batch for one in _findings([film], work)]
    each = (time.perf_counter() - started) / max(len(batch), 1)
    return [
        replace(film, finding=finding, seconds=film.seconds + each)
        for film, finding in zip(batch, found, strict=True)
    ]


def _ask(batch: list[Film], work: Work) -> Iterator[Finding]:
    from assistant.intake import display_name

    images = [film.image for film in batch if film.image is not None]
    names = [display_name(film.path.name) for film in batch]
    return work.judge.judge_many(images, names, heatmap=work.heatmap)


def _ahead(
    paths: Iterable[Path], task: Callable[[Sequence[Path]], list[Film]], room: int
) -> Iterator[Film]:
    """Yield the films of `task(a few paths)` in order; about `room` are made ahead, in threads.

    The threads wait for children that decode, and cost next to nothing themselves.
    """
    pool = ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) + 1))
    rest = iter(paths)
    under_way: deque[Future[list[Film]]] = deque()
    try:
        while True:
            _fill(pool, under_way, rest, task, room)
            if not under_way:
                return
            yield from under_way.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _fill(
    pool: ThreadPoolExecutor,
    under_way: deque[Future[list[Film]]],
    rest: Iterator[Path],
    task: Callable[[Sequence[Path]], list[Film]],
    room: int,
) -> None:
    """Start further tasks while there is room, in number and in pixels."""
    from assistant.vision.decode import TOGETHER

    waiting = sum(film.pixels for one in under_way if one.done() for film in one.result())
    while len(under_way) * TOGETHER < room and (waiting < WAITING_PIXELS or not under_way):
        some = list(islice(rest, TOGETHER))
        if not some:
            return
        under_way.append(pool.submit(task, some))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())

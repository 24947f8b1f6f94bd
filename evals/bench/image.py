"""How fast a film is judged, from its bytes to a finding, against a DenseNet121 of MONAI.

    python -m evals.bench.image --rounds 5 --out image.json

In one process, round by round in random order, with the same threads: PNG bytes to a finding through
the product's own intake, decoding child, gate and classifier; the same with the heatmap; and PNG bytes
to a probability through an eager float32 DenseNet121 at 224 pixels that opens its PNG itself and has
neither limits nor a gate. Then a folder of films against the same films already decoded, and the first
finding in fresh processes. Time is that on the wall, since decoding has children of its own. The films
are the built-in synthetic ones, enlarged, with noise; a DenseNet's weights don't change its pace.
"""

from __future__ import annotations

import functools
import io
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evals.bench import _paired, _table

SIDE = 224
# Sides of the films in pixels, and how many a round works on.
SIZES = (224, 1024)
BATCH = 4
FOLDER = 1_000
OURS, MAPPED, THEIRS, THEIR_MAP = "finding", "finding with heatmap", "DenseNet121", "its Grad-CAM"
READ, READ_MAP, PIXELS = "network alone", "network alone with map", "decoded film to finding"
TARGETS = {
    **{f"{size} px: times faster than DenseNet121": _table.Target(least=3) for size in SIZES},
    **{f"{size} px: finding with heatmap by finding": _table.Target(most=1.2) for size in SIZES},
    "network alone with map by without": _table.Target(most=1.2),
    "folder: pace by that of decoded films": _table.Target(least=0.9),
    "fresh process: first finding": _table.Target(most=6),
}


def films(count: int, side: int, seed: int) -> list[bytes]:
    """Return PNG bytes of synthetic films, all different."""
    from assistant import vision

    generator = np.random.default_rng([seed, side])
    samples = sorted((Path(vision.__file__).parent / "samples").glob("*.png"))
    found = []
    for number in range(count):
        with Image.open(samples[number % len(samples)]) as sample:
            film = sample.convert("L").resize((side, side), Image.Resampling.BICUBIC)
        noisy = np.asarray(film, dtype=np.float32) + generator.normal(0, 2, (side, side))
        stream = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(stream, "PNG", compress_level=1)
        found.append(stream.getvalue())
    return found


class Ours:
    """The product's way from bytes to a finding, loaded and warm."""

    def __init__(self, threads: int) -> None:
        """Load gate and classifier."""
        from assistant.settings import Settings
        from assistant.vision import classifiers
        from assistant.vision.judge import ImageJudge

        self.settings = Settings(threads=threads)
        self.judge = ImageJudge(self.settings)
        self.classifier = classifiers.build(self.settings.image_classifiers[0], self.settings)

    def findings(self, given: list[bytes], *, heatmap: bool) -> list[Any]:
        """Judge PNG files one after the other, as the chat does."""
        return [
            next(self.judge.judge_many([self.decoded(data)], heatmap=heatmap)) for data in given
        ]

    def decoded(self, data: bytes) -> Any:
        """Return an accepted and decoded film."""
        from assistant.intake import accept
        from assistant.vision.decode import decode

        return decode(accept("film.png", data, self.settings), self.settings)

    def folder(self, paths: list[Path]) -> int:
        """Judge a folder as the command does: read ahead in several children; the number judged."""
        from assistant.intake import accept_file
        from assistant.vision.decode import RadiographImage, decode_many

        attachments = (accept_file(path, self.settings) for path in paths)
        opened = decode_many(attachments, self.settings)
        images = (image for image in opened if isinstance(image, RadiographImage))
        return sum(not finding.refused for finding in self.judge.judge_many(images))


class Theirs:
    """MONAI's DenseNet121, one grey channel and one output, random weights, eager float32."""

    def __init__(self) -> None:
        """Build it."""
        import torch
        from monai.networks.nets.densenet import DenseNet121
        from monai.visualize.class_activation_maps import GradCAM

        torch.manual_seed(0)
        self.network = DenseNet121(spatial_dims=2, in_channels=1, out_channels=1).eval()
        self.cam = GradCAM(nn_module=self.network, target_layers="class_layers.relu")

    def probabilities(self, given: list[bytes]) -> list[float]:
        """Return a probability a PNG file."""
        import torch

        with torch.inference_mode():
            return [float(torch.sigmoid(self.network(self._input(data)))) for data in given]

    def maps(self, given: list[bytes]) -> list[Any]:
        """Return MONAI's Grad-CAM of each PNG file."""
        return [self.cam(x=self._input(data), class_idx=0) for data in given]

    def _input(self, data: bytes) -> Any:
        import torch

        with Image.open(io.BytesIO(data)) as picture:
            film = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.asarray(film, dtype=np.float32) / 255)[None, None]


def ratio(found: _paired.Rounds, slow: str, fast: str) -> _table.Figure:
    """Return how many times the time on the wall of `fast` that of `slow` is."""
    pairs = zip(found.wall_s[slow], found.wall_s[fast], strict=True)
    return _table.figure([a / max(b, 1e-9) for a, b in pairs], "x")


def judged(
    ours: Ours, theirs: Theirs | None, rounds: int, generator: random.Random, seed: int
) -> dict[str, _table.Figure]:
    """Return the time of one film at each size, and how it stands to the DenseNet's."""
    figures: dict[str, _table.Figure] = {}
    for size in SIZES:
        work = _works(ours, theirs, films(BATCH, size, seed))
        found = _paired.compare(work, rounds, generator)
        for name in work:
            spent = [1_000 * wall / BATCH for wall in found.wall_s[name]]
            figures[f"{size} px: {name}"] = _table.figure(spent, "ms")
        if theirs is not None:
            figures[f"{size} px: times faster than DenseNet121"] = ratio(found, THEIRS, OURS)
            figures[f"{size} px: its Grad-CAM by its probability"] = ratio(found, THEIR_MAP, THEIRS)
        figures[f"{size} px: finding with heatmap by finding"] = ratio(found, MAPPED, OURS)
    return figures


def _works(
    ours: Ours, theirs: Theirs | None, given: list[bytes]
) -> dict[str, Callable[[int], Any]]:
    """Return what is compared on some films, by name."""
    work: dict[str, Callable[[int], Any]] = {
        OURS: lambda _: ours.findings(given, heatmap=False),
        MAPPED: lambda _: ours.findings(given, heatmap=True),
    }
    if theirs is not None:
        work[THEIRS] = lambda _: theirs.probabilities(given)
        work[THEIR_MAP] = lambda _: theirs.maps(given)
    return work


def network(
    ours: Ours, rounds: int, generator: random.Random, seed: int
) -> dict[str, _table.Figure]:
    """Return the time of the classifier alone, without and with its map, and of gate and classifier."""
    images = [ours.decoded(data) for data in films(BATCH, SIDE, seed)]
    pixels: list[NDArray[np.uint8]] = [image.pixels for image in images]
    work: dict[str, Callable[[int], Any]] = {
        READ: lambda _: [ours.classifier.read([film]) for film in pixels],
        READ_MAP: lambda _: [ours.classifier.together(film) for film in pixels],
        PIXELS: lambda _: [list(ours.judge.judge_many([image])) for image in images],
    }
    found = _paired.compare(work, rounds, generator)
    figures = {
        name: _table.figure([1_000 * wall / BATCH for wall in found.wall_s[name]], "ms")
        for name in work
    }
    figures["network alone with map by without"] = ratio(found, READ_MAP, READ)
    return figures


def folder(ours: Ours, count: int, rounds: int, seed: int) -> dict[str, _table.Figure]:
    """Return films a second of a folder, and of the same films already decoded, in turn."""
    pace: dict[str, list[float]] = {"folder": [], "decoded": []}
    with TemporaryDirectory() as name:
        paths = []
        distinct = films(min(count, 40), SIDE * 2, seed)
        for number in range(count):
            paths.append(Path(name) / f"{number:04d}.png")
            paths[-1].write_bytes(distinct[number % len(distinct)])
        images = [ours.decoded(data) for data in distinct]

        def again() -> Iterator[Any]:
            return (images[number % len(images)] for number in range(count))

        work: dict[str, Callable[[], Any]] = {
            "folder": functools.partial(ours.folder, paths),
            "decoded": lambda: sum(not f.refused for f in ours.judge.judge_many(again())),
        }
        for _ in range(rounds):
            for key, call in work.items():
                began = time.perf_counter()
                call()
                pace[key].append(count / (time.perf_counter() - began))
    ratios = [a / b for a, b in zip(pace["folder"], pace["decoded"], strict=True)]
    return {
        "folder: films from disk": _table.figure(pace["folder"], "/s"),
        "folder: decoded films": _table.figure(pace["decoded"], "/s"),
        "folder: pace by that of decoded films": _table.figure(ratios, "x"),
    }


_FRESH = """
import sys
from pathlib import Path
from assistant.intake import accept_file
from assistant.settings import Settings
from assistant.vision.judge import ImageJudge
settings = Settings(threads=int(sys.argv[2]))
finding = ImageJudge(settings).judge(accept_file(Path(sys.argv[1]), settings))
assert finding.reason
assert not [name for name in sys.modules if name.split(".")[0] in ("monai", "transformers")]
"""


def fresh(rounds: int, threads: int, seed: int) -> dict[str, _table.Figure]:
    """Return the seconds from the start of a process to the end of its first finding with heatmap.

    Raises:
        SystemExit: if the process fails, or loads MONAI or transformers, with what it said.
    """
    spent = []
    with TemporaryDirectory() as name:
        path = Path(name) / "film.png"
        path.write_bytes(films(1, SIZES[-1], seed)[0])
        for _ in range(rounds):
            began = time.perf_counter()
            done = subprocess.run(  # noqa: S603 - our own command
                [sys.executable, "-c", _FRESH, str(path), str(threads)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            spent.append(time.perf_counter() - began)
            if done.returncode:
                raise SystemExit(f"The fresh process failed:\n{done.stderr.strip()[-2_000:]}")
    return {"fresh process: first finding": _table.figure(spent, "s")}


def main() -> None:
    """Measure and print."""
    parser = _table.parser((__doc__ or "").partition("\n")[0], rounds=7)
    parser.add_argument("--threads", type=int, default=2, help="threads of both (2)")
    parser.add_argument("--count", type=int, default=FOLDER, help=f"films of the folder ({FOLDER})")
    parser.add_argument("--alone", action="store_true", help="without MONAI's side")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.count = 1, min(given.count, 24)
    before = _table.machine()
    generator = random.Random(given.seed)
    figures = fresh(min(given.rounds, 3), given.threads, given.seed)
    ours = Ours(given.threads)
    theirs = None if given.alone else Theirs()
    figures |= judged(ours, theirs, given.rounds, generator, given.seed)
    figures |= network(ours, given.rounds, generator, given.seed)
    figures |= folder(ours, given.count, 1 if given.quick else 2, given.seed)
    finding = ours.findings(films(1, SIZES[0], given.seed), heatmap=True)[0]
    facts = {
        "threads": given.threads,
        "films of the folder": given.count,
        "classifier": ours.classifier.card.title,
        "the film is": "refused" if finding.refused else "judged",
        "bytes of overlay, map and film": [
            len(part or b"") for part in (finding.heatmap, finding.heat, finding.picture)
        ],
    }
    _table.publish("image", figures, before, given.out, facts=facts, targets=TARGETS)


if __name__ == "__main__":
    main()

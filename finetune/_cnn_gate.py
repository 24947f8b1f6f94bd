"""Training of the input gate's network: chest film, other picture, turned film, inverted film.

Brain MRI is never trained on: the licence of parts of it is unclear, and as a kind of picture that
the gate has never seen it says more about the gate.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from assistant.vision.classifier import BATCH, to_batch
from assistant.vision.gate import KINDS
from assistant.vision.network import FilmNet
from assistant.vision.weights import CARD_FILE, MODEL_FILE
from finetune import _cnn_negatives as negatives
from finetune._cnn_augment import STRESSES, Augment, stress
from finetune._cnn_card import TRAINED_ON, VERSION, write_weights
from finetune._cnn_data import Films
from retrieval.files import sha256, write_json

log = logging.getLogger(__name__)

WIDTH, SIDE = 16, 96
RATE = 2e-3


def fit(films: Films, others: np.ndarray, steps: int, seed: int = 5, batch: int = 64) -> FilmNet:
    """Train the gate's network and return it with averaged weights, in evaluation mode.

    Args:
        films: chest films, the training side of the split.
        others: (N, 224, 224) uint8 pictures that are no chest film.
        steps: training steps.
        seed: of weights, sampling and augmentation.
        batch: pictures a step.
    """
    torch.manual_seed(seed)
    network = FilmNet(WIDTH, SIDE, outputs=len(KINDS)).to(memory_format=torch.channels_last).train()
    averaged = {k: v.clone() for k, v in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.03)
    for step in range(steps):
        generator = np.random.default_rng((seed, step))
        pixels, kinds = draw_batch(films, others, generator, batch)
        views = Augment(SIDE, torch.Generator().manual_seed(seed * 99_991 + step))(
            torch.from_numpy(pixels).unsqueeze(1).float() / 255, torch.full((batch,), 1.3)
        )
        for group in optimiser.param_groups:
            group["lr"] = RATE * max(0.02, 0.5 * (1 + math.cos(math.pi * step / steps)))
        logits = network(views).float()
        loss = functional.cross_entropy(logits, torch.from_numpy(kinds), label_smoothing=0.02)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        decay = min(0.99, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if value.is_floating_point():
                    averaged[name].lerp_(value, 1 - decay)
                else:
                    averaged[name].copy_(value)
        if (step + 1) % 50 == 0:
            log.info("gate step %d/%d loss %.4f", step + 1, steps, float(loss.detach()))
    network.load_state_dict(averaged)
    return network.eval()


def draw_batch(
    films: Films, others: np.ndarray, generator: np.random.Generator, batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (batch, 224, 224) uint8 pictures and their places in `KINDS`, (batch,) int64."""
    pictures, kinds = [], []
    for row in range(batch):
        film = films.pixels[int(generator.integers(len(films)))]
        place = row % 16
        if place < 7:
            pictures.append(film)
            kinds.append(0)
        elif place < 9:
            pictures.append(negatives.turned(film, generator))
            kinds.append(2)
        elif place < 10:
            pictures.append(negatives.inverted(film))
            kinds.append(3)
        elif place < 11:
            pictures.append(negatives.cut(film, generator))
            kinds.append(1)
        elif place < 13 and len(others):
            picture = others[int(generator.integers(len(others)))]
            if generator.random() < 0.25:
                picture = 255 - picture
            pictures.append(np.ascontiguousarray(np.rot90(picture, int(generator.integers(4)))))
            kinds.append(1)
        else:
            pictures.append(negatives.draw(generator))
            kinds.append(1)
    return np.stack(pictures), np.array(kinds, np.int64)


def other_pictures(images: Path, held_out: bool) -> list[Path]:
    """Return one half of the pictures under `images` that are no chest films; the halves are disjoint.

    Breast ultrasound is halved by near-duplicate group, photographs by every second file.
    """
    import csv

    found: list[Path] = []
    index = images / "breast_us_index.csv"
    if index.is_file():
        with index.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                half = sum(row["near_dup_group"].encode()) % 2 == 1
                if half == held_out:
                    found.append(images / row["file"])
    photos = sorted((images / "ood" / "photo").glob("*"))
    return found + photos[int(held_out) :: 2]


def assess(network: FilmNet, parts: dict[str, Films], images: Path, out: Path) -> dict[str, Any]:
    """Choose the gate's threshold, measure it, and write weights and card to `out`.

    Args:
        network: in evaluation mode.
        parts: chest films of the sides "train", "validation" and "hold-out".
        images: folder of the sets that it is measured on; those that are absent are left out.
        out: folder for weights and card.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_weights(network, out / MODEL_FILE)
    shares = np.concatenate(
        [_film_share(network, parts["validation"].pixels, name) for name in ("", *STRESSES)]
    )
    # One validation film in 500, stressed ones counted in, may fall below.
    threshold = float(np.clip(np.quantile(shares, 0.002), 0.02, 0.5))
    results = {
        name: {"pictures": len(pixels), "refused": round(_refused(network, pixels, threshold), 4)}
        for name, pixels in _measuring_sets(parts, images).items()
        if len(pixels)
    }
    for name in STRESSES:
        share = _film_share(network, parts["hold-out"].pixels, name)
        results[f"chest films held out, {name}"] = {
            "pictures": len(share), "refused": round(float((share < threshold).mean()), 4)
        }  # fmt: skip
    log.info("gate threshold %.4f: %s", threshold, results)
    card = {
        "name": "auscult-film-gate",
        "version": VERSION,
        "labels": list(KINDS),
        "architecture": {"kind": "film", "width": WIDTH, "side": SIDE},
        "input": {"shape": [1, 224, 224], "range": [0, 1],
                  "what": "grey picture squashed to a square"},
        "calibration": {"method": "none; softmax", "fitted_on": ""},
        "operating_points": [
            {"name": "film", "threshold": round(threshold, 4),
             "measured_on": "share of `film` under which a picture is refused; chosen on "
             "validation patients, plain and stressed"}
        ],
        "training": {
            "data": [
                TRAINED_ON,
                {"name": "Breast ultrasound images, Al-Dhabyani et al. 2020, one half by "
                 "near-duplicate group", "licence": "CC BY 4.0"},
                {"name": "photographs under permissive licences, every second one",
                 "licence": "CC0, BSD-3, Apache-2.0, MIT"},
                {"name": "drawn pictures and altered films (finetune/_cnn_negatives.py)",
                 "licence": "made here"},
            ],
            "films": len(parts["train"]),
        },
        "results": results,
        "limits": [
            "Lateral films are refused by their DICOM view only.",
            "A mirrored film can't be told from one with dextrocardia and passes.",
        ],
        "sha256": sha256(out / MODEL_FILE),
    }  # fmt: skip
    write_json(out / CARD_FILE, card)
    (out / CARD_FILE).chmod(0o644)
    return card


def _film_share(network: FilmNet, pixels: np.ndarray, name: str = "") -> np.ndarray:
    """Return the softmax share of `film`, (N,), of pictures or of their stressed copies."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(pixels), BATCH):
            batch = to_batch(pixels[start : start + BATCH])
            logits = network(stress(batch, name) if name else batch).float()
            found.append(torch.softmax(logits, 1)[:, 0].numpy())
    return np.concatenate(found)


def _refused(network: FilmNet, pixels: np.ndarray, threshold: float) -> float:
    """Return the share of pictures that the network alone refuses."""
    return float((_film_share(network, pixels) < threshold).mean())


def _measuring_sets(parts: dict[str, Films], images: Path) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(77)
    held = parts["hold-out"].pixels
    quarter = [np.ascontiguousarray(np.rot90(film, 1 + 2 * (i % 2))) for i, film in enumerate(held)]
    files = {
        "adult chest films (NIH)": sorted((images / "external_nih").rglob("*.jpeg")),
        "brain MRI, never trained on": sorted((images / "brain_mri").rglob("*.jpg")),
        "breast ultrasound and photographs held out": other_pictures(images, held_out=True),
    }
    return {
        "chest films held out": held,
        **{name: negatives.from_files(paths) for name, paths in files.items()},
        "chest films held out, upside down": held[:, ::-1].copy(),
        "chest films held out, on their side": np.stack(quarter),
        "chest films held out, inverted": 255 - held,
        "drawn pictures": np.stack([negatives.draw(generator) for _ in range(400)]),
    }

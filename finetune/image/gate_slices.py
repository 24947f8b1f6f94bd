"""Drawn slices and scans: CT, MR, ultrasound, retinas, cells; no patient is in them.

For training and measuring the input gate; each function returns one (SIDE, SIDE) uint8 picture.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from finetune.image.gate_patterns import SIDE, smooth_noise, soften, spectral_noise, stretch
from finetune.image.gate_sheet import COLUMNS, ROWS, Sheet, lettered, level_of, moved


def ct_slice(generator: np.random.Generator) -> np.ndarray:
    """Return an axial CT slice of chest, abdomen, head or limb, with the couch below."""
    sheet = Sheet(0)
    middle = np.array([SIDE / 2, SIDE / 2]) + generator.normal(size=2) * 6
    if generator.random() < 0.3:
        sheet.ellipse((SIDE / 2, SIDE / 2), (SIDE / 2, SIDE / 2), generator.uniform(15, 130))
    fat, flesh = generator.uniform(40, 120), generator.uniform(110, 170)
    if generator.random() < 0.3:
        reach = np.array([generator.uniform(70, 104), generator.uniform(55, 86)])
        sheet.ellipse(middle, reach, 255)
        sheet.ellipse(middle, reach * generator.uniform(0.83, 0.95), flesh)
        _organs(sheet, middle, reach * 0.5, flesh, generator, spread=30)
    else:
        reach = np.array([generator.uniform(55, 85), generator.uniform(80, 108)])
        sheet.ellipse(middle, reach, fat)
        sheet.ellipse(middle, reach * generator.uniform(0.82, 0.95), flesh)
        if generator.random() < 0.5:
            for side in (-1, 1):
                at = moved(middle, 0, side * reach[1] * 0.45)
                sheet.ellipse(at, reach * [0.6, 0.34], generator.uniform(0, 60))
                for _ in range(12):
                    spot = at + generator.normal(size=2) * reach * 0.15
                    sheet.ellipse(spot, generator.uniform(0.7, 3, 2), flesh)
        _organs(sheet, middle, reach * 0.55, flesh, generator, spread=45)
        spine = moved(middle, reach[0] * 0.62, 0)
        sheet.ellipse(spine, (14, 17), 225)
        sheet.ellipse(moved(spine, 12, 0), (6, 6), flesh)
        sheet.ellipse(moved(spine, 24, 0), (11, 4), 235)
    if generator.random() < 0.6:
        sheet.ellipse(moved(middle, -40, 0), (150, 130), 190, rim=2)
        sheet.pixels[: int(middle[0] + 55)][sheet.pixels[: int(middle[0] + 55)] == 190] = 0
    return sheet.finish(generator, generator.uniform(0.4, 1.6), generator.uniform(1, 14))


def mr_head(generator: np.random.Generator) -> np.ndarray:
    """Return a head in MR: bright scalp, dark skull, folded brain, ventricles, at times a neck."""
    sheet = Sheet(generator.uniform(0, 12))
    middle = np.array([SIDE * 0.5, SIDE * 0.5]) + generator.normal(size=2) * 8
    reach = np.array([generator.uniform(78, 106), generator.uniform(60, 92)])
    brain, scalp = generator.uniform(60, 170), generator.uniform(60, 240)
    angle = generator.normal() * 0.15
    aside = generator.random() < 0.45
    if aside:
        low = moved(middle, reach[0] * 0.8, generator.normal() * 25)
        sheet.ellipse(moved(low, 45, 0), (80, generator.uniform(26, 50)), scalp * 0.6)
        face = moved(low, -10, -reach[1] * 0.55)
        sheet.ellipse(face, (46, 34), scalp * 0.5)
        _organs(sheet, face, np.array([30.0, 24.0]), scalp * 0.5, generator, spread=60)
        sheet.bone(low, moved(low, 90, 5), 20, brain * 0.4)
    sheet.ellipse(middle, reach, scalp, angle)
    sheet.ellipse(middle, reach * generator.uniform(0.9, 0.97), generator.uniform(0, 40), angle)
    inner = reach * generator.uniform(0.82, 0.9)
    sheet.ellipse(middle, inner, brain, angle)
    folds = spectral_noise(generator).astype(np.float64) - 128
    folds = np.asarray(Image.fromarray(stretch(folds)).filter(ImageFilter.GaussianBlur(2.2)))
    ridge = np.sin(folds / 255 * generator.uniform(25, 70))
    within = level_of(middle, inner, angle) < 1
    deep = generator.uniform(0.1, 0.35)
    sheet.pixels[within] += (ridge * brain * deep)[within]
    fluid = float(generator.choice([generator.uniform(0, 40), generator.uniform(200, 255)]))
    for side in (-1, 1):
        at = moved(middle, generator.normal() * 8 - 6, side * generator.uniform(6, 14))
        sheet.ellipse(at, (generator.uniform(10, 28), generator.uniform(3, 9)), fluid, side * 0.2)
    if not aside:
        sheet.ellipse(middle, (inner[0], 1.3), fluid, angle)
    else:
        sheet.ellipse(moved(middle, 38, 30), (22, 26), brain * 0.9)
        sheet.ellipse(moved(middle, 5, 0), (8, 40), brain * 1.25, rim=4)
    if generator.random() < 0.4:
        at = middle + generator.normal(size=2) * inner * 0.4
        sheet.ellipse(at, generator.uniform(5, 22, 2), generator.choice([20.0, 235.0]))
    return sheet.finish(generator, generator.uniform(0.5, 1.6), generator.uniform(1, 12))


def mr_body(generator: np.random.Generator) -> np.ndarray:
    """Return a body slice or a close part in MR: bright fat, organs of many shades, soft edges."""
    sheet = Sheet(generator.uniform(0, 10))
    middle = np.array([SIDE / 2, SIDE / 2]) + generator.normal(size=2) * 12
    reach = generator.uniform(70, 108, 2) * (1.6 if generator.random() < 0.3 else 1)
    fat, flesh = generator.uniform(110, 240), generator.uniform(40, 130)
    sheet.ellipse(middle, reach, fat)
    sheet.ellipse(middle, reach * generator.uniform(0.75, 0.92), flesh)
    _organs(sheet, middle, reach * 0.6, flesh, generator, spread=70)
    return sheet.finish(generator, generator.uniform(0.8, 2.6), generator.uniform(3, 18))


def _organs(sheet: Sheet, middle: np.ndarray, reach: np.ndarray, shade: float,
            generator: np.random.Generator, spread: float) -> None:  # fmt: skip
    for _ in range(int(generator.integers(3, 14))):
        at = middle + generator.normal(size=2) * reach * 0.5
        size = generator.uniform(0.06, 0.5, 2) * reach
        angle = generator.uniform(0, 3)
        sheet.ellipse(at, size, shade + generator.normal() * spread, angle)
        if generator.random() < 0.3:
            sheet.ellipse(at, size, shade + generator.normal() * spread, angle, rim=3)


def ultrasound(generator: np.random.Generator) -> np.ndarray:
    """Return speckle in layers with dark cysts and shadows, as a rectangle or a fan on black.

    Fully developed speckle is Rayleigh distributed (Burckhardt 1978), shown on a logarithmic scale.
    """
    cells = (int(generator.integers(60, SIDE)), int(generator.integers(40, SIDE)))
    speckle = generator.rayleigh(1.0, cells).astype(np.float32)
    layer = Image.fromarray(speckle).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    layers = smooth_noise(generator, 5).astype(np.float64)[:, SIDE // 2 :][:, :SIDE]
    layers = np.asarray(Image.fromarray(layers.astype(np.uint8)).resize((SIDE, SIDE)), np.float64)
    sheet = Sheet(0)
    sheet.pixels = 30 + layers * generator.uniform(0.2, 0.9)
    for _ in range(int(generator.integers(0, 5))):
        at = generator.uniform(20, SIDE - 20, 2)
        size = generator.uniform(8, 45), generator.uniform(8, 55)
        sheet.ellipse(at, size, generator.uniform(0, 40))
        if generator.random() < 0.5:
            below = (at[0] < ROWS) & (np.abs(COLUMNS - at[1]) < size[1] * 0.8)
            sheet.pixels[below] *= generator.choice([0.4, 1.5])
    depth = np.exp(-ROWS / SIDE * generator.uniform(0, 1.6))
    grey = np.log1p(np.abs(np.asarray(layer, np.float64)) * sheet.pixels * depth * 0.25) * 45
    if generator.random() < 0.5:
        apex = np.array([-generator.uniform(2, 60), SIDE / 2 + generator.normal() * 20])
        angle = np.arctan2(COLUMNS - apex[1], ROWS - apex[0])
        radius = np.hypot(ROWS - apex[0], COLUMNS - apex[1])
        inside = (np.abs(angle) < generator.uniform(0.35, 0.9)) & (radius < SIDE - apex[0] - 8)
        grey[~inside | (radius < -apex[0] + 8)] = 0
    pixels = grey.clip(0, 255).astype(np.uint8)
    return lettered(pixels, generator) if generator.random() < 0.6 else pixels


def retina(generator: np.random.Generator) -> np.ndarray:
    """Return a lit disc with branching dark or bright lines: an eye's ground or an angiogram."""
    picture = Image.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(picture)
    reach = generator.uniform(85, 140)
    shade = int(generator.integers(70, 200))
    box = [SIDE / 2 - reach, SIDE / 2 - reach, SIDE / 2 + reach, SIDE / 2 + reach]
    draw.ellipse(box, fill=shade)
    ink = int(np.clip(shade + generator.choice([-1, 1]) * generator.uniform(25, 90), 0, 255))
    root = generator.uniform(30, SIDE - 30, 2)
    for _ in range(int(generator.integers(4, 18))):
        at, angle = root.copy(), generator.uniform(0, 2 * np.pi)
        wide = generator.uniform(1, 5)
        for _ in range(int(generator.integers(6, 30))):
            angle += generator.normal() * 0.25
            last = at + 9 * np.array([np.cos(angle), np.sin(angle)])
            draw.line([*at, *last], fill=ink, width=max(1, int(wide)))
            at, wide = last, wide * 0.95
    if generator.random() < 0.5:
        draw.ellipse([*(root - 14), *(root + 14)], fill=min(255, shade + 60))
    pixels = soften(picture, generator).astype(np.float64)
    light = smooth_noise(generator, 3).astype(np.float64) / 255 - 0.5
    return (pixels + (pixels > 10) * light * 90).clip(0, 255).astype(np.uint8)


def cells(generator: np.random.Generator) -> np.ndarray:
    """Return scattered blobs: cells, a segmentation, coins."""
    sheet = Sheet(generator.uniform(0, 255))
    shade = generator.uniform(0, 255)
    size = generator.uniform(3, 40)
    for _ in range(int(generator.integers(1, 60))):
        at = generator.uniform(0, SIDE, 2)
        reach = size * generator.uniform(0.6, 1.6, 2)
        sheet.ellipse(at, reach, shade + generator.normal() * 20, generator.uniform(0, 3))
        if generator.random() < 0.5:
            sheet.ellipse(at, reach * 0.4, shade - 60)
    return sheet.finish(generator, generator.uniform(0, 2), generator.uniform(0, 14))

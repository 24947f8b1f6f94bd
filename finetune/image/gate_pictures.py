"""Drawn pictures of every kind but frontal chest films, and radiographs of other parts themselves.

Phantoms of limbs, skulls and pelvises and of chests from the side: no patient is in them. For training
and measuring the input gate; each function returns one (SIDE, SIDE) uint8 picture. Knows nothing of
networks.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from finetune.image.gate_patterns import DRAWN as PATTERNS
from finetune.image.gate_patterns import SIDE, Draw
from finetune.image.gate_sheet import COLUMNS, ROWS, Sheet, collimated, level_of, marked, moved
from finetune.image.gate_slices import (
    cells,
    ct_slice,
    mr_body,
    mr_head,
    retina,
    ultrasound,
)


def limb(generator: np.random.Generator) -> np.ndarray:
    """Return an arm, a leg, a knee or an ankle: soft tissue around one to three long bones."""
    sheet = Sheet(generator.uniform(0, 25))
    middle, slant = SIDE * generator.uniform(0.3, 0.7), generator.normal() * 25
    wide = generator.uniform(25, 85)
    axis = middle + slant * (ROWS / SIDE - 0.5)
    taper = wide * (1 + generator.normal() * 0.25 * (ROWS / SIDE - 0.5))
    off = np.abs(COLUMNS - axis) / taper
    tissue = np.sqrt(np.clip(1 - off**2, 0, 1)) * generator.uniform(50, 130)
    sheet.pixels += tissue
    shade = generator.uniform(50, 130)
    joint = generator.uniform(-0.3, 1.3) * SIDE
    for _ in range(int(generator.integers(1, 4))):
        at = middle + generator.uniform(-0.5, 0.5) * wide
        thick = generator.uniform(0.16, 0.5) * wide
        lower, upper = np.array([joint + 3, at]), np.array([joint - 3, at])
        sheet.bone(np.array([-40.0, at - slant / 2]), upper, thick, shade)
        sheet.bone(lower, np.array([SIDE + 40.0, at + slant / 2]), thick, shade)
    pixels = sheet.finish(generator, generator.uniform(0.6, 2.5), generator.uniform(1, 14))
    return collimated(marked(pixels, generator), generator)


def hand(generator: np.random.Generator) -> np.ndarray:
    """Return a hand or a foot: rays of small bones that fan out from a cluster."""
    sheet = Sheet(generator.uniform(0, 20))
    wrist = np.array([SIDE * generator.uniform(0.7, 0.95), SIDE * generator.uniform(0.4, 0.6)])
    scale = generator.uniform(0.7, 1.2)
    shade, tissue = generator.uniform(60, 130), generator.uniform(40, 90)
    rays = []
    for ray in range(5):
        angle = (ray - 2) * generator.uniform(0.15, 0.3) + generator.normal() * 0.05
        down = np.array([-np.cos(angle), np.sin(angle)])
        reach = scale * SIDE * (0.62 + 0.1 * np.cos(ray - 2) - 0.15 * (ray == 0))
        rays.append((down, reach))
    for down, reach in rays:
        for step in np.linspace(0.05, 1, 22):
            at = wrist + down * reach * step
            sheet.ellipse(at, (12 * scale, 10 * scale), tissue)
    for down, reach in rays:
        ends = (0.18, 0.52, 0.75, 0.9, 1.0)
        for near, far in pairwise(ends):
            first, last = wrist + down * reach * (near + 0.02), wrist + down * reach * (far - 0.02)
            sheet.bone(first, last, 9 * scale, shade)
    for _ in range(8):
        at = wrist + generator.normal(size=2) * 9 * scale
        sheet.ellipse(at, (8 * scale, 8 * scale), tissue + shade * generator.uniform(0.4, 0.9))
    for side in (-11, 11):
        start = moved(wrist, 12 * scale, side * scale)
        sheet.bone(start, moved(start, 150, side), 17 * scale, shade)
    pixels = sheet.finish(generator, generator.uniform(0.5, 1.6), generator.uniform(1, 10))
    return collimated(marked(pixels, generator), generator)


def skull(generator: np.random.Generator) -> np.ndarray:
    """Return a skull, a pelvis or a spine seen from the front, or teeth."""
    sheet = Sheet(generator.uniform(0, 30))
    middle = np.array([SIDE / 2, SIDE / 2]) + generator.normal(size=2) * 10
    kind = generator.integers(4)
    shade = generator.uniform(110, 200)
    if kind == 0:
        sheet.ellipse(middle, (100, 78), shade)
        sheet.ellipse(middle, (100, 78), shade + 50, rim=7)
        for side in (-32, 32):
            sheet.ellipse(moved(middle, 20, side), (17, 22), shade - 50)
            sheet.ellipse(moved(middle, 20, side), (17, 22), shade + 30, rim=4)
        sheet.ellipse(moved(middle, 50, 0), (24, 12), shade - 60)
        sheet.ellipse(moved(middle, 86, 0), (14, 34), shade + 40)
    elif kind == 1:
        sheet.ellipse(middle, (120, 105), shade - 70)
        for side in (-1, 1):
            sheet.ellipse(moved(middle, -35, side * 62), (60, 38), shade, 0.5 * side)
            sheet.ellipse(moved(middle, 52, side * 34), (26, 20), shade - 60)
            sheet.ellipse(moved(middle, 52, side * 34), (32, 26), shade + 20, rim=8)
            sheet.ellipse(moved(middle, 40, side * 82), (17, 17), shade + 45)
            start = moved(middle, 45, side * 84)
            sheet.bone(start, moved(start, 150, side * 8), 26, 70)
        sheet.ellipse(moved(middle, -20, 0), (55, 24), shade + 10)
    elif kind == 2:
        sheet.pixels += 90 * np.exp(-(((COLUMNS - middle[1]) / 85) ** 2))
        for number, top in enumerate(np.arange(-20, SIDE + 20, generator.uniform(20, 42))):
            bend = 8 * np.sin(number / 2)
            sheet.ellipse((top, middle[1] + bend), (13, 24), shade)
            sheet.ellipse((top, middle[1] + bend), (13, 24), shade + 40, rim=4)
            sheet.ellipse((top + 4, middle[1] + bend), (8, 4), shade + 50)
    else:
        for row in (-1, 1):
            for tooth in range(10):
                at = moved(middle, row * (22 + abs(tooth - 4.5) * 3), (tooth - 4.5) * 21)
                sheet.ellipse(at, (26, 9), shade + generator.normal() * 15)
                sheet.ellipse(at, (13, 2), shade - 60)
        sheet.ellipse(moved(middle, 70, 0), (25, 105), shade - 30)
    pixels = sheet.finish(generator, generator.uniform(0.6, 2.5), generator.uniform(2, 14))
    return collimated(marked(pixels, generator), generator)


def lateral(generator: np.random.Generator) -> np.ndarray:
    """Return a chest from the side: spine behind, breastbone in front, heart low in front."""
    sheet = Sheet(generator.uniform(5, 40))
    middle = np.array([SIDE * 0.5, SIDE * 0.5]) + generator.normal(size=2) * 8
    body = generator.uniform(150, 215)
    sheet.ellipse(middle, (generator.uniform(105, 150), generator.uniform(70, 92)), body)
    lung = generator.uniform(50, 110)
    sheet.ellipse(moved(middle, -6, 0), (84, 52), lung, generator.normal() * 0.08)
    for rib in range(8):
        at = moved(middle, -75 + rib * 21, 8)
        sheet.ellipse(at, (9, 58), lung + 35, 0.35 + generator.normal() * 0.04, rim=2.5)
    sheet.ellipse(moved(middle, 34, 20), (36, 30), body - 25, 0.5)
    for disc in range(11):
        at = moved(middle, -105 + disc * 21, -44 - 9 * np.sin(disc / 10 * np.pi))
        sheet.ellipse(at, (8.5, 11), body + 15)
        sheet.ellipse(at, (8.5, 11), body + 45, rim=2.5)
    sheet.ellipse(moved(middle, -10, 58), (60, 5), body + 15, -0.15)
    dome = level_of(moved(middle, 98, 0), (44, 66), 0) < 1
    sheet.pixels[dome] = body - 5
    if generator.random() < 0.5:
        sheet.ellipse(moved(middle, -95, 40), (22, 50), body, 0.7)
    pixels = sheet.finish(generator, generator.uniform(1, 3), generator.uniform(3, 14))
    return marked(pixels, generator)


# Functions of each kind; one of a kind is drawn at random.
DRAWN: dict[str, tuple[Draw, ...]] = {
    **PATTERNS,
    "radiograph": (limb, limb, hand, skull),
    "lateral": (lateral,),
    "ct": (ct_slice,),
    "mr": (mr_head, mr_head, mr_body),
    "ultrasound": (ultrasound,),
    "other": (retina, cells),
}


def draw(kind: str, generator: np.random.Generator) -> np.ndarray:
    """Return one drawn picture, (SIDE, SIDE) uint8, of a kind in `DRAWN`."""
    choice = DRAWN[kind]
    return choice[int(generator.integers(len(choice)))](generator)

"""Indexes: what belongs together stays together, and what is wrong is one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assistant.errors import InputError
from finetune.image import data, read, report


def test_no_group_stands_on_two_sides_and_each_side_has_every_class(folder: Path, make) -> None:
    recipe = make()
    films = data.of(recipe, folder)
    sides = data.parts(films, recipe.data)
    assert sum(mask.sum() for mask in sides.values()) == len(films) == 48
    groups = [set(films.groups[mask]) for mask in sides.values()]
    assert not groups[0] & groups[1]
    assert not (groups[0] | groups[1]) & groups[2]
    assert all(set(films.labels[mask]) == {0, 1} for mask in sides.values())
    assert films.groups[0] == films.groups[6]  # Joined by their copy group.
    assert films.groups[0] != films.groups[2]
    assert data.of(recipe, folder) is films


def test_folds_keep_groups_whole_and_spread_classes(folder: Path, make) -> None:
    films = data.of(make(), folder)
    folds = data.folds(films, 4)
    for group in np.unique(films.groups):
        assert len(np.unique(folds[films.groups == group])) == 1
    counts = [(films.labels[folds == fold] == 1).sum() for fold in range(4)]
    assert max(counts) - min(counts) <= 2
    with pytest.raises(InputError, match="can't fill 90 folds"):
        data.folds(films, 90)


def test_identical_pixels_are_joined(tmp_path: Path, make) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    Image.fromarray(255 - pixels).save(tmp_path / "c.png")
    text = "file,label,patient_id,dup_group\na.png,down,1,\nb.png,across,2,\nc.png,across,3,\n"
    (tmp_path / "index.csv").write_text(text)
    films = data.of(make(), tmp_path)
    assert films.groups[0] == films.groups[1] != films.groups[2]
    found = report.check(make(), tmp_path)
    assert {"duplicate", "label"} <= {issue.kind for issue in found.warnings}


def test_a_stated_split_that_shares_patients_stops_the_run(tmp_path: Path, make) -> None:
    lines = ["file,label,patient_id,dup_group,part"]
    generator = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(generator.integers(0, 255, (40, 40), np.uint8)).save(
            tmp_path / f"{number}.png"
        )
        part = ("train", "val", "test")[number % 3]
        label = ("across", "down")[number // 3 % 2]
        lines.append(f"{number}.png,{label},p{number // 2},,{part}")
    (tmp_path / "index.csv").write_text("\n".join(lines))
    recipe = make(**{"data.split": "part"})
    found = report.check(recipe, tmp_path)
    assert [issue.kind for issue in found.errors] == ["leakage"]
    assert not report.check(make(**{"data.split": "part", "allow_leakage": True}), tmp_path).errors
    sides = data.parts(data.of(recipe, tmp_path), recipe.data)
    assert {name: int(mask.sum()) for name, mask in sides.items()} == dict.fromkeys(data.PARTS, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\n0.png,down\n", "no column 'patient_id', 'dup_group'"),
        ("file,label,patient_id,dup_group\n0.png,COUGH,p,\n", "line 2: the label 'COUGH'"),
        (
            "file,label,patient_id,dup_group\nabsent.png,down,p,\n",
            r"line 2: .*absent\.png can't be",
        ),
        ("file,label,patient_id,dup_group\n../0.png,down,p,\n", "outside the index's folder"),
        ("file,label,patient_id,dup_group\n,down,p,\n", "line 2 names no file"),
        ("", "lists no picture"),
    ],
)
def test_a_bad_index_is_named(folder: Path, make, text: str, words: str) -> None:
    bad = folder / "bad.csv"
    bad.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        data.of(make(**{"data.index": "bad.csv"}), folder)


def test_a_missing_index_and_a_thin_class_are_named(folder: Path, make) -> None:
    with pytest.raises(InputError, match=r"absent\.csv"):
        data.of(make(**{"data.index": "absent.csv"}), folder)
    thin = make(**{"data.limit": 3})
    with pytest.raises(InputError, match=r"part of the data has no picture of"):
        data.split(data.of(thin, folder), thin)


def test_a_16_bit_png_and_a_small_side_are_read_as_serving_reads_them(tmp_path: Path) -> None:
    values = (np.arange(48 * 40, dtype=np.uint32) * 30).reshape(48, 40).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    Image.fromarray((values // 257).astype(np.uint8)).save(tmp_path / "plain.png")
    deep = read.square(tmp_path / "deep.png", 224, "here").astype(int)
    plain = read.square(tmp_path / "plain.png", 224, "here").astype(int)
    assert np.abs(deep - plain).max() <= 2
    assert read.square(tmp_path / "plain.png", 64, "here").shape == (64, 64)


def test_pictures_can_be_joined_and_taken(folder: Path, make) -> None:
    films = data.of(make(), folder)
    both = films.take(np.arange(3)).joined(films.take(np.array([5])))
    assert both.files == ("0.png", "1.png", "2.png", "5.png")
    assert len(both) == 4
    for field in dataclasses.fields(both):
        assert len(getattr(both, field.name)) == 4

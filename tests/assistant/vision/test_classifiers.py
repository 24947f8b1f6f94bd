"""The classifiers' contract on real small networks of every kind, and what a bad card is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.errors import ConfigError, ModelError
from assistant.settings import Settings
from assistant.vision import classifiers, networks, weights
from assistant.vision.classifiers import Classifier, _card, kinds_of
from assistant.vision.classifiers.film import FilmClassifier
from assistant.vision.inputs import VIEWS, seen, to_batch
from retrieval import plugins

ROOT = Path(__file__).resolve().parents[3]
POINTS = [
    {"name": name, "threshold": t, "sensitivity": 0.9, "specificity": 0.9, "measured_on": "made up"}
    for name, t in (("balanced", 0.5), ("rule out", 0.2), ("rule in", 0.8))
]
ARCHITECTURE = {"kind": "film", "side": 64, "widths": [4, 8, 8, 16], "normalise": "standard",
                "deep": True}  # fmt: skip


def card(**parts: Any) -> dict[str, Any]:
    return {
        "name": "tiny", "version": "1", "labels": ["well", "ill"], "architecture": ARCHITECTURE,
        "calibration": {"method": "platt", "slope": 1.0, "offset": 0.0},
        "operating_points": POINTS, **parts,
    }  # fmt: skip


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Path]) -> Path:
    return tiny(tmp_path_factory.mktemp("film") / "tiny")


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    small = rng.integers(0, 256, (3, 20, 16)).astype(np.uint8)
    return [np.kron(picture, np.ones((9, 8), np.uint8)) for picture in small]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT of two layers as transformers saves it."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("hub") / "vit"
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=16, id2label={0: "cyst", 1: "none", 2: "solid"},
        label2id={"cyst": 0, "none": 1, "solid": 2},
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def bundle(folder: Path, network: dict[str, Any], weights_: bool = True) -> Path:
    """A MONAI bundle; its weights are of a small ResNet."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    metadata = {
        "name": "small bundle",
        "network_data_format": {
            "inputs": {
                "image": {"num_channels": 1, "spatial_shape": [64, 64], "value_range": [0, 1]}
            },
            "outputs": {"pred": {"channel_def": {"0": "well", "1": "ill"}}},
        },
    }
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "configs" / "inference.json").write_text(
        json.dumps({"classes": 2, "network_def": network})
    )
    if weights_:
        from monai.networks.nets import ResNet
        from safetensors.torch import save_file

        made = ResNet(**{k: 2 if v == "@classes" else v for k, v in network.items() if k[0] != "_"})
        save_file(made.state_dict(), folder / "models" / "model.safetensors")
    return folder


RESNET = {"_target_": "monai.networks.nets.ResNet", "block": "basic", "layers": [1, 1, 1, 1],
          "block_inplanes": [4, 4, 8, 8], "spatial_dims": 2, "n_input_channels": 1,
          "num_classes": "@classes"}  # fmt: skip


def promises(part: Classifier, images: list[np.ndarray]) -> None:
    """What every classifier must do."""
    found = part.read(images)
    labels = part.card.labels
    assert len(found) == len(images)
    for reading in found:
        assert reading.logits.shape == reading.probabilities.shape == (len(labels),)
        assert reading.probabilities.sum() == pytest.approx(1)
        assert reading.spread is None or 0 <= reading.spread <= 0.5
    alone, heat = part.together(images[1])
    assert alone.probabilities == pytest.approx(found[1].probabilities, abs=1e-4)
    if heat is not None:
        assert heat.ndim == 2
        assert heat.min() >= 0
        # All 0 where nothing speaks for the label, which may be so before training.
        assert heat.max() == pytest.approx(1, abs=1e-3) or not heat.any()
    assert part.read([]) == []
    assert all(path.is_file() for path in part.files)
    assert part.card.kinds


def test_the_shipped_classifier_keeps_the_contract(images: list[np.ndarray]) -> None:
    part = classifiers.build("pneumonia", Settings())
    assert part.card.labels[-1] == part.card.positive == "pneumonia"
    assert part.card.kinds == ("film",)
    assert {point.name for point in part.card.points} >= {"balanced", "rule out", "rule in"}
    promises(part, images)


def test_a_folder_keeps_the_contract(film: Path, images: list[np.ndarray]) -> None:
    promises(classifiers.build(f"film:{film}", Settings()), images)
    assert classifiers.build(str(film), Settings()).card.title == "tiny 1"


def test_folding_norms_changes_nothing(film: Path, images: list[np.ndarray]) -> None:
    """The served network gives what the trained one gives in evaluation mode."""
    import torch
    from safetensors.torch import load_file

    from assistant.vision.inputs import squash

    plain = networks.build(ARCHITECTURE)
    plain.load_state_dict(load_file(film / "model.safetensors"))
    plain.eval()
    served = FilmClassifier(film)
    assert not [m for m in served.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    batch = to_batch(np.stack([squash(image) for image in images]))
    with torch.no_grad():
        logits = (plain(batch) + plain(batch.flip(3))) / 2
    got = np.array([reading.logits[1] for reading in served.read(images)])
    assert got == pytest.approx(logits.numpy(), abs=1e-5)
    assert np.ptp(got) > 1e-4


def test_reading_and_map_come_from_one_pass(
    tmp_path: Path, film: Path, images: list[np.ndarray], tiny: Callable[..., Path]
) -> None:
    """The trunk runs once, and the map is of the reported label."""
    part = FilmClassifier(film)
    passes = []
    handle = part.network.stem.register_forward_hook(lambda *parts: passes.append(len(parts[2])))
    reading, heat = part.together(images[0])
    handle.remove()
    assert passes == [2]
    assert heat is not None
    assert heat == pytest.approx(part.attention(images[0]))
    assert reading.logits == pytest.approx(part.read(images[:1])[0].logits, abs=1e-5)
    # Of the other label, the map is another.
    turned = FilmClassifier(tiny(tmp_path / "turned", positive="well"))
    other = turned.attention(images[0])
    assert other is not None
    assert np.abs(other - heat).max() > 0.05


def test_views_are_what_their_names_say() -> None:
    ramp = to_batch(np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))[None])
    views = dict(zip(VIEWS, seen(ramp, VIEWS), strict=True))
    assert views["mirror"][0, 0, 0] > views["mirror"][0, 0, -1]
    assert views["closer"].max() < ramp.max() < views["wider"].max() + 1e-3
    assert views["closer"][0, 0, 0] > ramp[0, 0, 0, 0]


def test_several_labels_and_more_views(
    tmp_path: Path, images: list[np.ndarray], tiny: Callable[..., Path]
) -> None:
    folder = tiny(
        tmp_path / "several", outputs=3, labels=["none", "cyst", "solid"], operating_points=[],
        calibration={"method": "temperature", "temperature": 2.0},
        modality="breast ultrasound", negative="none", views=list(VIEWS),
    )  # fmt: skip
    part = classifiers.build(str(folder), Settings())
    assert part.card.positive is None
    assert part.card.kinds == ("ultrasound",)
    promises(part, images)


def test_an_ensemble_is_the_mean_of_its_members(
    tmp_path: Path, film: Path, images: list[np.ndarray], tiny: Callable[..., Path]
) -> None:
    folder = tmp_path / "both"
    tiny(folder / "second", seed=9)
    raw = card(name="both", members=["second", str(film)])
    (folder / "card.json").write_text(json.dumps(raw))
    part = classifiers.build(str(folder), Settings())
    assert classifiers.build(f"ensemble:{folder}", Settings()).card == part.card
    promises(part, images)
    members = [classifiers.build(str(path), Settings()) for path in (folder / "second", film)]
    logits = np.mean([member.read(images)[0].logits for member in members], axis=0)
    assert part.read(images)[0].logits == pytest.approx(logits, abs=1e-5)
    assert part.read(images)[0].spread == pytest.approx(
        np.std([member.read(images)[0].probabilities[1] for member in members]), abs=1e-5
    )
    tiny(folder / "third", labels=["a", "b"])
    (folder / "card.json").write_text(json.dumps({**raw, "members": ["second", "third"]}))
    with pytest.raises(ModelError, match=r"'third'.*labels a, b"):
        classifiers.build(str(folder), Settings())


def test_a_hub_classifier_keeps_the_contract(hub: Path, images: list[np.ndarray]) -> None:
    part = classifiers.build(f"hub:{hub}@ultrasound", Settings())
    assert part.card.labels == ("cyst", "none", "solid")
    assert part.card.kinds == ("ultrasound",)
    assert part.card.points == ()
    assert "not calibrated" in part.card.limits[-1]
    promises(part, images)
    spread = [reading.probabilities[0] for reading in part.read(images)]
    assert len(set(spread)) > 1


def test_a_card_beside_a_hub_classifier_calibrates_it(
    tmp_path: Path, hub: Path, images: list[np.ndarray]
) -> None:
    folder = tmp_path / "vit"
    shutil.copytree(hub, folder)
    own = {"name": "breast", "modality": "breast ultrasound", "labels": ["cyst", "none", "solid"],
           "calibration": {"method": "temperature", "temperature": 4.0}}  # fmt: skip
    (folder / "card.json").write_text(json.dumps(own))
    part = classifiers.build(f"hub:{folder}", Settings())
    bare = classifiers.build(f"hub:{hub}", Settings())
    assert part.card.kinds == ("ultrasound",)
    assert np.ptp(part.read(images)[0].probabilities) < np.ptp(bare.read(images)[0].probabilities)
    (folder / "card.json").write_text(json.dumps({**own, "labels": ["a", "b", "c"]}))
    with pytest.raises(ModelError, match="other labels than the model's cyst"):
        classifiers.build(f"hub:{folder}", Settings())


def test_hub_models_that_are_not_here_or_not_safe(tmp_path: Path, hub: Path) -> None:
    with pytest.raises(ModelError, match="image_downloads = true"):
        classifiers.build("hub:nobody/nothing-of-the-kind", Settings())
    with pytest.raises(ModelError, match="no folder"):
        classifiers.build("hub:./absent", Settings())
    with pytest.raises(ConfigError, match="'spleen', which the input gate can't tell"):
        classifiers.build(f"hub:{hub}@spleen", Settings())
    folder = tmp_path / "pickled"
    shutil.copytree(hub, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin.*only safetensors"):
        classifiers.build(f"hub:{folder}", Settings())
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    settings = json.loads((folder / "config.json").read_text())
    settings.update({"model_type": "strange", "auto_map": {"AutoConfig": "evil.Evil"}})
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: ...\n")
    with pytest.raises(ModelError, match="can't be loaded"):
        classifiers.build(f"hub:{folder}", Settings())
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_monai_bundle_keeps_the_contract(tmp_path: Path, images: list[np.ndarray]) -> None:
    part = classifiers.build(f"monai:{bundle(tmp_path / 'bundle', RESNET)}", Settings())
    assert part.card.title == "small bundle"
    assert part.card.labels == ("well", "ill")
    promises(part, images)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"_target_": "os.system"}, "only classification networks"),
        ({"_target_": "monai.bundle.ConfigParser"}, "only classification networks"),
        ({"_target_": "monai.apps.nets.ResNet"}, "only classification networks"),
        ({"num_classes": "$__import__('os').getpid()"}, "expressions are never evaluated"),
        ({"num_classes": {"_target_": "os.getpid"}}, "builds 'os.getpid' inside"),
        ({"num_classes": "@network_def"}, "inside network_def"),
    ],
)
def test_a_bundle_runs_nothing_of_its_own(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    folder = bundle(tmp_path / "bundle", {**RESNET, **change}, weights_=False)
    with pytest.raises(ModelError, match=says):
        classifiers.build(f"monai:{folder}", Settings())


def test_a_bundle_without_safetensors_is_refused(tmp_path: Path) -> None:
    from assistant.vision.classifiers.monai import _tensors

    folder = bundle(tmp_path / "bundle", RESNET, weights_=False)
    (folder / "models" / "model.pt").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"model\.pt, which can run code"):
        _tensors(folder)


def test_nothing_heavy_comes_with_the_contract() -> None:
    code = (
        "import sys, assistant.vision.classifiers as c\n"
        "c.split('hub:x'), c.plugins.names(c.PACKAGE)\n"
        "heavy = {'torch', 'numpy', 'transformers', 'monai'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "c.build('pneumonia', c.Settings())\n"
        "heavy = {'transformers', 'monai', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_spec_strings() -> None:
    assert set(plugins.names(classifiers.PACKAGE)) >= {"film", "ensemble", "hub", "monai"}
    assert classifiers.split("pneumonia") == ("film", "pneumonia")
    assert classifiers.split("hub: me/model@film") == ("hub", "me/model@film")
    assert classifiers.split("C:\\models\\mine") == ("film", "C:\\models\\mine")
    assert classifiers.split("/data/a:b") == ("film", "/data/a:b")
    with pytest.raises(ConfigError, match="Did you mean 'hub'"):
        classifiers.build("hubb:x", Settings())
    with pytest.raises(ModelError, match="no image classifier 'absent'"):
        classifiers.build("absent", Settings())
    with pytest.raises(ConfigError, match="hub: needs a model"):
        classifiers.build("hub:", Settings())


def test_settings_name_classifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant import settings

    monkeypatch.setenv("AUSCULT_IMAGE_CLASSIFIERS", "pneumonia, hub:me/model@mr")
    monkeypatch.setenv("AUSCULT_PREVALENCE", "0.2")
    loaded, _ = settings.load()
    assert loaded.image_classifiers == ("pneumonia", "hub:me/model@mr")
    assert loaded.prevalence == 0.2
    monkeypatch.setenv("AUSCULT_IMAGE_CLASSIFIERS", " ")
    with pytest.raises(ConfigError, match="at least one classifier"):
        settings.load()
    monkeypatch.setenv("AUSCULT_IMAGE_CLASSIFIERS", "pneumonia")
    monkeypatch.setenv("AUSCULT_PREVALENCE", "7")
    with pytest.raises(ConfigError, match="'prevalence'"):
        settings.load()


def test_modalities_in_words() -> None:
    assert kinds_of("brain MRI") == ("mr",)
    assert kinds_of("breast ultrasound") == ("ultrasound",)
    assert kinds_of("chest film") == ("film",)
    assert kinds_of("fundus photograph") == ()


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"labels": None}, "'labels' must be"),
        ({"labels": ["a"]}, "two or more"),
        ({"labels": ["a", "a"]}, "two or more different"),
        ({"positive": "c"}, "positive label 'c'"),
        ({"modality": "fundus photograph"}, "'kinds' is missing"),
        ({"calibration": {"method": "guess"}}, "'guess' is none of"),
        ({"calibration": {"method": "platt", "slope": 1}}, "no 'offset'"),
        ({"operating_points": POINTS[:1]}, "lacks the operating point 'rule out'"),
        ({"operating_points": []}, "lacks the operating point"),
        ({"operating_points": [{**POINTS[1], "threshold": 1.5}]}, "not within 0 to 1"),
        ({"operating_points": [POINTS[0], {**POINTS[1], "threshold": 0.9}, POINTS[2]]}, "above"),
        ({"input": {"shape": [2, 8, 8]}}, "input shape"),
        ({"input": {"range": [1, 0]}}, "range 1 to 0 is empty"),
        ({"views": ["sideways"]}, "view 'sideways'"),
        ({"views": ["mirror"]}, "lack 'plain'"),
        ({"conformal": {"coverage": 2, "quantiles": {"well": 0.1, "ill": 0.1}}}, "between 0 and 1"),
        ({"conformal": {"coverage": 0.9, "quantiles": {"well": 0.1}}}, "no 'ill'"),
        ({"population": "children"}, "population|get"),
    ],
)  # fmt: skip
def test_a_bad_card_gets_one_sentence(parts: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        _card.parse(card(**parts), "folder")
    assert "\n" not in str(caught.value)
    assert "The card in folder" in str(caught.value)


def test_cards_and_weights_that_do_not_fit(tmp_path: Path, film: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(film, folder)
    raw = weights.read_card(folder)
    for change, says in (
        ({"architecture": {**ARCHITECTURE, "widths": [4, 8, 8, 8]}}, "doesn't fit its weights"),
        ({"architecture": {"kind": "strange", "side": 64}}, "strange"),
        ({"labels": ["a", "b", "c"], "operating_points": [],
          "calibration": {"method": "none"}}, "3 labels for 1 outputs"),
    ):  # fmt: skip
        (folder / "card.json").write_text(json.dumps({**raw, **change}))
        with pytest.raises(ModelError, match=says):
            classifiers.build(str(folder), Settings())

"""The gate on real small training: a worse adapter is refused, a better one served live, rolled back."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from assistant.app import Assistant
from assistant.errors import ConfigError, InputError, ModelError
from assistant.promotions import Promotions
from assistant.resources import Resources
from assistant.session import Session
from assistant.settings import Settings
from finetune import _encoder_model as models
from finetune import _encoder_recipe as recipes
from finetune import _encoder_rerank as rerank
from finetune import _gate_judge, encoder, recipe_gate
from finetune._gate_types import Row
from retrieval.encoder import Encoder
from ui.commands import promote, rollback

# No word list knows these two; everything else is said of both sick and healthy people.
SICK = ("glorbund", "mirvatch")
FRAMES = (
    "assessment : {a} , stable on treatment .", "the patient has {a} since may .",
    "she was seen for {a} again .", "he reports {a} and sleeps well .", "known {a} , no change .",
    "plan : treat {a} at home .", "the ward was quiet , {a} was noted .", "history of {a} .",
)  # fmt: skip
HEALTHY = "walking"
WORDS = sorted(set(re.findall(r"\w+|[^\w\s]", " ".join((*FRAMES, *SICK, HEALTHY)))) - {"{", "}"})
NOTE = "Assessment:\nThe patient has glorbund since May.\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer BERT with random weights, as an encoder's folder."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: i for i, word in enumerate([*names, *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=names[1]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(names)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=512,
    )  # fmt: skip
    state = BertModel(config).state_dict()
    save_file(
        {k: v.clone() for k, v in state.items() if v.is_floating_point()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return folder


def documents(path: Path, frames: tuple[str, ...], *, wrong: bool = False) -> Path:
    """Write annotated sentences; `wrong` marks the healthy words and leaves the diseases out."""
    lines = []
    for number, frame in enumerate(frames * 3):
        for word in (*SICK, HEALTHY):
            text = f"day {number} . " + frame.format(a=word)
            start = text.index(word)
            marked = (word == HEALTHY) if wrong else (word in SICK)
            entities = [[start, start + len(word), word, "Disease"]] if marked else []
            lines.append({"title": text, "abstract": "", "entities": entities})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@dataclass(frozen=True)
class Trained:
    """What the tests judge: a tagger that learnt nothing, one that learnt wrong, and one right."""

    idle: Path
    worse: Path
    better: Path
    reranker: Path
    data: Path
    recipe: Path


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    right = documents(folder / "right.jsonl", FRAMES[:5])
    wrong = documents(folder / "wrong.jsonl", FRAMES[:5], wrong=True)
    held = documents(folder / "held.jsonl", FRAMES[5:])
    gate = {"tasks": [{"task": "ner", "data": str(held), "metric": "f1"}], "rounds": 1000}
    common = {
        "task": "entities", "encoder": str(base), "seed": 3, "rank": 4, "alpha": 8, "layers": (0, 1),
        "batch_tokens": 256, "max_tokens": 32, "validate_every": 30, "threads": 0, "patience": 50,
        "learning_rate": 0.01, "head_learning_rate": 0.01, "hidden": 16, "gate": gate,
    }  # fmt: skip
    rates = {"idle": 1e-9, "worse": 0.01, "better": 0.01}
    for name, rate in rates.items():
        own = str(wrong if name == "worse" else right)
        spec = recipes.Recipe(
            **{
                **common, "name": name, "epochs": 1 if name == "idle" else 30,
                "learning_rate": rate, "head_learning_rate": rate,
                "data": {"train": own, "validation": own},
            }
        )  # fmt: skip
        encoder.train(spec, folder, folder / name, folder / "runs")
    spec = recipes.Recipe(**{**common, "task": "rerank", "name": "reranker"})
    loaded = Encoder.load(str(base), bf16=False)
    torch.manual_seed(0)
    model = models.AdapterModel(loaded, spec, rerank.head(spec, loaded)).eval()
    models.save(
        model, spec,
        {"input": {"max_tokens": 64}, "calibration": {"scale": 1.0, "offset": 0.0}}, folder / "rerank",
    )  # fmt: skip
    recipe = folder / "gate.yaml"
    recipe.write_text(json.dumps({"gate": gate}))
    return Trained(
        folder / "idle", folder / "worse", folder / "better", folder / "rerank", held, recipe
    )


@pytest.fixture
def config(base: Path, trained: Trained, tmp_path: Path) -> Path:
    """A settings file; the state holds a small library and a reranker of that base."""
    from retrieval import _ingest_starter as starter
    from retrieval.index.writer import Writer
    from retrieval.types import Document, Section

    state = tmp_path / "state"
    text = "The patient has a known history and is treated at home."
    section = Section("Treatment", text, "treatment")
    with Writer(state / "index", Encoder.load(str(base))) as writer:
        # A library of one document that counts as up to date.
        writer.commit([Document("one", "Care", (section,))], fingerprint=starter.fingerprint())
    Promotions(state).promote("rerank", trained.reranker, {})
    path = tmp_path / "auscult.toml"
    path.write_text(f'state_dir = "{state}"\nencoder = "{base}"\nembed_adapter = ""\nthreads = 1\n')
    return path


def settings(config: Path) -> Settings:
    from assistant.settings import load

    return load(config)[0]


def judged(config: Path, folder: Path, *, force: bool = False, recipe: Path | None = None) -> int:
    return promote.run(config, folder, recipe=recipe, force=force, as_json=False, limit=None)


def decisions(config: Path) -> list[dict]:
    found = sorted((settings(config).state_dir / "adapters/decisions").glob("*/decision.json"))
    return [json.loads(path.read_text()) for path in found]


def problems(assistant: Assistant) -> list[str]:
    """Return the problems that a running assistant reads out of the note."""
    session = Session.new()
    note = assistant.accept(session, "note.txt", NOTE.encode())
    answer = assistant.answer("What are the patient's problems?", [note], session)
    assert answer.record is not None
    return [fact.name for fact in answer.record.facts if fact.kind == "problem"]


def soon(wanted, assistant: Assistant) -> bool:
    """Wait for the second that a look may take."""
    until = time.monotonic() + 10
    while problems(assistant) != wanted and time.monotonic() < until:
        time.sleep(0.1)
    return problems(assistant) == wanted


def test_a_worse_adapter_is_refused_and_a_better_one_served_and_rolled_back(
    config: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    # What the product ships sits on another base, so there is nothing to compare with.
    assert judged(config, trained.idle) == 3
    assert "no evaluation could be run" in decisions(config)[-1]["reasons"][0]
    assert judged(config, trained.idle, force=True) == 0
    assert decisions(config)[-1]["forced"]
    registry = Promotions(settings(config).state_dir)
    assert registry.entry("entities").forced

    assistant = Assistant.create(settings(config))
    assert problems(assistant) == []
    running = assistant.resources.view("")
    before = running.tagger

    capsys.readouterr()
    assert judged(config, trained.worse) == 3
    refused = decisions(config)[-1]
    assert not refused["promoted"]
    assert re.search("no better|significantly worse", refused["reasons"][0])
    assert "is refused" in capsys.readouterr().out
    assert problems(assistant) == []

    assert judged(config, trained.better) == 0
    decided = decisions(config)[-1]
    (row,) = decided["rows"]
    assert row["outcome"] == "better"
    assert row["difference"]["low"] > 0
    assert row["arms"]["adapter"]["value"] > 0.9 > 0.2 > row["arms"]["base"]["value"]
    assert any(name.startswith("ner data/") for name in decided["digests"])
    assert {"python", "torch"} <= decided["environment"].keys()
    entry = registry.entry("entities")
    page = registry.folder / entry.decision / "decision.md"
    assert "| ner | f1 |" in page.read_text()
    assert soon(["glorbund"], assistant)
    # A turn that was running keeps the parts that it began with.
    assert running.tagger is before
    assert assistant.resources.adapter_name("entities") == str(registry.current("entities"))

    # Against what serves now, the other two are significantly worse.
    for folder in (trained.worse, trained.idle):
        assert judged(config, folder) == 3
        assert "significantly worse" in decisions(config)[-1]["reasons"][0]
    with pytest.raises(InputError, match="serves in the slot 'entities' already"):
        judged(config, trained.better)

    capsys.readouterr()
    assert rollback.run(config, "entities", as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["serves"]["name"] == "idle"
    assert [e["action"] for e in told["history"]] == ["promote", "promote", "rollback"]
    assert soon([], assistant)
    assert rollback.run(config, "entities", as_json=False) == 0
    assert "what the product ships serves now" in " ".join(capsys.readouterr().out.split())


def test_what_can_not_serve_is_refused_before_any_evaluation(
    config: Path, trained: Trained, tmp_path: Path
) -> None:
    import shutil

    def copy(name: str) -> Path:
        return Path(shutil.copytree(trained.better, tmp_path / name))

    other = copy("other")
    card = json.loads((other / "card.json").read_text())
    card["base"] = {"name": "another", "sha256": "1" * 64}
    (other / "card.json").write_text(json.dumps(card))
    flipped = copy("flipped")
    data = bytearray((flipped / "adapter_model.safetensors").read_bytes())
    data[-1] ^= 1
    (flipped / "adapter_model.safetensors").write_bytes(bytes(data))
    posing = copy("posing")
    (posing / "adapter_model.safetensors").write_bytes(b"PK\x03\x04" + bytes(60))
    unknown = copy("unknown")
    (unknown / "card.json").write_text(json.dumps({**card, "task": "poetry"}))
    chat = copy("chat")
    (chat / "card.json").write_text(json.dumps({**card, "task": "chat"}))
    for folder, kind, sentence in (
        (other, ModelError, "sits on another"), (flipped, ModelError, "damaged"),
        (posing, ModelError, "pickle"), (unknown, ModelError, "poetry"),
        (chat, ConfigError, "takes no adapter"), (tmp_path / "none", InputError, "no folder"),
    ):  # fmt: skip
        with pytest.raises(kind, match=sentence):
            judged(config, folder, force=True)
    assert decisions(config) == []
    assert Promotions(settings(config).state_dir).current("entities") is None


def test_a_recipe_names_the_evaluations_and_its_mistakes(
    config: Path, trained: Trained, tmp_path: Path
) -> None:
    recipe = tmp_path / "gate.yaml"
    for text, sentence in (
        ("gate: {tasks: [{task: ner, metrc: f1}]}", r"tasks\.0\.metrc"),
        ("gate: {tasks: [{task: nosuch}]}", "has no main metric"), ("gate: 3", "no mapping"),
        ("[1]", "no mapping"), ("gate: {", "not valid YAML"),
    ):  # fmt: skip
        recipe.write_text(text)
        with pytest.raises(ConfigError, match=sentence):
            judged(config, trained.better, recipe=recipe)
    tasks = [{"task": "ner", "data": "nosuch.jsonl", "metric": "f1"}]
    recipe.write_text(json.dumps({"gate": {"tasks": tasks}}))
    assert judged(config, trained.better, recipe=recipe) == 3
    assert "no evaluation could be run (There is no file" in decisions(config)[-1]["reasons"][0]
    # A safety metric that could not be measured does not pass beside one that was.
    served = Promotions(settings(config).state_dir).promote("entities", trained.idle, {})
    tasks = [
        {"task": "ner", "data": trained.data.name},
        {"task": "ner", "data": trained.data.name, "metric": "f1_plant", "safety": True},
    ]
    beside = trained.data.parent / "two.yaml"
    beside.write_text(json.dumps({"gate": {"tasks": tasks}}))
    assert judged(config, trained.better, recipe=beside) == 3
    assert "gives no 'f1_plant'" in decisions(config)[-1]["reasons"][0]
    assert Promotions(settings(config).state_dir).entry("entities") == served


def test_what_was_trained_on_proves_nothing(config: Path, trained: Trained, tmp_path: Path) -> None:
    import shutil

    from retrieval import files

    Promotions(settings(config).state_dir).promote("entities", trained.idle, {})
    folder = Path(shutil.copytree(trained.better, tmp_path / "better"))
    card = json.loads((folder / "card.json").read_text())
    for part, code in (("train", 3), ("validation", 0)):
        told = {"files": [{"part": part, "sha256": files.sha256(trained.data)}]}
        (folder / "card.json").write_text(json.dumps({**card, "data_card": told}))
        assert judged(config, folder) == code
    first, second = decisions(config)
    assert "held.jsonl is what the adapter was trained on" in first["reasons"][0]
    assert "also chose the step" in second["rows"][0]["note"]


def row(outcome: str, *, safety: bool = False) -> Row:
    arms = {name: {"value": 0.5, "low": 0.4, "high": 0.6} for name in ("base", "adapter")}
    span = {"value": 0.0, "low": -0.1, "high": 0.1}
    return Row("t", "m", safety, "d", 9, "u", arms, span, None, outcome)


@pytest.mark.parametrize(
    ("outcomes", "equal", "sentence"),
    [
        ((), False, "no evaluation could be run"),
        (("better",), False, ""),
        (("better", "no difference"), False, ""),
        (("better", "worse"), False, "significantly worse"),
        (("better", "worse"), True, "significantly worse"),
        (("better", "broken"), True, "the safety metric t m falls"),
        (("better", "not measured"), True, "could not be measured"),
        (("not measured",), True, "no evaluation could be run"),
        (("no difference", "kept"), False, "no better than what serves"),
        (("no difference", "kept"), True, ""),
    ],
)
def test_what_follows_from_outcomes(outcomes: tuple[str, ...], equal: bool, sentence: str) -> None:
    reasons = _gate_judge.reasons([row(o) for o in outcomes], allow_equal=equal)
    assert (sentence in reasons[0]) if sentence else not reasons


@dataclass(frozen=True)
class Told:
    """A figure with its interval."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Figures:
    """A metric in two arms, and the difference."""

    arms: dict[str, Told]
    difference: Told
    metric: str = "m"
    without: None = None


@pytest.mark.parametrize(
    ("before", "after", "low", "high", "rules", "outcome"),
    [
        (0.5, 0.6, 0.01, 0.2, {}, "better"),
        (0.5, 0.6, -0.01, 0.2, {}, "no difference"),
        (0.6, 0.5, -0.2, -0.01, {}, "worse"),
        (0.5, 0.6, 0.01, 0.2, {"lower_is_better": True}, "worse"),
        (0.6, 0.5, -0.2, -0.01, {"lower_is_better": True}, "better"),
        (0.6, 0.599, -0.2, 0.2, {"safety": True}, "broken"),
        (0.6, 0.599, -0.2, 0.2, {"safety": True, "tolerance": 0.01}, "kept"),
        (0.6, 0.6, 0.0, 0.0, {"safety": True}, "kept"),
        (0.5, 0.6, 0.01, 0.2, {"safety": True}, "better"),
        (0.5, 0.6, 0.01, 0.2, {"safety": True, "lower_is_better": True}, "broken"),
        (None, None, None, None, {"safety": True}, "no difference"),
        (0.5, None, None, None, {"safety": True}, "not measured"),
        (0.5, float("nan"), None, None, {}, "not measured"),
    ],
)
def test_outcomes_of_figures(before, after, low, high, rules, outcome) -> None:
    value = None if before is None or after is None else after - before
    told = Figures(
        {"base": Told(before, before, before), "adapter": Told(after, after, after)},
        Told(value, low, high),
    )
    wanted = recipe_gate.GateTask(task="t", metric="m", **rules)
    assert _gate_judge._outcome(wanted, told)[0] == outcome


def test_every_task_of_an_adapter_has_a_usual_gate() -> None:
    from evals import runner

    for task in ("entities", "rerank", "embed", "support", "verdict", "chat", "preference"):
        tasks = recipe_gate.default(task).tasks
        assert {t.task for t in tasks} <= {*runner.names(), "support", "verdict"}
        assert all(t.metric for t in tasks)
    assert [t.safety for t in recipe_gate.default("chat").tasks].count(True) >= 3


def test_parts_follow_the_adapters_without_a_restart(config: Path, trained: Trained) -> None:
    resources = Resources(settings(config))
    registry = Promotions(settings(config).state_dir)
    librarian, scorer = resources.librarian, resources.scorer
    registry.promote("entities", trained.idle, {})
    resources.refresh()
    # An adapter of one slot leaves the parts of the others as they are.
    assert resources.librarian is librarian
    tagger = resources.tagger
    registry.promote("entities", trained.better, {})
    view = resources.view("")
    assert view.tagger is not None
    resources.refresh()
    assert resources.tagger is not tagger
    registry.rollback("rerank")
    registry.promote("rerank", trained.reranker, {"file": "again"})
    resources.refresh()
    assert resources.scorer is scorer  # The same files at the same place.
    store = Path(resources.adapter_name("entities"))
    (store / "adapter_model.safetensors").write_bytes(b"gone")
    resources.refresh()
    # The shipped one sits on another base, so here is nothing left that could tag.
    with pytest.raises(ModelError, match="sits on"):
        _ = resources.tagger
    assert view.tagger is not None

"""A batch's loss is that of its samples one by one, packed or padded, and of the learned tokens only."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from finetune.chat import batches, model, scoring
from finetune.chat.render import Sample

STYLES = ("qwen", "llama", "mistral", "gemma")


def samples(vocabulary: int, sizes=(23, 9, 41, 160)) -> list[Sample]:
    rng = np.random.default_rng(5)
    out = []
    for size in sizes:
        said = rng.random(size) < 0.4
        said[0], said[-1] = False, True
        out.append(Sample(rng.integers(5, vocabulary, size).astype(np.int32), said, 1))
    return out


@pytest.fixture(scope="module")
def models(tiny_chat):
    """Tiny models in float32, each loaded once."""
    found = {}

    def get(style):
        if style not in found:
            found[style] = model.causal(tiny_chat(style), dtype=torch.float32).eval()
        return found[style]

    return get


def plain(causal, sample: Sample) -> torch.Tensor:
    """The summed loss of one sample, without anything of ours."""
    ids = torch.from_numpy(sample.ids.astype(np.int64))[None]
    logits = causal(input_ids=ids).logits[0, :-1]
    each = F.cross_entropy(logits.float(), ids[0, 1:], reduction="none")
    return each[torch.from_numpy(sample.said)[1:]].sum()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("style", STYLES)
def test_a_batch_loses_what_its_samples_lose_alone(style, packed, models):
    causal = models(style)
    chosen = samples(causal.config.vocab_size)
    weight = sum(s.weight for s in chosen)
    scorer = scoring.Scorer(causal)
    try:
        batch = batches.collate(chosen, "cpu", packed=packed)
        with torch.no_grad():
            together = float(scorer.loss(causal, batch)) / weight
    finally:
        scorer.close()
    with torch.no_grad():
        alone = sum(float(plain(causal, s)) for s in chosen) / weight
    assert together == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("style", STYLES)
def test_a_poisoned_neighbour_changes_nothing(style, packed, models):
    causal = models(style)
    size = causal.config.vocab_size
    one, *rest = samples(size)
    other = [Sample(((s.ids - 5 + 97) % (size - 5) + 5).astype(np.int32), s.said, 1) for s in rest]
    scorer = scoring.Scorer(causal)
    found = []
    try:
        for neighbours in (rest, other):
            batch = batches.collate([*neighbours, one], "cpu", packed=packed)
            with torch.no_grad():
                logits = scorer.logits(causal, batch)
            found.append(logits[-one.weight :])
    finally:
        scorer.close()
    assert torch.allclose(found[0], found[1], atol=1e-5)


def test_cross_entropy_in_blocks_is_torchs_with_its_gradient(monkeypatch):
    monkeypatch.setattr(scoring, "_ROWS", 3)
    torch.manual_seed(0)
    logits = torch.randn(8, 11, requires_grad=True)
    targets = torch.randint(0, 11, (8,))
    (scoring.cross_entropy(logits, targets) * 0.5).backward()
    ours = logits.grad.clone()
    logits.grad = None
    expected = F.cross_entropy(logits, targets, reduction="sum") * 0.5
    expected.backward()
    assert torch.allclose(ours, logits.grad, atol=1e-6)
    assert float(scoring.cross_entropy(logits.detach(), targets)) * 0.5 == pytest.approx(
        float(expected.detach())
    )


def test_noise_on_the_embeddings_is_of_neftunes_size_and_only_in_training(models):
    causal = models("llama")
    scorer = scoring.Scorer(causal, neftune=5.0)
    seen = []
    watch = causal.get_input_embeddings().register_forward_hook(lambda *a: seen.append(a[2]))
    try:
        batch = batches.collate(samples(causal.config.vocab_size), "cpu")
        with torch.no_grad():
            quiet = scorer.loss(causal, batch)
            causal.train()
            scorer.loss(causal, batch)
            causal.eval()
            assert torch.equal(scorer.loss(causal, batch), quiet)
    finally:
        watch.remove()
        scorer.close()
        causal.eval()
    # Each sample's noise is uniform within alpha / sqrt(its length * width) (arXiv:2310.05914).
    noise = (seen[1] - seen[0]).abs()
    for row, size in enumerate((23, 9, 41, 160)):
        bound = 5.0 / (size * noise.shape[-1]) ** 0.5
        assert 0.9 * bound < float(noise[row, :size].max()) <= bound * 1.0001


def test_batches_hold_every_sample_once_within_the_budget_and_waste_little():
    rng = np.random.default_rng(0)
    lengths = rng.lognormal(5, 0.8, 500).astype(int).clip(8, 1024).tolist()
    for packed in (False, True):
        made = batches.micros(lengths, [1.0] * 500, 2048, np.random.default_rng(1), packed=packed)
        assert sorted(i for m in made for i in m.items) == list(range(500))
        assert sum(m.weight for m in made) == 500
        areas = [
            m.tokens if packed else max(lengths[i] for i in m.items) * len(m.items) for m in made
        ]
        assert max(areas) <= 2048
        assert sum(lengths) / sum(areas) > 0.9


def test_every_process_gets_as_many_passes_and_each_micro_batch_counts_once():
    made = [batches.Micro((i,), 1.0, 1) for i in range(5)]
    (first, second) = batches.steps(made, 3)
    assert len(second) == 2
    for step in (first, second):
        parts = [batches.shares(step, 2, rank) for rank in (0, 1)]
        assert len(parts[0]) == len(parts[1])
        counted = [m for part in parts for m, counts in part if counts]
        assert sorted(m.items for m in counted) == sorted(m.items for m in step)

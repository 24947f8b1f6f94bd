from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from assistant.errors import ModelError
from assistant.vision import explain, networks

SHAPE = {"kind": "film", "side": 64, "widths": [4, 8, 8, 16], "normalise": "standard", "deep": True}


@pytest.fixture(scope="module", params=[1, 2, 3])
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(4)
    made = networks.build({**SHAPE, "outputs": request.param})
    with torch.no_grad():
        for _ in range(3):
            made(torch.rand(8, 1, 64, 64))
    return made.eval().requires_grad_(False)


FILMS = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(1))


def test_logits_are_those_of_the_forward_pass(network: nn.Module) -> None:
    found = explain.cam(network, FILMS)
    with torch.no_grad():
        assert torch.allclose(found.logits, network(FILMS), atol=1e-5)
    assert found.heat.shape == (4, explain.SIDE, explain.SIDE)
    assert float(found.heat.min()) >= 0
    assert float(found.heat.max()) == pytest.approx(1, abs=1e-5)
    assert not found.logits.requires_grad


def test_the_map_is_grad_cam_of_the_stage_before_the_last(network: nn.Module) -> None:
    maps = network.early(FILMS).detach().requires_grad_()
    logits = network.classify(network.late(maps))
    explain.margin(logits, 1).sum().backward()
    assert maps.grad is not None
    heat = (maps.detach() * maps.grad.mean((2, 3), keepdim=True)).sum(1).relu()
    small = nn.functional.adaptive_avg_pool2d(explain.cam(network, FILMS).heat, heat.shape[-2:])
    for one, other in zip(heat, small, strict=True):
        if one.max() > 0:
            together = torch.stack([one.flatten(), other.flatten()])
            assert float(torch.corrcoef(together)[0, 1]) > 0.9


def test_a_part_of_the_batch_is_mapped_alike(network: nn.Module) -> None:
    every, first = explain.cam(network, FILMS), explain.cam(network, FILMS, mapped=1)
    assert torch.allclose(every.logits, first.logits, atol=1e-5)
    assert torch.allclose(every.heat[:1], first.heat, atol=1e-4)


def test_it_works_within_inference_mode_and_picks_from_the_logits(network: nn.Module) -> None:
    seen: list[torch.Size] = []

    def pick(logits: Tensor) -> int:
        seen.append(logits.shape)
        return 0

    with torch.inference_mode():
        films = FILMS * 1
        found = explain.cam(network, films, pick)
    assert seen == [found.logits.shape]
    assert torch.allclose(found.heat, explain.cam(network, FILMS, 0).heat, atol=1e-5)


def test_the_other_label_has_another_map(network: nn.Module) -> None:
    one, other = (explain.cam(network, FILMS, place).heat for place in (0, 1))
    assert not torch.allclose(one, other, atol=0.05)


class Cut(nn.Module):
    def early(self, films: Tensor) -> Tensor:
        return films

    def late(self, maps: Tensor) -> Tensor:
        return maps.detach()

    def classify(self, maps: Tensor) -> Tensor:
        return maps.mean((1, 2, 3))


def test_a_network_without_gradients_is_said() -> None:
    with pytest.raises(ModelError, match="No gradient"):
        explain.cam(Cut(), FILMS)

"""DeepDream is the notes' loop: step after step along the gradient of half the squared activation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import striate
from striate.dreams import deep_dream
from striate.errors import ConfigError, UnknownNameError


def body() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1), nn.ReLU())
    return layers.double().eval()


def picture(height: int = 40, width: int = 48) -> torch.Tensor:
    return torch.rand(1, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_one_octave_is_the_loop_of_the_notes() -> None:
    module, x = body(), picture()
    found = deep_dream(module, x, target="2", octaves=1, steps=4, jitter=0, size="original", strength=1.5)
    by_hand = x.clone()
    for _ in range(4):
        leaf = by_hand.clone().requires_grad_(True)
        activation = module[:3](leaf)
        (0.5 * activation.square().sum()).backward()
        by_hand = (by_hand + 1.5 / 255 * leaf.grad / leaf.grad.abs().mean()).clamp(0, 1)
    np.testing.assert_allclose(found.values, by_hand[0].numpy()[None].reshape(found.values.shape), atol=1e-5)


def test_it_sees_more_of_the_layer_than_before_and_the_same_seed_gives_the_same() -> None:
    network = striate.load("efficientnet_lite0")
    y, x = np.mgrid[:224, :224]
    pixels = np.stack([x, y, 255 - x], axis=2).astype(np.uint8)  # a ramp, in which there is little to see
    one, two = (deep_dream(network, pixels, target="blocks.2", octaves=2, steps=4, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.values, two.values)
    before = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    after = torch.from_numpy(np.asarray(one.values, np.float32)).reshape(1, 3, *one.values.shape[-2:])

    @torch.no_grad()
    def energy(photo: torch.Tensor) -> float:
        return float(network.features(photo.float(), layers=["blocks.2"])["blocks.2"].square().sum())

    assert energy(after) > energy(before)
    other = deep_dream(network, pixels, target="blocks.2", octaves=2, steps=4, seed=6)
    assert not np.array_equal(one.values, other.values)


def test_module_is_left_as_it_was() -> None:
    module = body().train()
    deep_dream(module, picture(), target="2", octaves=1, steps=1, size="original")
    assert module.training
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert not module[2]._forward_hooks


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"target": "two.three"}, UnknownNameError, "two"),
        ({"target": "2", "octaves": 0}, ConfigError, "octaves"),
        ({"target": "2", "steps": 0}, ConfigError, "steps"),
        ({"target": "2", "scale": 0.9}, ConfigError, "scale"),
    ],
)
def test_refusals(settings: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        deep_dream(body(), picture(), **settings)


def test_guides_need_layers(tmp_path: Path) -> None:
    module = body()
    guided = deep_dream(module, picture(), target="2", guide=picture(32, 32), octaves=1, steps=2, size="original")
    free = deep_dream(module, picture(), target="2", octaves=1, steps=2, size="original")
    assert not np.array_equal(guided.values, free.values)
    with pytest.raises(ConfigError, match="guide"):
        deep_dream(module, picture(), target="2:1", guide=picture(32, 32), octaves=1, steps=2)

"""Pictures made for units: against slow loops, the same again, independent of the batch, never gray in silence."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

import striate
from striate.draw.patch_rows import Patch
from striate.dreams import objectives
from striate.errors import ConfigError, DataError, ShapeError, UnknownNameError
from striate.insight import FeaturePictures, PlainAscent, feature_pictures, stream_feature_pictures
from striate.insight.plain_ascent import PLAIN_PRESETS


class Net(nn.Module):
    """Branches, in-place, functional and shared activations."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b, self.c = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3, stride=2), nn.Conv2d(6, 5, 3, stride=2)
        self.norm, self.act = nn.BatchNorm2d(5), nn.ReLU(inplace=True)
        self.fc = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.a(x))
        x = self.norm(F.relu(self.b(x)) + self.act(self.c(x)))
        return self.fc(x.mean((2, 3)))


def slow_plain(net: nn.Module, channel: int, settings: PlainAscent, *, size: int, seed: int) -> np.ndarray:
    """The notes' method in NumPy, one pixel rule after the other; only the gradient is torch's."""
    generator = torch.Generator().manual_seed(seed)
    x = 10 / 255 * torch.randn(1, 3, size, size, generator=generator, dtype=torch.float64).numpy()[0]
    x = np.clip(x, 0, 1)  # a plain module takes zero as its neutral color, which is black here
    for step in range(settings.steps):
        leaf = torch.from_numpy(x.copy())[None].requires_grad_(True)
        value = net.a(leaf)[0, channel].mean() - settings.l2 * (leaf**2).sum()
        (gradient,) = torch.autograd.grad(value, leaf)
        g = gradient[0].numpy()
        scale = 1.0
        if settings.normalize == "max":
            scale = 1 / np.abs(g).max()
        elif settings.normalize == "rms":
            scale = 1 / np.sqrt((g**2).mean())
        elif settings.normalize == "progress":
            scale = min(1 / (g**2).sum(), settings.largest_rate / settings.learning_rate)
        x = x + settings.learning_rate * scale * g
        x = (1 - settings.decay) * x
        if settings.blur_px and step % settings.blur_every == 0:
            x = np.stack([gaussian_filter(plane, settings.blur_px) for plane in x])
        if settings.norm_percentile:
            norm = np.sqrt((x**2).sum(0))
            x = x * (norm >= np.percentile(norm, settings.norm_percentile))
        if settings.contribution_percentile:
            contribution = np.abs((x * g).sum(0))
            x = x * (contribution >= np.percentile(contribution, settings.contribution_percentile))
        x = np.clip(x, 0, 1)
    return x


@pytest.mark.parametrize(
    "settings",
    [
        PlainAscent(
            l2=0.01, decay=0.05, blur_px=0.7, blur_every=2, norm_percentile=20, contribution_percentile=30, steps=7
        ),
        PlainAscent(0.05, "progress", 0.3, blur_px=1.0, blur_every=3, steps=5),
        PlainAscent(0.7, None, norm_percentile=50, steps=4),
    ],
    ids=["everything", "progress", "rate"],
)
def test_plain_ascent_equals_a_slow_loop(settings: PlainAscent) -> None:
    net = Net().double()
    got = feature_pictures(net, "a:2", method="plain", plain=settings, size=12, seed=4)
    expected = slow_plain(net, 2, settings, size=12, seed=4)
    np.testing.assert_allclose(got.values[0], expected, atol=1e-6)  # kept as float32


@pytest.mark.parametrize("method", ["plain", "fourier", "maco"])
def test_same_seed_same_picture_alone_or_beside_others(method: str) -> None:
    net = Net().double()
    kwargs: dict = {"method": method, "size": 16, "steps": 6, "crops": 3}
    many = feature_pictures(net, ["a:1", "norm:4", "norm:0@1,1", 2], batch_size=3, **kwargs)
    again = feature_pictures(net, ["a:1", "norm:4", "norm:0@1,1", 2], batch_size=3, **kwargs)
    np.testing.assert_array_equal(many.values, again.values)
    alone = feature_pictures(net, 2, **kwargs)
    np.testing.assert_allclose(many.values[3:], alone.values, atol=1e-5)
    other = feature_pictures(net, 2, seed=1, **kwargs)
    assert np.abs(other.values - alone.values).max() > 0.01
    assert many.targets == ("a:1", "norm:4", "norm:0@1,1", "class 2")
    assert many.history.shape == many.gradient_norms.shape == (4, 6)


def test_activations_are_those_of_the_pictures() -> None:
    net = Net().eval()
    got = feature_pictures(net, ["a:1", "norm:0@2,3", 2, objectives.logit(1) - objectives.l2_norm()], size=20, steps=3)
    x = torch.from_numpy(got.values)
    with torch.no_grad():
        out, a = net(x), net.a(x)
        maps = striate.probe.capture(net, x, ["norm"])["norm"]
    expected = [a[0, 1].max(), maps[1, 0, 2, 3], out[2, 2], out[3, 1] - (x[3] - 0.5).square().sum()]
    np.testing.assert_allclose(got.activations, [float(v) for v in expected], atol=1e-4)


def test_at_the_middle() -> None:
    net = Net().double()
    kwargs: dict = {"size": 25, "steps": 8, "robustness": 0}
    middle = feature_pictures(net, "norm:1", at="middle", **kwargs)
    whole = feature_pictures(net, "norm:1", **kwargs)
    edge = np.abs(middle.values - 0.5)[..., :4].mean() / np.abs(middle.values - 0.5).mean()
    assert edge < 0.6  # the middle's picture has its contrast in the middle
    assert np.abs(whole.values - 0.5)[..., :4].mean() / np.abs(whole.values - 0.5).mean() > edge


def test_nothing_is_left_behind_also_inside_inference_mode() -> None:
    net = Net().train()
    net.norm.eval()
    mean = net.norm.running_mean.clone()
    with torch.inference_mode():
        inside = feature_pictures(net, "norm:1", size=16, steps=3)
    np.testing.assert_array_equal(inside.values, feature_pictures(net, "norm:1", size=16, steps=3).values)
    assert net.training
    assert not net.norm.training
    assert torch.equal(net.norm.running_mean, mean)
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())


def test_a_dead_unit_is_said_and_not_drawn_gray() -> None:
    net = Net()
    with torch.no_grad():
        net.b.weight[1], net.c.weight[1] = 0, 0
        net.b.bias[1], net.c.bias[1] = -1, -1
    got = feature_pictures(net, ["norm:1", "norm:3"], size=16, steps=20, robustness=0.0)
    assert got.excited.tolist() == [False, True]
    assert len(got.problems) == 1
    assert got.problems[0].startswith("norm:1: no gradient reached the picture in any of 20 steps.")
    drawn = got.draw(tile=112)
    assert drawn.dtype == np.uint8


def test_natural_patches_stand_beside_and_everything_is_saved(tmp_path: Path) -> None:
    net = Net()
    photos = np.random.default_rng(0).integers(110, 140, (6, 3, 24, 24), dtype=np.uint8)
    found = striate.insight.top_patches(net, torch.from_numpy(photos).float() / 255, ["norm"], k=3)
    got = feature_pictures(net, ["norm:0", 0], size=24, steps=40, robustness=0.0, natural=found)
    assert got.natural_best[0] == pytest.approx(found["norm"].values[found["norm"].place_of(0), 0])
    assert np.isnan(got.natural_best[1])
    assert [len(row) for row in got.natural] == [3, 0]
    assert all(isinstance(patch, Patch) for patch in got.natural[0])
    assert got.beats_natural.tolist() == [True, False]
    again = FeaturePictures.load(got.save(tmp_path / "pictures.npz"))
    np.testing.assert_array_equal(again.values, got.values)
    assert again.settings() == got.settings()
    np.testing.assert_array_equal(again.natural[0][2].image, got.natural[0][2].image)
    np.testing.assert_array_equal(again.draw(), got.draw())
    assert got.save(tmp_path / "pictures.png").stat().st_size > 1000
    assert '"activation"' in got.save(tmp_path / "pictures.json").read_text()
    assert got._repr_png_()[:4] == b"\x89PNG"
    with pytest.raises(ConfigError, match=r"must end in \.npz, \.json or \.png"):
        got.save(tmp_path / "pictures.gif")
    (tmp_path / "no.npz").write_bytes(b"no")
    with pytest.raises(DataError, match="no saved result"):
        FeaturePictures.load(tmp_path / "no.npz")


def test_progress_and_previews() -> None:
    stream = stream_feature_pictures(Net(), ["a:0", "a:1", "a:2"], size=12, steps=4, batch_size=2, preview_every=2)
    events = list(stream)
    assert [event.done for event in events] == [2, 4, 6, 8, 9, 10, 11, 12]
    assert {event.total for event in events} == {12}
    assert events[-1].targets == ("a:2",)
    assert [event.images is not None for event in events] == [False, True] * 4


def test_a_network_that_sees_gray_and_takes_one_size() -> None:
    network = striate.load("lenet5.mnist")
    got = feature_pictures(network, ["c3:4", 8, "3"], steps=24)
    assert got.values.shape == (3, 1, 32, 32)
    assert got.targets[1] == "class 8 8" or got.targets[1].startswith("class 8")
    assert got.excited.all()
    assert got.pictures.shape == (3, 32, 32, 3)
    large = feature_pictures(network, 8, steps=4, size=48)
    assert large.values.shape == (1, 1, 48, 48)
    assert feature_pictures(network, 8, steps=4, method="maco").values.shape == (1, 1, 32, 32)


def test_the_default_network() -> None:
    network = striate.load("efficientnet_lite0")
    got = feature_pictures(network, ["blocks.1.0:3", "coffee mug"], size=48, steps=8, robustness=0.0)
    assert got.targets == ("blocks.1.0:3", "class 504 coffee mug")
    assert got.excited.all()
    assert got.values.min() >= 0
    assert got.values.max() <= 1


def test_presets_are_the_papers() -> None:
    assert set(PLAIN_PRESETS) == {"notes", "l2", "yosinski-1", "yosinski-2", "yosinski-3", "yosinski-4"}
    third = PLAIN_PRESETS["yosinski-3"]
    assert (third.decay, third.blur_px, third.blur_every, third.steps) == (1e-4, 1.0, 4, 1000)
    # a rate of 100 on levels from 0 to 255
    assert third.learning_rate * 255**2 == pytest.approx(100)
    for name in PLAIN_PRESETS:
        got = feature_pictures(Net(), "a:1", method="plain", plain=name, size=12, steps=3)
        assert got.history.shape == (1, 3)


@pytest.mark.untyped
def test_refusals_say_what_is_wrong() -> None:
    net = Net()
    with pytest.raises(ConfigError, match="got none"):
        feature_pictures(net, [])
    with pytest.raises(ConfigError, match="is a layer: name a channel"):
        feature_pictures(net, "norm")
    with pytest.raises(ConfigError, match=r"has channels 0 to 4; 9 is not"):
        feature_pictures(net, "norm:9", size=12, steps=1)
    with pytest.raises(ConfigError, match="method must be 'plain', 'fourier' or 'maco'"):
        feature_pictures(net, "a:0", method="deep")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="Nearest: 'yosinski"):
        feature_pictures(net, "a:0", method="plain", plain="yosinsky-1")
    with pytest.raises(ConfigError, match="size must be from 1"):
        feature_pictures(net, "a:0", size=0)
    with pytest.raises(ConfigError, match="batch_size"):
        feature_pictures(net, "a:0", batch_size=0)
    with pytest.raises(ConfigError, match="strength must be 0 or more"):
        feature_pictures(net, "a:0", robustness=-1.0)
    with pytest.raises(ShapeError, match="refuses pictures of 2 × 2"):
        feature_pictures(net, "norm:0", size=2, steps=1)


@pytest.mark.gpu
def test_it_runs_on_a_gpu() -> None:
    net = Net()
    cpu = feature_pictures(net, "norm:1", size=16, steps=2).values
    gpu = feature_pictures(net.cuda(), "norm:1", size=16, steps=2).values
    np.testing.assert_allclose(cpu, gpu, atol=1e-2)


@pytest.mark.parametrize("method", ["fourier", "plain", "maco"])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_pictures_for_weights_of_16_bits_are_made_in_32(kind: torch.dtype, method: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3)).eval().to(kind)
    made = feature_pictures(net, ["2:1"], method=method, steps=4, size=24)
    assert made.values.dtype == np.float32
    assert np.isfinite(made.values).all()
    assert np.isfinite(made.history).all()
    assert {parameter.dtype for parameter in net.parameters()} == {kind}

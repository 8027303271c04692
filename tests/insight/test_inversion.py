"""Reconstruction: what is invertible comes back, what is linear is least squares, and the paper's loop step by step."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import striate
from striate.data import Labels, Preprocessing
from striate.dreams import Objective, Seen, Subject, build_subject
from striate.dreams.objectives import distance
from striate.errors import ConfigError, DataError, ShapeError, UnknownNameError
from striate.insight.inversion import Inversion, invert
from striate.insight.inversion_prior import PRIORS, SIGMA, Prior, depth_scales, depth_weight, find_prior
from striate.insight.inversion_sheet import InversionSheet, invert_depth
from striate.insight.inversion_subject import picture_of
from striate.insight.open_rectifier import open_rectifier
from striate.insight.reconstruction import Reconstruction
from striate.models import Network
from tests.oracles.inversion import SIGMA_GRAY, invert_as_the_paper, total_variation

PLAIN = Prior(coordinates="pixels", tv_weight=0.0, spread=0.1, scales=(1,))


class Net(nn.Module):
    """Branches, functional and in-place activations, one module called twice, an answer that no module gives."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Conv2d(3, 12, 3, padding=1)
        self.b = nn.Conv2d(12, 12, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.a(x))
        y = F.relu(self.b(x)) + self.act(x - 0.1)
        return self.drop(y).mean((2, 3))


def picture(size: int = 12, channels: int = 3, seed: int = 0) -> Tensor:
    """Smooth, like a photo, from 0 to 1."""
    rough = torch.rand(1, channels, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    smooth = F.interpolate(rough, (size, size), mode="bicubic", align_corners=False)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


@pytest.mark.parametrize("coordinates", ["pixels", "fourier"])
def test_an_invertible_layer_gives_the_picture_back(coordinates: str) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 9, 3, padding=1), nn.LeakyReLU(0.5)).double()
    # Fourier pictures come near to black and white, but not up to them.
    photo = 0.2 + 0.6 * picture(8) if coordinates == "fourier" else picture(8)
    network = Network("net", net, Preprocessing(mean=(0.4,) * 3, std=(0.2,) * 3, resize=None), Labels(()))
    prior = Prior(coordinates=coordinates, tv_weight=0.0, scales=(1,))  # type: ignore[arg-type]
    result = invert(network, photo, layer="1", samples=2, steps=200, prior=prior, tolerance=0)
    # Fourier coordinates are made for photos of some size: on 8 pixels they are the worse conditioned ones.
    close = 1e-6 if coordinates == "pixels" else 1e-3
    np.testing.assert_allclose(result.values, np.broadcast_to(photo.numpy(), (2, 3, 8, 8)), atol=close)
    assert max(result.errors) < close
    assert result.disagreement < close


def test_a_linear_layer_is_least_squares_with_the_prior_in_closed_form() -> None:
    torch.manual_seed(2)
    layer = nn.Linear(36, 12, bias=False).double()
    net = nn.Sequential(nn.Flatten(), layer)
    photo = picture(6, 1)
    low, high = 0.0, 1.0
    weight = 3.0
    prior = Prior(coordinates="pixels", tv_weight=weight, spread=0.1, scales=(1,))
    inversion = Inversion(net, photo, layer="1", samples=1, steps=120, prior=prior, tolerance=0)
    for _ in inversion.run():
        pass
    # Differences as a matrix: each row is one neighbor minus another; those across the border are zero.
    rows = []
    for i in range(6):
        for j in range(6):
            for di, dj in ((0, 1), (1, 0)):
                if i + di < 6 and j + dj < 6:
                    row = np.zeros((6, 6))
                    row[i, j], row[i + di, j + dj] = -1, 1
                    rows.append(row.ravel())
    d, a = np.stack(rows), layer.weight.detach().numpy()
    b = a @ photo.numpy().ravel()
    factor = weight / 2 / (SIGMA**2 * 36)
    exact = np.linalg.solve(a.T @ a / (b @ b) + factor * d.T @ d, a.T @ b / (b @ b))
    found = inversion.images[0].image().detach().numpy().ravel()
    np.testing.assert_allclose(found, exact, atol=1e-5)
    terms = inversion.result().terms
    np.testing.assert_allclose(terms["tv"][0], factor * np.sum((d @ exact) ** 2), rtol=1e-4)
    assert (low, high) == inversion.pictured.limits


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_priors_are_the_papers_in_gray_levels(beta: float) -> None:
    subject = build_subject(nn.Conv2d(3, 1, 1))
    subject = Subject(subject.module, subject.prepare, 3, (0.5, 0.4, 0.3))
    x = picture(7)
    gray = 255 * (x[0].numpy() - np.array([0.5, 0.4, 0.3])[:, None, None])
    prior = Prior(coordinates="pixels", tv_power=beta, alpha_weight=8e-10)
    terms = prior.penalties(subject, (7, 7), 10.0)
    scale = SIGMA_GRAY**2 * gray.size
    wanted = {"tv": 10 / 2 * total_variation(gray, beta) / scale, "alpha": 8e-10 / 2 * np.sum(gray**6) / scale}
    for name, value in wanted.items():
        # Of β below 2, a flat place counts with 10⁻⁵ of the range, so that it has a gradient.
        np.testing.assert_allclose(terms[name](Seen(x)).item(), value, rtol=1e-5 if beta < 2 else 1e-12)
        leaf = x.clone().requires_grad_(True)
        torch.autograd.gradcheck(lambda z, name=name: terms[name](Seen(z)), leaf)


def test_the_papers_schedule_step_by_step() -> None:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU()).double()
    photo = picture(8)
    prior = Prior(coordinates="pixels", tv_weight=1.0, alpha_weight=8e-10, spread=SIGMA, scales=(1,))
    steps = 40  # 10 at the full rate, 20 at a tenth, 10 at a hundredth
    inversion = Inversion(net, photo, layer="1", samples=1, steps=steps, prior=prior, optimizer="reference", seed=5)
    subject = inversion.pictured.subject
    neutral = torch.tensor(subject.neutral, dtype=torch.float64).view(1, 3, 1, 1)
    begun = prior.start(subject, (8, 8), seed=5, dtype=torch.float64).image().detach()
    for _ in inversion.run():
        pass
    slow = invert_as_the_paper(
        lambda gray: net(gray / 255 + neutral),
        net(photo).detach(),
        (255 * (begun - neutral))[0].numpy(),
        tv_weight=1.0,
        alpha_weight=8e-10,
        rates=[0.004] * 10 + [0.0004] * 20 + [0.00004] * 10,
    )
    found = (255 * (inversion.images[0].image().detach() - neutral))[0].numpy()
    np.testing.assert_allclose(found, slow, rtol=1e-9, atol=1e-8)
    assert inversion.result().stopped == ("steps",)


def test_the_same_seed_gives_the_same_pictures_and_each_sample_stands_alone() -> None:
    first = invert(Net(), picture().float(), layer="b", samples=2, steps=8, seed=3)
    again = invert(Net(), picture().float(), layer="b", samples=2, steps=8, seed=3)
    alone = invert(Net(), picture().float(), layer="b", samples=1, steps=8, seed=4)
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.values[1], alone.values[0])
    assert first.seeds == (3, 4)
    assert not np.array_equal(first.values[0], first.values[1])


@pytest.mark.parametrize("layer", ["a", "act", "act#2", "b", "drop", "output"])
@pytest.mark.parametrize("optimizer", ["auto", "lbfgs", "adam"])
def test_any_layer_and_nothing_left_behind(layer: str, optimizer: str) -> None:
    net = Net().train()
    net.a.weight.requires_grad_(False)
    modes = [part.training for part in net.modules()]
    wants = [p.requires_grad for p in net.parameters()]
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with torch.inference_mode():
        result = invert(
            net,
            picture().float(),
            layer=layer,
            samples=1,
            steps=10,
            optimizer=optimizer,  # type: ignore[arg-type]
        )
    assert result.curves[0, -1] < result.curves[0, 0]
    assert [part.training for part in net.modules()] == modes
    assert [p.requires_grad for p in net.parameters()] == wants
    assert all(p.grad is None for p in net.parameters())
    assert not any(part._forward_hooks or part._backward_hooks for part in net.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_errors_are_those_of_the_pictures_as_they_stand() -> None:
    net = Net().double().eval()
    photo = picture()
    result = invert(net, photo, layer="b", samples=2, steps=30)
    with torch.no_grad():
        wanted = net.b(F.relu(net.a(photo)))
        got = net.b(F.relu(net.a(torch.from_numpy(result.values))))
    exact = ((got - wanted).flatten(1).norm(dim=1) / wanted.norm()).numpy()
    np.testing.assert_allclose(result.errors, exact, rtol=1e-9)
    assert result.shape == (12, 12, 12)
    assert result.values.min() >= 0
    assert result.values.max() <= 1


def test_a_plain_module_is_painted_in_the_units_of_its_input() -> None:
    torch.manual_seed(4)
    net = nn.Conv2d(2, 8, 3, padding=1).double()
    x = 7 * picture(10, 2) - 3
    result = invert(net, x, layer="output", samples=1, steps=120, prior=PLAIN, tolerance=0)
    assert result.limits == (-3.0, 4.0)
    np.testing.assert_allclose(result.values, x.numpy(), atol=1e-4)
    with pytest.raises(ConfigError, match="1 or 3 channels; these have 2"):
        result.pictures()


def test_a_gray_network_is_painted_in_gray() -> None:
    network = striate.load("lenet5.mnist")
    digit = torch.zeros(1, 3, 32, 32)
    digit[:, :, 6:26, 14:18] = 1.0
    result = invert(network, digit, layer="c1", samples=1, steps=60)
    assert result.values.shape == (1, 1, 32, 32)
    assert result.pictures().shape == (1, 32, 32, 3)
    assert result.psnr[0] > 25
    assert np.isnan(result.color_errors[0])
    sheet = invert_depth(network, digit, layers=["s2", "output"], samples=1, steps=5)
    assert [row.layer for row in sheet.rows] == ["s2", "output"]


def test_a_plateau_ends_a_search_and_steps_do_otherwise() -> None:
    net = nn.Sequential(nn.Conv2d(3, 9, 3, padding=1)).double()
    inversion = Inversion(net, picture(), layer="0", samples=1, steps=500, prior=Prior(scales=(1,), tv_weight=10.0))
    last = list(inversion.run())[-1]
    assert last.stopped == "plateau"
    assert last.number < 200
    assert invert(net, picture(), layer="0", samples=1, steps=30, tolerance=0).stopped == ("steps",)


def test_a_search_can_be_left_and_asked_for_what_it_has() -> None:
    inversion = Inversion(Net(), picture().float(), layer="b", samples=3, steps=50)
    with pytest.raises(ConfigError, match="no sample has been begun"):
        inversion.result()
    for step in inversion.run():
        if step.sample == 1 and step.number == 4:
            break
    result = inversion.result()
    assert result.values.shape[0] == 2
    assert result.stopped[1] == "interrupted"
    assert np.isfinite(result.curves[1]).sum() == 4
    assert inversion.picture(1).shape == (3, 12, 12)


def test_scales_go_from_coarse_to_fine_and_end_at_what_the_network_sees() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8)).double()
    inversion = Inversion(net, picture(64), layer="0", samples=1, steps=20, tolerance=0)
    assert inversion.scales == (4, 2, 1)
    sizes = []
    for _ in inversion.run():
        sizes.append(inversion.images[0].small.image().shape[-1])
        assert inversion.images[0].image().shape == (1, 3, 64, 64)
    assert sizes == [16] * 5 + [32] * 5 + [64] * 10


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("kind", [nn.ReLU, nn.ReLU6])
def test_units_that_are_off_find_a_way_up(kind: type[nn.Module], inplace: bool) -> None:
    """All units are off at the start: the plain gradient is zero, the opened one is that of the units' inputs."""
    torch.manual_seed(6)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), kind(inplace=inplace)).double()
    nn.init.constant_(net[0].bias, -50.0)  # type: ignore[union-attr,arg-type]
    x = torch.rand(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    wanted = torch.rand(1, 6, 6, 6, dtype=torch.float64)
    plain = distance("1", wanted)

    def gradient(objective: Objective) -> Tensor:
        answer = net(x)
        (found,) = torch.autograd.grad(objective(Seen(x, {"1": answer.clone()})).sum(), x)
        return found

    assert not gradient(plain).any()
    inner = -2 * wanted / wanted.square().sum()
    (exact,) = torch.autograd.grad(net[0](x), x, inner)
    torch.testing.assert_close(gradient(open_rectifier(plain, "1")), exact)
    # A unit that is on, or that ought to be off, keeps its own gradient.
    nn.init.constant_(net[0].bias, 0.1)  # type: ignore[union-attr,arg-type]
    off = distance("1", torch.full_like(wanted, 1e-9))
    torch.testing.assert_close(gradient(open_rectifier(off, "1")), gradient(off))


def test_the_rule_of_depth() -> None:
    assert depth_weight((64, 28, 28), (224, 224)) == 1.0
    assert depth_weight((64, 224, 224), (224, 224)) == pytest.approx(8**-1.5)
    assert depth_weight((1000,), (224, 224)) == depth_weight((1000, 1, 1), (224, 224)) == 3.0
    assert depth_weight((196, 768), (224, 224)) == 3.0
    assert depth_scales((64, 7, 7), (224, 224)) == (8, 4, 2)
    assert depth_scales((64, 4, 4), (40, 40)) == (2, 1)
    assert depth_scales((10,), (20, 20)) == (1,)


def test_not_finite_is_said() -> None:
    class Bad(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Conv2d(3, 4, 1)
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return self.inner(x) * (1.0 if self.calls == 1 else float("nan"))

    with pytest.raises(ConfigError, match="not finite"):
        invert(Bad(), picture().float(), layer="output", samples=1, steps=5)
    net = nn.Conv2d(3, 4, 1)
    nn.init.constant_(net.weight, float("inf"))
    with pytest.raises(ConfigError, match="layer 'output' answers numbers that are not finite"):
        invert(net, picture().float(), layer="output", samples=1)


def test_refusals() -> None:
    net, photo = Net(), picture().float()
    with pytest.raises(UnknownNameError, match=r"no layer 'bb'.*'b'"):
        invert(net, photo, layer="bb")
    with pytest.raises(UnknownNameError, match=r"no prior 'tvv'.*'tv'"):
        invert(net, photo, layer="b", prior="tvv")
    with pytest.raises(ConfigError, match=r"whole layer.*got 'b:3'"):
        invert(net, photo, layer="b:3")
    with pytest.raises(ConfigError, match="at least 1; got 0 and 200"):
        invert(net, photo, layer="b", samples=0)
    with pytest.raises(ConfigError, match="steps in pixels"):
        invert(net, photo, layer="b", optimizer="reference")
    with pytest.raises(ConfigError, match="tolerance must be"):
        invert(net, photo, layer="b", tolerance=1.0)
    with pytest.raises(ConfigError, match="size is for photos"):
        invert(net, photo, layer="b", size=20)
    with pytest.raises(ShapeError, match="one photo; got 2"):
        invert(net, photo.repeat(2, 1, 1, 1), layer="b")
    with pytest.raises(ConfigError, match="at least two values"):
        invert(net, torch.zeros(1, 3, 8, 8), layer="b")
    with pytest.raises(ConfigError, match="only zeros"):
        invert(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Threshold(1e9, 0.0)), photo, layer="1")
    with pytest.raises(ConfigError, match="different layers"):
        invert_depth(net, photo, layers=["b", "b"])
    for wrong in ({"tv_weight": -1.0}, {"spread": float("nan")}, {"tv_power": 0.5}, {"scales": (1, 2)}, {"scales": ()}):
        with pytest.raises(ConfigError, match="Prior: "):
            Prior(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(PRIORS))
def test_every_prior_by_name(name: str) -> None:
    method = "reference" if name.startswith("alexnet") else "auto"
    result = invert(Net(), picture().float(), layer="a", samples=1, steps=8, prior=name, optimizer=method)
    assert result.parameters["prior"] == name
    assert result.curves[0, -1] < result.curves[0, 0]
    assert find_prior(name) is PRIORS[name]


def test_results_are_kept(tmp_path: Path) -> None:
    result = invert(Net(), picture(32).float(), layer="b", samples=2, steps=6)
    again = Reconstruction.load(result.save(tmp_path / "r.npz"))
    assert again.settings() == result.settings()
    np.testing.assert_array_equal(again.values, result.values)
    assert result.save(tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"
    assert "NaN" not in result.save(tmp_path / "r.json").read_text()
    with pytest.raises(ConfigError, match="must end in"):
        result.save(tmp_path / "r.txt")
    assert result._repr_png_()[:4] == b"\x89PNG"
    sheet = invert_depth(Net(), picture(32).float(), layers=["a", "output"], samples=2, steps=4)
    files = sheet.save(tmp_path / "sheet")
    assert {"sheet", "data", "arrays", "photo", "01-a-0", "02-output-1"} <= set(files)
    loaded = InversionSheet.load(tmp_path / "sheet")
    assert loaded.to_dict() == sheet.to_dict()
    np.testing.assert_array_equal(loaded.draw(), sheet.draw())
    with pytest.raises(DataError, match="cannot be read"):
        InversionSheet.load(tmp_path)


def test_any_size_of_a_photo() -> None:
    network = striate.load("efficientnet_lite0")
    photo = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    assert picture_of(network, photo, size=48).photo.shape == (1, 3, 48, 48)
    assert picture_of(network, photo, size=(40, 56)).photo.shape == (1, 3, 40, 56)
    assert picture_of(network, photo).photo.shape == (1, 3, 224, 224)
    assert picture_of(network, torch.rand(1, 3, 33, 47)).photo.shape == (1, 3, 33, 47)
    with pytest.raises(ConfigError, match="size must be at least 1"):
        picture_of(network, photo, size=0)


def test_the_default_network_gives_a_photo_back_from_its_first_stage() -> None:
    """The first stage keeps nearly everything; the layer named wrongly is answered with its neighbors."""
    network = striate.load("efficientnet_lite0")
    y, x = np.mgrid[:64, :64]
    photo = np.stack([128 + 80 * np.sin(x / 6), 128 + 80 * np.cos(y / 9), 2.0 * (x + y)], 2).astype(np.uint8)
    result = invert(network, photo, layer="blocks.0", samples=1, steps=60, size=64)
    assert result.ssim[0] > 0.97
    assert result.psnr[0] > 30
    assert result.errors[0] < 0.08
    with pytest.raises(UnknownNameError, match=r"Nearest: .blocks\."):
        invert(network, photo, layer="blocks.O")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_paints_from_the_same_noise() -> None:
    photo = picture().float()
    here = invert(Net(), photo, layer="b", samples=1, steps=3, optimizer="adam")
    there = invert(Net().cuda(), photo.cuda(), layer="b", samples=1, steps=3, optimizer="adam")
    np.testing.assert_allclose(there.values, here.values, atol=1e-3)

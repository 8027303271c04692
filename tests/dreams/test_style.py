"""Style transfer: tiles are the whole, masks and colors hold, exactly resumed, refusals in sentences."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import striate
from striate.dreams import style_transfer
from striate.dreams.style_colors import keep_luminance, luminance, match_colors, match_luminance
from striate.dreams.style_layers import find_layers
from striate.dreams.style_network import StyleNetwork, layer_table
from striate.dreams.style_result import StyledPicture
from striate.dreams.style_run import StyleTransfer
from striate.dreams.subject import build_subject
from striate.errors import ConfigError, ShapeError, UnknownNameError


class Net(nn.Module):
    """Poolings, in-place and functional activations; style layers before and after ReLUs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.c, self.d = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 5, 3, padding=1)
        self.act, self.late, self.pool = nn.ReLU(inplace=True), nn.ReLU(inplace=True), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.act(self.a(x)))
        x = self.pool(torch.relu_(self.c(torch.relu(self.b(x)))))
        return self.late(self.d(x))


def picture(seed: int, h: int = 48, w: int = 64, c: int = 3) -> Tensor:
    x = torch.rand(1, c, 6, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(x, (h, w), mode="bicubic").clamp(0, 1)


NET = Net().eval()
LAYERS = {"content_layers": ["c"], "style_layers": ["a", "b", "late"]}
CONTENT, STYLE = picture(1), picture(2, 40, 56)


def transfer(**more: object) -> StyleTransfer:
    return StyleTransfer(NET, CONTENT, STYLE, **{**LAYERS, "steps": 4, "scales": 1, **more})


def finish(run: StyleTransfer) -> Tensor:
    for _ in run.run():
        pass
    return run.picture()


@pytest.mark.parametrize("kind", ["gram", "wasserstein"])
@pytest.mark.parametrize("convention", ["relative", "crowsonkb"])
def test_tiles_are_the_whole(kind: str, convention: str) -> None:
    net = Net().double().eval()
    mask = torch.zeros(1, 3, 20, 20)
    mask[..., 6:] = 1
    settings = {**LAYERS, "convention": convention, "loss": kind, "masks": mask}
    photo = picture(1, 75, 90)
    runs = [StyleTransfer(net, photo, STYLE, **settings, size=90, scales=1, tile=tile) for tile in (None, 24)]
    found = []
    for run in runs:
        loss = run.goal.loss_at((75, 90))
        x = picture(3, 75, 90).double().requires_grad_()
        value = loss(x)
        (gradient,) = torch.autograd.grad(value, x)
        found.append((value, gradient))
        assert (loss.tiling is not None) == (run.goal.tile is not None)
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-10, atol=0)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-8, atol=1e-12)


def test_tiles_of_vgg_are_the_whole() -> None:
    network = striate.create_model("vgg16_features").double().eval()
    x = picture(5, 96, 112).double()
    found = []
    for tile in (None, 32):
        run = StyleTransfer(network, picture(1, 96, 112), STYLE, size=112, scales=1, tile=tile)
        y = x.clone().requires_grad_()
        loss = run.goal.loss_at((96, 112))
        found.append(torch.autograd.grad(loss(y), y)[0])
    torch.testing.assert_close(found[0], found[1], rtol=1e-7, atol=1e-12)


def test_the_gradient_is_that_of_plain_autograd() -> None:
    net = Net().double().eval()
    run = StyleTransfer(
        net, CONTENT, STYLE, **LAYERS, convention="gatys", content_weight=2.0, style_weight=3.0, tv_weight=0.0
    )
    loss = run.goal.loss_at((48, 64))
    x = picture(4).double().requires_grad_()

    def features(v: Tensor) -> dict[str, Tensor]:
        a = net.a(v)
        b = net.b(net.pool(a.relu()))
        c = net.c(b.relu())
        return {"a": a, "b": b, "c": c, "late": net.d(net.pool(c.relu())).relu()}

    from striate.dreams.style_pictures import resize, sized

    painting = resize(STYLE.double(), sized((40, 56), 64))
    mine, photo, style = features(x), features(CONTENT.double()), features(painting)
    value = 2.0 * (mine["c"] - photo["c"]).square().sum() / 2
    for layer in ("a", "b", "late"):
        g, a = (torch.einsum("nihw,njhw->ij", f[layer], f[layer]) / f[layer][0, 0].numel() for f in (mine, style))
        value = value + 3.0 / 3 * (g - a).square().sum() / (4 * len(g) ** 2)
    torch.testing.assert_close(loss(x), value)
    torch.testing.assert_close(torch.autograd.grad(loss(x), x)[0], torch.autograd.grad(value, x)[0])


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_same_again_and_exactly_resumed(optimizer: str, tmp_path) -> None:
    settings = {"optimizer": optimizer, "scales": 2, "size": 192, "steps": 5, "start": "noise", "seed": 3}
    whole = finish(transfer(**settings))
    assert torch.equal(whole, finish(transfer(**settings)))
    assert not torch.equal(whole, finish(transfer(**{**settings, "seed": 4})))
    for stop in (2, 5, 7):
        first = transfer(**settings)
        for step in first.run():
            if step.number == stop:
                break
        torch.save(first.state(), tmp_path / "state.pt")
        second = transfer(**settings)
        second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
        assert second.done == stop
        assert torch.equal(whole, finish(second)), stop
    with pytest.raises(ConfigError, match="had seed = 3, this one has 5"):
        transfer(**{**settings, "seed": 5}).restore(first.state())


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("kind", ["gram", "wasserstein", "histogram"])
def test_every_loss_falls(kind: str, optimizer: str) -> None:
    run = transfer(loss=kind, optimizer=optimizer, steps=25)
    before = run.losses()["total"]
    finish(run)
    assert run.losses()["total"] < 0.6 * before


@pytest.mark.parametrize("preset", ["striate", "gatys", "jcjohnson", "tutorial", "crowsonkb"])
def test_presets_run(preset: str) -> None:
    result = style_transfer(NET, CONTENT, STYLE, **LAYERS, preset=preset, steps=3, size=64)
    assert np.isfinite(result.values).all()
    assert result.parameters["preset"] == preset


def test_a_mask_leaves_the_rest_to_the_content() -> None:
    mask = torch.zeros(1, 3, 48, 64)
    mask[..., 32:] = 1
    run = transfer(masks=mask, steps=30, content_weight=0.05, style_weight=10.0, tv_weight=0.0)
    change = (finish(run) - CONTENT).square().mean((0, 1, 2))
    assert change[40:].mean() > 5 * change[:24].mean()
    with pytest.raises(ConfigError, match="one for each of 1 style pictures; got 2"):
        transfer(masks=torch.cat([mask, mask]))
    with pytest.raises(ConfigError, match="mask 1 is black"):
        finish(transfer(masks=torch.zeros(1, 3, 48, 64)))


def test_several_styles_mix_by_weight() -> None:
    other = picture(9, 64, 64)
    both = StyleTransfer(
        NET, CONTENT, [STYLE.numpy()[0].transpose(1, 2, 0).__mul__(255).astype(np.uint8)] * 2, **LAYERS
    )
    assert both.goal.weights == (0.5, 0.5)
    alone = StyleTransfer(NET, CONTENT, torch.cat([STYLE, picture(8, 40, 56)]), **LAYERS, style_weights=[3, 0])
    x = picture(3)
    value = float(alone.goal.loss_at((48, 64), exact=True)(x).detach())
    alone_value = float(transfer().goal.loss_at((48, 64), exact=True)(x).detach())
    assert value == pytest.approx(alone_value, rel=1e-5)
    with pytest.raises(ConfigError, match="for each of 1 style pictures"):
        StyleTransfer(NET, CONTENT, other, **LAYERS, style_weights=[1, 2])


def test_colors_are_kept_as_claimed() -> None:
    painted, photo = picture(11), picture(12)
    mixed = keep_luminance(painted, photo)
    torch.testing.assert_close(luminance(mixed), luminance(painted), atol=1e-5, rtol=0)
    color, mine = photo - luminance(photo), mixed - luminance(mixed)
    ratio = (mine * color).sum(1) / color.square().sum(1).clamp(min=1e-9)
    torch.testing.assert_close(mine, ratio[:, None] * color, atol=1e-5, rtol=0)  # same hue
    assert float(ratio.max()) <= 1 + 1e-4
    soft, calm = 0.4 + 0.2 * picture(13), 0.45 + 0.1 * picture(14)  # far from black and white: nothing is clamped
    moved = match_colors(soft, calm)
    flat = [x.movedim(1, 0).flatten(1) for x in (moved, calm)]
    torch.testing.assert_close(flat[0].mean(1), flat[1].mean(1), atol=1e-4, rtol=0)
    torch.testing.assert_close(flat[0].cov(correction=0), flat[1].cov(correction=0), atol=1e-4, rtol=1e-2)
    gray = match_luminance(soft, calm)
    assert float(luminance(gray).std()) == pytest.approx(float(luminance(calm).std()), rel=1e-3)


@pytest.mark.parametrize("method", ["luminance", "match"])
def test_keep_colors_in_a_run(method: str) -> None:
    found = finish(transfer(keep_colors=method, steps=6))
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    if method == "luminance":
        hue, wanted = found - luminance(found), CONTENT - luminance(CONTENT)
        assert float(torch.nn.functional.cosine_similarity(hue, wanted).median()) > 0.99


def test_not_a_number_is_stepped_back_from(monkeypatch) -> None:
    run = transfer(optimizer="adam", steps=8)
    _, loss = run._at_scale()
    calls = 0
    inner = type(loss).__call__

    def sometimes(self: object, image: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        value = inner(self, image)
        return value * float("nan") if calls == 4 else value

    monkeypatch.setattr(type(loss), "__call__", sometimes)
    steps = list(run.run())
    assert [step.stepped_back for step in steps].count(True) == 1
    assert run.steps_back == 1
    assert bool(run.picture().isfinite().all())


def test_nothing_of_the_network_changes() -> None:
    before = {name: value.clone() for name, value in NET.state_dict().items()}
    NET.train()
    with torch.inference_mode():
        style_transfer(NET, CONTENT, STYLE, **LAYERS, steps=2)
    assert NET.training
    assert NET.act.inplace
    assert all(p.requires_grad and p.grad is None for p in NET.parameters())
    assert not any(part._forward_hooks for part in NET.modules())
    assert all(torch.equal(before[name], value) for name, value in NET.state_dict().items())
    NET.eval()


def test_a_copy_is_handed_out_where_something_overwrites() -> None:
    network = StyleNetwork(build_subject(NET), ["a", "b", "c", "late"], precision="float32")
    assert {"c"} <= network._copied
    assert "b" not in network._copied


@pytest.mark.parametrize(
    ("content", "style"),
    [((1, 1), (40, 40)), ((40, 60), (1, 1)), ((33, 500), (300, 31))],
    ids=["one pixel photo", "one pixel style", "long"],
)
def test_odd_sizes(content: tuple[int, int], style: tuple[int, int]) -> None:
    result = style_transfer(NET, picture(1, *content), picture(2, *style), **LAYERS, steps=2, size=64)
    assert min(result.pixels.shape[:2]) >= 32
    assert np.isfinite(result.values).all()


def test_gray_and_flat_pictures() -> None:
    gray = picture(1).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    for style in (gray, torch.zeros(1, 3, 40, 40), torch.ones(1, 3, 40, 40)):
        assert np.isfinite(style_transfer(NET, gray, style, **LAYERS, steps=3).values).all()


def test_a_gray_network() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU())
    assert style_transfer(net, CONTENT, STYLE, steps=2).pixels.shape == (48, 64, 3)
    with pytest.raises(ConfigError, match="sees gray"):
        style_transfer(net, CONTENT, STYLE, keep_colors="match")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"style_layers": ["aa"]}, UnknownNameError, "no layer 'aa'"),
        ({"preset": "gaty"}, UnknownNameError, "Nearest: 'gatys'"),
        ({"loss": "mean"}, ConfigError, "'gram', 'wasserstein' or 'histogram'"),
        ({"optimizer": "sgd"}, ConfigError, "'lbfgs' or 'adam'"),
        ({"learning_rate": 0.1}, ConfigError, "searches along a line"),
        ({"steps": [3, 4]}, ConfigError, "at each of 1 sizes"),
        ({"size": 8}, ConfigError, "at least 32"),
        ({"style_weight": -1}, ConfigError, "0 or more; got -1"),
        ({"content_weight": 0, "style_weight": 0}, ConfigError, "nothing to paint"),
        ({"layer_weights": [1.0]}, ConfigError, "for each of 3 style layers"),
        ({"pooling": "l2"}, ConfigError, "'max' or 'average'"),
        ({"keep_colors": "yes"}, ConfigError, "'luminance', 'match' or None"),
        ({"style_scale": 0}, ConfigError, "0.05 to 8"),
        ({"scales": 0}, ConfigError, "at least 1"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refusals(settings: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        finish(transfer(**settings))


def test_more_refusals() -> None:
    with pytest.raises(ShapeError, match="16 times as long"):
        style_transfer(NET, picture(1, 10, 400), STYLE, **LAYERS)
    with pytest.raises(ConfigError, match="sorts whole maps"):
        finish(transfer(loss="histogram", tile=16))
    whole = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.InstanceNorm2d(4), nn.Conv2d(4, 4, 3), nn.ReLU())
    with pytest.raises(ConfigError, match="sees the whole picture"):
        style_transfer(whole, CONTENT, STYLE, content_layers=["4"], style_layers=["1"], tile=16, steps=1)


def test_memory_that_ends_says_what_to_do(monkeypatch) -> None:
    run = transfer()
    monkeypatch.setattr(
        "striate.dreams.dream.Dream.run", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("not enough memory"))
    )
    with pytest.raises(ConfigError, match=r"Use tiles .* or a smaller size"):
        finish(run)


def test_layers_by_rule() -> None:
    def found(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        layers = find_layers(layer_table(build_subject(striate.create_model(name).eval())))
        return layers.content, layers.style

    gatys = ("features.1", "features.6", "features.11", "features.20", "features.29")
    assert found("vgg19") == (("features.22",), gatys)  # relu4_2; relu1_1, 2_1, 3_1, 4_1, 5_1
    assert found("vgg16_features")[0] == ("features.20",)
    for name in ("squeezenet1_1", "efficientnet_lite0", "resnet18", "googlenet"):
        content, style = found(name)
        assert len(content) == 1
        assert 3 <= len(style) <= 5


def test_a_real_network_paints() -> None:
    network = striate.load("efficientnet_lite0")
    run = StyleTransfer(network, CONTENT, STYLE, size=64, scales=1, steps=15)
    before = run.losses()["total"]
    finish(run)
    assert run.losses()["total"] < 0.8 * before


def test_a_result_is_kept(tmp_path) -> None:
    from striate.draw.described import read_described

    run = transfer(steps=3)
    finish(run)
    result = run.result()
    result.save(tmp_path)
    again = StyledPicture.load(tmp_path)
    np.testing.assert_allclose(again.values, result.values, atol=1e-3)
    assert again.to_dict() == result.to_dict()
    for name in ("a.png", "a.jpg", "a.webp"):
        pixels, settings = read_described(result.save_picture(tmp_path / name, command="x"))
        assert pixels.shape == result.pixels.shape
        assert settings["command"] == "x"
        assert settings["losses"] == result.losses
    assert result.draw_curve().dtype == np.uint8
    x = torch.from_numpy(result.values).permute(2, 0, 1)[None].double()
    down, across = x.diff(dim=2).square().sum(), x.diff(dim=3).square().sum()
    total = result.losses["content"] + result.losses["style"] + float(2.0 * (down + across) / x.numel())
    assert result.losses["total"] == pytest.approx(total, rel=1e-5)

"""The parts of DeepDream against slow twins: octaves, rolls, tiles, guides, mixtures, silent units, exact resume."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import striate
from striate.draw.described import encode_described, read_described
from striate.dreams import Dream, Dreamer, DreamPicture, PixelImage, build_subject, deep_dream, objectives
from striate.dreams.dream import _mix
from striate.dreams.dream_photo import dream_size
from striate.dreams.film import closer, frame_pixels, frame_tensor
from striate.dreams.goals import default_layer, read_goals
from striate.dreams.guide import guided
from striate.dreams.lean_subject import lean_subject
from striate.dreams.objectives import Seen
from striate.dreams.octaves import octave_sizes, resample
from striate.dreams.optimizers import SGD
from striate.dreams.torus import Roll, Tiles
from striate.dreams.transforms import Compose
from striate.errors import ConfigError, DataError, ShapeError, UnknownNameError


class Net(nn.Module):
    """Batch normalization, in-place and functional activations, two branches, classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.norm = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6)
        self.act = nn.ReLU6(inplace=True)
        self.b, self.c = nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(6, 5, 1)
        self.fc = nn.Linear(5, 4)
        with torch.no_grad():
            self.norm.running_mean.uniform_(-0.2, 0.2)
            self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.a(x)))
        x = F.relu(self.b(x)) + self.c(x)
        return self.fc(x.mean((2, 3)))


NET = Net().double().eval()


def picture(height: int = 50, width: int = 64, seed: int = 1) -> Tensor:
    return torch.rand(1, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_hand(
    goal: Callable[[Tensor], Tensor], photo: Tensor, *, octaves: int, steps: int, jitter: int, seed: int
) -> Tensor:
    """The notes' loop, written out."""
    detail = None
    for octave in range(octaves):
        h, w = (round(side / 1.4 ** (octaves - 1 - octave)) for side in photo.shape[2:])
        base = F.interpolate(photo, (h, w), mode="bilinear", antialias=True) if (h, w) != photo.shape[2:] else photo
        x = base
        if detail is not None:
            x = base + F.interpolate(detail, (h, w), mode="bilinear", antialias=True)
        x = x.clamp(0, 1)
        for step in range(steps):
            generator = torch.Generator().manual_seed(_mix(seed * 1_000_003 * 64 + octave, step))
            down, right = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
            moved = torch.from_numpy(np.roll(x.numpy(), (down, right), (2, 3))).requires_grad_(True)
            (gradient,) = torch.autograd.grad(goal(moved), moved)
            gradient = torch.from_numpy(np.roll(gradient.numpy(), (-down, -right), (2, 3)))
            x = (x + 1.5 / 255 * gradient / gradient.abs().mean()).clamp(0, 1)
        detail = x - base
    return x


def test_octaves_and_rolls_are_the_loop_written_out() -> None:
    photo = picture()
    found = Dreamer(NET, target="b", octaves=2, steps=3, jitter=7, seed=3).paint(photo)
    for _ in found.run():
        pass
    wanted = by_hand(
        lambda x: NET.b(NET.act(NET.norm(NET.a(x)))).square().sum() / 2, photo, octaves=2, steps=3, jitter=7, seed=3
    )
    assert found.sizes == ((36, 46), (50, 64))
    torch.testing.assert_close(found.picture(), wanted, atol=1e-10, rtol=0)


def test_a_guide_gives_the_layer_the_features_most_like_its_own() -> None:
    a, y = torch.randn(1, 4, 3, 5, dtype=torch.float64), torch.randn(1, 4, 2, 6, dtype=torch.float64)
    leaf = a.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(guided("l", y)(Seen(torch.zeros(1, 3, 8, 8), {"l": leaf})).sum(), leaf)
    for row in range(3):  # google's objective_guide, place by place
        for column in range(5):
            products = [float(a[0, :, row, column] @ y[0, :, i, j]) for i in range(2) for j in range(6)]
            best = y[0].flatten(1)[:, int(np.argmax(products))]
            torch.testing.assert_close(gradient[0, :, row, column], best)
    with pytest.raises(ShapeError, match="maps '1 c h w'"):
        guided("l", torch.zeros(1, 4))


def test_a_guided_step_is_that_gradient() -> None:
    photo, other = picture(), picture(40, 40, seed=2)
    found = Dreamer(NET, target="b", guide=other, guide_size=40, octaves=1, steps=2, jitter=0).paint(photo)
    for _ in found.run():
        pass

    def features(x: Tensor) -> Tensor:
        return NET.b(NET.act(NET.norm(NET.a(x))))

    y = features(other)[0].flatten(1).detach()

    def goal(x: Tensor) -> Tensor:
        flat = features(x)[0].flatten(1)
        return (flat * y[:, (flat.T @ y).argmax(1)]).sum()

    wanted = by_hand(goal, photo, octaves=1, steps=2, jitter=0, seed=0)
    torch.testing.assert_close(found.picture(), wanted, atol=1e-10, rtol=0)


def test_weights_of_a_mixture_are_shares_of_the_step() -> None:
    photo = picture()

    def gradient(name: str) -> Tensor:
        image = PixelImage(photo)
        _, (found,) = Dream(build_subject(NET), image, objectives.unit(name), steps=1).evaluate()
        return found / found.abs().mean()

    found = Dreamer(NET, target="b=2,a:3=-0.5", octaves=1, steps=1, jitter=0).paint(photo)
    for _ in found.run():
        pass
    mixed = -(2 * gradient("b") - 0.5 * gradient("a:3"))  # evaluate gives the gradient of the loss
    wanted = (photo + 1.5 / 255 * mixed / mixed.abs().mean()).clamp(0, 1)
    torch.testing.assert_close(found.picture(), wanted, atol=1e-10, rtol=0)


@pytest.mark.parametrize("shift", range(4))
def test_rolls_come_back_to_the_pixel(shift: int) -> None:
    x = picture(9, 11).requires_grad_(True)
    generator = torch.Generator().manual_seed(shift)
    rolled = Roll(20)(x, generator=generator)
    weights = torch.randn_like(rolled)
    (gradient,) = torch.autograd.grad((rolled * weights).sum(), x)
    assert torch.equal(Roll(20)(gradient, generator=torch.Generator().manual_seed(shift)), weights)
    assert torch.equal(Roll(0)(x, generator=generator), x)


def test_tiles_cover_the_picture_and_give_the_gradient_of_each_alone() -> None:
    x = torch.arange(7 * 10, dtype=torch.float64).view(1, 1, 7, 10)
    tiles = Tiles(4)(x, generator=torch.Generator())
    assert tiles.shape == (6, 1, 4, 4)
    assert set(tiles.flatten().tolist()) == set(range(70))
    photo = picture(30, 40)
    goal = objectives.layer("b")

    def evaluate(at_once: int | None) -> tuple[Tensor, Tensor]:
        image = PixelImage(photo)
        move = Compose((Roll(20), Tiles(16)))
        dream = Dream(build_subject(NET), image, goal, transform=move, steps=2, views_at_once=at_once)
        values, (gradient,) = dream.evaluate()
        return values, gradient

    for mine, wanted in zip(evaluate(1) + evaluate(4), evaluate(None) * 2, strict=True):
        torch.testing.assert_close(mine, wanted)
    with pytest.raises(ConfigError, match="views_at_once"):
        Dream(build_subject(NET), PixelImage(photo.repeat(2, 1, 1, 1)), goal, views_at_once=1)


def test_large_pictures_are_seen_in_tiles() -> None:
    shapes = []
    handle = NET.a.register_forward_hook(lambda _m, args, _o: shapes.append(tuple(args[0].shape)))
    painting = Dreamer(NET, target="b", octaves=1, steps=2, tile=64).paint(picture(70, 150))
    for _ in painting.run():
        pass
    handle.remove()
    assert set(shapes) == {(1, 3, 35, 50)}
    assert not torch.equal(painting.picture(), painting.photo)


def test_a_stopped_painting_goes_on_exactly(tmp_path: Path) -> None:
    dreamer = Dreamer(NET, target="b,a:3=0.5", octaves=2, steps=4, jitter=5)
    whole = dreamer.paint(picture())
    for _ in whole.run():
        pass
    for stop in (2, 4, 7):
        begun = dreamer.paint(picture())
        for step in begun.run():
            if step.done == stop:
                break
        torch.save(begun.state(), tmp_path / "state.pt")
        again = dreamer.paint(picture())
        again.restore(torch.load(tmp_path / "state.pt", weights_only=True))
        assert again.done == stop
        assert torch.equal(again.picture(), begun.picture())
        for _ in again.run():
            pass
        assert torch.equal(again.picture(), whole.picture())
        assert again.history == whole.history


def test_a_silent_unit_is_woken_or_named() -> None:
    net = Net().eval()
    with torch.no_grad():
        net.norm.weight.fill_(0.3)
        net.norm.bias[2] = -2.0  # behind the ReLU6: off for this picture
    woken = deep_dream(net, picture().float(), target="act:2", octaves=1, steps=30, strength=20, jitter=2)
    assert not np.array_equal(woken.values, woken.photo)
    with torch.no_grad():
        net.norm.weight[2] = 0.0  # nothing can wake it
        net.norm.bias[2] = -2.0
    dead = deep_dream(net, picture().float(), target="act:2", octaves=1, steps=2)
    assert "Nothing in the picture excites act:2" in dead.problems[0]
    assert np.isfinite(dead.values).all()


def test_the_lean_copy_answers_the_same_and_the_module_is_untouched() -> None:
    net = Net().eval()
    subject = build_subject(net)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    lean = lean_subject(subject, ["b", "c"])
    assert lean.module is not net
    x = picture().float()
    for layer, answer in lean.read(x, ["b", "c", ""]).items():
        torch.testing.assert_close(answer, subject.read(x, [layer])[layer], atol=1e-5, rtol=1e-5)
    assert lean_subject(subject, ["a"]).module is net  # folded, its convolution gives something else
    half = lean_subject(subject, ["b"], precision="bfloat16")
    assert half.read(x, ["b"])["b"].dtype == torch.bfloat16
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert {p.dtype for p in net.parameters()} == {torch.float32}


def test_goals_are_read_as_people_write_them() -> None:
    network = striate.load("efficientnet_lite0")

    def read(target: object) -> list[tuple[str, float]]:
        return [(goal.name, goal.weight) for goal in read_goals(network, target)]

    assert read(None) == [("blocks.4", 1.0)]
    assert read("blocks.4, blocks.2:7=0.5,blocks.3:1@4,5=-2") == [
        ("blocks.4", 1.0),
        ("blocks.2:7", 0.5),
        ("blocks.3:1@4,5", -2.0),
    ]
    assert read("tabby cat") == read(281) == read("#281") == read("281") == [("#281", 1.0)]
    assert read({"blocks.4": 2, "tabby cat": 1}) == [("blocks.4", 2.0), ("#281", 1.0)]
    assert read(["blocks.4", 281]) == [("blocks.4", 1.0), ("#281", 1.0)]
    for wrong, error, words in [
        ("blocks.44", UnknownNameError, "Nearest: 'blocks.4'"),
        ("blocks.4,blocks.9:1", UnknownNameError, "no layer 'blocks.9'"),
        ("tabby catt", UnknownNameError, "No class named 'tabby catt'"),
        ("blokcs", UnknownNameError, "No class named 'blokcs'.*no layer 'blokcs'.*'blocks'"),
        ("crane", UnknownNameError, "names 2 classes"),
        ("blocks.4=0", ConfigError, "other than 0"),
        ("blocks.4=much", ConfigError, "must be a number; got 'much'"),
        ("", ConfigError, "at least one"),
        ([], ConfigError, "at least one"),
        (True, ConfigError, "got True"),
    ]:
        with pytest.raises(error, match=words):
            read(wrong)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("googlenet", "inception4e"), ("resnet50", "layer3"), ("squeezenet1_1", "features.7"), ("vgg16", "features.22")],
)
def test_default_layers(name: str, layer: str) -> None:
    assert default_layer(striate.create_model(name).eval()) == layer


def test_sizes() -> None:
    assert octave_sizes(100, 60, octaves=4, scale=1.4) == ((71, 43), (100, 60))  # 31 px would be too small
    assert dream_size(10, 10) == (224, 224)
    assert dream_size(100, 50, 300) == (300, 150)
    with pytest.raises(ShapeError, match="crop the photo"):
        dream_size(2, 4000)
    for wrong in (31, -1):
        with pytest.raises(ConfigError, match="size must be"):
            dream_size(100, 100, wrong)
    x = picture(20, 20)
    assert resample(x, (20, 20)) is x


@pytest.mark.parametrize("kind", ["one pixel", "gray", "transparent", "not contiguous", "huge ribbon"])
def test_photos_of_all_kinds(kind: str, tmp_path: Path) -> None:
    network = striate.load("lenet5.mnist")
    settings = {"target": "c1", "octaves": 2, "steps": 1, "size": 64}
    photo: object
    if kind == "one pixel":
        photo = np.full((1, 1, 3), 90, np.uint8)
    elif kind == "gray":
        Image.fromarray(np.arange(64 * 80, dtype=np.uint8).reshape(64, 80), mode="L").save(tmp_path / "p.png")
        photo = tmp_path / "p.png"
    elif kind == "transparent":
        Image.fromarray(np.zeros((40, 60, 4), np.uint8)).save(tmp_path / "p.png")
        photo = tmp_path / "p.png"
    elif kind == "not contiguous":
        photo = np.random.default_rng(0).integers(0, 255, (80, 64, 3), dtype=np.uint8).transpose(1, 0, 2)[::-1]
    else:
        with pytest.raises(ShapeError, match="crop"):
            deep_dream(network, np.zeros((2, 5000, 3), np.uint8), **settings)
        return
    result = deep_dream(network, photo, **settings)
    assert max(result.values.shape) == 64
    assert np.isfinite(result.values).all()
    assert 0 <= result.values.min() <= result.values.max() <= 1


def test_what_is_no_photo_and_what_is_no_number_is_refused() -> None:
    for x in (torch.full((1, 3, 40, 40), torch.nan), torch.full((1, 3, 40, 40), 3.0), torch.zeros(2, 3, 40, 40)):
        with pytest.raises(ShapeError):
            deep_dream(NET, x, target="b")
    with pytest.raises(ShapeError, match="one picture; got 2"):
        deep_dream(NET, np.zeros((2, 40, 40, 3), np.uint8), target="b")
    broken = Net().eval()
    with torch.no_grad():
        broken.b.weight[0] = torch.nan
    with pytest.raises(ConfigError, match="not finite"):
        deep_dream(broken, picture().float(), target="b", octaves=1, steps=1)
    fixed = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 38 * 38, 4))
    assert deep_dream(fixed, torch.rand(1, 3, 40, 40), target=1, octaves=1, steps=1).target == "#1"
    with pytest.raises(ShapeError, match=r"refuses pictures of 41 × 41 pixels"):
        deep_dream(fixed, torch.rand(1, 3, 41, 41), target=1, octaves=1, steps=1)
    for settings in ({"strength": 0}, {"jitter": -1}, {"tile": 8}, {"scale": 1.0}, {"precision": "int8"}):
        with pytest.raises(ConfigError):
            deep_dream(NET, picture(), target="b", **settings)


def test_limits_of_a_plain_module_and_the_callers_modes() -> None:
    x = 4 * picture() - 2
    with torch.inference_mode():
        one = deep_dream(NET, x, target="b", limits=(-2, 2), octaves=1, steps=2)
    two = deep_dream(NET, x, target="b", limits=(-2, 2), octaves=1, steps=2)
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_allclose(one.photo, x[0], atol=1e-6)
    assert one.values.min() >= -2
    assert one.values.max() <= 2
    assert one.draw().shape[2] == 3


@pytest.mark.parametrize("ending", [".png", ".webp", ".jpg", ".json"])
def test_pictures_hold_their_settings(ending: str, tmp_path: Path) -> None:
    made = deep_dream(NET, picture(), target="b,a:3=2", octaves=2, steps=2, seed=4)
    path = made.save(tmp_path / f"p{ending}", more={"photo": "é.jpg"})
    if ending == ".json":
        assert '"é.jpg"' in path.read_text().encode().decode("unicode_escape")
        return
    again = DreamPicture.load(path)
    assert again.settings() == made.settings()
    assert read_described(path)[1]["photo"] == "é.jpg"
    if ending != ".jpg":
        np.testing.assert_array_equal(again.pixels, made.pixels)
    assert again.sentence() == made.sentence()


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"end in .*\.webp"):
        encode_described(np.zeros((4, 4, 3), np.uint8), {}, ending=".bmp")
    with pytest.raises(ConfigError, match="too long"):
        encode_described(np.zeros((4, 4, 3), np.uint8), {"a": "x" * 70_000}, ending=".jpg")
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("no")
    for name in ("plain.png", "text.png", "missing.png"):
        with pytest.raises(DataError, match="no picture with settings"):
            read_described(tmp_path / name)
    with pytest.raises(ConfigError, match="path must end in"):
        deep_dream(NET, picture(), target="b", octaves=1, steps=1).save(tmp_path / "a.txt")


def test_a_film_comes_nearer_to_the_middle() -> None:
    x = torch.zeros(1, 3, 41, 61)
    x[:, :, 20, 30] = 1  # the middle stays where it is
    near = closer(x, zoom=2.0)
    assert near[0, 0].argmax() == x[0, 0].argmax()
    assert near.sum() == pytest.approx(4 * x.sum().item(), rel=0.25)
    assert closer(x, zoom=1.0) is x
    turned = closer(x.roll(10, 3), zoom=1.0, turn=90)  # from the right of the middle to above it
    assert divmod(int(turned[0, 0].argmax()), 61) == (10, 30)
    pixels = frame_pixels(picture())
    assert torch.equal(frame_tensor(frame_pixels(frame_tensor(pixels, like=x)), like=x), frame_tensor(pixels, like=x))
    with pytest.raises(ConfigError, match=r"0\.5 to 2"):
        closer(x, zoom=3.0)


def test_steps_are_levels() -> None:
    photo = 0.25 + 0.5 * picture()
    made = deep_dream(NET, photo, target="b", octaves=1, steps=1, strength=2)
    assert np.abs(made.values - made.photo).mean() * 255 == pytest.approx(2, rel=0.02)
    assert SGD(normalize="mean").normalize == "mean"


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    net = Net().eval()
    here = deep_dream(net, picture().float(), target="b", octaves=2, steps=2)
    there = deep_dream(net.cuda(), picture().float(), target="b", octaves=2, steps=2)
    assert np.abs(here.values - there.values).mean() < 2 / 255

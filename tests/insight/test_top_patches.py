"""Patches against brute force over all places, and against noise outside of the field."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

import striate
from striate.data import Labels, Preprocessing
from striate.errors import ConfigError, DataError, ShapeError, UnknownNameError, WeightsError
from striate.insight import TopPatches, top_patches
from striate.insight.field_boxes import cut_box, inside_of, shrink
from striate.insight.running_top import RunningTop
from striate.insight.top_patches import stream_top_patches
from striate.models import Network
from striate.probe import capture
from tests.insight.unit_networks import NETWORKS, build, spatial_layers


def brute_force(maps: Tensor, k: int, per_image: int) -> list[list[tuple[float, int, int, int]]]:
    """For each channel, every place of every picture, sorted: (value, picture, row, column)."""
    n, c, h, w = maps.shape
    lists = []
    for unit in range(c):
        places = sorted((-float(maps[i, unit, y, x]), i, y, x) for i in range(n) for y in range(h) for x in range(w))
        taken: dict[int, int] = {}
        kept = []
        for negative, i, y, x in places:
            if taken.get(i, 0) < per_image:
                taken[i] = taken.get(i, 0) + 1
                kept.append((-negative, i, y, x))
        lists.append(kept[:k])
    return lists


def listed(found: TopPatches, layer: str) -> list[list[tuple[float, int, int, int]]]:
    one = found[layer]
    return [
        [
            (float(v), int(found.numbers[p]), int(y), int(x))
            for v, p, (y, x) in zip(one.values[u], one.pictures[u], one.positions[u], strict=True)
            if p >= 0
        ]
        for u in range(len(one.values))
    ]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("k", "per_image", "batch"), [(4, 1, 3), (5, 2, 1), (30, 50, 7)])
def test_equals_brute_force_over_all_places(name: str, k: int, per_image: int, batch: int) -> None:
    net, x = build(name), torch.randn(7, 3, 17, 14, dtype=torch.float64)
    layers = spatial_layers(net)
    found = top_patches(net, x, layers, k=k, per_image=per_image, batch_size=batch, folded=False)
    with torch.inference_mode():
        outputs = capture(net, x, layers)
    for layer in layers:
        mine, wanted = listed(found, layer), brute_force(outputs[layer], k, per_image)
        for ours, theirs in zip(mine, wanted, strict=True):
            np.testing.assert_allclose([o[0] for o in ours], [t[0] for t in theirs], rtol=1e-9)
            if len({round(t[0], 9) for t in theirs}) == len(theirs):  # rounding decides no tie
                assert [o[1:] for o in ours] == [t[1:] for t in theirs]


@pytest.mark.parametrize("per_image", [1, 3])
@pytest.mark.parametrize("batch", [1, 2, 5, 9])
def test_ties_go_to_the_earlier_picture_then_row_then_column(per_image: int, batch: int) -> None:
    generator = torch.Generator().manual_seed(2)
    maps = torch.randint(0, 3, (9, 6, 4, 5), generator=generator).double()
    top = RunningTop("there", k=7, per_image=per_image)
    for start in range(0, 9, batch):
        top.add(maps[start : start + batch], torch.arange(start, min(start + batch, 9)))
    wanted = brute_force(maps, 7, per_image)
    got = torch.stack([top.values.long(), top.pictures, top.rows, top.columns], -1).tolist()
    assert got == [[list(map(int, place)) for place in unit] for unit in wanted]
    peaks = maps.amax((2, 3))
    torch.testing.assert_close(top.peak_mean, peaks.mean(0))
    torch.testing.assert_close(top.peak_std, peaks.std(0, correction=0))


@pytest.mark.parametrize("name", NETWORKS)
def test_noise_outside_of_the_field_changes_nothing(name: str) -> None:
    net, x = build(name), torch.randn(4, 3, 33, 30, dtype=torch.float64)
    layers = spatial_layers(net)
    found = top_patches(net, x, layers, k=3, folded=False)
    generator = torch.Generator().manual_seed(1)
    checked = 0
    for layer in layers:
        one = found[layer]
        assert one.sight.sees == "box", layer
        for unit, rank in np.ndindex(*one.values.shape):
            number = int(found.numbers[one.pictures[unit, rank]])
            left, top, right, bottom = (int(n) for n in one.boxes[unit, rank])
            noisy = 9 * torch.randn(x.shape[1:], generator=generator, dtype=torch.float64)
            keep = (slice(None), slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0)))
            noisy[keep] = x[number][keep]
            y, column = one.positions[unit, rank]
            with torch.inference_mode():
                again = capture(net, noisy[None], [layer])[layer][0, int(one.channels[unit]), y, column]
            np.testing.assert_allclose(float(again), one.values[unit, rank], rtol=1e-9, atol=1e-12)
            checked += 1
    assert checked > 30


def test_a_box_is_no_larger_than_it_must_be() -> None:
    """The gradient of a unit of linear layers reaches each rim of its box."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(2, 3, (2, 5), stride=2, padding=2, dilation=(3, 1)))
    net.double()
    x = torch.randn(2, 3, 24, 26, dtype=torch.float64)
    one = top_patches(net, x, "1", k=2)["1"]
    for unit, rank in np.ndindex(*one.values.shape):
        leaf = x[:1].clone().requires_grad_(True)
        y, column = (int(n) for n in one.positions[unit, rank])
        net(leaf)[0, unit, y, column].backward()
        reached = leaf.grad[0].abs().sum(0) > 0
        rows, columns = reached.any(1).nonzero()[:, 0], reached.any(0).nonzero()[:, 0]
        left, top, right, bottom = one.boxes[unit, rank].tolist()
        got = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        assert got == (max(left, 0), max(top, 0), min(right, 26), min(bottom, 24))


def photos(count: int = 6) -> list[NDArray[np.uint8]]:
    random_state = np.random.default_rng(4)
    return [random_state.integers(0, 256, (20 + 3 * i, 40 - i, 3), np.uint8) for i in range(count)]


def small_network(*, resize: int | None = 16) -> Network:
    module = build("plain").float()
    return Network("small", module, Preprocessing(input_size=(16, 16), resize=resize), Labels(tuple("abcd")))


def test_crops_are_the_pixels_that_the_network_saw() -> None:
    network, pictures = small_network(), photos()
    found = top_patches(network, pictures, ["0", "6"], k=2, workers=2)
    views = [network.preprocessing.view(p) for p in pictures]
    for layer in ("0", "6"):
        one = found[layer]
        for unit, rank in np.ndindex(*one.values.shape):
            view = views[int(found.numbers[one.pictures[unit, rank]])]
            left, top, right, bottom = (int(n) for n in one.boxes[unit, rank])
            wanted = np.zeros((bottom - top, right - left, 3), np.uint8)
            for y in range(max(top, 0), min(bottom, 16)):
                for x in range(max(left, 0), min(right, 16)):
                    wanted[y - top, x - left] = view.pixels[y, x]
            assert one.crop_step == 1
            np.testing.assert_array_equal(one.crops[unit, rank], wanted)
    box, photo_box = found["0"].boxes[0, 0], found.photo_boxes("0")[0, 0]
    view = views[int(found.numbers[found["0"].pictures[0, 0]])]
    scale = (view.crop[2] - view.crop[0]) / 16
    np.testing.assert_allclose(photo_box[0], view.crop[0] + box[0] * scale)
    np.testing.assert_allclose(photo_box[3], view.crop[1] + box[3] * (view.crop[3] - view.crop[1]) / 16)


@pytest.mark.parametrize("memory", [0, 3000, 10**9])
@pytest.mark.parametrize("workers", [0, 3])
def test_memory_batches_and_workers_change_nothing(memory: int, workers: int) -> None:
    network, pictures = small_network(), photos(9)
    wanted = top_patches(network, pictures, ["2", "6"], k=3, batch_size=9, workers=0, folded=False)
    got = top_patches(
        network, pictures, ["2", "6"], k=3, batch_size=2, workers=workers, memory_bytes=memory, folded=False
    )
    for layer in ("2", "6"):
        for name in ("pictures", "positions", "boxes", "crops"):
            np.testing.assert_array_equal(getattr(got[layer], name), getattr(wanted[layer], name))
        np.testing.assert_allclose(got[layer].values, wanted[layer].values, rtol=1e-5)
    assert got.names == wanted.names


def test_crops_shrink_to_their_budget() -> None:
    network, pictures = small_network(), photos()
    found = top_patches(network, pictures, "6", k=2, crop_bytes=4 * 2 * 3 * 40)
    one = found["6"]
    assert one.crop_step > 1
    assert one.crops.nbytes <= 4 * 2 * 3 * 40


def test_folders_and_sets_and_data_files_are_read(tmp_path: Path) -> None:
    network, pictures = small_network(), photos(5)
    for i, picture in enumerate(pictures):
        folder = tmp_path / "set" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{i}.png")
    (tmp_path / "set" / "b" / "zz.png").write_bytes(b"no picture")
    found = top_patches(network, tmp_path / "set", "0", k=5)
    assert found.count == 5
    assert set(found.names) == {"a/0.png", "b/1.png", "a/2.png", "b/3.png", "a/4.png"}
    assert len(found.problems) == 1
    assert "zz.png" in found.problems[0]
    (tmp_path / "set" / "b" / "zz.png").unlink()
    sets = striate.data.open_data(tmp_path / "set")
    np.testing.assert_allclose(top_patches(network, sets["all"], "0", k=5)["0"].values, found["0"].values, rtol=1e-6)
    arrays = np.stack([p[:20, :30] for p in pictures])
    np.savez(tmp_path / "some.npz", images=arrays, labels=np.arange(5))
    assert top_patches(network, tmp_path / "some.npz", "0", k=5).count == 5
    assert top_patches(network, arrays, "0", k=5).count == 5


def test_photos_of_their_own_sizes_have_their_own_boxes() -> None:
    network = small_network(resize=None)
    pictures = photos(4)
    found = top_patches(network, pictures, ["0"], k=4, folded=False)
    assert len({tuple(size) for size in found.seen_sizes.tolist()}) == 4
    one = found["0"]
    assert np.isfinite(one.values).all()
    assert (one.boxes[..., 2] - one.boxes[..., 0] == 3).all()


def test_units_that_see_more_than_the_picture_show_all_of_it() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), nn.ReLU()
    ).eval()  # fmt: skip
    found = top_patches(net, torch.rand(5, 3, 12, 10), ["1", "3"], k=2)
    for layer in ("1", "3"):
        one = found[layer]
        assert one.sight.sees == "picture"
        assert one.crops.shape[2:] == (12, 10, 3)
        assert one.boxes[0, 0].tolist() == [0, 0, 10, 12]
        assert "whole picture" in one.sight.sentence()
    assert found["3"].shape == (3, 1, 1)


def test_gates_are_said() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.gate = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)
            self.out = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            x = self.a(x)
            return self.out(x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid())

    found = top_patches(Gated(), torch.rand(3, 3, 12, 12), ["a", "out"])
    assert (found["a"].sight.sees, found["out"].sight.sees) == ("box", "gated")
    assert found["out"].crops.shape[2:4] == (3, 3)


def test_fewer_pictures_than_asked_for_leave_places_empty() -> None:
    found = top_patches(build("plain"), torch.randn(2, 3, 12, 12, dtype=torch.float64), "0", k=4)
    one = found["0"]
    assert np.isnan(one.values[:, 2:]).all()
    assert (one.pictures[:, 2:] == -1).all()
    assert np.isnan(found.photo_boxes("0")[:, 2:]).all()
    assert found.draw().ndim == 3


def test_single_channels_are_followed() -> None:
    net, x = build("plain"), torch.randn(4, 3, 12, 12, dtype=torch.float64)
    some = top_patches(net, x, ["2:3", "2:1", "6"], k=2)
    every = top_patches(net, x, ["2", "6"], k=2)
    assert some["2"].channels.tolist() == [1, 3]
    np.testing.assert_array_equal(some["2"].values, every["2"].values[[1, 3]])
    assert top_patches(net, x, ["2:3", "2"])["2"].channels.tolist() == [0, 1, 2, 3, 4]


def test_folding_is_used_where_layers_stay_the_same_and_only_there() -> None:
    net = build("plain").float()
    x = torch.randn(4, 3, 16, 16)
    after, inside = top_patches(net, x, ["2", "6"]), top_patches(net, x, ["0", "6"])
    assert after.parameters["folded"] is True
    assert inside.parameters["folded"] is False
    exact = top_patches(net, x, ["2", "6"], folded=False)
    np.testing.assert_allclose(after["6"].values, exact["6"].values, rtol=1e-4, atol=1e-5)


def test_saved_and_loaded(tmp_path: Path) -> None:
    found = top_patches(small_network(), photos(), ["0", "2:1"], k=7)
    again = TopPatches.load(found.save(tmp_path / "patches.npz"))
    assert again.to_dict() == found.to_dict()
    for layer, one in found.layers.items():
        for name, array in one.arrays().items():
            np.testing.assert_array_equal(getattr(again[layer], name), array)
    np.testing.assert_array_equal(again.draw("2"), found.draw("2"))
    assert found.save(tmp_path / "patches.json").read_text(encoding="utf-8").startswith("{")
    with pytest.raises(ConfigError, match="name one of the layers"):
        found.save(tmp_path / "patches.png")
    with pytest.raises(ConfigError, match=r"\.npz, \.json or \.png"):
        found.save(tmp_path / "patches.txt")
    (tmp_path / "other.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match="no saved result"):
        TopPatches.load(tmp_path / "other.npz")


def test_progress_and_batches_from_outside() -> None:
    net = build("plain")
    x = torch.randn(5, 3, 12, 12, dtype=torch.float64)
    work = stream_top_patches(net, x, "6", batch_size=2)
    assert list(work) == [(2, 5), (4, 5), (5, 5)]
    loader = [(x[:3], torch.zeros(3)), (x[3:], torch.zeros(2))]
    mine, wanted = top_patches(net, loader, "6", k=3), top_patches(net, x, "6", k=3)
    np.testing.assert_allclose(mine["6"].values, wanted["6"].values)
    np.testing.assert_array_equal(mine["6"].crops, wanted["6"].crops)


def test_nothing_is_left_behind() -> None:
    net = build("plain").train()
    net[1].eval()
    x = torch.randn(3, 3, 12, 12, dtype=torch.float64)
    mean = net[1].running_mean.clone()
    work = stream_top_patches(net, x, "6", batch_size=1)
    next(work)
    work.close()
    for broken in (False, True):
        if broken:
            with pytest.raises(ShapeError):
                top_patches(nn.Sequential(net, nn.Flatten(0)), x, "1")
        assert net.training
        assert not net[1].training
        assert torch.equal(net[1].running_mean, mean)
        assert all(not part._forward_hooks for part in net.modules())
        assert all(p.grad is None and p.requires_grad for p in net.parameters())
    with torch.inference_mode():
        assert top_patches(net, x, "6").count == 3


def test_refusals(tmp_path: Path) -> None:
    net, x = build("plain"), torch.randn(2, 3, 12, 12, dtype=torch.float64)
    for wrong, message in (
        ({"k": 0}, "k must be at least 1"),
        ({"per_image": 0}, "per_image must be at least 1"),
        ({"batch_size": -1}, "batch_size must be 1 or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            top_patches(net, x, "0", **wrong)
    with pytest.raises(ConfigError, match="layers is empty"):
        top_patches(net, x, [])
    with pytest.raises(ConfigError, match="leave the place out: '0:1' instead of '0:1@2,3'"):
        top_patches(net, x, "0:1@2,3")
    with pytest.raises(ConfigError, match="channels 0 to 4; there is no 9"):
        top_patches(net, x, "0:9")
    with pytest.raises(UnknownNameError, match="no layer 'nine'"):
        top_patches(net, x, "nine")
    with pytest.raises(ShapeError, match="must be a tensor 'n c h w' or an iterable"):
        top_patches(net, "folder", "0")
    with pytest.raises(DataError, match="no such file"):
        top_patches(small_network(), tmp_path / "none", "0")
    (tmp_path / "bad.png").write_bytes(b"x")
    with pytest.raises(DataError, match="none of the pictures can be read"):
        top_patches(small_network(), tmp_path / "bad.png", "0")
    with pytest.raises(WeightsError, match="not a number"):
        top_patches(net, x * torch.nan, "0")
    with pytest.raises(UnknownNameError, match="channel 77"):
        top_patches(net, x, "0").draw(channels=[77])


def test_the_default_network_on_real_photos(photo_path: Callable[[str], Path]) -> None:
    network = striate.load("efficientnet_lite0")
    names = ["coffee.png", "chelsea.png", "rocket.jpg", "astronaut.png"]
    layers = ["blocks.1.0", "blocks.2.1", "conv_head"]
    found = top_patches(network, [photo_path(n) for n in names], layers, k=2)
    assert found.names == tuple(names)
    generator = random.Random(3)
    for layer in layers:
        one = found[layer]
        outputs = network.features([photo_path(n) for n in names], layers=[layer])[layer]
        torch.testing.assert_close(
            torch.from_numpy(one.values[:, 0].copy()), outputs.amax((0, 2, 3)).detach(), rtol=1e-3, atol=1e-3
        )
        for unit in generator.sample(range(len(one.values)), 3):
            number = int(found.numbers[one.pictures[unit, 0]])
            x = network.preprocess(photo_path(names[number]))
            left, top, right, bottom = (max(int(n), 0) for n in one.boxes[unit, 0])
            noisy = torch.randn(x.shape)
            noisy[..., top:bottom, left:right] = x[..., top:bottom, left:right]
            y, column = one.positions[unit, 0]
            again = capture(network.module, noisy, [layer])[layer].detach()[0, unit, y, column]
            np.testing.assert_allclose(float(again), one.values[unit, 0], rtol=1e-3, atol=1e-3)


def test_smaller_crops_are_means_of_what_lies_inside() -> None:
    random_state = np.random.default_rng(0)
    for _ in range(20):
        h, w, step, tall, wide = (int(n) for n in random_state.integers([5, 5, 2, 3, 3], [40, 40, 6, 50, 50]))
        x, y = int(random_state.integers(-15, w)), int(random_state.integers(-15, h))
        box = np.array([x, y, x + wide, y + tall])
        pixels = random_state.integers(0, 256, (h, w, 3)).astype(np.uint8)
        inside, crop = inside_of(box, (h, w), (tall, wide), 1), cut_box(pixels, box, (tall, wide))
        got = shrink(crop, inside, step)
        for a, b in np.ndindex(*got.shape[:2]):
            block = (slice(a * step, (a + 1) * step), slice(b * step, (b + 1) * step))
            mean = (crop[block] * inside[block][..., None]).sum((0, 1)) / max(inside[block].sum(), 1)
            np.testing.assert_array_equal(got[a, b], np.rint(mean))

"""Segmentation from saliency: pictures whose object is known, OpenCV's own answer, and the way back to the photo."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import striate
from striate import draw
from striate.errors import ConfigError, ShapeError
from striate.insight import Heatmap
from striate.insight.grabcut import cut_out, grabcut, seeds_of
from striate.insight.segmentation import Segmentation

cv2 = pytest.importorskip("cv2")


def scene(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """An orange disk on a blue field, both noisy, and a small orange speck apart from it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :80]
    disk = (y - 30) ** 2 + (x - 46) ** 2 < 18**2
    speck = (y - 56) ** 2 + (x - 8) ** 2 < 4**2
    color = np.where((disk | speck)[..., None], (220, 120, 40), (40, 60, 160))
    return (color + rng.normal(0, 12, (64, 80, 3))).clip(0, 255).astype(np.uint8), disk


def partial_map(disk: np.ndarray) -> np.ndarray:
    """Bright in the middle of the disk only, dark far away from it."""
    y, x = np.mgrid[: disk.shape[0], : disk.shape[1]]
    return -np.hypot(y - 30.0, x - 46.0)


def mean_gradient() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 80, 2))


def test_a_map_that_sees_a_part_of_the_object_finds_all_of_it() -> None:
    photo, disk = scene()
    got = grabcut(mean_gradient(), torch.zeros(1, 3, 64, 80), heatmap=partial_map(disk)[None], photos=photo[None])
    mask = got.values[0]
    union = (mask | disk).sum()
    assert (mask & disk).sum() / union > 0.97
    assert not mask[56, 8], "the speck is not connected with the object"
    assert got.seeds[0][30, 46] == 1
    assert got.seeds[0][0, 0] == 0
    np.testing.assert_allclose(got.boxes[0], (29, 13, 64, 48), atol=1)


def test_seeds_are_the_papers_quantiles() -> None:
    values = np.random.default_rng(0).permutation(1000).reshape(20, 50).astype(float)
    seeds = seeds_of(values)
    assert (seeds == 1).sum() == 50
    assert (seeds == 0).sum() == 300
    assert values[seeds == 1].min() == 950
    assert values[seeds == 0].max() == 299


def test_ties_all_go_to_the_seed() -> None:
    values = np.zeros((10, 10))
    values[:2, :5] = np.arange(1, 11).reshape(2, 5)
    seeds = seeds_of(values)
    assert (seeds == 0).sum() == 90
    assert (seeds == 1).sum() == 5


def test_with_sure_seeds_everywhere_the_cut_is_opencvs() -> None:
    """With models learned from the same pixels, a frozen cut equals OpenCV's own first step."""
    photo, disk = scene()
    seeds = seeds_of(partial_map(disk), foreground=0.9, background=0.4)
    mine = cut_out(photo, seeds, iterations=1)
    cv2.setRNGSeed(0)
    labels = np.array([0, 1, 2], np.uint8)[seeds]
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    sure = labels[seeds != 2]
    strip = np.ascontiguousarray(photo[..., ::-1][seeds != 2][None])
    cv2.grabCut(strip, np.ascontiguousarray(sure[None]), None, background, foreground, 1, cv2.GC_INIT_WITH_MASK)
    for component in range(5):
        weight = foreground[0, component]
        assert 0 <= weight <= 1
    np.testing.assert_allclose(foreground[0, :5].sum(), 1)
    # The mean of the mixture is the mean of the colors that were given.
    mean = (foreground[0, :5, None] * foreground[0, 5:20].reshape(5, 3)).sum(0)
    np.testing.assert_allclose(mean, photo[..., ::-1][seeds == 1].mean(0), rtol=1e-6)
    inside = (mine & disk).sum() / (mine | disk).sum()
    assert inside > 0.95


def test_the_same_seed_gives_the_same_mask_and_the_callers_random_numbers_stay() -> None:
    photo, disk = scene()
    seeds = seeds_of(partial_map(disk))
    cv2.setRNGSeed(11)
    expected = cv2.randu(np.zeros((1, 4)), 0, 1).copy()
    cv2.setRNGSeed(11)
    first = cut_out(photo, seeds, seed=3)
    np.testing.assert_array_equal(cv2.randu(np.zeros((1, 4)), 0, 1), expected)
    np.testing.assert_array_equal(first, cut_out(photo, seeds, seed=3))


def test_the_mask_comes_back_to_the_photos_own_pixels() -> None:
    crop = (10.0, -5.0, 30.0, 15.0)
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = True  # y −5 + 5…15 = 0…10, x 15…25
    got = Segmentation(
        (mask,), (np.zeros((4, 4), np.uint8),), (np.zeros((4, 4, 3), np.uint8),), (0,), (crop,), ((12, 40),)
    )
    on_photo = got.photo_mask()
    expected = np.zeros((12, 40), bool)
    expected[0:10, 15:25] = True
    np.testing.assert_array_equal(on_photo, expected)
    assert got.photo_box() == (15.0, 0.0, 25.0, 10.0)


def test_a_real_network_and_a_real_photo(photo_path, tmp_path: Path) -> None:
    network = striate.load("efficientnet_lite0")
    path = str(photo_path("coffee.png"))
    got = grabcut(network, path)
    assert network.labels[got.target[0]] == "espresso"
    x0, y0, x1, y1 = got.photo_box()
    assert 150 < x0 < x1 < 500, "the cup, not the table"
    assert 0 <= y0 < y1 < 260
    at_photo = grabcut(network, path, size="photo")
    assert at_photo.pictures[0].shape == (400, 400, 3)
    a, b = got.photo_mask(), at_photo.photo_mask()
    assert a.shape == b.shape == (400, 600)
    assert (a & b).sum() / (a | b).sum() > 0.6
    again = Segmentation.load(got.save(tmp_path / "cup.npz"))
    np.testing.assert_array_equal(again.masks[0], got.masks[0])
    assert again.settings() == got.settings()
    np.testing.assert_array_equal(np.asarray(Image.open(got.save(tmp_path / "cup.png")).convert("L")) > 0, a)
    assert got.draw()[0].shape == (224, 224, 3)
    assert got.draw_seeds()[0].shape == (224, 224, 3)
    assert got._repr_png_().startswith(b"\x89PNG")


def test_a_tensor_of_photos_has_its_colors() -> None:
    network = striate.load("efficientnet_lite0")
    x = torch.rand(2, 3, 224, 224)
    got = grabcut(network, x, target=5)
    np.testing.assert_allclose(got.pictures[0], x[0].permute(1, 2, 0).mul(255).numpy(), atol=1.01)
    assert got.values.shape == (2, 224, 224)


def test_the_object_keeps_its_pixels_in_the_drawing() -> None:
    photo, disk = scene()
    drawn = draw.draw_outline(photo, disk)
    np.testing.assert_array_equal(drawn[disk], photo[disk])
    assert (drawn[~disk] != photo[~disk]).any()
    np.testing.assert_array_equal(draw.draw_outline(photo, np.ones_like(disk)), photo)


def test_what_cannot_be_cut_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, photo = mean_gradient(), torch.zeros(1, 3, 64, 80), np.zeros((1, 64, 80, 3), np.uint8)
    flat = Heatmap(np.ones((1, 64, 80)), "saliency", "u", False, (1,))
    with pytest.raises(ConfigError, match="the map is flat"):
        grabcut(net, x, heatmap=flat, photos=photo)
    with pytest.raises(ConfigError, match="give target or heatmap, not both"):
        grabcut(net, x, heatmap=flat, target=1, photos=photo)
    with pytest.raises(ConfigError, match="photos must be given for a plain module"):
        grabcut(net, x)
    with pytest.raises(ConfigError, match="foreground and background must be quantiles"):
        grabcut(net, x, photos=photo, foreground=0.2, background=0.3)
    with pytest.raises(ConfigError, match="iterations must be at least 1"):
        grabcut(net, x, photos=photo, iterations=0)
    with pytest.raises(ConfigError, match="size must be 'view' or 'photo'"):
        grabcut(net, x, photos=photo, size="full")
    with pytest.raises(ConfigError, match="blur must be a share"):
        grabcut(net, x, photos=photo, blur=2)
    with pytest.raises(ShapeError, match="one map for each of the 1 images"):
        grabcut(net, x, heatmap=np.ones((2, 64, 80)), photos=photo)
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(ConfigError, match=r"pip install 'striate\[proposals\]'"):
        grabcut(net, x, photos=photo)

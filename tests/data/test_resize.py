"""Sizes are torchvision's to the pixel, and a tensor is resized as Pillow resizes a picture."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from striate.data import resize
from striate.data.resize import crop_start, cut, middle, resize_tensor, resized_size
from striate.errors import ConfigError
from tests.oracles.foreign import load_torchvision
from tests.oracles.resample import resample

SIZES = st.integers(1, 5000)
FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@settings(deadline=None)
@given(h=SIZES, w=SIZES, shorter=st.integers(1, 600))
def test_resized_size_is_torchvisions(h: int, w: int, shorter: int) -> None:
    theirs = load_torchvision().transforms.functional._compute_resized_output_size((h, w), [shorter])
    assert resized_size((h, w), shorter) == tuple(theirs)


@settings(deadline=None)
@given(size=st.integers(1, 700), crop=st.integers(1, 700))
def test_crop_start_is_torchvisions(size: int, crop: int) -> None:
    ramp = torch.arange(1.0, size + 1).expand(1, 1, size)
    theirs = load_torchvision().transforms.functional.center_crop(ramp, [1, crop])[0, 0]
    ours = cut(ramp[None], (1, crop))[0, 0, 0]
    assert torch.equal(ours, theirs)
    start = crop_start(size, crop)
    inside = (torch.arange(crop) + start).clamp(0, size - 1)
    shown = theirs > 0
    assert torch.equal(theirs[shown], (inside + 1)[shown])


@given(h=SIZES, w=SIZES)
def test_nothing_of_a_common_photo_is_left_out(h: int, w: int) -> None:
    part = middle((h, w), (224, 224), 256)
    if max(h, w) <= 256 * min(h, w):
        assert part == (0, 0, h, w)
    top, left, part_h, part_w = part
    assert (2 * top + part_h, 2 * left + part_w) == (h, w)  # the center stays where it was


@given(long=st.integers(1, 10**7), short=st.integers(1, 20), crop=st.integers(1, 600), shorter=st.integers(1, 300))
def test_a_ribbon_never_becomes_huge_nor_smaller_than_the_crop(long: int, short: int, crop: int, shorter: int) -> None:
    h, w = middle((max(long, short), short), (crop, crop), shorter)[2:]
    new_h, new_w = resized_size((h, w), shorter)
    assert new_h * new_w <= shorter * (max(256 * shorter, 2 * (crop + shorter)) + shorter)
    whole_h, _ = resized_size((max(long, short), short), shorter)
    assert new_h >= min(crop, whole_h)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(
    "size",
    [
        ((9, 7), (4, 5)),
        ((5, 6), (13, 11)),
        ((8, 3), (3, 8)),
        ((1, 9), (4, 4)),
        ((6, 6), (6, 3)),
        ((12, 1), (5, 1)),
        ((1, 4), (1, 9)),
        ((2, 1), (3, 1)),
    ],
)
def test_the_slow_twin_agrees(interpolation: str, size: tuple[tuple[int, int], tuple[int, int]]) -> None:
    old, new = size
    picture = np.random.default_rng(0).integers(0, 2, old).astype(float)  # hard edges: the filters overshoot
    ours = resize_tensor(torch.from_numpy(picture)[None, None], new, interpolation=interpolation)[0, 0]
    np.testing.assert_allclose(ours.numpy(), resample(picture, new, interpolation), atol=1e-12)
    pillow = Image.fromarray((picture * 255).astype(np.uint8)).resize(new[::-1], FILTERS[interpolation])
    assert np.abs(resample(picture, new, interpolation) * 255 - np.asarray(pillow)).max() < 1.25


@settings(max_examples=60, deadline=None)
@given(
    old=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    new=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    interpolation=st.sampled_from(["nearest", *FILTERS]),
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([2, 4, 256]),
)
def test_within_one_level_of_pillow(
    old: tuple[int, int], new: tuple[int, int], interpolation: str, seed: int, levels: int
) -> None:
    picture = (np.random.default_rng(seed).integers(0, levels, old) * 255 // (levels - 1)).astype(np.uint8)
    pillow = Image.fromarray(picture).resize(new[::-1], FILTERS.get(interpolation, Image.Resampling.NEAREST))
    x = torch.from_numpy(picture)[None, None].float() / 255
    ours = (resize_tensor(x, new, interpolation=interpolation)[0, 0] * 255).round().numpy()
    allowed = 0 if interpolation == "nearest" else 1
    assert np.abs(ours - np.asarray(pillow)).max() <= allowed


def test_one_pass_would_not_be_within_one_level() -> None:
    picture = (np.random.default_rng(0).integers(0, 2, (64, 64)) * 255).astype(np.uint8)
    pillow = np.asarray(Image.fromarray(picture).resize((256, 256), Image.Resampling.BICUBIC)).astype(float)
    x = torch.from_numpy(picture)[None, None].float() / 255
    one = F.interpolate(x, size=(256, 256), mode="bicubic", antialias=True).clamp(0, 1)[0, 0] * 255
    assert np.abs(one.numpy() - pillow).max() > 10  # why `resize_tensor` goes column by column, then row by row
    two = resize_tensor(x, (256, 256), interpolation="bicubic")[0, 0] * 255
    assert np.abs(two.numpy().round() - pillow).max() <= 1


@pytest.mark.parametrize("interpolation", FILTERS)
def test_gradients(interpolation: str) -> None:
    x = torch.rand(1, 2, 6, 5, dtype=torch.float64) * 0.2 + 0.4  # far from black and white, where it is not smooth
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: resize_tensor(x, (4, 7), interpolation=interpolation), (x,))


def test_a_torch_that_lacks_the_filter_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*args: object, **options: object) -> None:
        raise NotImplementedError("Input Error: lanczos")

    monkeypatch.setattr(resize.F, "interpolate", lacks)
    with pytest.raises(ConfigError, match=r"cannot resize a tensor with interpolation='lanczos'; give the photo as"):
        resize_tensor(torch.rand(1, 1, 2, 2), (3, 3), interpolation="lanczos")


def test_the_equations_in_the_lesson_are_the_code() -> None:
    assert "int(s · long / short)" in inspect.getdoc(resize)
    assert resized_size((3, 5), 10) == (10, int(10 * 5 / 3)) == (10, 16)  # 16.67 is truncated
    assert [crop_start(size, 224) for size in (225, 227, 229)] == [0, 2, 2]  # 0.5, 1.5, 2.5: half to even
    assert [crop_start(size, 224) for size in (223, 222, 221)] == [0, -1, -1]

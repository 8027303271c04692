"""Where a picture is cut: torchvision's rules, the view of evaluation, and every size there is."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from striate.data.augment import (
    Cut,
    DenseView,
    Draws,
    FixedView,
    PadCrop,
    RandomResizedCrop,
    ScaleJitter,
    TenCrop,
    render_cut,
)
from striate.data.preprocessing import Preprocessing
from striate.errors import ConfigError
from tests.oracles.foreign import load_torchvision

SMALL = Preprocessing(input_size=(32, 32), resize=32)
PHOTO = Preprocessing()
GEOMETRIES = [
    RandomResizedCrop((24, 20)),
    ScaleJitter((24, 24), (24, 40)),
    PadCrop(SMALL),
    PadCrop(SMALL, outside="edge"),
    FixedView(SMALL),
]


def noise(h, w, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: type(g).__name__)
@given(h=st.integers(1, 90), w=st.integers(1, 90), index=st.integers(0, 99))
def test_every_size_gives_the_size_that_the_network_takes(geometry, h, w, index):
    draws = Draws(0, 0, [index])
    cut = geometry.cut((h, w), draws, 0)
    assert cut.size == geometry.result_size()
    assert cut.box[0] < cut.box[2]
    assert cut.box[1] < cut.box[3]
    assert geometry(noise(h, w), draws, 0).shape == (*cut.size, 3)


@pytest.mark.parametrize("geometry", [*GEOMETRIES, TenCrop(SMALL)], ids=lambda g: type(g).__name__)
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2000)])
def test_ribbons_and_single_pixels(geometry, size):
    result = geometry(noise(*size), Draws(0, 0, [4]), 0)
    assert result.shape[-3:] == (*geometry.result_size(), 3)


@given(h=st.integers(1, 400), w=st.integers(1, 400), index=st.integers(0, 10**6))
def test_a_random_resized_crop_lies_inside_and_is_whole_pixels(h, w, index):
    left, top, right, bottom = RandomResizedCrop((8, 8)).cut((h, w), Draws(0, 0, [index]), 0).box
    assert all(edge == int(edge) for edge in (left, top, right, bottom))
    assert 0 <= left < right <= w
    assert 0 <= top < bottom <= h


def test_random_resized_crop_is_distributed_as_torchvisions():
    transforms = load_torchvision().transforms
    picture, n = torch.zeros(3, 100, 260), 1500
    torch.manual_seed(3)
    theirs = np.array([transforms.RandomResizedCrop.get_params(picture, (0.08, 1.0), (0.75, 4 / 3)) for _ in range(n)])
    draws, geometry = Draws(0, 0, np.arange(n)), RandomResizedCrop((8, 8))
    boxes = np.array([geometry.cut((100, 260), draws, row).box for row in range(n)])
    ours = np.stack([boxes[:, 1], boxes[:, 0], boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], axis=1)
    for column in range(4):  # top, left, height, width
        assert stats.ks_2samp(ours[:, column], theirs[:, column]).pvalue > 1e-3
    assert stats.ks_2samp(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3]).pvalue > 1e-3


@pytest.mark.parametrize("size", [(10, 500), (500, 10), (7, 7)])
def test_ten_tries_then_the_center_as_torchvision(size):
    transforms = load_torchvision().transforms
    scale = (1.0, 1.0)  # on a ribbon no part of an allowed shape has the whole area
    i, j, h, w = transforms.RandomResizedCrop.get_params(torch.zeros(3, *size), scale, (0.75, 4 / 3))
    box = RandomResizedCrop((8, 8), scale=scale).cut(size, Draws(0, 0, [1]), 0).box
    if size != (7, 7):  # of a square the whole may be found at the first try
        assert box == (j, i, j + w, i + h)
    else:
        assert box[2] - box[0] >= 6


def test_half_of_the_cuts_are_mirrored():
    draws, geometry = Draws(0, 0, np.arange(4000)), RandomResizedCrop((8, 8))
    flips = sum(geometry.cut((50, 60), draws, row).flip for row in range(4000))
    assert abs(flips - 2000) < 4 * math.sqrt(1000)
    assert not any(RandomResizedCrop((8, 8), flip=0).cut((50, 60), draws, row).flip for row in range(50))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest", "lanczos"])
def test_a_cut_of_whole_pixels_is_torchvisions_resized_crop(interpolation):
    functional = load_torchvision().transforms.functional
    modes = {"bilinear": "BILINEAR", "bicubic": "BICUBIC", "nearest": "NEAREST", "lanczos": "LANCZOS"}
    pixels = noise(90, 120)
    mode = getattr(load_torchvision().transforms.InterpolationMode, modes[interpolation])
    theirs = functional.resized_crop(Image.fromarray(pixels), 11, 7, 61, 83, (40, 32), mode)
    ours = render_cut(pixels, Cut((7, 11, 90, 72), (40, 32), interpolation=interpolation))
    np.testing.assert_array_equal(ours, np.asarray(theirs))
    mirrored = render_cut(pixels, Cut((7, 11, 90, 72), (40, 32), flip=True, interpolation=interpolation))
    np.testing.assert_array_equal(mirrored, ours[:, ::-1])


@given(
    h=st.integers(1, 200),
    w=st.integers(1, 200),
    resize=st.integers(4, 60),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
)
def test_the_cut_of_a_fixed_view_is_the_view_within_two_levels(h, w, resize, interpolation):
    preprocessing = Preprocessing(input_size=(32, 24), resize=resize, interpolation=interpolation)
    geometry, pixels = FixedView(preprocessing), noise(h, w, seed=h * 211 + w)
    view = preprocessing.view(pixels)
    draws = Draws(0, 0, [0])
    np.testing.assert_array_equal(geometry(pixels, draws, 0), view.pixels)
    cut = geometry.cut((h, w), draws, 0)
    assert cut.box == pytest.approx(view.crop)
    if min(h, w) >= 4:  # under that a rounded pixel of black border is a large share of the picture
        difference = np.abs(render_cut(pixels, cut).astype(int) - view.pixels)
        assert difference.mean() < 2


def test_scale_jitter_with_one_size_is_a_window_of_the_resized_photo():
    pixels, geometry = noise(120, 160), ScaleJitter((40, 40), (64, 64), flip=0)
    resized = Image.fromarray(pixels).resize((85, 64), Image.Resampling.BILINEAR)
    draws = Draws(0, 0, np.arange(30))
    places = set()
    for row in range(30):
        left, top, *_ = geometry.cut((120, 160), draws, row).box
        x, y = round(left * 85 / 160), round(top * 64 / 120)
        places.add((x, y))
        window = np.asarray(resized)[y : y + 40, x : x + 40].astype(int)
        assert np.abs(geometry(pixels, draws, row) - window).mean() < 0.5
    assert len(places) > 25


def test_scale_jitter_draws_every_length():
    draws, geometry = Draws(0, 0, np.arange(3000)), ScaleJitter((8, 8), (8, 12), flip=0)
    lengths = [
        round(8 * 100 / (box[2] - box[0])) for box in (geometry.cut((100, 100), draws, r).box for r in range(3000))
    ]
    assert stats.chisquare(np.bincount(lengths)[8:]).pvalue > 1e-3
    assert set(lengths) == {8, 9, 10, 11, 12}


def test_pad_crop_moves_whole_pixels_and_pads_black_or_the_edge():
    pixels = noise(32, 32)
    draws = Draws(0, 0, np.arange(60))
    for outside, mode in (("black", "constant"), ("edge", "edge")):
        geometry = PadCrop(SMALL, 4, outside=outside)
        padded = np.pad(pixels, ((4, 4), (4, 4), (0, 0)), mode=mode)
        for row in range(60):
            cut = geometry.cut((32, 32), draws, row)
            x, y = int(cut.box[0]) + 4, int(cut.box[1]) + 4
            window = padded[y : y + 32, x : x + 32]
            np.testing.assert_array_equal(geometry(pixels, draws, row), window[:, ::-1] if cut.flip else window)


@pytest.mark.parametrize("geometry", [FixedView(SMALL), PadCrop(SMALL, 3), PadCrop(SMALL, 5, outside="edge")])
@pytest.mark.parametrize("gray", [True, False])
@pytest.mark.parametrize("size", [(32, 32), (32, 41)])
def test_shifts_are_the_cuts_of_all_rows_at_once(geometry, gray, size):
    from striate.data.whole_array import cut_rows

    pictures = np.random.default_rng(0).integers(0, 256, (40, *size, *(() if gray else (3,))), dtype=np.uint8)
    draws = Draws(2, 1, np.arange(100, 140))
    together = cut_rows(pictures, geometry.shifts(size, draws), (32, 32))
    for row in range(40):
        alone = geometry(np.repeat(pictures[row][..., None], 3, 2) if gray else pictures[row], draws, row)
        np.testing.assert_array_equal(together[row], alone[..., 0] if gray else alone)


def test_what_has_to_be_resized_has_no_shifts():
    draws = Draws(0, 0, [0])
    assert FixedView(SMALL).shifts((40, 40), draws) is None
    assert PadCrop(SMALL).shifts((31, 50), draws) is None
    assert RandomResizedCrop((8, 8)).shifts((8, 8), draws) is None


def test_prepared_digits_are_taken_as_they_are_and_others_are_not():
    paper = Preprocessing(input_size=(32, 32), resize=28, channels="L", mean=(0.1,), std=(0.3,), locate="ink")
    digits = np.zeros((3, 28, 28), np.uint8)
    digits[:, 8:20, 12:16] = 255
    digits[1] = 255 - digits[1]  # dark ink on white paper
    geometry = FixedView(paper)
    assert geometry.takes_as_is(digits).tolist() == [True, False, True]
    assert FixedView(SMALL).takes_as_is(digits).all()
    assert geometry.cut((28, 28), Draws(0, 0, [0]), 0).box == (-2, -2, 30, 30)


@pytest.mark.parametrize("size", [(60, 80), (80, 60), (33, 33), (20, 50)])
def test_ten_crop_is_torchvisions(size):
    functional = load_torchvision().transforms.functional
    preprocessing = Preprocessing(input_size=(24, 24), resize=28)
    pixels = noise(*size)
    theirs = functional.ten_crop(functional.resize(Image.fromarray(pixels), 28), 24)
    ours = TenCrop(preprocessing)(pixels, Draws(0, 0, [0]), 0)
    np.testing.assert_array_equal(ours, np.stack([np.asarray(crop) for crop in theirs]))


def test_ten_crop_makes_room_where_the_view_is_the_whole_photo():
    whole = Preprocessing(input_size=(224, 224), resize=224)
    assert TenCrop(whole).length == 256
    assert TenCrop(whole, shorter=300).length == 300
    crops = TenCrop(whole)(noise(100, 100), Draws(0, 0, [0]), 0)
    assert len({crop.tobytes() for crop in crops}) == 10


def test_ten_crop_pads_black_around_small_pictures():
    crops = TenCrop(Preprocessing(input_size=(32, 32), resize=40), shorter=20)(
        np.full((20, 20, 3), 255, np.uint8), Draws(0, 0, [0]), 0
    )
    assert crops.shape == (10, 32, 32, 3)
    assert (crops[:, 6:26, 6:26] == 255).all()
    assert crops.sum() == 10 * 255 * 3 * 20 * 20


def test_the_dense_view_is_the_whole_resized_photo():
    geometry = DenseView(PHOTO)
    view = geometry(noise(100, 150), Draws(0, 0, [0]), 0)
    assert view.shape == (256, 384, 3)
    assert geometry.result_size() is None
    gray = DenseView(Preprocessing(channels="L", mean=(0.1,), std=(0.3,)), shorter=50)(
        noise(60, 60), Draws(0, 0, [0]), 0
    )
    assert (gray[..., 0] == gray[..., 2]).all()


def test_descriptions_say_what_is_done():
    assert RandomResizedCrop((224, 224)).describe().startswith("random part of 8–100 % of the area")
    assert "never mirrored" in PadCrop(SMALL, flip=0).describe()
    assert "random 256–512 px" in ScaleJitter().describe()
    assert "four corners" in TenCrop(PHOTO).describe()
    assert "center 224 × 224" in FixedView(PHOTO).describe()
    assert "own size" in FixedView(Preprocessing(resize=None)).describe()
    assert "256" in DenseView(PHOTO).describe()


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: RandomResizedCrop((8, 8), scale=(0.5, 0.2)), "scale must be two shares"),
        (lambda: RandomResizedCrop((8, 8), scale=(0.5, 1.2)), "scale must be two shares"),
        (lambda: RandomResizedCrop((8, 8), ratio=(0, 1)), "ratio must be two numbers"),
        (lambda: RandomResizedCrop((8, 8), flip=2), "flip must be a probability"),
        (lambda: ScaleJitter((224, 224), (200, 300)), "at least the window's 224"),
        (lambda: PadCrop(Preprocessing(resize=None)), "must have a resize"),
        (lambda: PadCrop(SMALL, -1), "padding must be 0 or more"),
        (lambda: TenCrop(Preprocessing(resize=None)), "must have a resize"),
        (lambda: TenCrop(SMALL, shorter=0), "shorter must be at least 1"),
        (lambda: DenseView(Preprocessing(resize=None)), "give shorter"),
    ],
)
def test_refuses_settings_outside_their_rules(make, what):
    with pytest.raises(ConfigError, match=what):
        make()

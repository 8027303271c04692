"""Preprocessing is torchvision's and timm's, maps back to the photo, and a wrong recipe is noticed."""

import json
import math
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from striate.data import Preprocessing
from striate.errors import ConfigError, ShapeError
from tests.data.planted import assert_best_recipe, one_mistake, rivals
from tests.data.samples import gradient, saved
from tests.oracles.foreign import load_timm, load_torchvision

U8 = NDArray[np.uint8]
INTERPOLATIONS = ["nearest", "bilinear", "bicubic", "lanczos"]
CAFFE = Preprocessing(channels="BGR", scale=255.0, mean=(104.0, 117.0, 123.0), std=(1.0, 1.0, 1.0))
LITE = Preprocessing(interpolation="bicubic", scale=255.0, mean=(127.0,) * 3, std=(128.0,) * 3)
GRAY = Preprocessing(input_size=(28, 28), resize=28, channels="L", mean=(0.1307,), std=(0.3081,))
RECIPES = {"torchvision": Preprocessing(), "caffe": CAFFE, "lite": LITE, "gray": GRAY}


def noise(h: int, w: int, seed: int = 0) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)


def as_tensor(image: U8) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def torchvisions(recipe: Preprocessing, image: U8) -> tuple[U8, Tensor]:
    """Pixels and input of torchvision's own pipeline for image files."""
    transforms = load_torchvision().transforms
    picture = transforms.Compose(
        [
            transforms.Resize(recipe.resize, transforms.InterpolationMode[recipe.interpolation.upper()]),
            transforms.CenterCrop(recipe.input_size),
        ]
    )(Image.fromarray(image))
    values = transforms.Compose([transforms.ToTensor(), transforms.Normalize(recipe.mean, recipe.std)])(picture)
    return np.asarray(picture), values[None]


sizes = st.one_of(
    st.tuples(st.integers(1, 120), st.integers(1, 120)),
    st.tuples(st.just(1), st.integers(1, 256)),
    st.tuples(st.integers(1, 256), st.just(1)),
)


@settings(max_examples=150, deadline=None)
@given(
    size=sizes,
    resize=st.integers(1, 64),
    crop=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    interpolation=st.sampled_from(INTERPOLATIONS),
    seed=st.integers(0, 2**32 - 1),
)
def test_photos_are_treated_as_torchvision_does_to_the_byte(
    size: tuple[int, int], resize: int, crop: tuple[int, int], interpolation: Any, seed: int
) -> None:
    image = noise(*size, seed)
    recipe = Preprocessing(input_size=crop, resize=resize, interpolation=interpolation)
    pixels, values = torchvisions(recipe, image)
    np.testing.assert_array_equal(recipe.view(image).pixels, pixels)
    torch.testing.assert_close(recipe(image), values, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "size", [(300, 451), (451, 300), (1000, 257), (256, 256), (224, 224), (100, 80), (3000, 20), (1, 1)]
)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_imagenet_evaluation_of_torchvision_and_timm(size: tuple[int, int], interpolation: Any) -> None:
    image = noise(*size)
    recipe = Preprocessing(interpolation=interpolation)
    torch.testing.assert_close(recipe(image), torchvisions(recipe, image)[1], rtol=0, atol=1e-6)
    load_timm()
    from timm.data.transforms_factory import transforms_imagenet_eval

    theirs = transforms_imagenet_eval(
        224, crop_pct=0.875, interpolation=interpolation, mean=recipe.mean, std=recipe.std
    )(Image.fromarray(image))
    torch.testing.assert_close(recipe(image), theirs[None], rtol=0, atol=1e-6)


@pytest.mark.parametrize("crop_pct", [0.875, 0.9, 0.95, 1.0])
def test_timms_crop_fraction_is_the_floor(crop_pct: float) -> None:
    load_timm()
    from timm.data.transforms_factory import transforms_imagenet_eval

    image = noise(301, 411)
    recipe = Preprocessing(input_size=(288, 288), resize=math.floor(288 / crop_pct), interpolation="bicubic")
    theirs = transforms_imagenet_eval(288, crop_pct=crop_pct, interpolation="bicubic")(Image.fromarray(image))
    torch.testing.assert_close(recipe(image), theirs[None], rtol=0, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    size=sizes,
    resize=st.integers(1, 64),
    crop=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    interpolation=st.sampled_from(INTERPOLATIONS),
    seed=st.integers(0, 2**32 - 1),
)
@example(size=(1, 1), resize=1, crop=(1, 2), interpolation="nearest", seed=0)  # one pixel short
def test_a_tensor_is_within_one_gray_level_of_the_photo(
    size: tuple[int, int], resize: int, crop: tuple[int, int], interpolation: Any, seed: int
) -> None:
    image = noise(*size, seed)
    recipe = Preprocessing(input_size=crop, resize=resize, interpolation=interpolation)
    levels = recipe.denormalize(recipe(as_tensor(image)))[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(levels.round() - recipe.view(image).pixels).max() <= 1


def test_a_tensor_keeps_type_and_gradient() -> None:
    x = (torch.rand(2, 3, 30, 40, dtype=torch.float64) * 0.5 + 0.25).requires_grad_()
    result = Preprocessing(input_size=(16, 16), resize=20)(x)
    assert result.dtype == torch.float64
    result.sum().backward()
    assert x.grad is not None
    assert (x.grad[:, :, 15, 20] != 0).all()
    assert (x.grad[:, :, 0, 0] == 0).all()  # outside the crop


@settings(max_examples=100, deadline=None)
@given(
    size=st.tuples(st.integers(24, 200), st.integers(24, 200)),
    resize=st.integers(20, 120),
    crop=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_the_crop_maps_back_to_the_photo(size: tuple[int, int], resize: int, crop: tuple[int, int]) -> None:
    h, w = size
    y, x = np.mgrid[:h, :w]
    image = np.stack([x, y, np.full_like(x, 255)], axis=-1).astype(np.uint8)  # every pixel holds its own place
    view = Preprocessing(input_size=crop, resize=resize).view(image)
    x1, y1, x2, y2 = view.crop
    assert view.photo_size == size
    across = x1 + (np.arange(crop[1]) + 0.5) * (x2 - x1) / crop[1]  # the centers of the view's pixels, in the photo
    down = y1 + (np.arange(crop[0]) + 0.5) * (y2 - y1) / crop[0]
    border = 1 + max(min(h, w) / resize, 1)  # where the filter sees the photo on one side only
    for axis, (places, limit) in enumerate(((across, w), (down, h))):
        for at, place in enumerate(places):
            line = view.pixels[:, at] if axis == 0 else view.pixels[at]
            shown = line[line[:, 2] > 0]  # not the black around the photo
            if border < place < limit - border and len(shown):
                np.testing.assert_allclose(shown[:, axis], place - 0.5, atol=0.51)
            if not 0 <= place <= limit:
                assert len(shown) == 0


def test_the_crop_of_a_small_photo_reaches_beyond_it() -> None:
    view = Preprocessing(input_size=(224, 224), resize=100).view(noise(50, 100))  # 100 × 200, padded by 62 and 12
    assert view.crop == (-6.0, -31.0, 106.0, 81.0)
    assert view.pixels[:62].max() == view.pixels[:, :12].max() == 0
    assert view.pixels[62, 12].max() > 0


def test_known_crop() -> None:
    view = Preprocessing().view(noise(400, 600))  # 256 × 384; from (80, 16), at 400 / 256 photo pixels each
    assert view.crop == (80 * 600 / 384, 16 * 400 / 256, 304 * 600 / 384, 240 * 400 / 256)


@pytest.mark.parametrize("shape", [(3, 30_000), (30_000, 3), (1, 65_500), (1, 1_000_000)])
def test_a_ribbon_needs_no_gigabytes(shape: tuple[int, int]) -> None:
    h, w = shape
    ramp = np.linspace(0, 255, max(shape)).astype(np.uint8)
    image = np.ascontiguousarray(np.broadcast_to(ramp[:, None, None] if h > w else ramp[None, :, None], (h, w, 3)))
    view = Preprocessing().view(image)
    assert view.pixels.shape == (224, 224, 3)
    assert np.abs(view.pixels.astype(int) - 127).max() <= 2  # its middle
    x1, y1, x2, y2 = view.crop
    np.testing.assert_allclose(((x1 + x2) / 2, (y1 + y2) / 2), (w / 2, h / 2), atol=1)
    np.testing.assert_allclose((x2 - x1, y2 - y1), (224 * min(shape) / 256,) * 2, rtol=0.01)
    levels = Preprocessing().denormalize(Preprocessing()(as_tensor(image)))[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(levels.round() - view.pixels).max() <= 1


def test_a_ribbon_agrees_with_torchvision_to_half_a_pixel() -> None:
    image = np.ascontiguousarray(np.broadcast_to(np.arange(4000) % 200, (3, 2, 4000)).transpose(1, 2, 0)).astype(
        np.uint8
    )
    recipe = Preprocessing(input_size=(8, 8), resize=8)  # 4000 / 2 is a ratio of 2000
    pixels, _ = torchvisions(recipe, image)
    assert np.abs(recipe.view(image).pixels.astype(int) - pixels).max() <= 1


def test_caffes_order_scale_and_mean() -> None:
    image = gradient(300, 300)
    pixels = replace(CAFFE, input_size=(227, 227)).view(image).pixels
    expected = pixels[:, :, ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
    values = replace(CAFFE, input_size=(227, 227))(image)
    np.testing.assert_allclose(values[0].permute(1, 2, 0).numpy(), expected, atol=1e-4)


def test_tensorflow_lites_scale() -> None:
    image = gradient(300, 300)
    expected = (LITE.view(image).pixels.astype(np.float32) - 127) / 128
    np.testing.assert_allclose(LITE(image)[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_one_channel_is_pillows_luma() -> None:
    image = noise(50, 60)
    view = GRAY.view(image)
    resized = Image.fromarray(image).resize((33, 28), Image.Resampling.BILINEAR).crop((2, 0, 30, 28))
    luma = np.asarray(resized.convert("L"))
    np.testing.assert_array_equal(view.pixels, np.repeat(luma[:, :, None], 3, axis=2))
    values = GRAY(image)
    assert values.shape == (1, 1, 28, 28)
    np.testing.assert_allclose(values[0, 0].numpy(), (luma / 255 - 0.1307) / 0.3081, atol=1e-5)
    colored = GRAY.denormalize(GRAY(as_tensor(image)))[0, 0].numpy() * 255
    assert np.abs(colored.round() - luma).max() <= 1


@pytest.mark.parametrize("name", RECIPES)
def test_denormalize_is_the_inverse(name: str) -> None:
    recipe = RECIPES[name]
    x = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    if recipe.channels == "L":
        x = x[:, :1].expand(-1, 3, -1, -1)  # what is gray comes back
    torch.testing.assert_close(recipe.denormalize(recipe.normalize(x)), x)
    assert recipe.normalize(x).shape == (2, len(recipe.channels), 5, 7)


def test_normalize_is_linear_and_differentiable() -> None:
    for recipe in RECIPES.values():
        x = torch.rand(1, 3, 3, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(recipe.normalize, (x,))


def test_all_ways_to_give_photos_agree(tmp_path: Any) -> None:
    image = noise(60, 50)
    path = tmp_path / "photo.png"
    path.write_bytes(saved(image, "PNG"))
    recipe = Preprocessing(input_size=(32, 32), resize=40)
    one = recipe(image)
    for photo in (path, str(path), path.read_bytes(), Image.fromarray(image), Image.open(path)):
        assert torch.equal(recipe(photo), one)
        assert torch.equal(recipe([photo, image]), torch.cat([one, one]))
    assert torch.equal(recipe(np.stack([image, image])), torch.cat([one, one]))
    assert torch.equal(recipe((noise(90, 70, 1), path)), torch.cat([recipe(noise(90, 70, 1)), one]))


def test_without_resize_a_photo_is_fed_as_it_is() -> None:
    recipe = Preprocessing(resize=None)
    image = noise(33, 45)
    view = recipe.view(image)
    np.testing.assert_array_equal(view.pixels, image)
    assert view.crop == (0.0, 0.0, 45.0, 33.0)
    torch.testing.assert_close(recipe(image), recipe(as_tensor(image)))
    assert recipe([image, image]).shape == (2, 3, 33, 45)
    with pytest.raises(
        ShapeError, match=r"Photos of a batch must come out in one size, got 33 × 45, 45 × 33; give them one at a time"
    ):
        recipe([image, noise(45, 33)])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "images is empty"),
        (np.zeros((4, 4), np.uint8), r"uint8 h × w × 3 .* got uint8 4 × 4"),
        (np.zeros((4, 4, 4), np.uint8), r"got uint8 4 × 4 × 4"),
        (np.zeros((0, 4, 3), np.uint8), r"at least one pixel, got uint8 0 × 4 × 3"),
        (np.zeros((3, 4, 4), np.uint8), r"got uint8 3 × 4 × 4"),
        (torch.zeros(3, 4, 4), r"floating point n 3 h w.* got float32 3 4 4; one image needs x\[None\]"),
        (torch.zeros(1, 4, 4, 4), r"got float32 1 4 4 4"),
        (torch.zeros(0, 3, 4, 4), r"got float32 0 3 4 4"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), r"got uint8 1 3 4 4; .* levels of 0\.\.255 x / 255"),
        (torch.full((1, 3, 4, 4), 255.0), r"got values from 255 to 255; give it before normalization"),
        (torch.randn(1, 3, 40, 40), r"holds RGB in \[0, 1\], got values from -"),
        (torch.full((1, 3, 4, 4), torch.nan), r"got values from nan to nan"),
    ],
)
def test_what_is_no_photo_is_refused(images: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Preprocessing()(images)


def test_normalize_refuses_other_shapes() -> None:
    with pytest.raises(ShapeError, match="normalize takes RGB as n 3 h w, got float32 1 1 2 2"):
        Preprocessing().normalize(torch.zeros(1, 1, 2, 2))
    with pytest.raises(ShapeError, match="denormalize takes n 1 h w, got float32 1 3 2 2"):
        GRAY.denormalize(torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"resiz": 256}, r"no setting 'resiz'\. Nearest: 'resize'"),
        ({"input_size": [224]}, r"input_size must be \(height, width\), whole numbers above 0, got \(224,\)"),
        ({"input_size": [224, 0]}, "input_size must be"),
        ({"resize": 0}, "resize must be a whole number above 0, or None, got 0"),
        (
            {"interpolation": "cubic"},
            "interpolation must be one of 'nearest', 'bilinear', 'bicubic', 'lanczos', got 'cubic'",
        ),
        ({"channels": "RGBA"}, "channels must be one of"),
        ({"scale": 0}, "scale must be a number above 0"),
        ({"scale": float("inf")}, "scale must be a number above 0"),
        ({"mean": [0.5]}, "mean must be 3 numbers for channels='RGB', got"),
        ({"channels": "L"}, "mean must be 1 number for channels='L', got"),
        ({"mean": [0.5, 0.5, float("nan")]}, "mean must be 3 numbers"),
        ({"std": [0.5, 0.5, 0]}, "std must be 3 numbers above 0"),
        ({"std": ["1", "1", "1"]}, "std must be 3 numbers above 0"),
    ],
)
def test_settings_outside_their_rule_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Preprocessing.from_dict(values)


@pytest.mark.parametrize("name", RECIPES)
def test_settings_survive_json(name: str) -> None:
    recipe = RECIPES[name]
    written = recipe.to_dict()
    assert json.loads(json.dumps(written)) == written
    assert Preprocessing.from_dict(written) == recipe
    assert Preprocessing.from_dict({}) == Preprocessing()


def test_a_table_may_hold_whole_numbers() -> None:
    table = {"channels": "BGR", "scale": 255, "mean": [104, 117, 123], "std": [1, 1, 1]}
    assert Preprocessing.from_dict(table) == CAFFE
    assert all(isinstance(value, float) for value in Preprocessing.from_dict(table).mean)


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Preprocessing().resize = 3  # type: ignore[misc]


def test_describe_is_one_sentence() -> None:
    assert CAFFE.describe() == (
        "Shorter side to 256 px (bilinear), center 224 × 224, BGR in 0..255, "
        "minus (104, 117, 123), divided by (1, 1, 1)."
    )
    assert replace(CAFFE, resize=None).describe().startswith("Photo at its own size, BGR in 0..255, minus")


# A network that is nothing but its preprocessing: it knows each picture as it was normalized, and answers by distance.


def colored_photos() -> list[U8]:
    pictures = [gradient(40, 40), gradient(40, 40)[::-1], gradient(40, 40)[:, :, ::-1], 255 - gradient(40, 40)]
    return [np.ascontiguousarray(picture) for picture in pictures]


class Templates(nn.Module):
    def __init__(self, recipe: Preprocessing) -> None:
        super().__init__()
        self.register_buffer("known", torch.cat([recipe(photo) for photo in colored_photos()]).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        distances = (x.flatten(1)[:, None] - self.known[None]).square().mean(2) / self.known.var()
        return F.pad(-10 * distances, (0, 1), value=-1.0)  # the last class is "none of these"


BASE = {"input_size": (24, 24), "resize": 32}
TRUE = {name: replace(RECIPES[name], **BASE) for name in ("torchvision", "caffe", "lite")}


@pytest.mark.parametrize("name", TRUE)
def test_the_right_recipe_passes_the_guard(name: str) -> None:
    photos = [(photo, index) for index, photo in enumerate(colored_photos())]
    assert_best_recipe(Templates(TRUE[name]), TRUE[name], photos)
    assert len(rivals(TRUE[name])) == 11  # all known recipes but itself


# Swapping the means of a recipe with one mean for all channels changes nothing, so it is no mistake.
MISTAKES = [(name, slip) for name in TRUE for slip, planted in one_mistake(TRUE[name]).items() if planted != TRUE[name]]


@pytest.mark.parametrize(("name", "slip"), MISTAKES)
def test_a_planted_wrong_recipe_is_caught(name: str, slip: str) -> None:
    right = TRUE[name]
    planted = one_mistake(right)[slip]
    photos = [(photo, index) for index, photo in enumerate(colored_photos())]
    with pytest.raises(AssertionError, match=rf"but more with: .*{'tensorflow lite' if name == 'lite' else name}"):
        assert_best_recipe(Templates(right), planted, photos)


FITTED = {
    "whole": Preprocessing(input_size=(60, 80), resize=None, fit="whole"),
    "stretch": Preprocessing(input_size=(60, 80), resize=None, fit="stretch"),
    "shorter": Preprocessing(input_size=(60, 90), resize=None, fit="shorter"),
}


@pytest.mark.parametrize(
    ("fit", "photo", "resized", "canvas"),
    [
        ("whole", (120, 120), (60, 60), (60, 80)),
        ("whole", (30, 160), (15, 80), (60, 80)),
        ("stretch", (30, 160), (60, 80), (60, 80)),
        ("shorter", (120, 150), (60, 75), (60, 75)),
        ("shorter", (120, 480), (23, 90), (23, 90)),
        ("whole", (1, 3000), (1, 80), (60, 80)),
    ],
)
def test_a_whole_photo_is_fitted_and_the_crop_says_where(
    fit: str, photo: tuple[int, int], resized: tuple[int, int], canvas: tuple[int, int]
) -> None:
    preprocessing = FITTED[fit]
    assert preprocessing.fitted_size(photo) == (resized, canvas)
    pixels = np.full((*photo, 3), 200, dtype=np.uint8)
    view = preprocessing.view(pixels)
    assert view.pixels.shape == (*canvas, 3)
    assert (view.pixels[: resized[0], : resized[1]] == 200).all()
    assert not view.pixels[resized[0] :].any()
    assert not view.pixels[:, resized[1] :].any()
    left, top, right, bottom = view.crop
    assert (left, top) == (0, 0)
    # The lower right corner of the photo lands where its last pixel is.
    assert photo[1] / (right - left) * canvas[1] == pytest.approx(resized[1])
    assert photo[0] / (bottom - top) * canvas[0] == pytest.approx(resized[0])
    x = preprocessing(torch.full((1, 3, *photo), 200 / 255))
    torch.testing.assert_close(x, preprocessing(pixels), atol=2e-3, rtol=0)
    assert Preprocessing.from_dict(preprocessing.to_dict()) == preprocessing


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fit": "letterbox"}, "fit must be one of 'crop', 'whole', 'stretch', 'shorter', got 'letterbox'"),
        ({"fit": "whole", "resize": 64}, "resize must be None with fit='whole': input_size says the size, got 64"),
        ({"fit": "shorter", "resize": None, "input_size": (90, 60)}, r"must be \(shorter side, longest side\)"),
    ],
)
def test_a_fit_that_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Preprocessing(**given)


def test_a_crop_has_no_canvas() -> None:
    with pytest.raises(ConfigError, match="fit must be 'whole', 'stretch' or 'shorter' for a canvas, got 'crop'"):
        Preprocessing().fitted_size((10, 10))

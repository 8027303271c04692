"""Named filters against OpenCV and SciPy, at every border; the notes' kernels; typed kernels."""

import math

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

from striate.errors import ConfigError, ShapeError, UnknownNameError
from striate.ops import filter_image, find_filter, list_filters, parse_kernel

SCIPY = {"zeros": "constant", "reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "circular": "wrap"}
OPENCV = {
    "zeros": cv2.BORDER_CONSTANT,
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
    "replicate": cv2.BORDER_REPLICATE,
}
LINEAR = [name for name in list_filters() if find_filter(name).combine == "sum"]


def _picture(height: int = 23, width: int = 31) -> torch.Tensor:
    return torch.rand(1, 1, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _ours(name: str, border: str, picture: torch.Tensor) -> np.ndarray:
    return filter_image(picture, name, border=border)[0, 0].numpy()


@pytest.mark.parametrize("border", SCIPY)
@pytest.mark.parametrize("name", LINEAR)
def test_equal_to_scipy_at_every_border(name: str, border: str) -> None:
    picture = _picture()
    expected = ndimage.correlate(picture[0, 0].numpy(), find_filter(name).kernels[0].numpy(), mode=SCIPY[border])
    np.testing.assert_allclose(_ours(name, border, picture), expected, atol=1e-12)


@pytest.mark.parametrize("border", OPENCV)
@pytest.mark.parametrize("name", LINEAR)
def test_equal_to_opencv_at_every_border(name: str, border: str) -> None:
    picture = _picture(40, 60)  # OpenCV mirrors once: kernels must be smaller than the picture
    kernel = find_filter(name).kernels[0].numpy()
    expected = cv2.filter2D(picture[0, 0].numpy(), cv2.CV_64F, kernel, borderType=OPENCV[border])
    np.testing.assert_allclose(_ours(name, border, picture), expected, atol=1e-12)


@pytest.mark.parametrize("border", OPENCV)
def test_equal_to_opencvs_own_filters(border: str) -> None:
    picture, rule = _picture(40, 60), OPENCV[border]
    x = picture[0, 0].numpy()
    pairs = {
        "sobel-x": cv2.Sobel(x, cv2.CV_64F, 1, 0, borderType=rule),
        "sobel-y": cv2.Sobel(x, cv2.CV_64F, 0, 1, borderType=rule),
        "scharr-x": cv2.Scharr(x, cv2.CV_64F, 1, 0, borderType=rule),
        "scharr-y": cv2.Scharr(x, cv2.CV_64F, 0, 1, borderType=rule),
        "laplacian": cv2.Laplacian(x, cv2.CV_64F, ksize=1, borderType=rule),
        "gaussian:sigma=1.5,size=9": cv2.GaussianBlur(x, (9, 9), 1.5, borderType=rule),
        "box:size=7": cv2.boxFilter(x, cv2.CV_64F, (7, 7), borderType=rule),
        "average-pool:size=5": cv2.boxFilter(x, cv2.CV_64F, (5, 5), borderType=rule),
    }
    for name, expected in pairs.items():
        np.testing.assert_allclose(_ours(name, border, picture), expected, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("border", [b for b in SCIPY if b != "zeros"])
def test_poolings_are_scipys_rank_filters(border: str) -> None:
    picture = _picture()
    x, mode = picture[0, 0].numpy(), SCIPY[border]
    np.testing.assert_array_equal(_ours("max-pool:size=5", border, picture), ndimage.maximum_filter(x, 5, mode=mode))
    np.testing.assert_array_equal(_ours("min-pool:size=4", border, picture), ndimage.minimum_filter(x, 4, mode=mode))


def test_magnitudes_are_scipys() -> None:
    picture = _picture()
    x = picture[0, 0].numpy()
    for name, one in (("sobel", ndimage.sobel), ("prewitt", ndimage.prewitt)):
        expected = np.hypot(one(x, axis=0, mode="mirror"), one(x, axis=1, mode="mirror"))
        np.testing.assert_allclose(_ours(name, "reflect", picture), expected, atol=1e-12)


@pytest.mark.parametrize("theta", [0.0, 30.0, 90.0, 135.0])
def test_gabor_is_opencvs(theta: float) -> None:
    ours = find_filter(f"gabor:theta={theta},wavelength=6,sigma=3,gamma=0.7,phase=40,size=21").kernels[0].numpy()
    # OpenCV's y points up and its kernel is filled from the end: the same as ours turned by 180 degrees.
    theirs = cv2.getGaborKernel((21, 21), 3, math.radians(theta), 6, 0.7, math.radians(40), ktype=cv2.CV_64F)
    np.testing.assert_allclose(ours, theirs[::-1, ::-1], atol=1e-12)


def test_the_kernels_of_the_notes() -> None:
    assert find_filter("vertical-edges").kernels[0].tolist() == [[1, 0, -1]] * 3
    assert find_filter("horizontal-edges").kernels[0].tolist() == [[1, 1, 1], [0, 0, 0], [-1, -1, -1]]


@pytest.mark.parametrize("name", list_filters())
def test_what_each_filter_does_to_a_picture_of_one_value(name: str) -> None:
    """Blurs, sharpeners and poolings keep it; edge filters give nothing (Gabor's even wave may give a little)."""
    found = find_filter(name)
    result = filter_image(torch.full((1, 3, 40, 40), 0.5, dtype=torch.float64), name)
    assert result.shape == (1, 3, 40, 40)
    if name != "gabor":
        torch.testing.assert_close(result, torch.full_like(result, 0.5 if found.is_picture else 0.0), atol=1e-9, rtol=0)
    assert found.summary.endswith(".")
    assert found.source


def test_smoothing_lowers_and_sharpening_raises_the_change_between_neighbors() -> None:
    picture = filter_image(_picture(), "gaussian:sigma=1")

    def change(x: torch.Tensor) -> float:
        return float(x.diff(dim=-1).square().mean())

    for name in ("box", "gaussian", "average-pool"):
        assert change(filter_image(picture, name)) < change(picture)
    for name in ("sharpen", "unsharp"):
        assert change(filter_image(picture, name)) > change(picture)


def test_flip_is_the_true_convolution() -> None:
    picture = _picture()
    kernel = parse_kernel("1 2 0; 0 3 -1; 5 0 -2")
    expected = ndimage.convolve(picture[0, 0].numpy(), kernel.numpy(), mode="mirror")
    np.testing.assert_allclose(filter_image(picture, kernel, flip=True)[0, 0].numpy(), expected, atol=1e-12)


def test_filters_take_gradients() -> None:
    picture = _picture(5, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: filter_image(x, "sharpen", border="symmetric"), picture)


def test_pictures_smaller_than_the_kernel_are_filtered_too() -> None:
    for border in SCIPY:
        assert filter_image(torch.ones(1, 1, 1, 1), "gaussian:sigma=3", border=border).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 0 -1; 1 0 -1", [[1, 0, -1], [1, 0, -1]]),
        ("1,0,−1\n2, 0, −2", [[1, 0, -1], [2, 0, -2]]),
        ("[[1 2];[3 4]]", [[1, 2], [3, 4]]),
        ("1/2 1/4;", [[0.5, 0.25]]),
        ("7", [[7]]),
    ],
)
def test_typed_kernels(text: str, expected: list[list[float]]) -> None:
    assert parse_kernel(text).tolist() == expected


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("1 0 -1; 1 0", ShapeError, r"rows of one length: row 1 has 3 numbers, row 2 has 2\."),
        ("1 x 2", ConfigError, r"kernel must hold finite numbers, got 'x'\."),
        ("1 nan", ConfigError, r"kernel must hold finite numbers, got 'nan'\."),
        ("1/0", ConfigError, r"kernel must hold finite numbers, got '1/0'\."),
        ("inf", ConfigError, r"got 'inf'\."),
        (" ; ", ConfigError, r"kernel must hold numbers in rows, such as"),
        ("", ConfigError, r"kernel must hold numbers in rows"),
    ],
)
def test_typed_kernels_that_are_none_are_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_kernel(text)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("sobol", UnknownNameError, r"No filter named 'sobol'\. Nearest: 'sobel'"),
        ("gaussian:sgma=1", UnknownNameError, r"The filter 'gaussian' has no setting 'sgma'\. Nearest: 'sigma'"),
        (
            "gaussian:sigma=x",
            ConfigError,
            r"sigma of the filter 'gaussian' must be a number, as sigma=2; got 'sigma=x'",
        ),
        ("gaussian:sigma", ConfigError, r"must be a number, as sigma=2; got 'sigma'"),
        ("gaussian:sigma=0", ConfigError, r"sigma must be above 0 and at most 100, got 0\."),
        ("gaussian:size=4", ConfigError, r"size must be an odd whole number from 1 to 999, got 4\."),
        ("box:size=0", ConfigError, r"size must be a whole number from 1 to 999, got 0\."),
        ("box:size=2.5", ConfigError, r"got 2\.5\."),
        ("sobel:size=5", ConfigError, r"The filter 'sobel' has no settings, got 'size=5'\."),
        ("gabor:sigma=-1", ConfigError, r"sigma must be above 0"),
    ],
)
def test_filters_that_are_none_are_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        find_filter(text)


def test_pictures_that_are_none_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"images must be 'n c h w' and not empty, got the shape \(3, 3\)"):
        filter_image(torch.ones(3, 3), "box")
    with pytest.raises(ConfigError, match=r"floating-point numbers, got torch.uint8; use images.float\(\)"):
        filter_image(torch.ones(1, 1, 3, 3, dtype=torch.uint8), "box")
    with pytest.raises(ShapeError, match=r"A kernel must be 'h w' and not empty"):
        filter_image(torch.ones(1, 1, 3, 3), torch.ones(3))
    with pytest.raises(ConfigError, match=r"finite numbers whose sum fits float32, got 1e\+308"):
        filter_image(torch.ones(1, 1, 3, 3), torch.tensor([[1e308, 1.0]], dtype=torch.float64))
    with pytest.raises(ConfigError, match=r"finite numbers whose sum fits float32, got nan"):
        filter_image(torch.ones(1, 1, 3, 3), torch.tensor([[float("nan")]]))

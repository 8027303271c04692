"""How far pictures are apart: scikit-image's numbers, and what is plain to see."""

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from striate.errors import ShapeError
from striate.insight.picture_likeness import color_error, psnr, ssim


def pictures(channels: int, height: int = 31, width: int = 40) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(channels)
    photo = random.random((channels, height, width))
    return np.clip(photo + 0.1 * random.standard_normal(photo.shape), 0, 1), photo


@pytest.mark.parametrize("channels", [1, 3])
def test_the_numbers_are_scikit_images(channels: int) -> None:
    picture, photo = pictures(channels)
    assert psnr(picture, photo) == pytest.approx(peak_signal_noise_ratio(photo, picture, data_range=1.0), rel=1e-12)
    weights = np.array([0.299, 0.587, 0.114]) if channels == 3 else np.ones(1)
    gray = [np.tensordot(weights, image, 1) for image in (picture, photo)]
    exact = structural_similarity(*gray, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    assert ssim(picture, photo) == pytest.approx(exact, abs=1e-12)


def test_equal_pictures_and_small_ones() -> None:
    picture, photo = pictures(3)
    assert psnr(photo, photo) == math.inf
    assert ssim(photo, photo) == pytest.approx(1.0)
    assert color_error(photo, photo) == 0.0
    assert math.isnan(ssim(picture[:, :10], photo[:, :10]))
    assert math.isnan(color_error(picture[:1], photo[:1]))


def test_color_alone_counts_for_the_color_error() -> None:
    gray = np.full((3, 12, 12), 0.5)
    brighter = np.full((3, 12, 12), 0.8)
    red = gray * np.array([2.0, 0.0, 0.0])[:, None, None]
    assert color_error(brighter, gray) < 1e-6
    assert color_error(red, gray) == pytest.approx(0.2576, abs=1e-3)


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="one shape"):
        psnr(np.zeros((3, 4, 4)), np.zeros((3, 4, 5)))

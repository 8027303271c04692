"""Overlays: the photo stays readable, the hue is the map's."""

import numpy as np
import pytest

from striate.draw import SIGNED, colorize, overlay
from striate.draw.oklab import to_oklab
from striate.draw.overlay import LIGHTNESS, SHARE
from striate.errors import ConfigError, ShapeError


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)


def test_opacity_runs_from_the_photo_to_the_tint(photo):
    values = np.linspace(0, 1, photo.shape[0] * photo.shape[1]).reshape(photo.shape[:2])
    np.testing.assert_array_equal(overlay(photo, values, opacity=0.0), photo)
    full = overlay(photo, values, opacity=1.0).astype(float)
    half = overlay(photo, values, opacity=0.5)
    np.testing.assert_allclose(half, (photo + full) / 2, atol=0.51)


def test_a_map_at_zero_in_the_signed_map_leaves_a_grey_photo(photo):
    tinted = overlay(photo, np.zeros(photo.shape[:2]), colormap=SIGNED, limits=(-1.0, 1.0)).astype(int)
    assert np.ptp(tinted, axis=2).max() <= 4


def test_lightness_is_the_photos_and_the_maps_and_hue_is_the_maps():
    photo = np.repeat(np.linspace(60, 200, 32).astype(np.uint8)[None, :, None], 3, axis=2)
    values = np.full((1, 32), 0.5)
    tinted = to_oklab(overlay(photo, values, limits=(0.0, 1.0)))
    color = to_oklab(colorize(values, limits=(0.0, 1.0)))
    low, high = LIGHTNESS
    expected = (1 - SHARE) * (low + (high - low) * to_oklab(photo)[..., 0]) + SHARE * color[..., 0]
    np.testing.assert_allclose(tinted[..., 0], expected, atol=0.02)
    hue, wanted = np.arctan2(tinted[..., 2], tinted[..., 1]), np.arctan2(color[..., 2], color[..., 1])
    np.testing.assert_allclose(hue, wanted, atol=0.1)
    assert (np.diff(tinted[0, :, 0]) > 0).all()  # the photo's order of light and dark survives


def test_refusals(photo):
    with pytest.raises(ShapeError, match=r"values must have the photo's size \(16, 24\); got \(24, 16\)"):
        overlay(photo, np.zeros((24, 16)))
    with pytest.raises(ShapeError, match="photo must be a uint8 picture 'h w 3'; got float64"):
        overlay(photo / 255.0, np.zeros((16, 24)))
    with pytest.raises(ConfigError, match=r"opacity must be between 0 and 1; got 1\.5"):
        overlay(photo, np.zeros((16, 24)), opacity=1.5)

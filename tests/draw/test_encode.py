"""Pictures as bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from striate.draw import colorize, encode_jpeg, encode_png
from striate.errors import ConfigError, ShapeError


@pytest.mark.parametrize("colors", [1, 2, 16, 256, 257, 5000])
def test_png_is_without_loss(colors):
    rng = np.random.default_rng(colors)
    palette = rng.integers(0, 256, (colors, 3), dtype=np.uint8)
    image = palette[rng.integers(0, colors, (40, 30))]
    with Image.open(io.BytesIO(encode_png(image))) as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), image)


def test_maps_are_stored_with_a_palette():
    image = colorize(np.random.default_rng(0).random((64, 64)))
    with Image.open(io.BytesIO(encode_png(image))) as picture:
        assert picture.mode == "P"


def test_jpeg_is_near():
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    image = np.repeat(np.broadcast_to(ramp, (64, 64))[..., None], 3, axis=2)
    with Image.open(io.BytesIO(encode_jpeg(image))) as picture:
        assert picture.format == "JPEG"
        assert np.abs(np.asarray(picture).astype(int) - image).mean() < 3


def test_refusals():
    with pytest.raises(ShapeError, match="image must be a uint8 picture"):
        encode_png(np.zeros((2, 2), np.uint8))
    with pytest.raises(ConfigError, match="quality must be between 1 and 95; got 100"):
        encode_jpeg(np.zeros((2, 2, 3), np.uint8), quality=100)

"""Maps packed into text, and pictures as addresses."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from striate.report.embed import block_of, pack, photo_uri, png_uri, unpack


@given(
    arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.floats(-1e6, 1e6, width=32)),
    st.sampled_from([8, 16]),
)
def test_packed_values_are_exact_to_half_a_step(values, bits):
    packed = pack(values, bits=bits)
    assert packed["step"] == pytest.approx(float(np.ptp(values.astype(np.float64))) / (2**bits - 1))
    assert np.abs(unpack(packed) - values).max() <= packed["step"] * 0.5001
    assert unpack(packed).shape == values.shape


def test_values_that_are_not_finite_become_the_smallest():
    packed = pack(np.array([np.nan, 2.0, np.inf, 5.0]))
    np.testing.assert_allclose(unpack(packed), [2.0, 2.0, 2.0, 5.0], atol=1e-4)


def test_pictures_are_lossless_unless_they_are_large():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    kind, data = photo_uri(image).split(";base64,")
    assert kind == "data:image/png"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), image)
    assert photo_uri(np.zeros((500, 500, 3), np.uint8)).startswith("data:image/jpeg;base64,")
    assert png_uri(np.zeros((500, 500, 3), np.uint8)).startswith("data:image/png;base64,")


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_blocks_are_as_small_as_the_budget_allows(height, width):
    block = block_of(height, width, 10_000)
    assert -(-height // block) * -(-width // block) <= 10_000
    if block > 1:
        assert -(-height // (block - 1)) * -(-width // (block - 1)) > 10_000

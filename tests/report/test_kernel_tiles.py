"""The first layer's kernels."""

from dataclasses import replace

import numpy as np

from striate.report.kernel_tiles import MOST_TILES, build_kernels
from tests.report.samples import sample


def test_one_tile_a_kernel_with_its_address():
    section = build_kernels(sample())
    assert section.count == len(section.tiles) == 64
    assert section.tiles[17].address == "features.0:17"
    assert section.color
    assert section.scale is None
    assert "mid grey is 0" in section.words


def test_kernels_of_one_channel_have_a_signed_scale():
    found = sample()
    grey = replace(found.kernels, weights=found.kernels.weights[:, :1] * 2, channels="L")
    section = build_kernels(replace(found, kernels=grey))
    assert section.scale.limits[1] == -section.scale.limits[0] == np.abs(grey.weights).max()
    assert "1 input channel," in section.words


def test_bgr_is_said():
    found = sample()
    words = build_kernels(replace(found, kernels=replace(found.kernels, channels="BGR"))).words
    assert "blue, green, red" in words


def test_very_many_kernels_are_cut():
    found = sample()
    many = replace(found.kernels, weights=np.zeros((300, 3, 3, 3), np.float32))
    section = build_kernels(replace(found, kernels=many))
    assert section.count == 300
    assert len(section.tiles) == MOST_TILES


def test_a_network_without_kernels_has_no_section():
    assert build_kernels(replace(sample(), kernels=None)) is None

"""Frames of a sliding window, and the animation made of them."""

import io

import numpy as np
import pytest
from PIL import Image

from striate.arithmetic import trace_convolution, trace_pooling
from striate.draw import encode_gif, trace_frames
from striate.errors import ConfigError, ShapeError

ACCENT = (180, 99, 42)


def _trace() -> object:
    generator = np.random.default_rng(0)
    return trace_convolution(
        generator.integers(0, 9, (2, 5, 5)), generator.integers(-2, 3, (2, 2, 3, 3)), padding=1, stride=2
    )


def test_one_frame_a_place_all_of_one_size_and_none_like_another() -> None:
    frames = list(trace_frames(_trace()))
    assert len(frames) == 2 * 3 * 3
    assert len({frame.shape for frame in frames}) == 1
    assert len({frame.tobytes() for frame in frames}) == len(frames)


def test_the_window_is_outlined_where_it_lies() -> None:
    cell = 32
    first, second = list(trace_frames(_trace(), cell_px=cell, max_frames=2))
    top, left = 28 + 26, 28
    corner = (slice(top, top + cell), slice(left, left + cell))  # of the padded input: under the first window alone
    assert (first[corner] == ACCENT).all(axis=2).sum() > 100
    assert (second[corner] == ACCENT).all(axis=2).sum() == 0


def test_poolings_and_both_themes() -> None:
    trace = trace_pooling(np.arange(16).reshape(4, 4), 2)
    light, dark = (next(trace_frames(trace, theme=theme)) for theme in ("light", "dark"))
    assert tuple(light[0, 0]) == (251, 250, 248)
    assert tuple(dark[0, 0]) == (19, 20, 22)
    assert len(list(trace_frames(trace))) == 4


def test_an_animation_has_every_frame_in_its_time() -> None:
    frames = list(trace_frames(trace_pooling(np.arange(16).reshape(4, 4), 2)))
    image = Image.open(io.BytesIO(encode_gif(frames, duration_ms=300, last_ms=900)))
    assert image.n_frames == 4
    durations = []
    for number in range(4):
        image.seek(number)
        durations.append(image.info["duration"])
        shown = np.asarray(image.convert("RGB")).astype(int)
        assert np.abs(shown - frames[number]).mean() < 2
    assert durations == [300, 300, 300, 900]
    assert image.info["loop"] == 0


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"at most 24×24 numbers, padding included, got 30×30; take a smaller input"):
        next(trace_frames(trace_convolution(np.zeros((30, 30)), [[1.0]])))
    with pytest.raises(ConfigError, match="theme must be 'light' or 'dark', got 'blue'"):
        next(trace_frames(_trace(), theme="blue"))
    with pytest.raises(ConfigError, match="max_frames must be at least 1, got 0"):
        next(trace_frames(_trace(), max_frames=0))
    with pytest.raises(ShapeError, match="at least one picture"):
        encode_gif([])
    with pytest.raises(ShapeError, match=r"frames\[1\] differs from the first"):
        encode_gif([np.zeros((3, 3, 3), np.uint8), np.zeros((3, 4, 3), np.uint8)])
    with pytest.raises(ConfigError, match="must be at least 20, got 1 and 1500"):
        encode_gif([np.zeros((3, 3, 3), np.uint8)], duration_ms=1)

"""A whole network as frames."""

import numpy as np
import pytest

from striate.arithmetic import parse_layers, trace_convolution, trace_network
from striate.draw import linear_frames, network_frames
from striate.draw.easel import Easel
from striate.errors import ConfigError


def test_every_layer_has_its_frames_all_of_one_size() -> None:
    layers = parse_layers("conv f=3 n=2; relu; maxpool f=2; flatten; fc n=14")
    frames = list(network_frames(trace_network(np.arange(36).reshape(6, 6), layers)))
    assert len(frames) == 2 * 16 + 1 + 2 * 4 + 1 + 14 + 1
    assert len({frame.shape for frame in frames}) == 1
    assert len({frame.tobytes() for frame in frames}) == len(frames)


def test_rows_that_are_too_long_are_refused() -> None:
    with pytest.raises(ConfigError, match="at most 96 numbers in a row, got 100"):
        list(network_frames(trace_network(np.ones((10, 10)), parse_layers("flatten"))))


def test_maps_that_nobody_could_read_are_refused_in_every_layer() -> None:
    with pytest.raises(ConfigError, match="at most 24×24 numbers, padding included, got 9×25; take a smaller input"):
        next(network_frames(trace_network(np.ones((9, 25)), parse_layers("relu"))))


def test_a_convolution_as_a_linear_layer_has_a_frame_a_place() -> None:
    frames = list(linear_frames(trace_convolution(np.arange(25).reshape(5, 5), np.ones((2, 1, 3, 3)))))
    assert len(frames) == 9
    assert len({frame.tobytes() for frame in frames}) == 9
    with pytest.raises(ConfigError, match="at most 100 places of 40 numbers, got 144 of 1"):
        next(linear_frames(trace_convolution(np.ones((12, 12)), [[1.0]])))
    with pytest.raises(ConfigError, match="A convolution in 2 groups is 2 linear layers"):
        next(linear_frames(trace_convolution(np.ones((2, 3, 3)), np.ones((2, 1, 2, 2)), groups=2)))


def test_sentences_say_the_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Easel, "sentence", lambda _self, _pen, words, **_places: said.append(words))
    list(linear_frames(trace_convolution(np.ones((2, 2)), np.ones((2, 1, 2, 2)), [5, -6])))
    weights = {"1": (np.ones((1, 4)), None)}
    list(network_frames(trace_network([[1, 2], [3, 4]], parse_layers("flatten; fc n=1"), parameters=weights)))
    assert said[-1].startswith("fc1 as a convolution, whose filter covers the whole map: 1·1 + 2·1 + 3·1 + 4·1 = 10")
    weights = {"0": ([[1], [1]], [2, -3])}
    list(network_frames(trace_network([4], parse_layers("fc n=2"), parameters=weights)))
    assert said[0].endswith("times the same weights, plus the bias 5, −6: 9, −2.")
    assert said[-2:] == [
        "Sum of the products 4 + 2 (bias) = 6, output 0.",
        "Sum of the products 4 + (−3) (bias) = 1, output 1.",
    ]

"""A whole network as frames."""

import numpy as np
import pytest

from striate.arithmetic import parse_layers, trace_network
from striate.draw import network_frames
from striate.errors import ConfigError


def test_every_layer_has_its_frames_all_of_one_size() -> None:
    layers = parse_layers("conv f=3 n=2; relu; maxpool f=2; flatten; fc n=14")
    frames = list(network_frames(trace_network(np.arange(36).reshape(6, 6), layers)))
    assert len(frames) == 2 * 16 + 1 + 2 * 4 + 1 + 14
    assert len({frame.shape for frame in frames}) == 1
    assert len({frame.tobytes() for frame in frames}) == len(frames)


def test_rows_that_are_too_long_are_refused() -> None:
    with pytest.raises(ConfigError, match="at most 96 numbers in a row, got 100"):
        list(network_frames(trace_network(np.ones((10, 10)), parse_layers("flatten"))))

"""Whole numbers at the door."""

import numpy as np
import pytest

from striate.arithmetic.numbers import whole
from striate.errors import ConfigError


def test_numpy_integers_become_python_ints() -> None:
    number = whole("stride", np.int32(7), at_least=1)
    assert type(number) is int
    assert number == 7


@pytest.mark.parametrize("value", [2.0, "2", True, None, float("nan"), np.float32(3), [1]])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"stride must be a whole number of at least 1, got"):
        whole("stride", value, at_least=1)


def test_too_small_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"stride must be at least 1, got 0\."):
        whole("stride", 0, at_least=1)

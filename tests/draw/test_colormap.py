"""Colors for numbers: limits, order, and what is not a number."""

import subprocess
import sys

import numpy as np
import pytest

from striate.draw import SIGNED, colorize, colormap_table, limits_of
from striate.draw.colormap import MISSING
from striate.errors import ConfigError, ShapeError, UnknownNameError


def test_tables_are_matplotlibs():
    from matplotlib import colormaps

    for name in ("inferno", "RdBu_r"):
        expected = np.rint(np.array([colormaps[name](i)[:3] for i in range(256)]) * 255)
        assert np.abs(colormap_table(name).astype(int) - expected).max() <= 1


def test_importing_draw_loads_neither_matplotlib_nor_torch():
    code = "import sys, striate.draw; print(sorted({'matplotlib', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_colorizing_loads_no_pyplot():
    code = (
        "import sys, numpy as np; from striate.draw import colorize; colorize(np.ones((2, 2)));"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_larger_values_are_lighter_in_the_unsigned_map():
    picture = colorize(np.linspace(0, 1, 256)[None]).astype(float)
    luminance = picture[0] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -0.6).all()
    assert luminance[-1] > luminance[0] + 200


def test_zero_is_neutral_in_the_signed_map():
    values = np.array([[-3.0, 0.0, 1.0]])
    picture = colorize(values, colormap=SIGNED, limits=limits_of(values, signed=True)).astype(int)
    assert np.ptp(picture[0, 1]) <= 3  # white
    assert picture[0, 0, 2] > picture[0, 0, 0]  # negative: blue
    assert picture[0, 2, 0] > picture[0, 2, 2]  # positive: red


def test_limits():
    values = np.array([-4.0, 0.0, 2.0, np.nan, np.inf])
    assert limits_of(values, signed=True) == (-4.0, 4.0)
    assert limits_of(values, signed=False) == (0.0, 2.0)
    assert limits_of(np.zeros(5), signed=False) == (0.0, 1.0)
    assert limits_of(np.array([np.nan]), signed=True) == (-1.0, 1.0)
    assert limits_of(np.arange(101.0), signed=False, percentile=90) == (0.0, 90.0)
    sparse = np.zeros(1000)
    sparse[0] = 7.0
    assert limits_of(sparse, signed=False, percentile=99) == (0.0, 7.0)
    with pytest.raises(ConfigError, match="percentile must be above 0"):
        limits_of(values, signed=False, percentile=0)


def test_values_outside_the_limits_take_the_nearer_end():
    picture = colorize(np.array([[-5.0, 5.0]]), limits=(0.0, 1.0))
    assert (picture[0, 0] == colormap_table("inferno")[0]).all()
    assert (picture[0, 1] == colormap_table("inferno")[255]).all()


def test_values_that_are_not_finite_are_grey():
    picture = colorize(np.array([[np.nan, np.inf, 1.0]]))
    assert tuple(picture[0, 0]) == tuple(picture[0, 1]) == MISSING
    assert tuple(picture[0, 2]) != MISSING
    for name in ("inferno", "RdBu_r"):
        assert MISSING not in {tuple(color) for color in colormap_table(name).tolist()}


def test_the_table_cannot_be_changed_by_its_users():
    with pytest.raises(ValueError, match="read-only"):
        colormap_table("inferno")[0] = 1


def test_refusals():
    with pytest.raises(UnknownNameError, match=r"No colormap named 'infernal'\. Nearest: 'inferno'"):
        colorize(np.ones((2, 2)), colormap="infernal")
    with pytest.raises(ShapeError, match=r"values must be a map 'h w'; got shape \(2, 2, 3\)"):
        colorize(np.ones((2, 2, 3)))
    with pytest.raises(ShapeError, match="values must be a map"):
        colorize(np.ones((0, 2)))
    for limits in ((1.0, 1.0), (2.0, 1.0), (0.0, np.nan)):
        with pytest.raises(ConfigError, match="limits must be two finite numbers"):
            colorize(np.ones((2, 2)), limits=limits)

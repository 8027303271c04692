"""What stands behind `striate convolve`."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from striate.arithmetic import conv_output_size, measure, parse_layers
from striate.errors import ConfigError
from striate.recipes.convolve import compare_convolutions, parse_input, say_sizes, trace_layers
from striate.recipes.questions import answer_question


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 5), st.integers(0, 4), st.integers(1, 3))
def test_every_answer_answers(i: int, f: int, s: int, p: int, d: int) -> None:
    assume(d * (f - 1) < i + 2 * p)
    o = conv_output_size(i, f, stride=s, padding=p, dilation=d).size
    totals = answer_question(i, f"conv f={f} s={s} p=? d={d}", o).answers
    assert 2 * p in totals
    assert f in answer_question(i, f"conv f=? s={s} p={p} d={d}", o).answers
    assert i in answer_question(None, f"conv f={f} s={s} p={p} d={d}", o).answers
    if o > 1:
        assert s in answer_question(i, f"conv f={f} s=? p={p} d={d}", o).answers


@pytest.mark.parametrize(
    ("text", "shape"),
    [("7", (1, 7, 7)), ("5x7", (1, 5, 7)), ("3x5×7", (3, 5, 7)), (" 64X8x9 ", (64, 8, 9))],
)
def test_inputs(text: str, shape: tuple[int, int, int]) -> None:
    assert parse_input(text) == shape


@pytest.mark.parametrize("text", ["", "x", "0", "3x", "1x2x3x4", "-5", "3.5", "3x0x5"])
def test_inputs_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="INPUT must be a size such as 224, 224x320 or 3x224x224"):
        parse_input(text)


@pytest.mark.untyped
def test_an_input_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="INPUT must be a text such as '3x224x224', got 224"):
        parse_input(224)  # type: ignore[arg-type]


def test_lost_pixels_and_axes_are_said() -> None:
    (sizes,) = say_sizes(measure(parse_layers("conv f=3 s=2 n=1"), (1, 8, 9)))
    assert sizes.lines == (
        "o = ⌊(i − f)/s⌋ + 1 = ⌊(8 − 3)/2⌋ + 1 = 3  (rows)",
        "1 of 8 are read by no window  (rows)",
        "o = ⌊(i − f)/s⌋ + 1 = ⌊(9 − 3)/2⌋ + 1 = 4  (columns)",
    )


def test_comparisons_of_each_convolution() -> None:
    tables = compare_convolutions(measure(parse_layers("conv f=7 p=3 n=64; relu; depthwise f=3 p=1"), (64, 9, 9)))
    titles = [title for title, _ in tables]
    assert titles[:2] == ["conv f=7 p=3 n=64, 64 channels in", "7×7 against 3×3 layers"]
    assert [row.parameters for row in tables[1][1].rows] == [200768, 110784]
    with pytest.raises(ConfigError, match="There is no convolution to compare"):
        compare_convolutions(measure(parse_layers("maxpool f=2"), (1, 8, 8)))


@pytest.mark.parametrize(
    "layer", ["conv f=7 n=64", "conv f=3 d=2 n=64 g=4", "conv f=3x5 s=2 n=64 b=no", "depthwise f=3"]
)
def test_what_is_compared_is_the_layer_itself_and_what_gives_its_shape(layer: str) -> None:
    measured = measure(parse_layers(layer), (64, 20, 20))
    ((_, table),) = compare_convolutions(measured)
    first = table.rows[0]
    assert (first.parameters, first.macs, first.field_size) == (measured.parameters, measured.macs, measured.field.size)
    assert {row.output_shape for row in table.rows} == {measured.output_shape}


def test_a_given_kernel_is_used_and_must_fit() -> None:
    trace = trace_layers((2, 4, 4), parse_layers("relu; conv f=2 n=3"), kernel="1 0; 0 -1")
    conv = trace.layers[1]
    assert (conv.weight == [[1, 0], [0, -1]]).all()  # type: ignore[union-attr]
    assert not conv.bias.any()  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"--kernel must be 2×2 as the first convolution's filter, got 1×3"):
        trace_layers((1, 4, 4), parse_layers("conv f=2 n=1"), kernel="1 2 3")
    with pytest.raises(ConfigError, match="--kernel needs a convolution"):
        trace_layers((1, 4, 4), parse_layers("relu"), kernel="1")


def test_photos_become_the_input(tmp_path: object) -> None:
    from pathlib import Path

    from PIL import Image

    path = Path(str(tmp_path)) / "p.png"
    Image.fromarray(np.full((40, 40, 3), (200, 100, 50), np.uint8)).save(path)
    color = trace_layers((3, 4, 4), parse_layers("relu"), photo=path)
    assert color.input[:, 0, 0].tolist() == [200, 100, 50]
    grey = trace_layers((1, 4, 4), parse_layers("relu"), photo=path)
    assert grey.input[0, 0, 0] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    with pytest.raises(ConfigError, match=r"A photo has 1 channel \(grey\) or 3 \(color\); the input has 2"):
        trace_layers((2, 4, 4), parse_layers("relu"), photo=path)

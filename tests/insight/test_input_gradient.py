"""What an `InputGradient` draws, sums up, saves and reads back."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import ConfigError, ShapeError
from striate.insight import InputGradient


def made(planes: int = 3, **settings: object) -> InputGradient:
    values = np.random.default_rng(0).normal(size=(2, planes, 5, 7)).astype(np.float32)
    return InputGradient(
        **{
            "values": values,
            "method": "guided_backprop",
            "unit": "d logit / d input",
            "target": (3, "conv:1@2,3"),
            **settings,
        }  # type: ignore[arg-type]
    )


def test_gray_is_zero_and_both_ends_are_as_far() -> None:
    values = np.zeros((1, 3, 1, 4), np.float32)
    values[0, :, 0, 1], values[0, :, 0, 2], values[0, 0, 0, 3] = 2, -2, 1
    (picture,) = made(values=values, target=(0,)).draw(percentile=100)
    assert picture.tolist() == [[[128] * 3, [255] * 3, [0] * 3, [191, 128, 128]]]
    (picture,) = made(values=values, target=(0,), channels="BGR").draw(percentile=100)
    assert picture[0, 3].tolist() == [128, 128, 191]


def test_one_scale_for_all_or_one_each() -> None:
    values = np.stack([np.full((1, 2, 2), 1.0), np.full((1, 2, 2), 4.0)]).astype(np.float32)
    result = made(values=values, channels="L")
    assert result.limits(percentile=100) == (-4, 4)
    assert result.draw()[:, 0, 0, 0].tolist() == [159, 255]
    assert result.draw(each=True)[:, 0, 0, 0].tolist() == [255, 255]
    assert made(values=np.zeros((1, 3, 2, 2), np.float32)).draw().tolist() == [[[[128] * 3] * 2] * 2]


def test_numbers_that_are_not_finite_are_gray() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32).reshape(1, 1, 1, 4)
    assert made(values=values, channels="L").draw(percentile=100)[0, 0, :, 0].tolist() == [128, 128, 128, 255]


def test_maps_of_it() -> None:
    result = made()
    v = result.values
    np.testing.assert_array_equal(result.saliency().values, np.abs(v).max(1))
    np.testing.assert_allclose(result.heatmap("sum").values, v.sum(1))
    np.testing.assert_allclose(result.heatmap("norm").values, np.linalg.norm(v, axis=1), rtol=1e-6)
    assert [result.heatmap(c).signed for c in ("maximum", "sum", "norm")] == [False, True, False]
    assert result.saliency().unit == "|d logit / d input|"
    assert result.saliency().target == result.target
    assert result.saliency().draw().shape == (2, 5, 7, 3)


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="channels must be one of 'maximum', 'sum', 'norm'; got 'mean'"):
        made().heatmap("mean")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"1 or 3 channels; this has 4. Draw .heatmap"):
        made(4).draw()
    with pytest.raises(ConfigError, match="percentile must be above 0"):
        made().draw(percentile=0)
    with pytest.raises(ConfigError, match=r"must end in .npz, .json or .png"):
        made().save("gradient.tiff")


def test_saved_and_loaded(tmp_path: Path) -> None:
    result = made(
        scores=np.array([1.5, 2.5], np.float32),
        boxes=np.array([[0, 0, 7, 5], [-1, 2, 6, 7]]),
        parameters={"rule": "guided", "position": [None, [2, 3]]},
        seconds=0.5,
    )
    back = InputGradient.load(result.save(tmp_path / "a.npz"))
    assert back.settings() == result.settings()
    for name, array in result.arrays().items():
        np.testing.assert_array_equal(back.arrays()[name], array)
    assert set(back.arrays()) == {"values", "scores", "boxes"}
    assert InputGradient.load(made().save(tmp_path / "b.npz")).boxes is None
    import json

    assert json.loads(result.save(tmp_path / "a.json").read_text())["target"] == [3, "conv:1@2,3"]
    with Image.open(result.save(tmp_path / "a.png")) as picture:
        assert picture.width >= 320
    with Image.open(io.BytesIO(result._repr_png_())) as picture:
        assert picture.height > 160, "five rows are enlarged, and the scale stands below"

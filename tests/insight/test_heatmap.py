import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import ConfigError, ShapeError
from striate.insight import Heatmap


def heatmap(count: int = 1, *, signed: bool = True) -> Heatmap:
    values = np.linspace(-0.5, 1.0, count * 12).reshape(count, 3, 4)
    return Heatmap(
        values=values,
        method="occlusion",
        unit="probability drop",
        signed=signed,
        target=(7,) * count,
        parameters={"window": [2, 2]},
        grid=np.ones((count, 2, 2, 3), np.float32),
        baseline=np.ones((count, 3), np.float32),
        seconds=1.5,
    )


def test_npz_keeps_every_number(tmp_path: Path) -> None:
    first = heatmap(2)
    again = Heatmap.load(first.save(tmp_path / "map.npz"))
    assert again.settings() == first.settings()
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
        assert again.arrays()[name].dtype == array.dtype


def test_json_keeps_values_and_settings(tmp_path: Path) -> None:
    read = json.loads(heatmap().save(tmp_path / "map.json").read_text())
    np.testing.assert_allclose(read["values"], heatmap().values)
    assert read["unit"] == "probability drop"


def test_png_is_the_drawing(tmp_path: Path) -> None:
    path = heatmap().save(tmp_path / "map.png")
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGB")), heatmap().draw()[0])


def test_signed_maps_are_centered_on_zero() -> None:
    assert heatmap().limits == (-1.0, 1.0)
    assert heatmap(signed=False).limits == (0.0, 1.0)
    zero = Heatmap(np.zeros((1, 2, 2)), "m", "u", True, (0,))
    drawn = zero.draw()[0].astype(int)
    assert drawn.min() > 240  # the middle of a diverging map is near white
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


def test_over_a_photo_and_with_a_wrong_photo() -> None:
    photo = np.full((1, 3, 4, 3), 90, np.uint8)
    np.testing.assert_array_equal(heatmap().draw(photo, opacity=0.0), photo)
    assert (heatmap().draw(photo) != photo).any()
    with pytest.raises(ShapeError, match="photos must have the map's size"):
        heatmap().draw(photo[:, :2])


def test_what_cannot_be_saved_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.npz, \.json or \.png; got 'map\.tiff'"):
        heatmap().save(tmp_path / "map.tiff")
    with pytest.raises(ConfigError, match="a PNG shows one map; this result has 2"):
        heatmap(2).save(tmp_path / "map.png")

"""Rows of pictures under a photo: where they stand, and what is refused."""

import numpy as np
import pytest

from striate.draw.depth_sheet import DepthRow, draw_depth_sheet
from striate.errors import ConfigError, ShapeError

PHOTO = np.full((20, 30, 3), (200, 10, 10), np.uint8)
OTHER = np.full((20, 30, 3), (10, 10, 200), np.uint8)


def rows(count: int = 2) -> list[DepthRow]:
    return [DepthRow(f"layer {n}", [("error", "3 %")], [OTHER, None], OTHER) for n in range(count)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_stand_under_the_photo(theme: str) -> None:
    sheet = draw_depth_sheet(
        PHOTO, rows(), title="what is kept", notes=["words " * 20], columns=["a", "b"], last_column="c", theme=theme
    )
    red = np.argwhere((sheet == (200, 10, 10)).all(2))
    blue = np.argwhere((sheet == (10, 10, 200)).all(2))
    # 30 pixels wide, enlarged four times: 120 × 80; two pictures and two maps.
    assert len(red) == 120 * 80
    assert len(blue) == 4 * 120 * 80
    assert red[:, 1].min() == blue[:, 1].min()
    assert red[:, 0].max() < blue[:, 0].min()


def test_large_pictures_are_made_smaller() -> None:
    big = np.zeros((300, 600, 3), np.uint8)
    sheet = draw_depth_sheet(big, [DepthRow("one", [], [big])], title="t")
    assert (sheet == 0).all(2).sum() >= 2 * 224 * 112
    assert sheet.shape[1] < 600


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="rows must be one or more"):
        draw_depth_sheet(PHOTO, [], title="t")
    with pytest.raises(ShapeError, match="rows must be one or more"):
        draw_depth_sheet(PHOTO, rows(), title="t", columns=["a"])
    with pytest.raises(ShapeError, match="the photo's size"):
        draw_depth_sheet(PHOTO, [DepthRow("one", [], [OTHER[:10]])], title="t")
    with pytest.raises(ConfigError, match="at least 32"):
        draw_depth_sheet(PHOTO, rows(), title="t", tile=8)
    with pytest.raises(ConfigError, match="theme"):
        draw_depth_sheet(PHOTO, rows(), title="t", theme="sepia")

"""Photos through filters, and what is written of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from striate.errors import DataError, ShapeError, UnknownNameError
from striate.ops import list_filters
from striate.recipes.events import Done, Plan, Progress
from striate.recipes.filters import DEFAULT_FILTERS, FilteredPicture, FiltersConfig, chosen_filters, run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def _done(config: FiltersConfig) -> Done:
    event = list(run(config))[-1]
    assert isinstance(event, Done)
    return event


def test_values_are_scipys_on_lightness(photo: Path, tmp_path: Path) -> None:
    done = _done(FiltersConfig(photo=photo, filters=("vertical-edges",), border="replicate", out=tmp_path, values=True))
    result: FilteredPicture = done.result[0]
    grey = np.asarray(Image.open(photo)).astype(np.float64) / 255 @ [0.299, 0.587, 0.114]
    expected = ndimage.correlate(grey, np.array([[1, 0, -1]] * 3), mode="nearest")
    np.testing.assert_allclose(result.values[0], expected, atol=1e-5)
    np.testing.assert_array_equal(np.load(done.files["values"])["vertical-edges"], result.values)


def test_pictures_stay_pictures_and_keep_their_colors(photo: Path, tmp_path: Path) -> None:
    done = _done(FiltersConfig(photo=photo, filters=("identity", "max-pool:size=3"), out=tmp_path))
    original = np.asarray(Image.open(photo))
    np.testing.assert_array_equal(np.asarray(Image.open(done.files["identity"]).convert("RGB")), original)
    brightest = np.asarray(Image.open(done.files["max-pool:size=3"]).convert("RGB"))
    assert (brightest >= original).all()
    grey = _done(FiltersConfig(photo=photo, filters=("identity",), grey=True, out=tmp_path)).result[0].pixels
    assert (grey[..., 0] == grey[..., 2]).all()


def test_events_files_and_facts(photo: Path, tmp_path: Path) -> None:
    events = list(
        run(FiltersConfig(photo=photo, kernel="0 1; -1 0", filters=("sobel",), flip=True, out=tmp_path / "o"))
    )
    assert isinstance(events[0], Plan)
    assert events[0].text == "Filter photo.png (60×40): 2 filters, border 'reflect'."
    assert sum(isinstance(event, Progress) for event in events) == 4
    facts = json.loads((tmp_path / "o" / "filters.json").read_text())
    assert [one["name"] for one in facts["filters"]] == ["sobel", "kernel"]
    assert facts["filters"][1]["kernels"] == [[[0, 1], [-1, 0]]]
    assert facts["flip"] is True
    sheet = np.asarray(Image.open(tmp_path / "o" / "sheet.png").convert("RGB"))
    assert sheet.shape[1] > 3 * 300


def test_the_default_is_a_sheet_of_eight(photo: Path, tmp_path: Path) -> None:
    done = _done(FiltersConfig(photo=photo, out=tmp_path))
    assert [result.filter.name for result in done.result] == list(DEFAULT_FILTERS)


def test_a_bank_is_a_gabor_filter_in_eight_directions(photo: Path, tmp_path: Path) -> None:
    done = _done(FiltersConfig(photo=photo, filters=("gabor-bank",), out=tmp_path))
    assert [one.filter.settings["theta"] for one in done.result] == [22.5 * k for k in range(8)]
    assert len({str(path) for path in done.files.values()}) == len(done.files)
    names = [one.name for one in chosen_filters(FiltersConfig(photo=photo, everything=True))]
    assert names[: len(list_filters())] == list(list_filters())
    assert names[-1] == "gabor:theta=157.5"


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2500, 1200)])
def test_any_size_works(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("RGB", size, (10, 200, 90)).save(tmp_path / "p.png")
    done = _done(FiltersConfig(photo=tmp_path / "p.png", filters=("gaussian", "sobel"), out=tmp_path / "out"))
    assert max(done.result[0].pixels.shape) <= 1024


def test_wrong_filters_and_photos_are_refused(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="No filter named 'sobl'"):
        list(run(FiltersConfig(photo=photo, filters=("sobl",))))
    with pytest.raises(ShapeError, match="row 2 has 1"):
        list(run(FiltersConfig(photo=photo, kernel="1 2; 3")))
    with pytest.raises(DataError, match="no such file"):
        list(run(FiltersConfig(photo=tmp_path / "none.png")))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"the pictures cannot be written .* choose another folder with --out"):
        list(run(FiltersConfig(photo=photo, out=tmp_path / "file")))

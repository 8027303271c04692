"""The weights that lie in the package: whole, small, true to their records, and able to read."""

from importlib.resources import files

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import striate
from striate.data import Labels
from striate.weights import Embedded, fetch, list_records
from striate.weights.native import read_safetensors
from striate.weights.verify import file_sha256
from tests.data.papers import photo, written

RECORDS = [record for record in list_records() if isinstance(record.origins[0], Embedded)]
NAMES = [record.name for record in RECORDS]


def test_both_networks_that_read_digits_are_here() -> None:
    assert NAMES == ["lenet5.mnist", "lenet5_relu.mnist"]


@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_the_file_is_the_one_of_the_record(record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    path = fetch(record)
    assert path.stat().st_size == record.size_bytes <= 300_000
    assert file_sha256(path) == record.sha256
    _, metadata = read_safetensors(path)
    assert metadata is not None
    assert metadata.architecture == record.architecture
    assert metadata.preprocessing == record.preprocessing
    assert metadata.labels == Labels.load(record.labels)


@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_the_card_says_what_the_record_says(record) -> None:
    card = files("striate.weights").joinpath("embedded", f"{record.name}.md").read_text(encoding="utf-8")
    for fact in (record.sha256, record.variant, f"{record.measured['top1']:.2f} %", "MNIST", "CC BY-SA 3.0"):
        assert fact in card
    assert record.measured["top1"] >= {"lenet5": 99.2, "lenet5_relu": 99.4}[record.architecture]
    assert record.measured["low"] < record.measured["top1"] < record.measured["high"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "scene",
    [
        {},
        {"shadow": 0.5, "grain": 0.03},
        {"pen": (0.2, 0.3, 0.7), "jpeg": 40},
        {"paper": (0.1, 0.2, 0.15), "pen": (0.9,) * 3},
    ],
    ids=["paper", "shadow", "blue pen", "board"],
)
def test_digits_on_photos_are_read(name: str, scene: dict) -> None:
    network = striate.load(name)
    pages = [photo(written(text), **scene) for text in "0123456789"]
    answers = [best[0].label for best in network.classify(pages, top=1)]
    assert sum(answer == text for answer, text in zip(answers, "0123456789", strict=True)) >= 9, answers


@pytest.mark.parametrize("name", NAMES)
def test_digits_of_other_people_are_read(name: str) -> None:
    """Scikit-learn's digits: other writers, another scanner, 8 × 8 pixels."""
    digits = load_digits()
    chosen = np.arange(0, len(digits.images), 25)
    pages = [
        255
        - np.repeat(
            np.asarray(Image.fromarray(np.uint8(digits.images[i] * 15.9)).resize((96, 96), Image.Resampling.BICUBIC))[
                ..., None
            ],
            3,
            2,
        )
        for i in chosen
    ]
    pages = [np.pad(page, ((20, 20), (20, 20), (0, 0)), constant_values=255) for page in pages]
    answers = np.array([best[0].index for best in striate.load(name).classify(pages, top=1)])
    assert (answers == digits.target[chosen]).mean() > 0.9

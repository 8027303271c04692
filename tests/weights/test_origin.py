import pytest

from striate.errors import WeightsError
from striate.weights.origin import Url, WeightFile, say_bytes


@pytest.mark.parametrize("name", ["", ".", "..", "a/b.pth", "../b.pth", "a\\b.pth"])
def test_a_file_name_cannot_leave_its_folder(name: str) -> None:
    with pytest.raises(WeightsError, match="must be a plain file name"):
        WeightFile(name, "striate")


@pytest.mark.parametrize("digits", ["abc", "F" * 64, "0" * 63, "0" * 65, "g" * 64])
def test_a_whole_hash_is_64_lower_case_digits(digits: str) -> None:
    with pytest.raises(WeightsError, match="sha256 must be"):
        WeightFile("a.pth", "striate", sha256=digits)


def test_an_address_needs_a_hash() -> None:
    with pytest.raises(WeightsError, match="need a published hash"):
        Url(WeightFile("a.pth", "striate"), "https://example.com/a.pth")


def test_what_fits() -> None:
    digest = "0123456789abcdef" * 4
    assert WeightFile("a", "x", sha256=digest).fits(digest)
    assert WeightFile("a", "x", sha256=digest).fits("f" + digest[1:]) is False
    assert WeightFile("a", "x", sha256_prefix="01234567").fits(digest)
    assert WeightFile("a", "x", sha256_prefix="01234568").fits(digest) is False
    assert WeightFile("a", "x").fits(digest) is None


def test_the_longest_download() -> None:
    assert WeightFile("a", "x", size_bytes=5).largest_bytes == 5
    assert 100 * 2**20 < WeightFile("a", "x", size_mib=100.0).largest_bytes < 110 * 2**20
    assert WeightFile("a", "x").largest_bytes == 4 * 2**30


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (4_945_361, "4.9 MB"), (2 * 10**9, "2.0 GB")],
)
def test_sizes_in_words(count: int, text: str) -> None:
    assert say_bytes(count) == text


def test_sizes_of_files_in_words() -> None:
    assert WeightFile("a", "x").size_text == "unknown size"
    assert WeightFile("a", "x", size_mib=97.781).size_text == "103 MB"

"""The same picture again: by its bytes, and by its looks at another size or quality, without false alarms."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.data.duplicates import Fingerprints, coarse_thumbnail, near_hash_pairs, near_pairs, same_digest
from striate.data.picture_facts import difference_hash, picture_facts, thumbnail
from tests.data.layouts import pixels
from tests.data.samples import every_format, saved


def prints(pictures: list[np.ndarray]) -> Fingerprints:
    small = [thumbnail(Image.fromarray(picture)) for picture in pictures]
    return Fingerprints(
        np.array([difference_hash(Image.fromarray(picture)) for picture in pictures], dtype=np.uint64),
        np.stack([coarse_thumbnail(each) for each in small]),
        np.array([each.std() for each in small], dtype=np.float32),
        lambda index: small[index],
    )


@given(st.lists(st.integers(0, 2**64 - 1), max_size=12, unique=True), st.data())
def test_pairs_within_two_bits_are_all_found(hashes: list[int], data: st.DataObject) -> None:
    for value in list(hashes):  # and some that are near on purpose, also across bands
        bits = data.draw(st.lists(st.integers(0, 63), max_size=3, unique=True))
        hashes.append(value ^ sum(1 << bit for bit in bits))
    unique = sorted(set(hashes))
    slow = [[i, j] for j in range(len(unique)) for i in range(j) if (unique[i] ^ unique[j]).bit_count() <= 2]
    assert near_hash_pairs(np.array(unique, dtype=np.uint64)).tolist() == sorted(slow)


def test_a_photo_is_found_again_at_other_sizes_and_qualities() -> None:
    photos = [pixels(seed, 160, 200) for seed in range(30)]
    copies = []
    for number, photo in enumerate(photos):
        image = Image.fromarray(photo)
        size = (image.width * (number % 3 + 2) // 4, image.height * (number % 3 + 2) // 4)
        copies.append(np.array(Image.open(BytesIO(saved(image.resize(size), "JPEG", quality=60)))))
    pairs, skipped = near_pairs(prints(photos + copies))
    assert skipped == 0
    assert set(pairs) <= {(30 + n, n) for n in range(30)}  # no false alarm
    assert len(pairs) >= 27


def test_like_hashes_are_no_like_pictures() -> None:
    """The hash sees edges only: a negative, another color and another contrast are told apart by the thumbnails."""
    photo = pixels(3, 64, 64)
    others = [photo, photo[:, :, ::-1].copy(), (photo // 3 + 150).astype(np.uint8), photo + 12]
    assert len({difference_hash(Image.fromarray(p)) for p in (others[0], others[3])}) == 1
    assert near_pairs(prints(others))[0] == []


def test_too_many_of_a_kind_are_counted_and_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.data.duplicates.MAX_CANDIDATES", 3)
    flat = [np.full((8, 8, 3), value, dtype=np.uint8) for value in range(0, 250, 50)]
    assert near_pairs(prints(flat)) == ([], 5)


def test_same_digests() -> None:
    assert same_digest([b"a", b"b", b"a", b"c", b"b", b"a"]) == [[0, 2, 5], [1, 4]]


def test_traits_of_every_format() -> None:
    wanted = {
        "jpeg gray": {"gray"},
        "jpeg cmyk": {"cmyk"},
        "jpeg exif": {"rotated"},
        "png 16 bit": {"16-bit", "gray"},
        "png rgba": {"alpha"},
        "png gray alpha": {"alpha", "gray"},
        "png palette clear": {"alpha"},
        "png exif": {"rotated"},
        "gif clear": {"alpha"},
        "gif animated": {"animated"},
        "webp animated": {"animated"},
        "webp alpha": {"alpha", "rotated"},
        "tiff 16 bit": {"16-bit", "gray"},
        "tiff cmyk": {"cmyk"},
        "tiff turned": {"rotated"},
        "jpeg": set(),
        "png": set(),
        "bmp": set(),
        "tiff lzw": set(),
        "webp": set(),
    }
    from striate.data import read_image

    for name, data in every_format().items():
        if name in wanted:
            ending = name.split()[0]
            facts, small = picture_facts(data, read_image(data), f"x.{ending}")
            assert set(facts.traits) == wanted[name], name
            assert facts.format == ending.upper()
            assert small.shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("name", "wrong"), [("x.jpg", True), ("x.png", False), ("x.PNG", False), ("x", False), ("x.dat", False)]
)
def test_a_wrong_ending(name: str, wrong: bool) -> None:
    data = saved(pixels(), "PNG")
    assert ("wrong-extension" in picture_facts(data, pixels(), name)[0].traits) == wrong


def test_moments_are_those_of_the_pixels() -> None:
    picture = pixels(5)
    facts, _ = picture_facts(picture, picture, "")
    np.testing.assert_allclose(facts.mean, picture.reshape(-1, 3).mean(0))
    np.testing.assert_allclose(facts.square, (picture.reshape(-1, 3).astype(float) ** 2).mean(0))
    assert (facts.height, facts.width) == picture.shape[:2]

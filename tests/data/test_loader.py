"""Batches: the same for any number of workers, nothing dropped in silence, nothing left behind."""

import gc
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.data.augment import DenseView, Draws, FixedView, PadCrop, RandomResizedCrop, TenCrop
from striate.data.image_set import ImageSet
from striate.data.loader import load_batches
from striate.data.pixel_cache import PixelCache
from striate.data.preprocessing import Preprocessing
from striate.data.stores import ArrayStore, FileStore
from striate.errors import ConfigError, DataError, ShapeError

CROP = RandomResizedCrop((24, 20))
VIEW = Preprocessing(input_size=(24, 24), resize=28)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Thirteen pictures of different sizes and kinds, of which three cannot be read."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(10):
        pixels = rng.integers(0, 256, (30 + 7 * number, 90 - 5 * number, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.{'jpg' if number % 3 else 'png'}")
    (root / "a broken.jpg").write_bytes((root / "1.jpg").read_bytes()[:300])
    (root / "b empty.png").write_bytes(b"")
    names = sorted(path.name for path in root.iterdir())
    names.insert(4, "c missing.jpg")
    return ImageSet(("x", "y"), np.arange(len(names)) % 2, FileStore(root, tuple(names)), root, "folder")


def digits(n=50, h=28, w=28, *shape):
    rng = np.random.default_rng(1)
    array = rng.integers(0, 256, (n, h, w, *shape), dtype=np.uint8)
    return ImageSet(("a", "b"), np.arange(n) % 2, ArrayStore(array, "digits.npz"), Path("digits.npz"), "npz")


def cut_up(n, size):
    order = np.random.default_rng(2).permutation(n)
    return [order[start : start + size] for start in range(0, n, size)]


def loaded(images, batches, geometry, *, workers=0, epoch=0, seed=3, **options):
    return list(load_batches(images, batches, geometry, seed=seed, epoch=epoch, workers=workers, **options))


def by_index(batches):
    return {int(i): picture for batch in batches for i, picture in zip(batch.indices, batch.images, strict=True)}


@pytest.mark.parametrize("decode", ["exact", "fast"])
def test_the_same_pictures_for_any_number_of_workers_and_any_batch_size(folder, decode):
    reference = by_index(loaded(folder, cut_up(13, 13), CROP, decode=decode))
    assert len(reference) == 10
    for workers in (0, 1, 4):
        for size in (1, 4, 13):
            batches = loaded(folder, cut_up(13, size), CROP, workers=workers, decode=decode)
            again = by_index(batches)
            assert again.keys() == reference.keys()
            assert all(torch.equal(again[index], reference[index]) for index in reference)
            read = [int(i) for batch in batches for i in batch.indices]
            assert read == [i for i in np.concatenate(cut_up(13, size)) if i in reference]  # in the order asked for


def test_other_epochs_and_seeds_give_other_pictures(folder):
    first = by_index(loaded(folder, cut_up(13, 5), CROP))
    for options in ({"epoch": 1}, {"seed": 4}):
        other = by_index(loaded(folder, cut_up(13, 5), CROP, **options))
        assert sum(torch.equal(other[i], first[i]) for i in first) == 0


@pytest.mark.parametrize("decode", ["exact", "fast"])
def test_views_of_evaluation_are_exactly_the_preprocessings(folder, decode):
    for index, picture in by_index(loaded(folder, cut_up(13, 5), FixedView(VIEW), workers=2, decode=decode)).items():
        np.testing.assert_array_equal(picture.numpy(), VIEW.view(folder.pixels(index)).pixels)


def test_what_cannot_be_read_is_named_and_left_out(folder):
    batches = loaded(folder, cut_up(13, 5), CROP, workers=2)
    problems = [problem for batch in batches for problem in batch.problems]
    assert sorted(Path(p.where).name for p in problems) == ["a broken.jpg", "b empty.png", "c missing.jpg"]
    for problem in problems:
        assert problem.kind == "unreadable"
        assert problem.text.endswith("It was left out.")
        assert problem.text.count(problem.where) == 0
    assert "the file is empty" in " ".join(p.text for p in problems)
    for batch in batches:
        assert len(batch) == len(batch.images) == len(batch.indices) == len(batch.labels)
        assert batch.labels.tolist() == [i % 2 for i in batch.indices.tolist()]


def test_a_batch_of_nothing_readable_is_empty(folder):
    broken = [i for i in range(13) if "broken" in folder.name(i) or "empty" in folder.name(i)]
    for geometry in (CROP, TenCrop(VIEW), DenseView(VIEW)):
        (batch,) = loaded(folder, [np.array(broken)], geometry, workers=1)
        assert len(batch) == 0
        assert len(batch.problems) == 2
        assert batch.images.shape[0] == 0
    assert len(loaded(folder, [np.zeros(0, np.int64)], CROP)[0]) == 0


def test_ten_views_a_picture_stand_side_by_side(folder):
    (batch,) = loaded(folder, [np.array([0, 1, 2])], TenCrop(VIEW), workers=2)
    assert batch.views == 10
    assert batch.images.shape == (10 * len(batch), 24, 24, 3)
    crops = TenCrop(VIEW)(folder.pixels(int(batch.indices[1])), Draws(0, 0, [0]), 0)
    np.testing.assert_array_equal(batch.images[10:20].numpy(), crops)


def test_float_images_are_rgb_in_unit_range(folder):
    (batch,) = loaded(folder, [np.arange(4)], CROP)
    x = batch.float_images()
    assert x.shape == (len(batch), 3, 24, 20)
    torch.testing.assert_close(x, batch.images.permute(0, 3, 1, 2) / 255)
    assert x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.parametrize("workers", [0, 2])
def test_arrays_are_cut_in_one_step_as_one_by_one(shape, workers, monkeypatch):
    images = digits(50, 28, 28, *shape)
    geometry = PadCrop(Preprocessing(input_size=(32, 32), resize=28), 4)
    together = loaded(images, cut_up(50, 16), geometry, workers=workers)
    monkeypatch.setattr("striate.data.loader.fits_array", lambda *_: False)
    alone = loaded(images, cut_up(50, 16), geometry, workers=workers)
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a.images, b.images, rtol=0, atol=0)
        torch.testing.assert_close(a.float_images(), b.float_images(), rtol=0, atol=0)
        assert torch.equal(a.labels, b.labels)
        assert a.indices.tolist() == b.indices.tolist()
    if not shape:
        assert together[0].images.stride(3) == 0  # one channel, shown three times
        assert together[0].float_images().stride(1) == 0


def test_arrays_of_digits_of_which_one_is_on_paper():
    images = digits(6)
    array = np.zeros_like(images.store.array)
    array[:, 6:22, 11:16] = 255
    array[2] = 255 - array[2]
    images = ImageSet(("a", "b"), images.labels, ArrayStore(array, "digits.npz"), Path("digits.npz"), "npz")
    view = Preprocessing(input_size=(32, 32), resize=28, channels="L", mean=(0.1,), std=(0.3,), locate="ink")
    (batch,) = loaded(images, [np.arange(6)], FixedView(view))
    for index in range(6):
        np.testing.assert_array_equal(batch.images[index].numpy(), view.view(images.pixels(index)).pixels)


def test_color_is_taken_out_of_arrays_for_networks_of_one_channel():
    images = digits(8, 28, 28, 3)
    view = Preprocessing(input_size=(28, 28), resize=28, channels="L", mean=(0.1,), std=(0.3,))
    (batch,) = loaded(images, [np.arange(8)], FixedView(view))
    np.testing.assert_array_equal(batch.images[3].numpy(), view.view(images.pixels(3)).pixels)


@pytest.mark.parametrize("decode", ["exact", "fast"])
def test_a_cache_changes_no_picture_whether_cold_or_warm(folder, decode, monkeypatch):
    cache = PixelCache(folder)
    assert cache.enabled
    cold = by_index(loaded(folder, cut_up(13, 5), CROP, decode=decode, cache=cache, workers=2))
    assert len(cache) == 10
    monkeypatch.setattr(FileStore, "read", lambda self, index: (_ for _ in ()).throw(DataError("read again")))
    warm = by_index(loaded(folder, cut_up(13, 5), CROP, decode=decode, cache=cache, workers=2))
    assert all(torch.equal(cold[i], warm[i]) for i in cold)
    assert set(warm) == set(cold)


def test_a_cache_is_used_for_sets_that_fit_and_only_for_them(folder):
    assert not PixelCache(folder, max_bytes=10_000).enabled
    assert not PixelCache(folder, max_bytes=0).enabled
    assert not PixelCache(digits()).enabled  # in memory already
    cache = PixelCache(folder, max_bytes=10_000)
    loaded(folder, cut_up(13, 5), CROP, cache=cache)
    assert len(cache) == 0
    small = PixelCache(folder)
    small.max_bytes = 20_000  # the guess was too low: some are kept, and all are right
    reference = by_index(loaded(folder, cut_up(13, 5), CROP))
    for _ in range(2):
        again = by_index(loaded(folder, cut_up(13, 5), CROP, cache=small))
        assert all(torch.equal(again[i], reference[i]) for i in reference)
    assert 0 < len(small) < 10


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("striate-loader")]


def test_no_thread_is_left_behind(folder):
    assert not loader_threads()
    loaded(folder, cut_up(13, 2), CROP, workers=3)
    assert not loader_threads()
    half = load_batches(folder, cut_up(13, 2), CROP, seed=0, epoch=0, workers=3)
    next(half)
    assert loader_threads()
    half.close()
    assert not loader_threads()
    forgotten = load_batches(folder, cut_up(13, 2), CROP, seed=0, epoch=0, workers=3)
    next(forgotten)
    del forgotten
    gc.collect()
    assert not loader_threads()
    load_batches(folder, cut_up(13, 2), CROP, seed=0, epoch=0, workers=3)  # never asked: never started
    assert not loader_threads()


@pytest.mark.parametrize("workers", [0, 3])
def test_an_error_of_a_worker_reaches_the_caller(folder, workers, monkeypatch):
    def fail(self, index):
        raise RuntimeError(f"disk on fire at {index}")

    monkeypatch.setattr(FileStore, "read", fail)
    with pytest.raises(RuntimeError, match="disk on fire"):
        loaded(folder, cut_up(13, 3), CROP, workers=workers)
    assert not loader_threads()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_order_reaches_the_caller(folder, workers):
    def order():
        yield np.array([0, 1])
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        loaded(folder, order(), CROP, workers=workers, prefetch=1)
    assert not loader_threads()


def test_batches_are_read_ahead_by_no_more_than_asked(folder):
    asked = []

    def order():
        for number in range(13):
            asked.append(number)
            yield np.array([number])

    batches = load_batches(folder, order(), CROP, seed=0, epoch=0, workers=2, prefetch=3)
    for number in range(5):
        next(batches)
        assert len(asked) == number + 4
    batches.close()


def test_opencv_has_its_threads_back(folder):
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
    before = cv2.getNumThreads()
    batches = load_batches(folder, cut_up(13, 2), CROP, seed=0, epoch=0, workers=2, decode="fast")
    next(batches)
    assert cv2.getNumThreads() == 1
    batches.close()
    assert cv2.getNumThreads() == before


def test_photos_of_several_sizes_need_batches_of_their_own(folder):
    readable = [i for i in range(13) if folder.name(i)[0].isdigit()]
    with pytest.raises(ShapeError, match="one size, got"):
        loaded(folder, [np.array(readable)], DenseView(VIEW), workers=2)
    each = loaded(folder, [np.array([i]) for i in readable], DenseView(VIEW), workers=2)
    assert [min(batch.images.shape[1:3]) for batch in each] == [28] * 10


def test_refuses_settings_outside_their_rules(folder):
    for options, what in (
        ({"workers": -1}, "workers must be 0 or more"),
        ({"prefetch": 0}, "prefetch 1 or more"),
        ({"decode": "quick"}, "'exact' or 'fast'"),
        ({"cache": PixelCache(digits())}, "another set of pictures"),
    ):
        with pytest.raises(ConfigError, match=what):
            loaded(folder, [], CROP, **options)
    with pytest.raises(ConfigError, match="max_bytes"):
        PixelCache(folder, max_bytes=-1)

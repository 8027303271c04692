"""Photos with boxes on their canvas: what is drawn lies where the boxes say, whatever was drawn at random."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.augment.box_cut import cut_detections, filled_size, map_boxes
from striate.data.augment.box_geometry import FitBoxes, ShorterSide, StretchBoxes
from striate.data.augment.box_policies import BOX_POLICIES, BoxPolicy, build_box_augmentation
from striate.data.augment.box_regions import MovedRegion, ObjectPatch, WholePhoto
from striate.data.augment.draws import Draws
from striate.data.augment.hsv_jitter import HsvJitter
from striate.data.detections import Detections
from striate.data.fast_decode import fast_cut
from striate.errors import ConfigError, UnknownNameError

SIDES = st.integers(1, 400)
FITS = ["fit", "stretch", "shorter"]


def geometry_of(fit, size, **options):
    if fit == "shorter":
        return ShorterSide((min(size),), max(size) * 2, **options)
    return (FitBoxes if fit == "fit" else StretchBoxes)(size, **options)


@given(SIDES, SIDES, st.integers(8, 300), st.integers(8, 300), st.sampled_from(FITS), st.booleans(), st.booleans())
@settings(max_examples=150)
def test_the_photos_edges_are_where_the_map_says(h, w, canvas_h, canvas_w, fit, flip, moved):
    region = MovedRegion(0.2) if moved else WholePhoto()
    geometry = geometry_of(fit, (canvas_h, canvas_w), flip=float(flip), region=region)
    draws = Draws(1, 2, [3])
    photo = np.full((h, w, 3), 255, dtype=np.uint8)
    cut = geometry.cut((h, w), draws, 0)
    edges = map_boxes(np.array([[0, 0, w, h]], np.float32), cut)[0]
    assert np.abs(edges - edges.round()).max() < 2e-3  # whole pixels
    seen = geometry(photo, draws, 0)[..., 0]
    assert seen.shape == cut.size
    wanted = np.zeros_like(seen)
    x0, y0, x1, y1 = (max(int(edge), 0) for edge in edges.round())
    wanted[y0:y1, x0:x1] = 255
    np.testing.assert_array_equal(seen, wanted)
    filled = filled_size(cut, (h, w))
    assert filled == (min(y1, cut.size[0]), min(x1, cut.size[1]))
    if not moved:
        assert (x0, y0) == (0, 0)
        assert cut.size == filled or fit == "fit"


@pytest.mark.parametrize("fit", FITS)
def test_objects_are_found_in_their_boxes(fit):
    """A painted rectangle comes out in the mapped box, to the half pixel that a filter smears it."""
    photo = np.zeros((120, 200, 3), dtype=np.uint8)
    photo[30:78, 50:130] = 255
    truth = Detections.of([[50, 30, 130, 78]], [0], ["thing"], size=(120, 200))
    for epoch in range(40):
        draws = Draws(5, epoch, [0])
        augmentation = build_box_augmentation("strong", (160, 224), fit=fit, truth=[truth])
        seen, cut = augmentation.seen(truth, (120, 200), draws, 0)
        for pixels in (augmentation.geometry(photo, draws, 0), fast_cut(photo, cut)):
            bright = pixels[..., 0].astype(int) > 127
            if not len(seen):
                assert not bright.any()
                continue
            rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
            found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            np.testing.assert_allclose(seen.boxes[0], found, atol=0.55)


def test_without_chance_every_policy_is_the_same_view():
    for fit in FITS:
        geometry = build_box_augmentation("none", (300, 400), fit=fit).geometry
        assert geometry.exact
        assert geometry.cut((100, 90), Draws(0, 0, [0]), 0) == geometry.cut((100, 90), Draws(9, 9, [9]), 0)
    assert not build_box_augmentation("flip", (300, 400)).geometry.exact


def test_shorter_sides_are_those_of_fast_rcnn():
    geometry = ShorterSide()
    for size, wanted in [
        ((375, 500), (600, 800)),
        ((500, 333), (901, 600)),
        ((300, 900), (333, 1000)),
        ((600, 600), (600, 600)),
    ]:
        assert geometry.cut(size, Draws(0, 0, [0]), 0).size == wanted
    scales = ShorterSide((480, 576, 688, 864, 1200), 2000)
    lengths = {min(scales.cut((500, 500), Draws(0, epoch, [0]), 0).size) for epoch in range(60)}
    assert lengths == {480, 576, 688, 864, 1200}


def test_edges_move_by_a_fifth_at_most():
    rectangles = np.array([MovedRegion().rectangle((100, 200), Draws(0, e, [0]), 0) for e in range(500)])
    low, high = rectangles.min(0), rectangles.max(0)
    np.testing.assert_allclose(low, [-40, -20, 160, 80], atol=1)
    np.testing.assert_allclose(high, [40, 20, 240, 120], atol=1)
    assert (low >= [-40, -20, 160, 80]).all()


def test_patches_show_an_object():
    truth = [Detections.of([[10, 10, 14, 14], [150, 60, 190, 95]], [0, 0], ["x"]), Detections.of([], [], ["x"])]
    region = ObjectPatch(truth, min_visible=0.5)
    shown = []
    for epoch in range(300):
        left, top, right, bottom = region.rectangle((100, 200), Draws(0, epoch, [0]), 0)
        assert 0 <= left < right <= 200
        assert 0 <= top < bottom <= 100
        x = np.clip(truth[0].boxes[:, ::2], left, right)
        y = np.clip(truth[0].boxes[:, 1::2], top, bottom)
        share = (x[:, 1] - x[:, 0]) * (y[:, 1] - y[:, 0]) / truth[0].areas
        assert share.max() >= 0.5
        shown.append((share >= 0.5).sum())
        region.rectangle((100, 200), Draws(0, epoch, [1]), 0)  # no objects: any patch
    assert 1 in shown
    assert 2 in shown


def test_zooming_out_keeps_the_photo_whole():
    region = ObjectPatch([Detections.of([], [], ["x"])], zoom_out=4)
    times = []
    for epoch in range(200):
        left, top, right, bottom = region.rectangle((100, 200), Draws(0, epoch, [0]), 0)
        if left < 0 or right > 200:
            assert left <= 0
            assert top <= 0
            assert right >= 200
            assert bottom >= 100
            times.append((right - left) / 200)
    assert 60 < len(times) < 140
    assert 1 < min(times) < 1.2
    assert 3.7 < max(times) < 4


def test_barely_visible_objects_need_not_be_found():
    truth = Detections.of(
        [[0, 0, 10, 10], [8, 0, 18, 10], [40, 40, 50, 50]], [0, 1, 0], ["a", "b"], difficult=[True, False, False]
    )
    cut = FitBoxes((20, 20)).cut((10, 10), Draws(0, 0, [0]), 0)
    seen = cut_detections(truth, cut, min_visible=0.25)
    assert seen.boxes.tolist() == [[0, 0, 20, 20], [16, 0, 20, 20]]
    assert seen.classes.tolist() == [0, 1]
    assert seen.difficult.tolist() == [True, True]
    np.testing.assert_allclose(seen.areas, [400, 80])
    assert seen.size == (20, 20)


def test_exposure_and_saturation_are_those_of_hsv():
    """Against the way through HSV that the standard library goes."""
    import colorsys

    images = torch.rand(40, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    draws = Draws(0, 0, range(40))
    jitter = HsvJitter(1.5, 1.5)
    light, color = jitter.factors(draws)
    assert light.min() >= 1 / 1.5
    assert light.max() <= 1.5
    assert (light < 1).mean() == pytest.approx(0.5, abs=0.2)
    ours = jitter(images, draws)
    for n in range(40):
        for y in range(2):
            for x in range(2):
                h, s, v = colorsys.rgb_to_hsv(*images[n, :, y, x].tolist())
                wanted = torch.tensor(colorsys.hsv_to_rgb(h, s * color[n], v * light[n]), dtype=torch.float64)
                torch.testing.assert_close(ours[n, :, y, x], wanted.clamp(0, 1), rtol=0, atol=1e-12)


def test_black_around_the_photo_stays_black():
    augmentation = build_box_augmentation("yolo", (8, 8))
    images = torch.zeros(2, 3, 8, 8)
    assert augmentation.augment(images, Draws(0, 0, [0, 1])).abs().max() == 0


def test_policies_say_what_they_do_and_come_back():
    truth = [Detections.of([], [], ["x"])]
    for name in BOX_POLICIES:
        augmentation = build_box_augmentation(name, (320, 320), truth=truth)
        assert all(augmentation.describe())
        assert (
            BoxPolicy(**{k: tuple(v) if isinstance(v, list) else v for k, v in augmentation.to_dict().items()})
            == BOX_POLICIES[name]
        )
    changed = build_box_augmentation("yolo", (320, 320), settings={"moved": 0.1, "hue": 0})
    assert changed.policy.moved == 0.1
    assert "moved by up to 10 %" in changed.describe()[0]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: build_box_augmentation("yollo", (32, 32)), UnknownNameError, "Nearest: 'yolo'"),
        (lambda: build_box_augmentation("yolo", (32, 32), settings={"move": 1}), UnknownNameError, "no setting 'move'"),
        (lambda: build_box_augmentation("yolo", (32, 32), settings={"hue": "x"}), ConfigError, "must be a number"),
        (lambda: build_box_augmentation("strong", (32, 32)), ConfigError, "give truth"),
        (lambda: build_box_augmentation("none", (32, 32), fit="crop"), ConfigError, "fit must be"),
        (lambda: build_box_augmentation("none", (32, 32), settings={"min_visible": 3}), ConfigError, "min_visible"),
        (lambda: FitBoxes((0, 5)), ConfigError, "sides must be at least 1 pixel"),
        (lambda: StretchBoxes((5, 5), flip=2), ConfigError, "flip must be a probability"),
        (lambda: ShorterSide((600,), 500), ConfigError, "at most longest"),
        (lambda: FitBoxes((5, 5), interpolation="area"), ConfigError, "interpolation must be one of"),
        (lambda: MovedRegion(0.5), ConfigError, "from 0 to 0.45"),
        (lambda: ObjectPatch([], scale=(0, 1)), ConfigError, "scale must be two shares"),
        (lambda: ObjectPatch([], ratio=(2, 1)), ConfigError, "ratio must be two numbers"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_batch_of_photos_of_many_sizes_is_padded(tmp_path):
    """Whatever reads: exact or fast, any number of workers. `sizes` gives every picture's cut again."""
    from PIL import Image

    from striate.data.image_set import ImageSet
    from striate.data.loader import load_batches
    from striate.data.stores import FileStore

    boxes, names = [], []
    for number in range(6):
        h, w = 300 + 90 * number, 700 - 80 * number
        pixels = np.zeros((h, w, 3), dtype=np.uint8)
        box = [30 + number, 40, 190, 150 + 20 * number]
        pixels[box[1] : box[3], box[0] : box[2]] = 255
        exif = Image.Exif()
        exif[274] = 6 if number == 3 else 1
        image = Image.fromarray(pixels)
        stored = image.transpose(Image.Transpose.ROTATE_90) if number == 3 else image
        stored.save(tmp_path / f"{number}.jpg", quality=98, exif=exif)
        boxes.append(box)
        names.append(f"{number}.jpg")
    (tmp_path / "6.jpg").write_bytes(b"none")
    images = ImageSet(("x",), np.zeros(7, np.int64), FileStore(tmp_path, (*names, "6.jpg")), tmp_path, "folder")
    geometry = ShorterSide((96,), 160, flip=0.5, region=MovedRegion(0.1), multiple=32)
    for decode in ("exact", "fast"):
        order = np.array([6, 3, 0, 5, 1, 2, 4])
        batches = [
            next(iter(load_batches(images, [order], geometry, seed=0, epoch=1, workers=w, decode=decode)))
            for w in (0, 2)
        ]
        batch = batches[0]
        assert torch.equal(batch.images, batches[1].images)
        assert batch.sizes.tolist() == batches[1].sizes.tolist()
        assert len(batch) == 6
        assert len(batch.problems) == 1
        assert all(side % 32 == 0 for side in batch.images.shape[1:3])
        draws = Draws(0, 1, batch.indices)
        for row, index in enumerate(batch.indices.tolist()):
            assert batch.sizes[row].tolist() == [300 + 90 * index, 700 - 80 * index]
            cut = geometry.cut(tuple(batch.sizes[row].tolist()), draws, row)
            seen = cut_detections(Detections.of([boxes[index]], [0], ["x"]), cut)
            bright = batch.images[row, ..., 0].numpy() > 127
            assert not bright[cut.size[0] :].any()
            assert not bright[:, cut.size[1] :].any()
            rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
            found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            np.testing.assert_allclose(seen.boxes[0], found, atol=0.8 if decode == "fast" else 0.6)


def test_arrays_say_their_size_too():
    from pathlib import Path

    from striate.data.augment import PadCrop
    from striate.data.image_set import ImageSet
    from striate.data.loader import load_batches
    from striate.data.preprocessing import Preprocessing
    from striate.data.stores import ArrayStore

    store = ArrayStore(np.zeros((4, 28, 30), np.uint8), "a.npz")
    images = ImageSet(("x",), np.zeros(4, np.int64), store, Path("a.npz"), "npz")
    geometry = PadCrop(Preprocessing(input_size=(32, 32), resize=28), 4)
    for view in (geometry, FitBoxes((16, 16))):
        (batch,) = load_batches(images, [np.arange(4)], view, seed=0, epoch=0, workers=0)
        assert batch.sizes.tolist() == [[28, 30]] * 4

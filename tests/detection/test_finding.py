"""From a photo to its boxes: whatever its shape, they come back in its own pixels; one truth about the canvas."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from striate.data import Labels, Preprocessing
from striate.data.augment import Draws
from striate.data.augment.box_cut import filled_size
from striate.data.augment.cut import render_cut
from striate.detection.detector import Detector, FoundBoxes
from striate.detection.finding import as_detector, detect, plain_augmentation
from striate.detection.proposals import ProposalSettings
from striate.errors import ConfigError, DataError, ShapeError
from striate.models import Network, create_model
from tests.detection.shapes import CLASSES
from tests.detection.small import small_detector, view


class Bright(Detector):
    """Finds the one rectangle that is brighter than the rest, to the pixel; remembers what it was given."""

    num_classes = 3

    def __init__(self, *, takes_proposals: bool = False) -> None:
        super().__init__()
        self.takes_proposals = takes_proposals
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor, sizes: Any, *, targets: Any = None, proposals: Any = None, **_: Any) -> Any:
        self.seen = (images, sizes, proposals)
        found = []
        for image, (h, w) in zip(images, sizes, strict=True):
            assert not image[:, h:].any()
            assert not image[:, :, w:].any()
            gray = image[:, :h, :w].mean(0)
            bright = torch.nonzero(gray > (gray.min() + gray.max()) / 2)
            (y0, x0), (y1, x1) = bright.min(0).values, bright.max(0).values + 1
            boxes = torch.stack([x0, y0, x1, y1])[None].float()
            found.append(FoundBoxes(boxes, torch.tensor([0.75]), torch.tensor([2])))
        return found


def looking(fit: Any = "whole", size: tuple[int, int] = (64, 64), *, proposals: bool = False) -> Network:
    return Network("bright", Bright(takes_proposals=proposals).eval(), view(fit, size), Labels(CLASSES))


@pytest.mark.parametrize("size", [(64, 64), (300, 120), (90, 400), (33, 31), (1000, 70), (20, 500)])
@pytest.mark.parametrize("fit", ["whole", "stretch", "shorter"])
def test_boxes_come_back_in_pixels_of_the_photo(size: tuple[int, int], fit: Any) -> None:
    h, w = size
    box = (w // 4, h // 4, w - w // 3, h - h // 5)
    photo = np.full((h, w, 3), 30, dtype=np.uint8)
    photo[box[1] : box[3], box[0] : box[2]] = 250
    network = looking(fit)
    [found] = detect(network, photo)
    assert found.size == size
    assert found.label(0) == CLASSES[2]
    canvas = network.module.seen[1][0]  # type: ignore[union-attr,index]
    pixel = np.array([w / canvas[1], h / canvas[0]] * 2)  # of the canvas, in the photo's: no box can be nearer
    assert (np.abs(found.boxes[0] - box) <= np.maximum(pixel * 0.75, 1.0)).all(), (found.boxes, box)


def test_boxes_do_not_reach_beyond_the_photo() -> None:
    photo = np.full((100, 37, 3), 30, dtype=np.uint8)
    photo[50:] = 250
    [found] = detect(looking(), photo)
    assert found.boxes.tolist() == [[0.0, 50.0, 37.0, 100.0]] or (found.boxes <= [37, 100, 37, 100]).all()
    assert found.boxes[0, 2] == 37
    assert found.boxes[0, 3] == 100


def test_many_photos_each_by_itself(tmp_path: Any) -> None:
    photos = [np.zeros((40 + 10 * n, 80, 3), np.uint8) for n in range(3)]
    for number, photo in enumerate(photos):
        photo[10 : 20 + number, 10:30] = 200
    found = detect(looking(), photos)
    assert [boxes.size for boxes in found] == [(40, 80), (50, 80), (60, 80)]
    alone = [detect(looking(), photo)[0] for photo in photos]
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
    with pytest.raises(DataError, match=r"nowhere\.png"):
        detect(looking(), tmp_path / "nowhere.png")


def test_proposals_reach_the_detector_in_pixels_of_the_canvas() -> None:
    network = looking(proposals=True)
    photo = np.random.default_rng(0).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    boxes = np.array([[0, 0, 128, 128], [250, 120, 300, 200]], dtype=np.float32)
    detect(network, photo, proposals=[boxes])
    given_boxes = network.module.seen[2][0]  # type: ignore[union-attr,index]
    torch.testing.assert_close(given_boxes, torch.tensor([[0.0, 0, 32, 32], [62.5, 30, 64, 50]]))
    detect(network, photo, proposals=ProposalSettings("sliding_windows", max_boxes=9))
    assert 0 < len(network.module.seen[2][0]) <= 9  # type: ignore[union-attr,index]


# One truth about what the detector sees


@settings(max_examples=60)
@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.sampled_from([(64, 64), (320, 320), (75, 111), (600, 1000)]),
    st.sampled_from(["whole", "stretch", "shorter"]),
)
def test_the_view_of_the_preprocessing_is_what_is_detected_on(h: int, w: int, size: tuple[int, int], fit: Any) -> None:
    same_canvas(h, w, size, fit)


def same_canvas(h: int, w: int, size: tuple[int, int], fit: Any) -> None:
    if fit == "shorter" and max(h, w) > 40 * min(h, w):
        return  # a canvas of a pixel or two
    preprocessing = Preprocessing(size, None, fit=fit)
    cut = plain_augmentation(preprocessing).geometry.cut((h, w), Draws(0, 0, [0]), 0)
    resized, canvas = preprocessing.fitted_size((h, w))
    assert cut.size == canvas, (h, w)
    assert filled_size(cut, (h, w)) == resized, (h, w)


@pytest.mark.parametrize("fit", ["whole", "stretch", "shorter"])
def test_sizes_that_end_at_a_half_are_rounded_one_way(fit: Any) -> None:
    for short in (5, 9, 13, 65, 67, 101, 103):
        same_canvas(128, short, (64, 64), fit)
        same_canvas(short, 128, (64, 64), fit)
    for long in (129, 131, 133, 135):
        same_canvas(128, long, (64, 128), fit)


@pytest.mark.parametrize("size", [(97, 131), (480, 201), (64, 64), (128, 64), (321, 640)])
@pytest.mark.parametrize("fit", ["whole", "stretch", "shorter"])
def test_and_pixel_by_pixel(size: tuple[int, int], fit: Any) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    preprocessing = Preprocessing((64, 96) if fit == "shorter" else (64, 64), None, fit=fit)
    cut = plain_augmentation(preprocessing).geometry.cut(size, Draws(0, 0, [0]), 0)
    seen = preprocessing.view(photo)
    np.testing.assert_array_equal(seen.pixels, render_cut(photo, cut))
    np.testing.assert_allclose(seen.crop, cut.box, rtol=1e-12)


# Refusals


def test_refusals(tmp_path: Any) -> None:
    photo = np.zeros((50, 60, 3), np.uint8)
    classifier = Network("resnet18", create_model("resnet20").eval(), Preprocessing(), Labels(()))
    for call in (lambda: detect(classifier, photo), lambda: as_detector(classifier)):
        with pytest.raises(
            ConfigError, match=r"names pictures and finds no boxes; .* striate train DATA --model faster"
        ):
            call()
    for score in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match=r"score must be from 0 to 1"):
            detect(looking(), photo, score=score)
    with pytest.raises(ConfigError, match=r"'bright' makes its own proposals; leave them out"):
        detect(looking(), photo, proposals=ProposalSettings())
    with pytest.raises(ShapeError, match=r"one array a photo, got 2 for 1"):
        detect(looking(proposals=True), photo, proposals=[np.zeros((0, 4), np.float32)] * 2)
    with pytest.raises(ShapeError, match="images is empty"):
        detect(looking(), [])
    with pytest.raises(ConfigError, match="looks at the whole photo; its preprocessing has fit='crop'"):
        plain_augmentation(Preprocessing())


def test_nothing_on_the_photo_is_an_answer() -> None:
    network = Network("yolo", small_detector().eval(), view(), Labels(CLASSES))
    [found] = detect(network, np.zeros((31, 77, 3), np.uint8), score=1.0)
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.labels == CLASSES

"""One photo's way through every detector: it ends in what `detect` answers, and its numbers fit together."""

from typing import Any

import numpy as np
import pytest
import torch

from striate.data import Labels
from striate.data.detections import Detections
from striate.detection.detector import Detector, FoundBoxes
from striate.detection.finding import detect
from striate.detection.looking import PictureStages, look_at_picture
from striate.detection.proposals import ProposalSettings
from striate.detection.rcnn_stages import CropStages
from striate.detection.stages import RegionStages
from striate.detection.yolo_steps import YoloStages
from striate.errors import ConfigError
from striate.models import Network, find_entry
from striate.report import stage_parts, stages_of
from striate.report.stages_of import build_stages
from tests.detection.shapes import CLASSES, shape_picture
from tests.detection.small import small_detector, view
from tests.detection.test_battery import CASES, LABELS, fresh, network_of
from tests.detection.test_rcnn import filled

WINDOWS = ProposalSettings("sliding_windows", max_boxes=40, min_side_px=16)


@pytest.fixture(autouse=True)
def small_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawings of 256 px take a tenth of the time."""
    for module in (stage_parts, stages_of):
        monkeypatch.setattr(module, "SIDE_PX", 256)


KINDS = ("yolo", "fast_rcnn", "faster_rcnn", "rcnn")


def small_network(kind: str, fit: Any = "whole") -> Network:
    module = filled() if kind == "rcnn" else small_detector(kind).eval()
    return Network(kind, module, view(fit, (128, 128) if kind == "rcnn" else (64, 64)), Labels(CLASSES))


def look(kind: str, *, fit: Any = "whole", score: float = 0.05, **more: Any) -> tuple[Network, PictureStages]:
    network = small_network(kind, fit)
    photo, truth = shape_picture(3, side=96)
    proposals = WINDOWS if network.module.takes_proposals else None
    settings = {"truth": truth, "score": score, "proposals": proposals} | more
    return network, look_at_picture(network, photo, **settings)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fit", ["whole", "stretch"])
def test_what_is_seen_is_what_is_answered(kind: str, fit: Any) -> None:
    network, looked = look(kind, fit=fit, score=0.2)
    [answer] = detect(network, looked.photo, score=0.2, proposals=looked.proposals)
    np.testing.assert_allclose(looked.answer.boxes, answer.boxes, atol=1e-3)
    np.testing.assert_allclose(looked.answer.scores, answer.scores, atol=1e-5)
    assert looked.answer.classes.tolist() == answer.classes.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_leaves_fewer(kind: str) -> None:
    network, looked = look(kind)
    report = build_stages(looked, network, photo_name="a.png")
    left = {one.name: one.count for one in report.counts}
    chains = {
        "yolo": ["scores", "after NMS", "answer"],
        "faster_rcnn": ["anchors", "corrected", "proposals"],
        "fast_rcnn": ["boxes", "after NMS", "answer"],
        "rcnn": ["boxes", "after NMS", "answer"],
    }
    steps = [left[name] for name in chains[kind]]
    assert steps == sorted(steps, reverse=True)
    assert left["answer"] == len(looked.answer)
    kinds = {"yolo": YoloStages, "rcnn": CropStages}
    assert isinstance(looked.stages, kinds.get(kind, RegionStages))


def test_scores_of_regions_are_those_of_the_candidates() -> None:
    for kind in ("fast_rcnn", "faster_rcnn", "rcnn"):
        _, looked = look(kind, regions=4)
        stages, scores = looked.stages, looked.scores
        assert scores is not None
        assert not isinstance(stages, YoloStages)
        assert scores.scores.shape == (len(scores.regions), 3)
        if scores.background is not None:
            torch.testing.assert_close(scores.scores.sum(1) + scores.background, torch.ones(len(scores.regions)))
        for place, region in enumerate(scores.regions.tolist()):
            rows = torch.nonzero(stages.candidates.regions == region).flatten().tolist()
            for row in rows:
                k = int(stages.candidates.classes[row])
                torch.testing.assert_close(scores.scores[place, k], stages.candidates.scores[row], atol=1e-4, rtol=1e-3)
        kept = stages.kept if isinstance(stages, CropStages) else stages.candidates.kept
        first = list(dict.fromkeys(stages.candidates.regions[kept].tolist()))[:4]
        assert scores.regions.tolist()[: len(first)] == first


def test_anchors_and_cells_know_the_truth() -> None:
    _, looked = look("faster_rcnn")
    assert looked.anchors is not None
    assert looked.truth is not None
    assert set(looked.anchors.objects[looked.anchors.objects >= 0].tolist()) == set(range(len(looked.truth)))
    _, looked = look("yolo")
    assert isinstance(looked.stages, YoloStages)
    assert looked.stages.owners is not None
    assert int((looked.stages.owners >= 0).sum()) + int(looked.stages.collided or 0) == len(looked.truth or ())
    _, blind = look("yolo", truth=None)
    assert isinstance(blind.stages, YoloStages)
    assert blind.stages.owners is None


def test_it_leaves_the_detector_as_it_was() -> None:
    network, _ = look("faster_rcnn")
    network.module.train()
    before = {name: value.clone() for name, value in network.module.state_dict().items()}
    look_at_picture(network, shape_picture(1, side=96)[0])
    assert network.module.training
    for name, value in network.module.state_dict().items():
        torch.testing.assert_close(value, before[name])


@pytest.mark.parametrize("name", CASES)
def test_every_detector_of_the_catalogue_shows_its_stages(name: str) -> None:
    network = network_of(name, fresh(name))
    photo = np.random.default_rng(0).integers(0, 255, (70, 110, 3)).astype(np.uint8)
    truth = Detections.of([[10, 10, 60, 50]], [1], LABELS, size=(70, 110))
    proposals = WINDOWS if network.module.takes_proposals else None
    looked = look_at_picture(network, photo, truth=truth, score=0.01, regions=2, proposals=proposals)
    report = build_stages(looked, network, photo_name="noise.png")
    keys = [stage.key for stage in report.stages]
    assert keys[0] == "canvas"
    assert keys[-1] == "suppression"
    assert len(keys) == len(set(keys)) >= 4
    for stage in report.stages:
        assert stage.sentence.endswith((".", "…"))
        for one in stage.pictures:
            assert one.pixels.dtype == np.uint8
            assert one.pixels.max() > 0
    if find_entry(name).fit == "whole":
        assert report.stages[0].numbers == {"canvas": list(looked.cut.size), "photo": list(looked.size)}


class Unknown(Detector):
    """A detector of some other family."""

    num_classes = 3

    def __init__(self) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images: Any, sizes: Any, **_: Any) -> Any:
        del sizes
        return [FoundBoxes(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64)) for _ in images]


def test_refusals() -> None:
    photo, truth = shape_picture(3, side=96)
    network = small_network("yolo")
    for settings, words in (
        ({"score": 1.5}, "score must be from 0 to 1"),
        ({"regions": -1}, "regions must be 0 or more"),
        ({"proposals": WINDOWS}, "makes its own proposals"),
        ({"truth": Detections.of([], [], ("a", "b", "c"))}, "truth is of other classes"),
    ):
        with pytest.raises(ConfigError, match=words):
            look_at_picture(network, photo, **settings)  # type: ignore[arg-type]
    other = Network("other", Unknown().eval(), view(), Labels(CLASSES))
    with pytest.raises(ConfigError, match="Nobody knows the stages of a Unknown"):
        look_at_picture(other, photo, truth=truth)

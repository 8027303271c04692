"""R-CNN as a whole: how it answers, how it is trained, stopped, killed and gone on with."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.data import Labels, Preprocessing
from striate.data.box_set import BoxSet
from striate.detection.box_coder import decode_boxes
from striate.detection.box_predictions import BoxPredictions
from striate.detection.crop_features import CropNetwork
from striate.detection.detector import BoxTargets
from striate.detection.finding import detect
from striate.detection.proposals import ProposalProgress, ProposalSettings, proposals_for
from striate.detection.rcnn import RCNN, build_rcnn
from striate.detection.rcnn_settings import (
    FeaturesKept,
    FineTuned,
    RCNNSettings,
    RCNNStopped,
    RCNNTrained,
    RegressorTrained,
    StageDone,
)
from striate.detection.rcnn_stages import look_at_crops
from striate.detection.rcnn_training import train_rcnn
from striate.detection.region_svm import SvmTrained
from striate.detection.region_warp import warp_regions
from striate.detection.voc_ap import mean_average_precision
from striate.errors import ConfigError, DataError, ShapeError
from striate.models import Network
from striate.training.run_folder import RunFolder
from tests.detection.shapes import CLASSES, shape_set

CANVAS = Preprocessing(input_size=(128, 128), resize=None, fit="whole")
QUICK = RCNNSettings(
    proposals=ProposalSettings(source="sliding_windows", max_boxes=60, min_side_px=16),
    steps=2,
    batch=8,
    pictures_a_step=2,
    pictures=5,
    regions=60,
    regression_above=0.4,
)


def small(seed: int = 0, **more: Any) -> RCNN:
    """A network of two convolutions in place of a large one."""
    torch.manual_seed(seed)
    layers = (nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU())
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    crops = CropNetwork(network, "3", crop_px=32)
    return RCNN(crops, num_classes=more.pop("num_classes", 3), crop_px=32, context_px=2, **more)


def filled(seed: int = 0, **more: Any) -> RCNN:
    """One that has learned nonsense, so that it finds something everywhere."""
    detector = small(seed, **more).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, value in detector.named_buffers():
        if name.startswith(("svm_", "box_")):
            value.copy_(torch.randn(value.shape, generator=generator) * (0.02 if name == "box_weight" else 0.1))
    return detector


def answer(detector: RCNN, images: Tensor, sizes: list[tuple[int, int]], proposals: list[Tensor], **more: Any) -> Any:
    with torch.inference_mode():
        return detector(images, sizes, proposals=proposals, **more)


def found_slowly(
    detector: RCNN, image: Tensor, size: tuple[int, int], boxes: Tensor, threshold: float
) -> list[tuple[float, int, list[float]]]:
    """Region by region, class by class, pair by pair."""
    candidates: list[tuple[float, int, list[float]]] = []
    scored = []
    with torch.no_grad():
        for box in boxes:
            crop = warp_regions(image, box[None], detector.crop_px, detector.context_px, size=size)
            whole, placed = detector.network(crop)
            margin = whole @ detector.svm_weight.T + detector.svm_bias
            score = 1 / (1 + torch.exp(-(detector.svm_slope * margin + detector.svm_offset)))
            scored.append((score[0], (placed @ detector.box_weight.T + detector.box_bias)[0]))
    h, w = size
    for k in range(detector.num_classes):
        order = sorted(range(len(boxes)), key=lambda r: -float(scored[r][0][k]))[: detector.max_per_class]
        kept: list[tuple[float, list[float]]] = []
        for r in order:
            sure, deltas = float(scored[r][0][k]), scored[r][1][4 * k : 4 * k + 4]
            x1, y1, x2, y2 = decode_boxes(deltas[None], boxes[r][None])[0].tolist()
            one = [min(max(x1, 0), w), min(max(y1, 0), h), min(max(x2, 0), w), min(max(y2, 0), h)]
            if sure < threshold or one[2] - one[0] < 1 or one[3] - one[1] < 1:
                continue
            if all(_iou(one, other) <= detector.nms_threshold for _, other in kept):
                kept.append((sure, one))
        candidates += [(sure, k, one) for sure, one in kept]
    return sorted(candidates, key=lambda found: -found[0])[: detector.max_found]


def _iou(a: list[float], b: list[float]) -> float:
    inter = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / union


def some_boxes(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, 2, generator=generator).mul(torch.tensor([90.0, 70.0])).sort(1).values
    return torch.cat([corners[:, 0], corners[:, 1] + 6], dim=1)


@pytest.mark.parametrize("limits", [{}, {"max_per_class": 5, "max_found": 7}])
def test_the_answer_is_that_of_the_slow_way(limits: dict[str, int]) -> None:
    detector = filled()
    for name, value in limits.items():
        setattr(detector, name, value)
    images = torch.randn(2, 3, 80, 100, generator=torch.Generator().manual_seed(1))
    sizes, proposals = [(80, 100), (60, 90)], [some_boxes(40), some_boxes(12, seed=1)]
    found = answer(detector, images, sizes, proposals, score_threshold=0.5)
    for image, size, boxes, one in zip(images, sizes, proposals, found, strict=True):
        slow = found_slowly(detector, image, size, boxes, 0.5)
        assert len(slow) > 3
        torch.testing.assert_close(one.scores, torch.tensor([score for score, _, _ in slow]), atol=1e-4, rtol=1e-4)
        assert one.classes.tolist() == [k for _, k, _ in slow]
        torch.testing.assert_close(one.boxes, torch.tensor([box for _, _, box in slow]), atol=1e-2, rtol=1e-4)


def test_the_folded_network_follows_the_weights() -> None:
    torch.manual_seed(0)
    detector = build_rcnn(num_classes=2, backbone="efficientnet_lite0", crop_px=64).eval()
    images, boxes = torch.randn(1, 3, 64, 64), some_boxes(5)

    def features() -> Tensor:
        with torch.no_grad():
            return torch.cat([found.whole for found in detector.describe(images[0], (64, 64), boxes)])

    first = features()
    assert detector._quick is not None
    assert detector._quick[1] is not detector.network
    assert not any("_quick" in name for name in detector.state_dict())
    with torch.no_grad():
        detector.network.network.conv_head.weight.mul_(2)  # type: ignore[union-attr, operator]
        detector.network.network.bn2.bias.add_(1)  # type: ignore[union-attr, operator]
    second = features()
    with torch.enable_grad():  # the network itself
        plain = torch.cat([found.whole for found in detector.describe(images[0], (64, 64), boxes)])
    torch.testing.assert_close(second, plain.detach(), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(first, second)


def test_the_stages_are_those_of_the_answer() -> None:
    detector = filled().train()
    image, boxes = torch.randn(1, 3, 80, 100, generator=torch.Generator().manual_seed(1)), some_boxes(30)
    stages = look_at_crops(detector, image, (70, 90), proposals=boxes, crops=5, score_threshold=0.5)
    assert detector.training
    (found,) = answer(detector.eval(), image, [(70, 90)], [boxes], score_threshold=0.5)
    for mine, other in zip(stages.found, found, strict=True):
        torch.testing.assert_close(mine, other)
    torch.testing.assert_close(stages.candidates.boxes[stages.kept], stages.found.boxes)
    assert len(stages.candidates.boxes) > len(stages.kept)
    assert stages.candidates.scores.min() >= 0.5
    surest = int(stages.candidates.regions[stages.candidates.scores.argmax()])
    assert stages.regions[0] == surest
    assert len(set(stages.regions.tolist())) == len(stages.crops) == 5
    wanted = warp_regions(image[0], boxes[surest][None], detector.crop_px, detector.context_px, size=(70, 90))
    torch.testing.assert_close(stages.crops[:1], wanted)
    empty = look_at_crops(detector, image, (70, 90), proposals=boxes[:0])
    assert (len(empty.crops), len(empty.found.boxes)) == (0, 0)
    with pytest.raises(ShapeError, match="must be one picture, 1 3 h w, got 2"):
        look_at_crops(detector, image.repeat(2, 1, 1, 1), (70, 90), proposals=boxes)
    with pytest.raises(ConfigError, match="crops must be 0 or more, got -1"):
        look_at_crops(detector, image, (70, 90), proposals=boxes, crops=-1)


def test_nothing_proposed_is_nothing_found() -> None:
    detector = filled()
    (found,) = answer(detector, torch.zeros(1, 3, 50, 50), [(50, 50)], [torch.zeros(0, 4)], score_threshold=0.0)
    assert (found.boxes.shape, len(found.scores), len(found.classes)) == ((0, 4), 0, 0)


def test_softmax_can_judge() -> None:
    detector = filled(scoring="softmax")
    features = torch.randn(4, 16)
    scores = detector.scores_of(features)
    torch.testing.assert_close(scores, detector.softmax(features).softmax(1)[:, 1:])
    assert (scores.sum(1) < 1).all()


def test_the_state_is_everything() -> None:
    one, other = filled(0), small(1).eval()
    other.load_state_dict(one.state_dict())
    images, boxes = torch.randn(1, 3, 80, 100), [some_boxes(20)]
    first, second = (answer(d, images, [(80, 100)], boxes)[0] for d in (one, other))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("backbone", "features", "placed"), [("alexnet", 4096, 9216), ("alexnet_2012", 4096, 9216)])
def test_the_papers_network(backbone: str, features: int, placed: int) -> None:
    detector = build_rcnn(num_classes=20, backbone=backbone, crop_px=227).eval()
    assert (detector.network.features, detector.network.placed) == (features, placed)
    assert detector.context_px == 16
    (found,) = answer(detector, torch.randn(1, 3, 64, 64), [(64, 64)], [some_boxes(3)], score_threshold=0.0)
    assert len(found.boxes) > 0


@pytest.mark.parametrize(
    ("backbone", "features"),
    [
        ("efficientnet_lite0", 1280),
        ("resnet18", 512),
        pytest.param("googlenet", 1024, marks=pytest.mark.slow),
        pytest.param("vgg16_features", 512, marks=pytest.mark.slow),
        pytest.param("se_resnet50", 2048, marks=pytest.mark.slow),
    ],
)
def test_any_network_describes_crops(backbone: str, features: int) -> None:
    detector = build_rcnn(num_classes=2, backbone=backbone, crop_px=64)
    found = detector.network.train()(torch.randn(2, 3, 64, 64))
    assert found.whole.shape == (2, features)
    assert found.placed.shape == (2, detector.network.placed)
    assert detector.network.placed <= 10_000


def test_refusals() -> None:
    detector = filled()
    images = torch.zeros(1, 3, 50, 50)
    nothing = BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool))
    with pytest.raises(ConfigError, match=r"R-CNN has no loss.*train_rcnn"):
        detector(images, [(50, 50)], targets=[nothing], proposals=[some_boxes(1)])
    with pytest.raises(ConfigError, match="answers about proposals"):
        detector(images, [(50, 50)])
    with pytest.raises(ShapeError, match="got 1 pictures, 1 sizes and 2 lists"):
        detector(images, [(50, 50)], proposals=[some_boxes(1)] * 2)
    with pytest.raises(ConfigError, match="in_channels must be 3, got 1"):
        build_rcnn(num_classes=2, in_channels=1)
    with pytest.raises(ConfigError, match="less than half of crop_px 64, got 32"):
        build_rcnn(num_classes=2, crop_px=64, context_px=32)
    with pytest.raises(ConfigError, match="crop_px must be 63 or more for 'alexnet', got 48"):
        build_rcnn(num_classes=2, backbone="alexnet", crop_px=48)
    with pytest.raises(ConfigError, match="classifies color pictures, got 'lenet5'"):
        build_rcnn(num_classes=2, backbone="lenet5")
    with pytest.raises(ConfigError, match="num_classes must be 1 or more, got 0"):
        small(num_classes=0)
    with pytest.raises(ConfigError, match="last maps have one cell"):
        build_rcnn(num_classes=2, backbone="efficientnet_lite0", crop_px=1)


# -- training ------------------------------------------------------------------------------------------------------


def train(
    folder: Path,
    pictures: BoxSet,
    settings: RCNNSettings = QUICK,
    *,
    detector: RCNN | None = None,
    until: Callable[[Any], bool] = lambda event: False,
) -> tuple[RCNN, list[Any]]:
    detector = small() if detector is None else detector
    events: list[Any] = []
    work = train_rcnn(
        detector,
        pictures,
        CANVAS,
        settings,
        folder=RunFolder(folder),
        should_stop=lambda: bool(events) and until(events[-1]),
    )
    events.extend(work)
    return detector, events


def assert_same_state(one: RCNN, other: RCNN) -> None:
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_every_stage_is_told_and_measured(tmp_path: Path) -> None:
    pictures = shape_set(6)
    detector, events = train(tmp_path, pictures)
    stages = [event.stage for event in events if isinstance(event, StageDone)]
    assert stages == ["proposals", "fine-tuning", "features", "machines", "regressors"]
    assert [event.step for event in events if isinstance(event, FineTuned)] == [1, 2]
    assert [event.done for event in events if isinstance(event, FeaturesKept)] == [1, 2, 3, 4, 5]
    assert {event.label for event in events if isinstance(event, SvmTrained)} == {0, 1, 2}
    assert [event.label for event in events if isinstance(event, RegressorTrained)] == [0, 1, 2]
    done = events[-1]
    assert isinstance(done, RCNNTrained)
    assert set(done.seconds) == set(done.disk_bytes) == set(stages)
    regions = sum(event.regions for event in events if isinstance(event, FeaturesKept))
    assert done.disk_bytes["features"] >= regions * 16 * 4
    assert not (tmp_path / "state" / "features").exists()
    assert not detector.training
    assert detector.svm_weight.any()
    assert detector.box_weight.any()
    # Once more: everything is there, nothing is computed.
    again, events = train(tmp_path, pictures)
    assert not any(isinstance(event, (FineTuned, FeaturesKept, SvmTrained)) for event in events)
    assert_same_state(detector, again)


def test_only_a_pool_of_pictures_is_searched(tmp_path: Path) -> None:
    pictures = shape_set(6)
    settings = replace(QUICK, pool=3)
    one, events = train(tmp_path / "one", pictures, settings)
    assert [event.total for event in events if isinstance(event, ProposalProgress)] == [3] * 3
    assert [event.total for event in events if isinstance(event, FeaturesKept)] == [3] * 3
    # Proposals that were found before are those of all pictures.
    known = proposals_for(pictures, settings.proposals)
    other = small()
    list(train_rcnn(other, pictures, CANVAS, settings, folder=RunFolder(tmp_path / "other"), proposals=known))
    assert_same_state(one, other)
    wrong = known.subset([0, 1])
    with pytest.raises(ConfigError, match="proposals must be those of these pictures"):
        list(train_rcnn(small(), pictures, CANVAS, settings, folder=RunFolder(tmp_path / "no"), proposals=wrong))


@pytest.mark.parametrize(
    ("at", "optimizer"), [("fine-tuning", "adamw"), ("fine-tuning", "sgd"), ("features", "sgd"), ("proposals", "sgd")]
)
def test_stopped_and_gone_on_with_is_the_same(tmp_path: Path, at: str, optimizer: Any) -> None:
    pictures = shape_set(6)
    settings = replace(QUICK, optimizer=optimizer, steps=3)
    whole, _ = train(tmp_path / "whole", pictures, settings)
    kinds = {"fine-tuning": FineTuned, "features": FeaturesKept, "proposals": object}
    _, events = train(tmp_path / "parts", pictures, settings, until=lambda event: isinstance(event, kinds[at]))
    assert events[-1] == RCNNStopped(at)
    parts, events = train(tmp_path / "parts", pictures, settings)
    assert isinstance(events[-1], RCNNTrained)
    assert_same_state(whole, parts)


def test_damaged_state_is_made_anew(tmp_path: Path) -> None:
    pictures = shape_set(6)
    whole, _ = train(tmp_path, pictures)
    for stage in ("machines", "regressors"):
        (file,) = (tmp_path / "state" / stage).glob("*.safetensors")
        file.write_bytes(file.read_bytes()[:-8])
    again, events = train(tmp_path, pictures)
    assert any(isinstance(event, SvmTrained) for event in events)
    assert_same_state(whole, again)


def test_another_run_is_refused(tmp_path: Path) -> None:
    pictures = shape_set(6)
    train(tmp_path, pictures)
    with pytest.raises(ConfigError, match="a run of other pictures; go on with the same"):
        train(tmp_path, shape_set(6, seed=1))
    with pytest.raises(ConfigError, match="a run of other first weights"):
        train(tmp_path, pictures, detector=small(1))
    with pytest.raises(ConfigError, match="a run of other settings"):
        train(tmp_path, pictures, RCNNSettings(proposals=QUICK.proposals, steps=3))


def test_training_refuses(tmp_path: Path) -> None:
    pictures = shape_set(4)
    with pytest.raises(ConfigError, match="knows 2 classes, but shapes has 3"):
        train(tmp_path, pictures, detector=small(num_classes=2))
    with pytest.raises(ConfigError, match=r"4 pictures .* on the disk, and 0.00 GB are allowed"):
        train(tmp_path / "a", pictures, RCNNSettings(proposals=QUICK.proposals, steps=0, max_disk_bytes=1000))
    with pytest.raises(ConfigError, match="scoring 'softmax' is learned in fine-tuning"):
        train(
            tmp_path / "b",
            pictures,
            RCNNSettings(proposals=QUICK.proposals, steps=0),
            detector=small(scoring="softmax"),
        )
    empty = BoxSet(CLASSES, tuple(t.pick([]) for t in pictures.truth), pictures.store, pictures.source, "voc")
    with pytest.raises(DataError, match="no picture that can be read has an object"):
        train(tmp_path / "c", empty)
    with pytest.raises(ConfigError, match="there are no pictures"):
        train(tmp_path / "d", pictures.subset([]))
    with pytest.raises(ConfigError, match="pictures must be 1 or more, got 0"):
        RCNNSettings(pictures=0)
    with pytest.raises(ConfigError, match=r"foreground must be in \(0, 1\], got 2"):
        RCNNSettings(foreground=2)


def test_pictures_without_objects_and_unreadable_ones(tmp_path: Path) -> None:
    pictures = shape_set(6, folder=tmp_path / "pictures")
    (tmp_path / "pictures" / "001.png").write_bytes(b"?")
    truth = tuple(t.pick([]) if i == 2 else t for i, t in enumerate(pictures.truth))
    mixed = BoxSet(CLASSES, truth, pictures.store, pictures.source, "voc")
    detector, events = train(tmp_path / "run", mixed)
    (skipped,) = [event for event in events if type(event).__name__ == "PicturesSkipped"]
    assert [Path(problem.where).name for problem in skipped.problems] == ["001.png"]
    assert all(bool(value.isfinite().all()) for value in detector.state_dict().values())


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.detection.shapes import shape_set
from tests.detection.test_rcnn import train
train(Path(sys.argv[1]), shape_set(6))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_at_any_moment(tmp_path: Path) -> None:
    pictures = shape_set(6)
    whole, _ = train(tmp_path / "whole", pictures)
    root = Path(__file__).parents[2]
    state = tmp_path / "parts" / "state"
    marks = [state / "stages.json", state / "fine-tuning", state / "features", state / "machines"]
    for mark in marks:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path / "parts", root], cwd=root)
        while process.poll() is None and not mark.exists():
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    parts, events = train(tmp_path / "parts", pictures)
    assert isinstance(events[-1], RCNNTrained)
    assert_same_state(whole, parts)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scoring", ["svm", "softmax"])
def test_sixteen_pictures_are_learned_by_heart(tmp_path: Path, scoring: Any) -> None:
    pytest.importorskip("cv2.ximgproc")
    pictures = shape_set(16)
    settings = RCNNSettings(
        proposals=ProposalSettings(min_side_px=8, max_boxes=400),
        steps=120,
        batch=48,
        pictures_a_step=6,
        pictures=16,
        regions=200,
    )
    torch.manual_seed(0)
    detector = build_rcnn(num_classes=3, weights="in1k", crop_px=64, scoring=scoring)
    train(tmp_path, pictures, settings, detector=detector)
    proposals = proposals_for(pictures, settings.proposals)
    network = Network("rcnn", detector, CANVAS, Labels(CLASSES), None)
    found = detect(network, [pictures.pixels(i) for i in range(16)], score=0.01, proposals=list(proposals.boxes))
    answered = BoxPredictions.of(
        found, list(pictures.truth), [pictures.name(i) for i in range(16)], seconds=np.zeros(16), facts={}
    )
    assert mean_average_precision(answered, iou=0.5) >= 0.95
    shutil.rmtree(tmp_path)

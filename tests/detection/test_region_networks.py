"""Region proposals, region heads, Fast and Faster R-CNN: losses by hand, torchvision's answers, odd pictures."""

import copy

import pytest
import torch
from torch import nn

from striate.detection.alternating import STEPS, backbone_state, enter_step, leave_steps
from striate.detection.anchors import Anchors
from striate.detection.backbones import MapPlace
from striate.detection.detector import BoxTargets
from striate.detection.fast_rcnn import FastRCNN, build_fast_rcnn
from striate.detection.faster_rcnn import FasterRCNN, build_faster_rcnn
from striate.detection.region_parts import clean_proposals
from striate.detection.region_presets import find_region_preset, list_region_presets
from striate.detection.region_proposal import RegionProposalNetwork, RpnSettings
from striate.detection.roi_head import FullLayers, LastStage, RoiHeads, RoiSettings
from striate.detection.roi_pooling import PoolingSettings, RegionPooling
from striate.detection.stages import look_at_anchors, look_at_regions
from striate.detection.truncated_svd import compress, truncate_linear
from striate.errors import ConfigError, ShapeError, UnknownNameError
from tests.detection.region_oracles import cross_entropy, encode, iou, smooth_l1

SMALL = {"backbone": "resnet20", "maps": [4], "frozen": 0, "freeze_norm": False}


def targets(boxes, classes=None, ignored=None):
    count = len(boxes)
    return BoxTargets(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(classes if classes is not None else [0] * count, dtype=torch.int64),
        torch.tensor(ignored if ignored is not None else [False] * count, dtype=torch.bool),
    )


def small_faster(num_classes=3, **more):
    return build_faster_rcnn(num_classes=num_classes, **SMALL, **more)


def small_fast(num_classes=3, **more):
    return build_fast_rcnn(num_classes=num_classes, **SMALL, **more)


def some_boxes(count, side=60.0):
    corners = torch.rand(count, 2) * side
    return torch.cat([corners, corners + 4 + torch.rand(count, 2) * 20], 1)


# --- the two pairs of losses, by hand


def test_proposal_losses_by_hand():
    settings = RpnSettings(Anchors(((8.0, 16.0),), (1.0,)), use="all", batch=1000, positive_fraction=1.0, beta=1 / 9)
    network = RegionProposalNetwork([MapPlace("x", 8, 4.0, 4)], settings)
    answers = network.answers([torch.randn(1, 4, 3, 4) * 20], (24, 32))
    target = targets([[3, 2, 12, 13], [14, 8, 30, 24]])
    losses = network.losses(answers, [(24, 32)], [target])
    anchors, boxes = answers.anchors.tolist(), target.boxes.tolist()
    best = [max(iou(a, b) for a in anchors) for b in boxes]
    class_sum = box_sum = drawn = 0.0
    for row, anchor in enumerate(anchors):
        overlaps = [iou(anchor, b) for b in boxes]
        positive = max(overlaps) >= 0.7 or any(o == b for o, b in zip(overlaps, best, strict=True))
        if not positive and max(overlaps) >= 0.3:
            continue
        drawn += 1
        p = 1 / (1 + torch.exp(-answers.logits[0, row]).item())
        class_sum -= torch.log(torch.tensor(p if positive else 1 - p)).item()
        if positive:
            wanted = encode(boxes[overlaps.index(max(overlaps))], anchor, (1, 1, 1, 1))
            box_sum += sum(
                smooth_l1(a - b, 1 / 9) for a, b in zip(answers.deltas[0, row].tolist(), wanted, strict=True)
            )
    assert losses["rpn_class"].tolist() == pytest.approx([class_sum / drawn], rel=1e-4)
    assert losses["rpn_box"].tolist() == pytest.approx([box_sum / drawn], rel=1e-4)


def test_region_losses_by_hand():
    settings = RoiSettings(PoolingSettings(bins=2), batch=1000, positive_fraction=1.0, beta=1.0)
    pooling = RegionPooling([MapPlace("x", 8, 4.0, 3)], settings.pooling)
    heads = RoiHeads(pooling, FullLayers(12, (6, 5)), 2, settings)
    for layer in (heads.box_predictor.cls_score, heads.box_predictor.bbox_pred):
        nn.init.normal_(layer.weight, std=1.0)
    maps = [torch.randn(1, 3, 8, 8)]
    target = targets([[3, 2, 22, 23], [30, 30, 50, 60]], [1, 0])
    proposals = torch.tensor([[4.0, 2, 22, 25], [31, 28, 52, 58], [0, 40, 10, 60], [3, 2, 33, 30]])
    losses = heads.losses(maps, [proposals], [target])
    regions = torch.cat([proposals, target.boxes])
    logits, deltas = heads.judge(maps, [regions])
    class_sum = box_sum = 0.0
    for row, region in enumerate(regions.tolist()):
        overlaps = [iou(region, b) for b in target.boxes.tolist()]
        whose = overlaps.index(max(overlaps))
        label = int(target.classes[whose]) + 1 if overlaps[whose] >= 0.5 else 0
        class_sum += cross_entropy(logits[row].tolist(), label)
        if label:
            wanted = encode(target.boxes[whose].tolist(), region, (10, 10, 5, 5))
            mine = deltas[row].view(3, 4)[label].tolist()
            box_sum += sum(smooth_l1(a - b, 1.0) for a, b in zip(mine, wanted, strict=True))
    assert losses["class"].tolist() == pytest.approx([class_sum / len(regions)], rel=1e-4)
    assert losses["box"].tolist() == pytest.approx([box_sum / len(regions)], rel=1e-4)


# --- torchvision's network of the same name


@pytest.fixture(scope="module")
def pair():
    """torchvision's Faster R-CNN and ours with the same weights, scaled so that answers differ from place to place."""
    from tests.oracles.foreign import load_torchvision

    load_torchvision()
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    theirs = fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=5, rpn_batch_size_per_image=10**6, rpn_positive_fraction=1.0,
        box_batch_size_per_image=10**6, box_positive_fraction=1.0,
    )  # fmt: skip
    torch.manual_seed(0)
    ours = build_faster_rcnn(num_classes=4, preset="fasterrcnn_resnet50_fpn")
    with torch.no_grad():
        for name, module in ours.named_modules():
            if name.endswith("bn3"):
                module.weight.fill_(0.2)  # fresh residual blocks without normalization double the map each time
        for layer in (ours.rpn.head.cls_logits, ours.rpn.head.bbox_pred):
            layer.weight.normal_(std=0.2)
        for layer in (ours.roi_heads.box_predictor.cls_score, ours.roi_heads.box_predictor.bbox_pred):
            layer.weight.normal_(std=0.3)
    state = dict(ours.state_dict().items())
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)  # normalization of a network without weights
    return theirs.eval(), ours.eval()


@pytest.fixture
def slow_torchvision(monkeypatch):
    """torchvision's compiled operators where there are any, else their slow twins."""
    import torchvision

    if not torchvision.extension._has_ops():
        from torchvision.ops import boxes as box_ops

        def nms(boxes, scores, threshold):
            kept = []
            for row in scores.argsort(descending=True, stable=True).tolist():
                if all(iou(boxes[row].tolist(), boxes[other].tolist()) <= threshold for other in kept):
                    kept.append(row)
            return torch.tensor(kept, dtype=torch.int64)

        monkeypatch.setattr(box_ops, "nms", nms)


def test_torchvision_and_ours_have_the_same_names(pair):
    theirs, ours = pair
    names = {name for name in theirs.state_dict() if not name.endswith("num_batches_tracked")}
    assert set(ours.state_dict()) == names


def test_torchvision_finds_the_same(pair, slow_torchvision):
    from torchvision.models.detection.image_list import ImageList

    theirs, ours = pair
    images, sizes = torch.randn(2, 3, 64, 96), [(64, 96), (50, 70)]
    theirs.rpn._pre_nms_top_n["testing"] = 12
    theirs.roi_heads.score_thresh = 0.1
    ours.rpn.settings = _replaced(ours.rpn.settings, before=(2000, 12))
    with torch.no_grad():
        features = theirs.backbone(images)
        for one, other in zip(ours.backbone(images), features.values(), strict=True):
            torch.testing.assert_close(one, other)
        proposals, _ = theirs.rpn(ImageList(images, sizes), features)
        for one, other in zip(ours.propose(images, sizes), proposals, strict=True):
            torch.testing.assert_close(one.boxes, other, rtol=1e-5, atol=1e-3)
        wanted, _ = theirs.roi_heads(features, proposals, sizes)
        found = ours(images, sizes, score_threshold=0.1)
    for mine, their in zip(found, wanted, strict=True):
        assert len(their["boxes"]) > 5
        torch.testing.assert_close(mine.scores, their["scores"], rtol=1e-4, atol=1e-5)
        assert torch.equal(mine.classes + 1, their["labels"])
        torch.testing.assert_close(mine.boxes, their["boxes"], rtol=1e-4, atol=1e-2)


def test_torchvision_has_the_same_four_losses(pair, slow_torchvision):
    from torchvision.models.detection.image_list import ImageList

    theirs, ours = copy.deepcopy(pair)
    everything = {"batch": 10**6, "positive_fraction": 1.0}
    ours.rpn.settings = _replaced(ours.rpn.settings, before=(8, 8), **everything)
    ours.roi_heads.settings = _replaced(ours.roi_heads.settings, **everything)
    theirs.rpn._pre_nms_top_n["training"] = 8
    for part in (theirs.rpn, theirs.roi_heads):
        part.training = True
    target = targets([[10, 12, 50, 50], [40, 5, 90, 60], [3, 40, 40, 60]], [2, 0, 3])
    images, sizes = torch.randn(1, 3, 64, 96), [(64, 96)]
    as_theirs = [{"boxes": target.boxes, "labels": target.classes + 1}]
    with torch.no_grad():
        features = theirs.backbone(images)
        proposals, wanted = theirs.rpn(ImageList(images, sizes), features, as_theirs)
        wanted |= theirs.roi_heads(features, proposals, sizes, as_theirs)[1]
        found = ours(images, sizes, targets=[target])
    names = {
        "rpn_class": "loss_objectness",
        "rpn_box": "loss_rpn_box_reg",
        "class": "loss_classifier",
        "box": "loss_box_reg",
    }
    for mine, their in names.items():
        torch.testing.assert_close(found[mine][0], wanted[their], rtol=1e-4, atol=1e-5)


def _replaced(settings, **changes):
    from dataclasses import replace

    return replace(settings, **changes)


# --- odd pictures


@pytest.mark.parametrize("kind", ["fast", "faster", "pyramid"])
def test_losses_are_one_a_picture_and_gradients_are_finite(kind):
    detector = {
        "fast": small_fast,
        "faster": small_faster,
        "pyramid": lambda: build_faster_rcnn(num_classes=3, preset="faster_rcnn_resnet18_fpn", freeze_norm=False),
    }[kind]()
    images, sizes = torch.randn(3, 3, 64, 96), [(64, 96), (50, 60), (64, 96)]
    what = [
        targets([[5, 5, 40, 50], [30, 20, 80, 60]], [0, 2]),
        targets([]),
        targets([[5, 5, 40, 50]], [1], [True]),
    ]
    proposals = [some_boxes(20), some_boxes(5), torch.zeros(0, 4)] if kind == "fast" else None
    losses = detector(images, sizes, targets=what, proposals=proposals)
    assert set(losses) == ({"class", "box"} if kind == "fast" else {"rpn_class", "rpn_box", "class", "box"})
    for name, values in losses.items():
        assert values.shape == (3,)
        assert values.isfinite().all()
        if name.endswith("box"):
            assert values[0] > 0
            assert values[1:].tolist() == [0, 0]  # nothing to find, or nothing that must be found
    sum(values.mean() for values in losses.values()).backward()
    still = set(detector.frozen_parameters)
    for name, parameter in detector.named_parameters():
        assert (parameter.grad is None) == (name in still), name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_a_picture_of_nothing_alone_has_finite_gradients():
    for detector, proposals in ((small_fast(1), [torch.zeros(0, 4)]), (small_faster(1), None)):
        losses = detector(torch.zeros(1, 3, 48, 48), [(48, 48)], targets=[targets([])], proposals=proposals)
        sum(values.sum() for values in losses.values()).backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in detector.parameters())


def test_a_batch_gives_the_losses_of_its_pictures():
    """Sampling everything, so that chance has no part in it; normalization that does not look at the batch."""
    detector = small_faster().eval()
    detector.rpn.settings = _replaced(detector.rpn.settings, batch=10**6, positive_fraction=1.0)
    detector.roi_heads.settings = _replaced(detector.roi_heads.settings, batch=10**6, positive_fraction=1.0)
    images, sizes = torch.randn(2, 3, 64, 64), [(64, 64), (40, 50)]
    what = [targets([[5, 5, 40, 50]], [2]), targets([[3, 3, 30, 30], [20, 20, 45, 38]], [0, 1])]
    together = detector(images, sizes, targets=what)
    for row in range(2):
        alone = detector(images[row : row + 1], sizes[row : row + 1], targets=what[row : row + 1])
        for name, values in alone.items():
            torch.testing.assert_close(values[0], together[name][row], rtol=1e-3, atol=1e-5)


def test_same_seed_same_losses():
    detector = small_faster()
    images, what = torch.randn(1, 3, 64, 64), [targets([[5, 5, 40, 50]], [2])]
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        results.append(detector.eval()(images, [(64, 64)], targets=what))
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_padding_is_not_looked_at():
    """Nothing is proposed or found beyond the photo, and its losses do not know what anchors lie there."""
    detector = small_faster().eval()
    images = torch.randn(1, 3, 64, 96)
    images[:, :, 40:] = 0
    images[:, :, :, 50:] = 0
    with torch.no_grad():
        (proposals,) = detector.propose(images, [(40, 50)])
        (found,) = detector(images, [(40, 50)], score_threshold=0.0)
    for boxes in (proposals.boxes, found.boxes):
        assert len(boxes)
        assert bool((boxes >= 0).all())
        assert float(boxes[:, 2].max()) <= 50
        assert float(boxes[:, 3].max()) <= 40
    matches = look_at_anchors(detector, (64, 96), (40, 50), targets([[5, 5, 30, 30]]))
    centers = (matches.anchors[:, :2] + matches.anchors[:, 2:]) / 2
    outside = (centers[:, 0] >= 50) | (centers[:, 1] >= 40)
    assert bool((matches.objects[outside] == -2).all())


def test_degenerate_proposals_survive():
    boxes = torch.tensor(
        [[10, 10, 10, 40], [30, 20, 10, 40], [-50, -50, -10, -10], [float("nan"), 0, 5, 5], [0, 0, 1e9, 1e9],
         [1, 1, 2, 2], [-5, -5, 20, 20], [float("inf"), 0, 5, 5]]
    )  # fmt: skip
    assert clean_proposals(boxes, (48, 64)).tolist() == [[0, 0, 64, 48], [1, 1, 2, 2], [0, 0, 20, 20]]
    detector = small_fast()
    losses = detector(torch.randn(1, 3, 48, 64), [(48, 64)], targets=[targets([[3, 3, 30, 30]])], proposals=[boxes])
    assert all(values.isfinite().all() for values in losses.values())
    (found,) = detector.eval()(torch.randn(1, 3, 48, 64), [(48, 64)], proposals=[boxes], score_threshold=0.0)
    assert found.boxes.isfinite().all()
    (nothing,) = detector(torch.randn(1, 3, 48, 64), [(48, 64)], proposals=[torch.zeros(0, 4)])
    assert nothing.boxes.shape == (0, 4)


def test_five_thousand_objects():
    detector = small_faster(2)
    corners = torch.rand(5000, 2) * 50
    many = BoxTargets(torch.cat([corners, corners + 8], 1), torch.randint(0, 2, (5000,)), torch.zeros(5000).bool())
    losses = detector(torch.randn(1, 3, 64, 64), [(64, 64)], targets=[many])
    assert all(values.isfinite().all() for values in losses.values())


def test_half_precision_keeps_boxes_in_single():
    detector = small_faster()
    what = [targets([[5, 5, 40, 50]], [2])]
    with torch.autocast("cpu", torch.bfloat16):
        losses = detector(torch.randn(1, 3, 64, 64), [(64, 64)], targets=what)
        (found,) = detector.eval()(torch.randn(1, 3, 64, 64), [(64, 64)], score_threshold=0.0)
    assert {values.dtype for values in losses.values()} == {torch.float32}
    assert found.boxes.dtype == found.scores.dtype == torch.float32
    sum(values.sum() for values in losses.values()).backward()


def test_what_is_found_is_sorted_and_within_limits():
    detector = small_faster().eval()
    detector.roi_heads.settings = _replaced(detector.roi_heads.settings, per_picture=7)
    (found,) = detector(torch.randn(1, 3, 64, 64), [(64, 64)], score_threshold=0.0)
    assert len(found.boxes) == 7
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert set(found.classes.tolist()) <= {0, 1, 2}
    (none,) = detector(torch.randn(1, 3, 64, 64), [(64, 64)], score_threshold=1.1)
    assert len(none.boxes) == 0


# --- parts


@pytest.mark.parametrize("kind", ["pool", "align"])
def test_regions_that_read_the_same_cells_are_read_once(kind):
    places = [MapPlace("x", 8, 4.0, 3)]
    pooling = RegionPooling(places, PoolingSettings(kind=kind, bins=3))
    boxes = some_boxes(200)
    boxes = torch.cat([boxes, boxes[:20] + 0.01, boxes[:10]])
    first, which = pooling.read_once(boxes)
    assert len(first) < (200 if kind == "pool" else 221)
    maps = [torch.randn(1, 3, 12, 12)]
    torch.testing.assert_close(pooling(maps, [boxes[first]])[which], pooling(maps, [boxes]), rtol=0, atol=0)


def test_regions_read_the_map_of_their_size():
    places = [MapPlace(str(s), s, 0.5, 2) for s in (4, 8, 16, 32)]
    pooling = RegionPooling(places, PoolingSettings())
    sides = torch.tensor([10.0, 55, 57, 111, 113, 223, 225, 447, 449, 5000])
    boxes = torch.stack([torch.zeros(10), torch.zeros(10), sides, sides], 1)
    assert pooling.levels(boxes).tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3]
    maps = [torch.full((1, 2, 64, 64), float(level)) for level in range(4)]
    values = pooling(maps, [boxes[[0, 6, 2, 4]]])
    assert values.mean((1, 2, 3)).tolist() == [0, 2, 0, 1]


def test_regions_lie_where_the_cells_look():
    """A map that holds the x of each cell's center, read by align, gives the x of the bins' centers."""
    for center in (0.5, 4.0, 7.5):
        pooling = RegionPooling([MapPlace("x", 8, center, 1)], PoolingSettings(bins=4, samples=2))
        x = (torch.arange(16.0) * 8 + center).expand(1, 1, 16, 16)
        read = pooling([x], [torch.tensor([[24.0, 30, 56, 60]])])[0, 0, 0]
        grid = pooling.grid(torch.tensor([24.0, 30, 56, 60]))
        torch.testing.assert_close(read, grid.x.mean(1))
        assert read.tolist() == [28, 36, 44, 52]


def test_grid_of_pooling_is_what_is_read():
    pooling = RegionPooling([MapPlace("x", 8, 4.0, 1)], PoolingSettings(kind="pool", bins=3))
    grid = pooling.grid(torch.tensor([9.0, 10, 47, 61]))
    assert grid.x.tolist() == [[8, 24], [24, 40], [32, 56]] or grid.x.tolist()[0][0] == 8
    # One hot cell at a time: a bin's maximum is 1 exactly for the cells inside of its lines.
    for column in range(10):
        hot = torch.zeros(1, 1, 10, 10)
        hot[..., column] = 1
        seen = pooling([hot], [torch.tensor([[9.0, 10, 47, 61]])])[0, 0, 0].tolist()
        wanted = [float(left <= 8 * column and 8 * column + 8 <= right) for left, right in grid.x.tolist()]
        assert seen == wanted


def test_last_stage_judges_regions():
    head = LastStage(nn.Conv2d(3, 5, 3), 5)
    x = torch.randn(4, 3, 6, 6)
    torch.testing.assert_close(head(x), head.stage(x).mean((2, 3)))
    assert head(x[:0]).shape == (0, 5)


@pytest.mark.parametrize(("out", "into"), [(8, 20), (20, 8), (9, 9)])
def test_a_layer_in_factors(out, into):
    layer = nn.Linear(into, out)
    x = torch.randn(30, into)
    full = truncate_linear(layer, min(out, into))
    torch.testing.assert_close(full(x), layer(x), rtol=1e-4, atol=1e-4)
    u, s, v = torch.linalg.svd(layer.weight.detach().double(), full_matrices=False)
    best = (u[:, :3] * s[:3]) @ v[:3]
    small = truncate_linear(layer, 3)
    torch.testing.assert_close((small[1].weight @ small[0].weight).double(), best, rtol=1e-4, atol=1e-5)
    assert small[0].bias is None
    with pytest.raises(ConfigError, match="rank must be from 1 to"):
        truncate_linear(layer, min(out, into) + 1)


@pytest.mark.parametrize("build", [small_fast, small_faster])
def test_a_compressed_detector_answers_the_same(build):
    detector = build().eval()
    images, proposals = torch.randn(1, 3, 64, 64), [some_boxes(30, 40)]
    wanted = detector(images, [(64, 64)], proposals=proposals, score_threshold=0.0)[0]
    full = compress(detector, fc6_rank=512, fc7_rank=512)
    found = full(images, [(64, 64)], proposals=proposals, score_threshold=0.0)[0]
    torch.testing.assert_close(found.scores, wanted.scores, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.boxes, wanted.boxes, rtol=1e-4, atol=1e-2)
    small = compress(detector, fc6_rank=64, fc7_rank=32)
    weights = sum(p.numel() for p in small.roi_heads.box_head.parameters())
    assert weights < sum(p.numel() for p in detector.roi_heads.box_head.parameters()) / 5
    assert small.backbone.body.conv1.weight is detector.backbone.body.conv1.weight  # shared, not copied
    small(images, [(64, 64)], proposals=proposals)
    with pytest.raises(ConfigError, match="not factored yet"):
        compress(small, fc6_rank=8, fc7_rank=8)


def test_the_papers_ranks_save_what_the_paper_says():
    before = 25088 * 4096 + 4096 * 4096
    after = 1024 * (25088 + 4096) + 256 * (4096 + 4096)
    assert before / after == pytest.approx(3.74, abs=0.01)


def test_four_alternating_steps():
    detector = small_faster()
    images, what = torch.randn(1, 3, 64, 64), [targets([[5, 5, 40, 50]], [2])]
    first = backbone_state(detector)
    kept = None
    for step in STEPS:
        if step.needs_proposals:
            with torch.no_grad():
                kept = [found.boxes for found in detector.propose(images, [(64, 64)], learning=True)]
        enter_step(detector, step, first=first)
        if step.afresh:
            assert all(torch.equal(v, first[n]) for n, v in detector.backbone.state_dict().items())
        before = {name: value.clone() for name, value in detector.named_parameters()}
        optimizer = torch.optim.SGD([p for p in detector.parameters() if p.requires_grad], lr=0.1)
        losses = detector(images, [(64, 64)], targets=what, proposals=kept if step.needs_proposals else None)
        assert set(losses) == ({"rpn_class", "rpn_box"} if step.learns == "rpn" else {"class", "box"})
        sum(values.mean() for values in losses.values()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        moved = {
            name.split(".")[0] for name, value in detector.named_parameters() if not torch.equal(value, before[name])
        }
        own = "rpn" if step.learns == "rpn" else "roi_heads"
        assert moved == ({"backbone", own} if step.shared else {own})
    leave_steps(detector)
    assert len(detector(images, [(64, 64)], targets=what)) == 4
    with pytest.raises(ConfigError, match="backbone_state"):
        enter_step(detector, STEPS[1], first={})


def test_stages_of_a_picture_are_what_the_detector_does():
    detector = small_faster().eval()
    image = torch.randn(1, 3, 64, 64)
    stages = look_at_regions(detector, image, (64, 60), score_threshold=0.01)
    (found,) = detector(image, [(64, 60)], score_threshold=0.01)
    assert torch.equal(stages.found.boxes, found.boxes)
    assert stages.maps[0].objectness.shape == (16, 16, detector.rpn.settings.anchors.per_cell)
    assert len(stages.proposals.boxes) <= len(stages.proposals.candidates)
    assert torch.equal(stages.proposals.candidates[stages.proposals.kept], stages.proposals.boxes)
    assert len(stages.candidates.boxes) >= len(stages.found.boxes)
    assert len(stages.grids) == 9
    fast = small_fast().eval()
    given = some_boxes(12, 30)
    stages = look_at_regions(fast, image, (64, 64), proposals=given, grids=2)
    assert len(stages.proposals.boxes) == 12
    assert not stages.maps
    assert len(stages.grids) == 2


def test_anchors_of_a_picture_and_their_objects():
    detector = small_faster()
    target = targets([[5, 5, 40, 40], [20, 20, 60, 60]], [0, 1], [False, True])
    matches = look_at_anchors(detector, (64, 64), (64, 64), target)
    assert matches.best[0] >= 0
    assert matches.best[1] == -1
    assert set(matches.objects.unique().tolist()) <= {-2, -1, 0}
    assert iou(matches.anchors[matches.best[0]].tolist(), [5, 5, 40, 40]) == pytest.approx(
        float(matches.overlaps[matches.best[0]]), abs=1e-5
    )


# --- builders


def test_presets_are_the_papers_settings():
    ren = find_region_preset("faster_rcnn_vgg16")
    assert ren.maps == ("features.29",)
    assert ren.frozen == "features.9"
    assert ren.canvas == (600, 1000)
    assert ren.rpn.anchors.per_cell == 9
    assert ren.rpn.before == (12000, 6000)
    assert ren.rpn.after == (2000, 300)
    assert (ren.rpn.batch, ren.rpn.high, ren.rpn.low, ren.rpn.nms, ren.rpn.hidden) == (256, 0.7, 0.3, 0.7, 512)
    girshick = find_region_preset("fast_rcnn_vgg16")
    assert (girshick.roi.batch, girshick.roi.lowest, girshick.roi.high, girshick.roi.nms) == (64, 0.1, 0.5, 0.3)
    assert girshick.rpn is None


@pytest.mark.parametrize("name", list_region_presets())
def test_every_preset_builds_without_memory(name):
    preset = find_region_preset(name)
    build = build_fast_rcnn if preset.rpn is None else build_faster_rcnn
    with torch.device("meta"):
        detector = build(num_classes=20, preset=name)
    assert isinstance(detector, FastRCNN if preset.rpn is None else FasterRCNN)
    assert detector.roi_heads.box_predictor.cls_score.out_features == 21
    assert detector.frozen_parameters


def test_vgg_head_starts_as_the_networks_full_layers(monkeypatch):
    from striate.detection import region_parts

    network = nn.Sequential(nn.Linear(12, 7), nn.Linear(7, 5), nn.Linear(5, 2))
    head = FullLayers(12, (7, 5))
    region_parts._copy_full_layers(network, head)
    assert torch.equal(head.fc6.weight, network[0].weight)
    assert torch.equal(head.fc7.bias, network[1].bias)
    with pytest.raises(ConfigError, match="do not fit the network's"):
        region_parts._copy_full_layers(network, FullLayers(10, (7, 5)))
    with pytest.raises(ConfigError, match="no two hidden full layers"):
        region_parts._copy_full_layers(nn.Sequential(nn.Conv2d(1, 1, 1)), head)


def test_gray_pictures():
    detector = small_faster(in_channels=1)
    losses = detector(torch.randn(1, 1, 64, 64), [(64, 64)], targets=[targets([[5, 5, 40, 50]])])
    assert all(values.isfinite().all() for values in losses.values())


def test_refusals():
    detector = small_faster()
    images = torch.zeros(2, 3, 64, 64)
    with pytest.raises(ShapeError, match="one a picture"):
        detector(images, [(64, 64)])
    with pytest.raises(ShapeError, match="within the canvas"):
        detector(images, [(64, 64), (65, 64)])
    with pytest.raises(ConfigError, match="regions that come from outside"):
        small_fast()(images, [(64, 64), (64, 64)])
    with pytest.raises(ConfigError, match="num_classes must be at least 1"):
        small_faster(0)
    with pytest.raises(ConfigError, match="build_fast_rcnn builds it"):
        build_faster_rcnn(num_classes=2, preset="fast_rcnn")
    with pytest.raises(UnknownNameError, match="faster_rcnn_vgg16"):
        build_faster_rcnn(num_classes=2, preset="faster_rcnn_vgg")
    with pytest.raises(ConfigError, match="for backbone 'alexnet' say which"):
        build_faster_rcnn(num_classes=2, preset="faster_rcnn_vgg16", backbone="alexnet")
    with pytest.raises(ConfigError, match="use must be"):
        RpnSettings(Anchors(((32.0,),)), use="some")
    with pytest.raises(ConfigError, match="0 ≤ low ≤ high"):
        RpnSettings(Anchors(((32.0,),)), low=0.8)
    with pytest.raises(ConfigError, match="batch must be at least 1"):
        RoiSettings(batch=0)
    with pytest.raises(ConfigError, match="kind must be 'pool' or 'align'"):
        PoolingSettings(kind="warp")

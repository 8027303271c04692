"""Which anchor is to find which object: held to loops, to torchvision, and to odd cases."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.detection import matching
from striate.detection.detector import BoxTargets
from striate.detection.matching import BACKGROUND, NEITHER, match_boxes
from striate.detection.sampling import check_sampling, sample
from striate.errors import ConfigError
from tests.detection.region_oracles import match
from tests.oracles.foreign import load_torchvision


def boxes_of(count, *, generator, whole=True):
    corners = torch.randint(0, 12, (count, 2), generator=generator).double()
    sides = torch.randint(1, 9, (count, 2), generator=generator).double()
    return torch.cat([corners, corners + sides], 1)


def targets_of(boxes, ignored=None):
    count = len(boxes)
    marks = torch.zeros(count, dtype=torch.bool) if ignored is None else torch.tensor(ignored, dtype=torch.bool)
    return BoxTargets(boxes, torch.zeros(count, dtype=torch.int64), marks)


@given(
    st.integers(0, 2**31),
    st.integers(0, 25),
    st.integers(0, 7),
    st.sampled_from([(0.7, 0.3, 0.0, True), (0.5, 0.5, 0.0, False), (0.5, 0.5, 0.1, False), (0.4, 0.2, 0.0, True)]),
)
def test_matches_are_those_of_loops(seed, candidates, objects, rule):
    generator = torch.Generator().manual_seed(seed)
    anchors, boxes = boxes_of(candidates, generator=generator), boxes_of(objects, generator=generator)
    ignored = (torch.rand(objects, generator=generator) < 0.3).tolist()
    high, low, lowest, best = rule
    found = match_boxes(
        anchors, targets_of(boxes, ignored), high=high, low=low, lowest=lowest, best_for_each=best
    ).objects
    wanted = match(anchors.tolist(), boxes.tolist(), ignored, high=high, low=low, lowest=lowest, best_for_each=best)
    assert found.tolist() == wanted


@pytest.mark.parametrize("best", [True, False])
def test_torchvision_matches_the_same(best):
    load_torchvision()
    from torchvision.models.detection._utils import Matcher
    from torchvision.ops import box_iou

    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        anchors, boxes = boxes_of(60, generator=generator), boxes_of(5, generator=generator)
        iou = box_iou(boxes, anchors)
        if not bool((iou.max(1).values > 0).all()):
            continue  # there, every anchor would be positive
        wanted = Matcher(0.7, 0.3, allow_low_quality_matches=best)(iou)
        found = match_boxes(anchors, targets_of(boxes), high=0.7, low=0.3, best_for_each=best).objects
        assert found.tolist() == wanted.tolist()


def test_in_parts_as_at_once(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    anchors, boxes = boxes_of(200, generator=generator), boxes_of(70, generator=generator)
    target = targets_of(boxes, (torch.rand(70, generator=generator) < 0.2).tolist())
    whole = match_boxes(anchors, target, high=0.7, low=0.3, best_for_each=True)
    monkeypatch.setattr(matching, "_PAIRS", 200 * 3)
    parts = match_boxes(anchors, target, high=0.7, low=0.3, best_for_each=True)
    assert torch.equal(whole.objects, parts.objects)
    assert torch.equal(whole.overlaps, parts.overlaps)


def test_all_ties_of_the_best_are_taken_and_none_where_nothing_overlaps():
    anchors = torch.tensor([[0.0, 0, 4, 4], [4, 0, 8, 4], [50, 50, 54, 54]])
    target = targets_of(torch.tensor([[2.0, 0, 6, 4], [90, 90, 99, 99]]))
    found = match_boxes(anchors, target, high=0.7, low=0.3, best_for_each=True).objects
    assert found.tolist() == [0, 0, BACKGROUND]


def test_on_an_ignored_object_is_neither():
    anchors = torch.tensor([[0.0, 0, 10, 10], [2, 2, 4, 4], [60, 60, 70, 70]])
    target = targets_of(torch.tensor([[0.0, 0, 11, 10], [60, 60, 70, 71]]), [True, False])
    found = match_boxes(anchors, target, high=0.7, low=0.3, best_for_each=True).objects
    assert found.tolist() == [NEITHER, NEITHER, 1]


def test_five_thousand_objects_on_a_large_canvas():
    corners = torch.rand(5000, 2) * 1000
    boxes = torch.cat([corners, corners + 8], 1)
    anchors = torch.rand(3000, 2) * 1000
    found = match_boxes(torch.cat([anchors, anchors + 8], 1), targets_of(boxes), high=0.7, low=0.3, best_for_each=True)
    assert int((found.objects >= 0).sum()) > 1000
    assert len(found.objects[found.objects >= 0].unique()) > 500


def test_refusal():
    with pytest.raises(ConfigError, match="0 ≤ lowest ≤ low ≤ high ≤ 1"):
        match_boxes(torch.zeros(1, 4), targets_of(torch.zeros(0, 4)), high=0.3, low=0.7, best_for_each=True)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 64), st.floats(0, 1))
def test_samples_are_of_their_kind_and_number(positives, negatives, count, fraction):
    kind = torch.tensor([1] * positives + [0] * negatives)[torch.randperm(positives + negatives)]
    torch.manual_seed(count)
    positive, negative = sample(kind == 1, kind == 0, count=count, positive_fraction=fraction)
    assert len(positive) == min(positives, int(count * fraction))
    assert len(negative) == min(negatives, count - len(positive))
    assert bool((kind[positive] == 1).all())
    assert bool((kind[negative] == 0).all())
    assert len(set(positive.tolist())) == len(positive)
    torch.manual_seed(count)
    again = sample(kind == 1, kind == 0, count=count, positive_fraction=fraction)
    assert torch.equal(again[0], positive)
    assert torch.equal(again[1], negative)


def test_sampling_refusal():
    with pytest.raises(ConfigError, match="positive_fraction in"):
        check_sampling("RpnSettings", 10, 1.5)

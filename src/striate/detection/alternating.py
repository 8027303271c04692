"""Faster R-CNN learned in the paper's four steps, in which two networks come to share their convolutions.

    1  the proposal network learns, from the backbone's first weights
    2  the region heads learn, *also* from those first weights, on proposals that step 1 made: two networks so far
    3  the proposal network learns again on the backbone of step 2, which stays as it is from here on
    4  the region heads learn again, on the proposals of step 3: one network

    first = backbone_state(detector)
    for step in STEPS:
        enter_step(detector, step, first=first)
        … learn; in steps 2 and 4 with `proposals=` that `detector.propose(…, learning=True)` gave at the end of 1 and 3

`enter_step` says which weights learn (`requires_grad`) and whose losses `forward` gives (`detector.learns`).

Source: Ren et al. 2015, Faster R-CNN, arXiv:1506.01497, section 3.2; 80,000, 40,000, 80,000 and 40,000 pictures at
rates of .001 falling to .0001 (py-faster-rcnn, `train_faster_rcnn_alt_opt.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from striate.detection.faster_rcnn import FasterRCNN, Learns
from striate.errors import ConfigError

__all__ = ["STEPS", "AlternatingStep", "backbone_state", "enter_step", "leave_steps"]


@dataclass(frozen=True, slots=True)
class AlternatingStep:
    """One of the four.

    Attributes:
        number: From 1.
        learns: Whose losses count.
        shared: Whether the backbone learns too.
        afresh: Whether the backbone starts from its first weights.
        needs_proposals: Whether the heads learn from proposals that were kept, because the network that made them is
            not there any more (step 2) or does not change (step 4: the detector's own are the same).
    """

    number: int
    learns: Learns
    shared: bool
    afresh: bool
    needs_proposals: bool


STEPS = (
    AlternatingStep(1, "rpn", shared=True, afresh=False, needs_proposals=False),
    AlternatingStep(2, "regions", shared=True, afresh=True, needs_proposals=True),
    AlternatingStep(3, "rpn", shared=False, afresh=False, needs_proposals=False),
    AlternatingStep(4, "regions", shared=False, afresh=False, needs_proposals=False),
)


def backbone_state(detector: FasterRCNN) -> dict[str, Tensor]:
    """A copy of the backbone's weights, to be taken before step 1."""
    return {name: value.clone() for name, value in detector.backbone.state_dict().items()}


def enter_step(detector: FasterRCNN, step: AlternatingStep, *, first: Mapping[str, Tensor]) -> None:
    """Make the detector learn what this step learns.

    Args:
        detector: It is changed in place.
        step: One of `STEPS`.
        first: What `backbone_state` gave before step 1.

    Raises:
        ConfigError: If `first` does not hold the backbone's weights.
    """
    if step.afresh:
        own = detector.backbone.state_dict()
        if own.keys() != first.keys():
            raise ConfigError("first must be what backbone_state(detector) gave before step 1.")
        detector.backbone.load_state_dict(dict(first))
    detector.learns = step.learns
    _let_learn(detector.backbone, step.shared)
    _let_learn(detector.rpn, step.learns == "rpn")
    _let_learn(detector.roi_heads, step.learns == "regions")
    _keep_still(detector)


def leave_steps(detector: FasterRCNN) -> None:
    """Both networks learn together again."""
    detector.learns = "both"
    for part in (detector.backbone, detector.rpn, detector.roi_heads):
        _let_learn(part, True)
    _keep_still(detector)


def _let_learn(part: nn.Module, learns: bool) -> None:
    part.requires_grad_(learns)


def _keep_still(detector: FasterRCNN) -> None:
    """What the preset freezes stays frozen in every step."""
    still = set(detector.frozen_parameters)
    for name, parameter in detector.named_parameters():
        if name in still:
            parameter.requires_grad_(False)

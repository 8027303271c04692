"""The region proposal network: where on the map there is *something*, whatever it is.

A 3×3 convolution slides over the map that the detector uses anyway. At every cell two 1×1 convolutions say, for each of
its anchors, how likely it holds an object and how it must be corrected. The surest, corrected, clipped and thinned out
by non-maximum suppression, are the proposals: ten milliseconds instead of the seconds of selective search.

    L = 1/N Σ CE(p_i, p*_i) + 1/N Σ p*_i smoothL1(t_i − t*_i),    N anchors drawn a picture, half of them on objects

Source: Ren et al. 2015, Faster R-CNN, arXiv:1506.01497, section 3.1; py-faster-rcnn's `anchor_target_layer.py` and
`proposal_layer.py` for what the paper leaves open.
Differs: one score an anchor and a sigmoid, as in torchvision, where the paper has two and a softmax: the softmax of two
scores is the sigmoid of their difference. No anchor about the padding of a canvas is proposed or learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from striate.detection.anchors import Anchors
from striate.detection.backbones import MapPlace
from striate.detection.box_coder import decode_boxes, encode_boxes
from striate.detection.detector import BoxTargets
from striate.detection.fpn import grid_of
from striate.detection.matching import BACKGROUND, Matches, match_boxes
from striate.detection.sampling import check_sampling, sample
from striate.errors import ConfigError
from striate.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

__all__ = ["AnchorUse", "Proposals", "RegionProposalHead", "RegionProposalNetwork", "RpnAnswers", "RpnSettings"]

AnchorUse = Literal["all", "centered", "inside"]


@dataclass(frozen=True)
class RpnSettings:
    """How regions are proposed and how that is learned.

    Attributes:
        anchors: Sizes, shapes and places of the anchors.
        hidden: Channels of the 3×3 convolution; None for those of the map.
        use: Anchors that are learned from: `inside` the picture (the paper), `centered` in it, or `all` (torchvision).
        high: IoU from which on an anchor is positive.
        low: IoU below which it is negative.
        batch: Anchors drawn a picture.
        positive_fraction: Share of them that may be positive.
        beta: Where smooth L1 turns from a parabola to a line; 1/9 is the papers' sigma of 3.
        before: Anchors a map that are corrected and compared, while learning and while answering.
        after: Proposals that are kept of all maps together, while learning and while answering.
        nms: IoU above which the less sure of two proposals goes.
        min_size: Sides below this many pixels of the canvas are no proposal.

    Raises:
        ConfigError: If a number makes no sense.
    """

    anchors: Anchors
    hidden: int | None = None
    use: AnchorUse = "centered"
    high: float = 0.7
    low: float = 0.3
    batch: int = 256
    positive_fraction: float = 0.5
    beta: float = 1 / 9
    before: tuple[int, int] = (2000, 1000)
    after: tuple[int, int] = (1000, 300)
    nms: float = 0.7
    min_size: float = 4.0

    def __post_init__(self) -> None:
        check_sampling("RpnSettings", self.batch, self.positive_fraction)
        if self.use not in {"all", "centered", "inside"}:
            raise ConfigError(f"RpnSettings: use must be 'inside', 'centered' or 'all', got {self.use!r}.")
        if not 0 <= self.low <= self.high <= 1 or not 0 < self.nms <= 1:
            raise ConfigError(
                f"RpnSettings: 0 ≤ low ≤ high ≤ 1 and 0 < nms ≤ 1 are needed, got low={self.low}, high={self.high}, "
                f"nms={self.nms}."
            )
        if min(*self.before, *self.after) < 1 or self.min_size < 0 or self.beta <= 0:
            raise ConfigError(
                f"RpnSettings: before and after must be at least 1, min_size at least 0, beta above 0, got "
                f"{self.before}, {self.after}, {self.min_size}, {self.beta}."
            )


class RpnAnswers(NamedTuple):
    """What the head says of a batch, and about which anchors.

    Attributes:
        logits: `n a`, in single precision; the sigmoid is the probability of an object.
        deltas: `n a 4`.
        anchors: `a 4`, the same for all pictures, the finest map first.
        levels: How many of them each map has.
    """

    logits: Float[Tensor, "n a"]
    deltas: Float[Tensor, "n a 4"]
    anchors: Float[Tensor, "a 4"]
    levels: tuple[int, ...]


class Proposals(NamedTuple):
    """The proposals of one picture, the surest first.

    Attributes:
        boxes: `r 4`.
        scores: `r`, probability of an object.
        candidates: `c 4`: what they were chosen from, corrected and clipped; the surest of each map first.
        candidate_scores: `c`.
        kept: `r`: rows of `candidates`.
    """

    boxes: Float[Tensor, "r 4"]
    scores: Float[Tensor, " r"]
    candidates: Float[Tensor, "c 4"]
    candidate_scores: Float[Tensor, " c"]
    kept: Tensor


class RegionProposalHead(nn.Module):
    """3×3 convolution and ReLU, then one score and four numbers an anchor; the same head for all maps.

    Args:
        in_channels: channels of the maps.
        per_cell: anchors about each cell.
        hidden: channels of the 3×3 convolution; those of the maps by default.

    All weights start normal with deviation 0.01, biases at 0 (the paper's).
    """

    def __init__(self, in_channels: int, per_cell: int, *, hidden: int | None = None) -> None:
        super().__init__()
        width = hidden or in_channels
        self.conv = nn.Sequential(nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU()))
        self.cls_logits = nn.Conv2d(width, per_cell, 1)
        self.bbox_pred = nn.Conv2d(width, 4 * per_cell, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Scores `n a h w` and corrections `n 4a h w` of each map `n c h w`."""
        hidden = [self.conv(m) for m in maps]
        return [self.cls_logits(x) for x in hidden], [self.bbox_pred(x) for x in hidden]


class RegionProposalNetwork(nn.Module):
    """The head, its anchors, how proposals are chosen, and its two losses.

    Args:
        places: The maps that it looks at.
        settings: How.
    """

    def __init__(self, places: Sequence[MapPlace], settings: RpnSettings) -> None:
        super().__init__()
        self.places, self.settings = tuple(places), settings
        self.head = RegionProposalHead(places[0].channels, settings.anchors.per_cell, hidden=settings.hidden)

    def answers(self, maps: Sequence[Tensor], canvas: tuple[int, int]) -> RpnAnswers:
        """What the head says of every anchor on maps of a canvas `(height, width)`."""
        scores, corrections = self.head(maps)
        anchors = self.anchors_on(maps, canvas)
        logits, deltas = [], []
        for score, correction in zip(scores, corrections, strict=True):
            n, a, h, w = score.shape
            logits.append(score.permute(0, 2, 3, 1).reshape(n, -1))  # n h·w·a
            deltas.append(correction.view(n, a, 4, h, w).permute(0, 3, 4, 1, 2).reshape(n, -1, 4))  # n h·w·a 4
        levels = tuple(len(level) for level in anchors)
        return RpnAnswers(torch.cat(logits, 1).float(), torch.cat(deltas, 1).float(), torch.cat(anchors), levels)

    @torch.no_grad()
    def propose(self, answers: RpnAnswers, sizes: Sequence[tuple[int, int]], *, learning: bool) -> list[Proposals]:
        """The proposals of each picture; no gradient goes through where they lie.

        Args:
            answers: Of `answers`.
            sizes: `(height, width)` of the part of each canvas that the photo fills.
            learning: Which of the two numbers of `before` and `after` counts.
        """
        return [
            self._propose_one(answers, picture, size, which=0 if learning else 1) for picture, size in enumerate(sizes)
        ]

    def losses(
        self, answers: RpnAnswers, sizes: Sequence[tuple[int, int]], targets: Sequence[BoxTargets]
    ) -> dict[str, Float[Tensor, " n"]]:
        """`rpn_class` and `rpn_box`, one number a picture each."""
        settings = self.settings
        class_losses, box_losses = [], []
        for picture, (size, target) in enumerate(zip(sizes, targets, strict=True)):
            matches = self.match(answers.anchors, size, target)
            positive, negative = sample(
                matches.objects >= 0,
                matches.objects == BACKGROUND,
                count=settings.batch,
                positive_fraction=settings.positive_fraction,
            )
            drawn = torch.cat([positive, negative])
            count = max(len(drawn), 1)
            wanted = torch.zeros(len(drawn), device=drawn.device)
            wanted[: len(positive)] = 1.0
            logits = answers.logits[picture][drawn]
            class_losses.append(F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / count)
            anchors = answers.anchors[positive]
            boxes = target.boxes[matches.objects[positive]].to(anchors.dtype)
            box_losses.append(
                F.smooth_l1_loss(
                    answers.deltas[picture][positive],
                    encode_boxes(boxes, anchors),
                    beta=settings.beta,
                    reduction="sum",
                )
                / count
            )
        return {"rpn_class": torch.stack(class_losses), "rpn_box": torch.stack(box_losses)}

    def match(self, anchors: Float[Tensor, "a 4"], size: tuple[int, int], target: BoxTargets) -> Matches:
        """Which anchors of a picture are to find which object; those that are not used are neither."""
        settings = self.settings
        used = self._usable(anchors, size, settings.use)
        if bool(used.all()):
            return match_boxes(anchors, target, high=settings.high, low=settings.low, best_for_each=True)
        rows = torch.nonzero(used).flatten()
        among = match_boxes(anchors[rows], target, high=settings.high, low=settings.low, best_for_each=True)
        objects = torch.full((len(anchors),), -2, dtype=torch.int64, device=anchors.device)
        overlaps = torch.zeros(len(anchors), dtype=among.overlaps.dtype, device=anchors.device)
        objects[rows], overlaps[rows] = among.objects, among.overlaps
        return Matches(objects, overlaps)

    def anchors_on(self, maps: Sequence[Tensor], canvas: tuple[int, int]) -> list[Tensor]:
        """The anchors `a 4` of each map of a canvas `(height, width)`."""
        grids = grid_of(maps)
        if self.settings.anchors.convention == "torchvision":
            strides = [(float(canvas[0] // h), float(canvas[1] // w)) for h, w in grids]
        else:
            strides = [(float(place.stride), float(place.stride)) for place in self.places]
        centers = [place.center for place in self.places]
        return self.settings.anchors.on_maps(grids, strides, centers, device=maps[0].device)

    def _propose_one(self, answers: RpnAnswers, picture: int, size: tuple[int, int], *, which: int) -> Proposals:
        settings = self.settings
        logits = answers.logits[picture]
        if settings.use != "all":
            logits = logits.masked_fill(~self._usable(answers.anchors, size, "centered"), -torch.inf)
        rows, levels, begin = [], [], 0
        for level, count in enumerate(answers.levels):
            top = logits[begin : begin + count].topk(min(settings.before[which], count)).indices + begin
            rows.append(top)
            levels.append(torch.full_like(top, level))
            begin += count
        chosen, level_of = torch.cat(rows), torch.cat(levels)
        real = logits[chosen] > -torch.inf
        chosen, level_of = chosen[real], level_of[real]
        boxes = decode_boxes(answers.deltas[picture][chosen], answers.anchors[chosen])
        boxes = clip_boxes_to_image(boxes, size)
        large = remove_small_boxes(boxes, max(settings.min_size, 1e-3))
        boxes, level_of, scores = boxes[large], level_of[large], logits[chosen[large]].sigmoid()
        kept = batched_nms(boxes, scores, level_of, settings.nms)[: settings.after[which]]
        return Proposals(boxes[kept], scores[kept], boxes, scores, kept)

    def _usable(self, anchors: Tensor, size: tuple[int, int], use: AnchorUse) -> Tensor:
        """Which anchors are inside of a picture, or centered in it."""
        if use == "all":
            return torch.ones(len(anchors), dtype=torch.bool, device=anchors.device)
        h, w = size
        if use == "inside":
            limit = torch.tensor([w, h], dtype=anchors.dtype, device=anchors.device)
            return ((anchors[:, :2] >= 0) & (anchors[:, 2:] <= limit)).all(dim=1)
        x, y = anchors[:, 0] + anchors[:, 2], anchors[:, 1] + anchors[:, 3]  # twice the center
        return (x >= 0) & (x < 2 * w) & (y >= 0) & (y < 2 * h)

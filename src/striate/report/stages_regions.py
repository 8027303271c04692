"""Stages of detectors that judge regions, drawn and said: R-CNN, Fast R-CNN, Faster R-CNN."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.detections import Detections
from striate.detection.faster_rcnn import FasterRCNN
from striate.detection.looking import ClassScores, PictureStages
from striate.detection.rcnn import RCNN
from striate.detection.rcnn_stages import CropStages
from striate.detection.recall import best_overlaps
from striate.detection.roi_pooling import RegionGrid
from striate.detection.stages import AnchorMap, AnchorMatches, RegionStages
from striate.draw.boxes import score_words
from striate.draw.detection_steps import draw_anchors, draw_proposals, draw_roi_grid
from striate.models import Network
from striate.ops import box_iou
from striate.report.numbers import format_seconds
from striate.report.stage_parts import Bar, Easel, Remaining, Stage, StagePicture, StageRegion, plural

__all__ = ["anchor_stages", "pooling_stage", "proposal_stage", "region_counts", "warp_stage"]

_BARS = 3


def anchor_stages(
    looked: PictureStages, stages: RegionStages, detector: FasterRCNN, easel: Easel
) -> tuple[list[Stage], list[Remaining]]:
    """Anchors, objectness, and the proposals that the network itself makes."""
    settings = detector.rpn.settings
    total = sum(one.objectness.numel() for one in stages.maps)
    kept, chosen = stages.proposals, len(stages.proposals.boxes)
    numbers = {"anchors": total, "per_cell": settings.anchors.per_cell, "maps": [_map_facts(m) for m in stages.maps]}
    made = [
        Stage(
            "anchors",
            "Anchors",
            _anchor_sentence(stages.maps, settings.anchors.sizes, settings.anchors.ratios),
            pictures=tuple(_cell_anchors(one, level, easel) for level, one in enumerate(stages.maps)),
            numbers=numbers,
        )
    ]
    if looked.anchors is not None and looked.truth is not None:
        made.append(_matching(looked.anchors, looked.truth, easel, high=settings.high, low=settings.low))
    made.append(_objectness(stages.maps, settings.anchors.sizes, detector, easel))
    before = kept.candidates.numpy()
    limit = (0.0, max(float(kept.candidate_scores.max()) if len(before) else 0.0, 1e-6))
    recall = "" if looked.truth is None else _recall(looked.truth, kept.boxes.numpy(), "proposal")
    made.append(
        Stage(
            "proposals",
            "Proposals",
            f"Of each map the surest {settings.before[1]:,} anchors at most are corrected by four numbers each and "
            f"clipped to the photo; {plural(len(before), 'is', 'are')} left that have no side below "
            f"{settings.min_size:g} px. Non-maximum suppression drops every box that overlaps a surer one by an IoU "
            f"above {score_words(settings.nms)}; the surest {settings.after[1]:,} at most go on: "
            f"{plural(chosen, 'proposal')}.{recall}",
            pictures=(
                StagePicture(
                    "before",
                    f"{plural(len(before), 'corrected anchor')}, before suppression",
                    draw_proposals(easel.photo, easel.boxes(before), kept.candidate_scores, limits=limit),
                ),
                StagePicture(
                    "after",
                    f"{plural(chosen, 'proposal')}, after it" + _dashed(looked),
                    draw_proposals(easel.photo, easel.boxes(kept.boxes), kept.scores, limits=limit, truth=easel.truth),
                ),
            ),
            limits=limit,
            unit="objectness: how likely each box holds an object, whatever it is",
            numbers={"before": len(before), "after": chosen, "iou": settings.nms},
        )
    )
    counts = [
        Remaining("anchors", total, f"{settings.anchors.per_cell} about every cell"),
        Remaining("corrected", len(before), f"the surest {settings.before[1]:,} of each map at most"),
        Remaining("proposals", chosen, f"after suppression at IoU {score_words(settings.nms)}"),
    ]
    return made, counts


def proposal_stage(looked: PictureStages, boxes: NDArray[np.float32], easel: Easel) -> tuple[Stage, list[Remaining]]:
    """Proposals that come from outside."""
    settings = looked.proposals
    searched = settings is None or settings.source == "selective_search"
    source = "Selective search" if searched else "Sliding windows"
    how = (
        "merges small regions of one color into larger ones, again and again; every region on the way gives a box"
        if searched
        else "lay boxes of a few sizes and shapes over the whole photo, whatever is on it"
    )
    at_most = "" if settings is None else f" (at most {settings.max_boxes:,} are asked for)"
    time = f" in {format_seconds(looked.proposal_seconds)}" if looked.proposal_seconds else ""
    recall = "" if looked.truth is None else _recall(looked.truth, boxes, "proposal")
    rank = 1 - np.arange(len(boxes)) / max(len(boxes), 1)
    pictures = [
        StagePicture(
            "all",
            f"{plural(len(boxes), 'proposal')}, the first on top",
            draw_proposals(easel.photo, easel.boxes(boxes), rank, limits=(0.0, 1.0)),
        )
    ]
    if looked.truth is not None and len(looked.truth) and len(boxes):
        best = np.array([_closest(one, boxes) for one in looked.truth.boxes])
        pictures.append(
            StagePicture(
                "best",
                "Ochre: for each object the proposal that fits it best; dashed: what people marked",
                draw_anchors(
                    easel.photo, easel.boxes(boxes[best]), positive=np.ones(len(best), np.bool_), truth=easel.truth
                ),
            )
        )
    stage = Stage(
        "proposals",
        "Proposals",
        f"{source} {how}: {plural(len(boxes), 'box', 'boxes')}{time}{at_most}. Nothing of it is learned.{recall}",
        pictures=tuple(pictures),
        numbers={"proposals": len(boxes), "source": "selective_search" if searched else "sliding_windows"},
    )
    return stage, [Remaining("proposals", len(boxes), source.lower())]


def pooling_stage(looked: PictureStages, stages: RegionStages, network: Network, easel: Easel) -> Stage:
    """Bins of a few regions, and what the last layer says of them."""
    module: Any = network.module
    pooling, settings = module.roi_heads.box_roi_pool, module.roi_heads.box_roi_pool.settings
    scores = _scores(looked)
    cards = []
    for place, row in enumerate(scores.regions.tolist()):
        grid = pooling.grid(stages.proposals.boxes[row])
        near = easel.close_up(stages.proposals.boxes[row])
        drawn = draw_roi_grid(
            near.pixels,
            near.points(stages.proposals.boxes[row]),
            bins=near.points(_bins(grid)),
            samples=near.points(_samples(grid, settings.samples)) if settings.kind == "align" else None,
        )
        where = f", map {grid.level + 1} (cells of {grid.cell} px)" if len(pooling.places) > 1 else ""
        caption = f"{_sides(stages.proposals.boxes[row])} px{where}"
        cards.append(StageRegion(caption, drawn, _bars(scores, place, network, looked.score)))
    bins = settings.bins
    how = f"the mean of {settings.samples**2} bilinear samples" if settings.samples else "the mean of bilinear samples"
    read = f"{how} (RoI align)" if settings.kind == "align" else "the maximum of its whole cells (RoI pooling)"
    one = len(pooling.places) == 1
    cells = f"the map (cells of {pooling.places[0].stride} px)"
    maps = cells if one else f"one of {len(pooling.places)} maps, by its size,"
    return Stage(
        "regions",
        "Regions",
        f"Every proposal is cut from {maps} into {bins} × {bins} bins, each {read}. The head then gives "
        f"{len(network.labels)} class scores and one of background (softmax) and a correction of the box for each "
        f"class. The {len(cards)} regions here gave boxes of the answer, or came closest. Below each: its likeliest "
        "classes.",
        regions=tuple(cards),
        numbers={"pooling": settings.kind, "bins": bins, "shown": len(cards)},
    )


def warp_stage(looked: PictureStages, stages: CropStages, network: Network, easel: Easel) -> Stage:
    """Crops as R-CNN's network sees them, and what the machines say of them."""
    module = network.module
    if not isinstance(module, RCNN) or looked.crops is None:
        raise TypeError("Crops are R-CNN's.")
    scores = _scores(looked)
    seen = network.preprocessing.denormalize(looked.crops) if len(looked.crops) else looked.crops
    zoom = max(1, round(256 / module.crop_px))
    cards = []
    for place, row in enumerate(scores.regions.tolist()):
        pixels = (seen[place].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        large = np.repeat(np.repeat(pixels, zoom, axis=0), zoom, axis=1)
        caption = f"{_sides(stages.proposals[row])} px before"
        cards.append(StageRegion(caption, large, _bars(scores, place, network, looked.score)))
    judge = (
        f"{len(network.labels)} support vector machines, one a class, score the features"
        if module.scoring == "svm"
        else "a softmax scores the features"
    )
    region = draw_anchors(
        easel.photo,
        easel.boxes(stages.proposals[scores.regions]),
        positive=np.ones(len(scores.regions), np.bool_),
    )
    return Stage(
        "regions",
        "Warped crops",
        f"Every proposal is cut out with its surroundings, warped to {module.crop_px} × {module.crop_px} px (the box "
        f"itself fills all but {module.context_px} px on each side; beyond the photo is the mean color) and sent "
        f"through the whole network by itself: {plural(len(stages.proposals), 'pass', 'passes')}. Then {judge}, and "
        f"regressors correct the box. The {len(cards)} crops here gave boxes of the answer, or came closest.",
        pictures=(StagePicture("places", "Where the crops come from", region),),
        regions=tuple(cards),
        numbers={"crop_px": module.crop_px, "context_px": module.context_px, "shown": len(cards)},
    )


def region_counts(looked: PictureStages, count: int, kept: int) -> list[Remaining]:
    """What the classes leave of the regions."""
    return [
        Remaining("boxes", count, f"of a region and a class, with a score of at least {score_words(looked.lowest)}"),
        Remaining("after NMS", kept, "no surer box of the class overlaps them"),
    ]


def _map_facts(one: AnchorMap) -> dict[str, Any]:
    return {"stride": one.stride, "cells": list(one.objectness.shape[:2]), "objectness": float(one.objectness.max())}


def _anchor_sentence(maps: Sequence[AnchorMap], sizes: Sequence[Sequence[float]], ratios: Sequence[float]) -> str:
    per_cell = maps[0].objectness.shape[2]
    shapes = " and ".join(", ".join(_ratio(r) for r in ratios).rsplit(", ", 1))
    total = sum(one.objectness.numel() for one in maps)
    if len(maps) == 1:
        rows, columns = maps[0].objectness.shape[:2]
        sides = ", ".join(f"{side:g}" for side in sizes[0])
        return (
            f"About every cell of a map of {rows} × {columns} cells, {maps[0].stride:g} px apart, lie {per_cell} "
            f"anchors: sides of {sides} px, each with height to width {shapes}: {total:,} in all. Here those about the "
            "cell that is surest of an object."
        )
    grids = ", ".join(f"{one.objectness.shape[0]} × {one.objectness.shape[1]}" for one in maps)
    return (
        f"A pyramid of {len(maps)} maps ({grids} cells), the coarser the larger its anchors; about every cell lie "
        f"{per_cell}, with height to width {shapes}: {total:,} in all. Here those about the surest cell of each map."
    )


def _cell_anchors(one: AnchorMap, level: int, easel: Easel) -> StagePicture:
    h, w, a = one.objectness.shape
    best = int(one.objectness.reshape(-1).argmax()) // a
    row, column = divmod(best, w)
    drawn = draw_anchors(easel.photo, easel.boxes(one.anchors[row, column]))
    caption = f"{a} anchors of row {row + 1} of {h}, column {column + 1} of {w}; cells of {one.stride:g} px"
    return StagePicture(f"cell-{level + 1}", caption, drawn)


def _matching(matches: AnchorMatches, truth: Detections, easel: Easel, *, high: float, low: float) -> Stage:
    objects = matches.objects.numpy()
    positive, negative = objects >= 0, objects == -1
    wanted = int((~(truth.difficult | truth.crowd)).sum())
    found = len(np.unique(objects[positive]))
    drawn = draw_anchors(
        easel.photo,
        easel.boxes(matches.anchors[positive]),
        positive=np.ones(int(positive.sum()), np.bool_),
        truth=easel.truth,
    )
    neither = len(objects) - int(positive.sum()) - int(negative.sum())
    return Stage(
        "matching",
        "Anchors that learn",
        f"On this photo {plural(int(positive.sum()), 'anchor')} would learn to find {plural(found, 'object')} of "
        f"{wanted}: those with an IoU of at least {score_words(high)}, and for each object the best one whatever its "
        f"IoU. {plural(int(negative.sum()), 'is', 'are')} background (IoU below {score_words(low)} with every object); "
        f"{neither:,} are neither and teach nothing.",
        pictures=(StagePicture("positive", "Ochre: matched anchors; dashed: what people marked", drawn),),
        numbers={"positive": int(positive.sum()), "negative": int(negative.sum()), "neither": neither},
    )


def _objectness(
    maps: Sequence[AnchorMap], sizes: Sequence[Sequence[float]], detector: FasterRCNN, easel: Easel
) -> Stage:
    highest = max(float(one.objectness.max()) for one in maps)
    limits = (0.0, max(highest, 1e-6))
    pictures = []
    for level, (one, row, place) in enumerate(zip(maps, sizes, detector.rpn.places, strict=True)):
        h, w, a = one.objectness.shape
        by_size = one.objectness.reshape(h, w, a // len(row), len(row)).amax(2)  # h w ratios sizes → h w sizes
        for number, side in enumerate(row):
            values = by_size[:, :, number].numpy()
            drawn = easel.cell_map(
                values, stride=(one.stride, one.stride), offset=place.center - one.stride / 2, limits=limits
            )
            caption = f"anchors of {side:g} px: up to {score_words(float(values.max()))}"
            pictures.append(StagePicture(f"{level + 1}-{side:g}px", caption, drawn))
    sure = sum(int((one.objectness >= 0.5).sum()) for one in maps)
    return Stage(
        "objectness",
        "Objectness",
        "A 3 × 3 convolution slides over the map; two 1 × 1 convolutions then say of each anchor how likely it holds "
        f"an object, whatever it is, and how it must be corrected. {plural(sure, 'anchor')} of "
        f"{sum(one.objectness.numel() for one in maps):,} say ½ or more. Each map: one size of anchors, the likeliest "
        "of its shapes.",
        pictures=tuple(pictures),
        limits=limits,
        unit="objectness, the sigmoid of the score; one scale for all maps",
        numbers={"highest": highest, "at_least_half": sure},
    )


def _recall(truth: Detections, boxes: NDArray[np.floating], what: str) -> str:
    if not len(truth):
        return ""
    best = best_overlaps(truth.boxes, np.asarray(boxes, dtype=np.float32))
    return (
        f" {int((best >= 0.5).sum())} of {plural(len(truth), 'object')} overlap a {what} by an IoU of at least .50, "
        f"{int((best >= 0.7).sum())} by .70."
    )


def _closest(one: NDArray[np.float32], boxes: NDArray[np.float32]) -> int:
    return int(box_iou(torch.from_numpy(one[None]), torch.from_numpy(boxes))[0].argmax())


def _dashed(looked: PictureStages) -> str:
    return "" if looked.truth is None else "; dashed: what people marked"


def _scores(looked: PictureStages) -> ClassScores:
    if looked.scores is None:
        raise TypeError("This detector has no regions.")
    return looked.scores


def _bars(scores: ClassScores, place: int, network: Network, least: float) -> tuple[Bar, ...]:
    row = scores.scores[place]
    order = row.argsort(descending=True, stable=True)[:_BARS].tolist()
    bars = [Bar(network.labels[k], float(row[k]), first=float(row[k]) >= least and k == order[0]) for k in order]
    if scores.background is not None:
        bars.append(Bar("background", float(scores.background[place])))
    return tuple(bars)


def _bins(grid: RegionGrid) -> NDArray[np.float64]:
    """Corners `b 4` of all bins."""
    x, y = grid.x.double().numpy(), grid.y.double().numpy()
    return np.array([(left, top, right, bottom) for top, bottom in y for left, right in x])


def _samples(grid: RegionGrid, count: int) -> NDArray[np.float64]:
    """The points `s 2` that RoI align reads, in pixels of the canvas."""
    axes = []
    for pairs in (grid.x.double().numpy(), grid.y.double().numpy()):
        each = count or max(1, int(np.ceil((pairs[0, 1] - pairs[0, 0]) / grid.cell)))
        steps = (np.arange(each) + 0.5) / each
        axes.append((pairs[:, :1] + steps * (pairs[:, 1:] - pairs[:, :1])).ravel())
    x, y = np.meshgrid(*axes)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _sides(box: torch.Tensor) -> str:
    left, top, right, bottom = (float(edge) for edge in box)
    return f"{right - left:.0f} × {bottom - top:.0f}"


def _ratio(ratio: float) -> str:
    """A ratio as people say it.

    >>> [_ratio(r) for r in (0.5, 1.0, 2.0, 1 / 3)]
    ['1:2', '1:1', '2:1', '1:3']
    """
    if ratio >= 1:
        return f"{ratio:.3g}:1"
    return f"1:{1 / ratio:.3g}"

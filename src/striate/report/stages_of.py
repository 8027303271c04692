"""A photo's way through a detector, drawn and said: the same kinds of stages for every detector there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from striate.data.augment.box_cut import map_boxes, unmap_boxes
from striate.data.detections import Detections
from striate.detection.detector import FoundBoxes
from striate.detection.faster_rcnn import FasterRCNN
from striate.detection.looking import PictureStages
from striate.detection.rcnn_stages import CropStages
from striate.detection.recall import best_overlaps
from striate.detection.stages import RegionStages
from striate.detection.yolo_steps import YoloStages
from striate.draw.boxes import draw_boxes, score_words
from striate.draw.detection_steps import draw_candidates
from striate.models import Network
from striate.report.numbers import format_seconds
from striate.report.stage_parts import SIDE_PX, Easel, Remaining, Stage, StagePicture, of_each, plural
from striate.report.stages_regions import anchor_stages, pooling_stage, proposal_stage, region_counts, warp_stage
from striate.report.stages_yolo import cell_stages

__all__ = ["StageReport", "build_stages"]


@dataclass(frozen=True, eq=False)
class StageReport:
    """Everything that a page of stages shows.

    Attributes:
        network: The detector's name.
        photo_name: Of the photo.
        photo_size: `(height, width)`.
        sentence: The way in one sentence.
        trust: How far to trust it.
        answer: uint8 `h w 3`: the photo with the boxes of the answer.
        found: The answer, in photo pixels.
        score: The least score of a box of the answer.
        objects: How many objects people marked, or None.
        counts: What is left after each step.
        stages: In their order.
        provenance: Run, device, versions, command.
    """

    network: str
    photo_name: str
    photo_size: tuple[int, int]
    sentence: str
    trust: str
    answer: NDArray[np.uint8]
    found: Detections
    score: float
    objects: int | None
    counts: tuple[Remaining, ...]
    stages: tuple[Stage, ...]
    provenance: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON values: every number, no pixels."""
        scores = self.found.scores if self.found.scores is not None else np.ones(len(self.found))
        rows = zip(self.found.boxes.tolist(), self.found.classes.tolist(), scores.tolist(), strict=True)
        return {
            "network": self.network,
            "photo": self.photo_name,
            "size": list(self.photo_size),
            "score": self.score,
            "objects": self.objects,
            "found": [
                {"box": [round(v, 3) for v in box], "label": self.found.labels[k], "class": k, "score": round(score, 5)}
                for box, k, score in rows
            ],
            "remaining": [{"step": one.name, "count": one.count, "why": one.why} for one in self.counts],
            "stages": [
                {
                    "key": stage.key,
                    "title": stage.title,
                    "sentence": stage.sentence,
                    "numbers": stage.numbers or {},
                    "pictures": [{"name": one.name, "caption": one.caption} for one in stage.pictures],
                    "regions": [
                        {"caption": one.caption, "scores": {bar.name: round(bar.score, 5) for bar in one.bars}}
                        for one in stage.regions
                    ],
                }
                for stage in self.stages
            ],
            "provenance": self.provenance,
        }


def build_stages(
    looked: PictureStages, network: Network, *, photo_name: str, provenance: dict[str, Any] | None = None
) -> StageReport:
    """Draw every stage and say it.

    Args:
        looked: Of `look_at_picture`.
        network: The same.
        photo_name: What the photo is called on the page.
        provenance: What the page says of how it was made.
    """
    easel, labels = Easel(looked), tuple(network.labels)
    stages, module = looked.stages, network.module
    made = [_canvas(looked, network, easel)]
    counts: list[Remaining] = []
    if isinstance(stages, YoloStages):
        more, left = cell_stages(looked, stages, labels, easel)
        made += more
        counts += left
        candidates, found = _of(stages.candidates), _of(stages.found)
        made.append(
            _suppression(
                looked, labels, easel, candidates, found, iou=stages.iou_threshold, most=getattr(module, "keep", None)
            )
        )
    elif isinstance(stages, CropStages):
        stage, left = proposal_stage(looked, stages.proposals.numpy(), easel)
        made += [stage, warp_stage(looked, stages, network, easel)]
        scored = stages.candidates
        counts += [*left, *region_counts(looked, len(scored.boxes), len(stages.kept))]
        candidates = FoundBoxes(scored.boxes, scored.scores, scored.classes)
        iou = float(getattr(module, "nms_threshold", 0.3))
        made.append(
            _suppression(
                looked, labels, easel, candidates, stages.found, iou=iou, most=getattr(module, "max_found", None)
            )
        )
    else:
        made += _region_stages(looked, stages, network, easel, counts)
    counts.append(Remaining("answer", len(looked.answer), f"with a score of at least {score_words(looked.score)}"))
    height, width = looked.photo.shape[:2]
    objects = None if looked.truth is None else int((~(looked.truth.difficult | looked.truth.crowd)).sum())
    return StageReport(
        network=network.name,
        photo_name=photo_name,
        photo_size=(height, width),
        sentence=_sentence(looked, counts),
        trust=_trust(looked, objects),
        answer=_answer(looked),
        found=looked.answer,
        score=looked.score,
        objects=objects,
        counts=tuple(counts),
        stages=tuple(made),
        provenance=dict(provenance or {}),
    )


def _region_stages(
    looked: PictureStages, stages: RegionStages, network: Network, easel: Easel, counts: list[Remaining]
) -> list[Stage]:
    module: Any = network.module
    made: list[Stage] = []
    if isinstance(module, FasterRCNN):
        more, left = anchor_stages(looked, stages, module, easel)
        made += more
        counts += left
    else:
        stage, left = proposal_stage(looked, stages.proposals.boxes.numpy(), easel)
        made.append(stage)
        counts += left
    made.append(pooling_stage(looked, stages, network, easel))
    scored = stages.candidates
    counts += region_counts(looked, len(scored.boxes), len(scored.kept))
    candidates = FoundBoxes(scored.boxes, scored.scores, scored.classes)
    iou = float(module.roi_heads.settings.nms)
    made.append(
        _suppression(
            looked,
            tuple(network.labels),
            easel,
            candidates,
            stages.found,
            iou=iou,
            most=module.roi_heads.settings.per_picture,
        )
    )
    return made


def _canvas(looked: PictureStages, network: Network, easel: Easel) -> Stage:
    height, width = looked.photo.shape[:2]
    rows, columns = looked.size
    canvas = looked.cut.size
    fit = {
        "whole": f"fitted whole into a canvas of {canvas[1]} × {canvas[0]} px, of which it fills {columns} × {rows}",
        "stretch": f"stretched to {columns} × {rows} px, whatever its shape",
        "shorter": f"resized to {columns} × {rows} px, by its shorter side",
    }.get(network.preprocessing.fit, f"shown at {columns} × {rows} px")
    padded = (rows, columns) != canvas
    zoom = f" Drawn at {easel.zoom} times its resolution, so that lines can be read." if easel.zoom > 1 else ""
    return Stage(
        "canvas",
        "What the network sees",
        f"The photo of {width} × {height} px is {fit}{'; the rest is zero' if padded else ''}. All boxes below are in "
        f"pixels of this canvas.{zoom}",
        pictures=(StagePicture("photo", f"{columns} × {rows} px", easel.photo),),
        numbers={"canvas": list(canvas), "photo": [rows, columns]},
    )


def _suppression(
    looked: PictureStages,
    labels: Sequence[str],
    easel: Easel,
    candidates: FoundBoxes,
    found: FoundBoxes,
    *,
    iou: float,
    most: int | None,
) -> Stage:
    before, after = len(candidates.boxes), len(found.boxes)
    sure = found.scores >= looked.score
    answer = int(sure.sum())
    dashed = "" if looked.truth is None else "; dashed: what people marked"
    at_most = "" if most is None else f", and at most {most:,} of all classes stay"
    boxes, classes = easel.boxes(candidates.boxes), candidates.classes.numpy()
    pictures = [
        StagePicture(
            "before",
            f"{plural(before, 'box', 'boxes')} with a score of at least {score_words(looked.lowest)}",
            draw_candidates(easel.photo, boxes, classes, labels, scores=candidates.scores),
        ),
        StagePicture(
            "after",
            f"{plural(after, 'box', 'boxes')} after suppression; named: {plural(answer, 'box', 'boxes')} with a score "
            f"of at least {score_words(looked.score)}{dashed}",
            draw_boxes(
                draw_candidates(
                    easel.photo,
                    easel.boxes(found.boxes[~sure]),
                    found.classes[~sure].numpy(),
                    labels,
                    scores=found.scores[~sure],
                ),
                easel.boxes(found.boxes[sure]),
                found.classes[sure].numpy(),
                labels,
                scores=found.scores[sure].numpy(),
                truth=easel.truth,
            ),
        ),
    ]
    return Stage(
        "suppression",
        "Non-maximum suppression",
        f"Of {plural(before, 'box', 'boxes')} with a score of at least {score_words(looked.lowest)}, each class keeps "
        f"its surest and drops what overlaps it by an IoU above {score_words(iou)}, and so on{at_most}: "
        f"{plural(before - after, 'is', 'are')} thrown away, {plural(after, 'stays', 'stay')}; "
        f"{plural(answer, 'scores', 'score')} at least {score_words(looked.score)} and "
        f"{'is' if answer == 1 else 'are'} the answer.",
        pictures=tuple(pictures),
        numbers={"before": before, "after": after, "answer": answer, "iou": iou},
    )


def _of(boxes: Detections) -> FoundBoxes:
    scores = np.zeros(len(boxes), np.float32) if boxes.scores is None else boxes.scores
    return FoundBoxes(torch.from_numpy(boxes.boxes), torch.from_numpy(scores), torch.from_numpy(boxes.classes))


def _sentence(looked: PictureStages, counts: Sequence[Remaining]) -> str:
    first, last = counts[0], counts[-1]
    if not last.count:
        return (
            f"Of {first.count:,} {first.name}, none became a box with a score of at least {score_words(looked.score)}."
        )
    return f"{of_each(looked.answer)}: what is left of {first.count:,} {first.name}."


def _trust(looked: PictureStages, objects: int | None) -> str:
    proposing = f", and {format_seconds(looked.proposal_seconds)} to propose" if looked.proposal_seconds else ""
    time = f"It took {format_seconds(looked.seconds)}{proposing}, with everything looked at on the way."
    if objects is None or looked.truth is None:
        return f"Nobody said what is on the photo: --truth shows what was right. {time}"
    found = 0
    answer = looked.answer
    on_canvas = map_boxes(answer.boxes, looked.cut)
    wanted = ~(looked.truth.difficult | looked.truth.crowd)
    for k in range(len(looked.truth.labels)):
        rows = (looked.truth.classes == k) & wanted
        found += int((best_overlaps(looked.truth.boxes[rows], on_canvas[answer.classes == k]) >= 0.5).sum())
    return (
        f"{found:,} of {plural(objects, 'object')} that people marked have a box of their class that overlaps them by "
        f"an IoU of at least .50. {time}"
    )


def _answer(looked: PictureStages) -> NDArray[np.uint8]:
    """The answer on the photo itself, at a size for a page."""
    height, width = looked.photo.shape[:2]
    scale = SIDE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = np.asarray(Image.fromarray(looked.photo).resize(size, Image.Resampling.LANCZOS))
    answer = looked.answer
    truth = None if looked.truth is None else unmap_boxes(looked.truth.boxes, looked.cut) * scale
    return draw_boxes(pixels, answer.boxes * scale, answer.classes, answer.labels, scores=answer.scores, truth=truth)

"""Stages of YOLO, drawn and said: the grid, who is responsible, the class map, confidences, the boxes of all cells."""

import numpy as np

from striate.detection.looking import PictureStages
from striate.detection.yolo_steps import YoloStages
from striate.draw.boxes import draw_boxes, score_words
from striate.draw.detection_steps import draw_proposals
from striate.report.stage_parts import Easel, Remaining, Stage, StagePicture, plural

__all__ = ["cell_stages"]


def cell_stages(
    looked: PictureStages, stages: YoloStages, labels: tuple[str, ...], easel: Easel
) -> tuple[list[Stage], list[Remaining]]:
    """Everything before boxes are left out."""
    s, t = stages.grid
    b = stages.confidences.shape[2]
    down, across = stages.canvas[0] / s, stages.canvas[1] / t
    stride = (down, across)
    made = []
    if stages.owners is not None and looked.truth is not None:
        made.append(_responsible(looked, stages, labels, easel))
    likely = stages.class_probabilities.max(2)
    numbers = {"cells": [s, t], "boxes_a_cell": b, "classes": len(labels)}
    made.append(
        Stage(
            "classes",
            "Class map",
            f"The canvas is cut into {s} × {t} cells of {across:g} × {down:g} px. Each says of every class how likely "
            "an object is of it, if the middle of one lies there. The color of a cell is its likeliest class, the "
            "stronger the likelier; what is nothing gets a class, too, for only the confidence says whether anything "
            "is there.",
            pictures=(
                StagePicture(
                    "class-map",
                    f"{plural(len(np.unique(stages.class_map)), 'class', 'classes')} named at "
                    f"{plural(s * t, 'cell')}; up to {score_words(float(likely.max()))}",
                    easel.class_cells(stages.class_map, labels, stride=stride, strength=likely),
                ),
            ),
            numbers=numbers,
        )
    )
    highest = stages.confidences.max(2)
    limits = (0.0, max(float(highest.max()), 1e-6))
    sure = stages.boxes.scores if stages.boxes.scores is not None else np.zeros(len(stages.boxes), np.float32)
    half = int((stages.confidences >= 0.5).sum())
    made.append(
        Stage(
            "confidences",
            "Confidences and boxes",
            f"Every cell gives {plural(b, 'box', 'boxes')}, each with a confidence: P(object) · IoU, what it expects "
            f"its overlap with an object to be. {len(stages.boxes):,} boxes in all, {half:,} with a confidence of .50 "
            "or more.",
            pictures=(
                StagePicture(
                    "confidence",
                    f"The higher confidence of each cell's boxes: up to {score_words(float(highest.max()))}",
                    easel.cell_map(highest, stride=stride, offset=0.0, limits=limits),
                ),
                StagePicture(
                    "boxes",
                    f"The boxes of all cells{'' if looked.truth is None else '; dashed: what people marked'}",
                    draw_proposals(
                        easel.photo, easel.boxes(stages.boxes.boxes), sure, limits=limits, truth=easel.truth
                    ),
                ),
            ),
            limits=limits,
            unit="confidence: P(object) · IoU; one scale for both pictures",
            numbers={"boxes": len(stages.boxes), "at_least_half": half, "highest": float(highest.max())},
        )
    )
    counts = [
        Remaining("boxes", len(stages.boxes), f"{b} of each of {s} × {t} cells"),
        Remaining("scores", len(stages.candidates), f"confidence · class of at least {score_words(looked.lowest)}"),
        Remaining("after NMS", len(stages.found), "no surer box of the class overlaps them"),
    ]
    return made, counts


def _responsible(looked: PictureStages, stages: YoloStages, labels: tuple[str, ...], easel: Easel) -> Stage:
    owners, truth = stages.owners, looked.truth
    if owners is None or truth is None:
        raise TypeError("Nobody said what is on the photo.")
    count = int((owners >= 0).sum())
    strength = (owners >= 0).astype(np.float64)
    s, t = stages.grid
    cells = easel.class_cells(
        np.maximum(owners, 0),
        labels,
        stride=(stages.canvas[0] / s, stages.canvas[1] / t),
        strength=strength,
        owners=owners,
    )
    drawn = draw_boxes(cells, [], [], labels, truth=easel.truth)
    lost = stages.collided or 0
    words = (
        f" {plural(lost, 'object')} of {len(truth):,} can not be learned here: a smaller one has its middle in the "
        "same cell."
        if lost
        else " No two objects share a cell here."
    )
    return Stage(
        "responsible",
        "Who is responsible",
        f"A cell is responsible for the object whose middle lies in it: {plural(count, 'cell')} of {s * t:,} "
        f"{'has' if count == 1 else 'have'} one.{words}",
        pictures=(StagePicture("cells", "Colored, with a dot: responsible cells; dashed: what people marked", drawn),),
        numbers={"responsible": count, "collided": lost},
    )

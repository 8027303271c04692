"""Pictures of numbers: arrays in, arrays out (uint8 RGB, `h w 3`). Knows no torch and no plotting state.

Words in pictures are set in DejaVu Sans, which matplotlib carries.
"""

from striate.draw.animation import encode_gif
from striate.draw.boxes import draw_boxes
from striate.draw.colormap import SIGNED, UNSIGNED, colorize, colormap_table, limits_of
from striate.draw.confusion import draw_confusion
from striate.draw.curves import draw_lr_finder, draw_training_curves
from striate.draw.detection_steps import (
    draw_anchors,
    draw_cell_map,
    draw_class_cells,
    draw_proposals,
    draw_roi_grid,
    draw_suppression,
)
from striate.draw.encode import encode_jpeg, encode_png
from striate.draw.enlarge import enlarge
from striate.draw.grid import grid
from striate.draw.kernels import draw_kernels
from striate.draw.linear_frames import linear_frames
from striate.draw.matrix import draw_matrix
from striate.draw.network_frames import network_frames
from striate.draw.nms_steps import draw_nms_steps, nms_frames
from striate.draw.outline import draw_outline
from striate.draw.overlay import overlay
from striate.draw.perturbation import draw_perturbation_curves, draw_similarity_curves
from striate.draw.reliability import draw_reliability
from striate.draw.scalebar import draw_scalebar
from striate.draw.sheet import Tile, draw_sheet
from striate.draw.trace_frames import trace_frames

__all__ = [
    "SIGNED",
    "UNSIGNED",
    "Tile",
    "colorize",
    "colormap_table",
    "draw_anchors",
    "draw_boxes",
    "draw_cell_map",
    "draw_class_cells",
    "draw_confusion",
    "draw_kernels",
    "draw_lr_finder",
    "draw_matrix",
    "draw_nms_steps",
    "draw_outline",
    "draw_perturbation_curves",
    "draw_proposals",
    "draw_reliability",
    "draw_roi_grid",
    "draw_scalebar",
    "draw_sheet",
    "draw_similarity_curves",
    "draw_suppression",
    "draw_training_curves",
    "encode_gif",
    "encode_jpeg",
    "encode_png",
    "enlarge",
    "grid",
    "limits_of",
    "linear_frames",
    "network_frames",
    "nms_frames",
    "overlay",
    "trace_frames",
]

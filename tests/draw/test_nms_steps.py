"""NMS drawn step by step: one frame a turn, colors that say what became of a box, the photo untouched elsewhere."""

import numpy as np
import torch

from striate import draw, ops


def test_frames_show_what_happens() -> None:
    boxes = torch.tensor([[20.0, 20, 90, 90], [24, 22, 96, 92], [120, 20, 180, 80]])
    steps = ops.nms_steps(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
    photo = np.full((110, 200, 3), 60, np.uint8)
    frames = draw.nms_frames(photo, steps)
    assert len(frames) == 1 + len(steps.steps) == 3
    assert all(frame.shape == photo.shape for frame in frames)
    assert (photo == 60).all()
    assert frames[1][55, 20].tolist() == [240, 180, 60]  # picked
    assert frames[2][55, 20].tolist() == [90, 190, 240]  # kept before
    assert (frames[2][30:80, 100:115] == 60).all()
    sheet = draw.draw_nms_steps(photo, steps)
    assert sheet.shape[1] > 3 * 200
    none = ops.nms_steps(torch.zeros(0, 4), torch.zeros(0), 0.5)
    np.testing.assert_array_equal(draw.nms_frames(photo, none)[0], photo)

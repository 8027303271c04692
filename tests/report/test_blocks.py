"""An opened stage: one box a layer, connected, inside its frame."""

import pytest

from striate.report.blocks import draw_stage
from tests.report.samples import sample


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "resnet20", "wrn16_4", "googlenet", "lenet5"])
def test_boxes_stand_inside_and_apart(name):
    summary = sample(name).summary
    for number in range(len(summary.stages)):
        drawing = draw_stage(summary, number)
        boxes = [box for box in drawing.boxes if not box.join]
        assert all(0 <= box.x <= drawing.width - 76 and 0 <= box.y <= drawing.height - 38 for box in boxes)
        assert len({(box.x, box.y) for box in boxes}) == len(boxes)
        assert len(drawing.paths) >= len(boxes)


def test_signs_tell_sums_from_concatenations():
    residual = sample("resnet18").summary
    signs = {box.join for box in draw_stage(residual, 2).boxes if box.join}
    assert signs == {"+"}
    inception = sample("googlenet").summary
    place = next(i for i, stage in enumerate(inception.stages) if "inception4" in stage.name)
    assert {box.join for box in draw_stage(inception, place).boxes if box.join} == {"‖"}

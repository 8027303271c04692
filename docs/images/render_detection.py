"""Draw the picture of the guide's page on detection: `python docs/images/render_detection.py [RUN]`.

RUN is a detector of the built-in shapes:

    striate data scenes shapes --train 96 --val 12 --test 12
    striate train shapes --model faster_rcnn --epochs 10 --batch-size 4 --name shapes
    python docs/images/render_detection.py runs/detect/shapes

Without it, both are done first; that takes some minutes on two cores.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import striate
from striate.data.scenes import build_scenes
from striate.detection.looking import look_at_picture
from striate.draw import encode_jpeg
from striate.draw.sheet import Tile, draw_sheet
from striate.recipes import data_scenes, train
from striate.report.stages_of import build_stages

HERE = Path(__file__).parent
SCENE = 8
TILES = (  # stage, picture, title
    ("matching", "positive", "anchors that learn"),
    ("objectness", "1-64px", "objectness, anchors of 64 px"),
    ("proposals", "before", "corrected anchors"),
    ("proposals", "after", "proposals"),
    ("suppression", "before", "boxes with classes"),
    ("suppression", "after", "after suppression"),
)


def trained(folder: Path) -> Path:
    """A detector of the shapes, learned in the folder."""
    data = folder / "shapes"
    for _ in data_scenes.run(data_scenes.DataScenesConfig(out=data, train=96, val=12, test=12)):
        pass
    root = folder / "runs"
    given = {"data": data, "model": "faster_rcnn", "epochs": 10, "batch_size": 4, "name": "shapes", "root": root}
    for _ in train.run(given):
        pass
    return root / "detect" / "shapes"


def draw(run: Path) -> None:
    """Six stages of one scene that the detector never saw."""
    network = striate.load(run)
    scene = build_scenes(SCENE + 1, part="test", seed=11)
    looked = look_at_picture(network, scene.pixels(SCENE), truth=scene.truth[SCENE])
    report = build_stages(looked, network, photo_name="scene")
    print(report.sentence, report.trust)
    drawn = {(stage.key, one.name): one.pixels for stage in report.stages for one in stage.pictures}
    tiles = [Tile(np.asarray(Image.fromarray(drawn[stage, name]).resize((480, 480), Image.Resampling.LANCZOS)), title)
             for stage, name, title in TILES]  # fmt: skip
    (HERE / "detection-stages.jpg").write_bytes(encode_jpeg(draw_sheet(tiles, columns=3), quality=80))


def main() -> None:
    """From the run that is given, or from one made here."""
    if len(sys.argv) > 1:
        draw(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        draw(trained(Path(folder)))


if __name__ == "__main__":
    main()

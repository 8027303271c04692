"""Draw the pictures of the guide's page on scenes: `python docs/images/render_scenes.py`."""

from pathlib import Path

import numpy as np

from striate.data import draw_scene
from striate.draw import draw_boxes, encode_jpeg, grid

HERE = Path(__file__).parent


def main() -> None:
    """Training scenes above, test scenes below, of the built-in shapes."""
    scenes = [draw_scene(index, part=part) for part in ("train", "test") for index in (1, 8, 12, 17)]
    pictures = [
        draw_boxes(scene.pixels, scene.truth.boxes, scene.truth.classes, scene.truth.labels) for scene in scenes
    ]
    (HERE / "scenes.jpg").write_bytes(encode_jpeg(grid(np.stack(pictures), columns=4, gap=4), quality=85))


if __name__ == "__main__":
    main()

"""Draw the sheet of the guide's page on pictures with boxes: `python docs/images/render_boxes.py`."""

import tempfile
from pathlib import Path

from striate.data import build_scenes
from striate.data.convert_boxes import convert_boxes
from striate.draw import encode_jpeg
from striate.recipes.data_show import DataShowConfig, run

HERE = Path(__file__).parent


def main() -> None:
    """Scenes of the built-in shapes, as YOLO learned from photos."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shapes"
        for _ in convert_boxes({"train": build_scenes(24, seed=2)}, path, "voc"):
            pass
        config = DataShowConfig(data=path, augment="yolo", fit="stretch", pictures=3, out=Path(folder) / "sheet.png")
        *_, done = run(config)
        (HERE / "data-show-boxes.jpg").write_bytes(encode_jpeg(done.result.sheet, quality=72))


if __name__ == "__main__":
    main()

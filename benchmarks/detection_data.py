"""The scenes on which detectors are measured: twenty emoji as classes, ten categories of emoji, ten shapes.

    python benchmarks/detection_data.py emoji PACKAGE OUT         # 2,000 + 200 + 500 scenes, twenty classes
    python benchmarks/detection_data.py categories PACKAGE OUT    # a quarter of the emoji only in OUT-unseen
    python benchmarks/detection_data.py shapes OUT                # no download

PACKAGE is an unpacked `emoji-datasource-google` 16 from npm (`npm pack emoji-datasource-google@16.0.0`; the pictures
are Google's Noto Emoji, Apache-2.0): `emoji.json` and `img/google/64`. No picture of it is part of this repository.

Test scenes differ from training scenes in everything but the emoji: families of textures behind them, range of poses,
sizes, light, blur and noise, number and overlap of objects (`--shift`). A scene is a function of seed, part and number.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from striate.data.box_set import BoxSet
from striate.data.convert_boxes import convert_boxes
from striate.data.scene_files import SceneFiles
from striate.data.scene_pictures import PictureSprites, read_sprites
from striate.data.scene_settings import settings_of
from striate.data.scene_shapes import ShapeSprites
from striate.data.scene_sprites import SpriteSource
from striate.data.scenes import SceneMaker, build_scenes

IDENTITIES = (
    "airplane", "bike", "bus", "cactus", "car", "fish", "guitar", "hamburger", "mushroom", "owl",
    "pineapple", "pizza", "snail", "soccer", "strawberry", "sunflower", "teapot", "trumpet", "turtle", "umbrella",
)  # fmt: skip
"""The twenty classes: names of emoji as the package has them."""

CATEGORIES = (
    "animal-bird", "animal-bug", "animal-mammal", "animal-marine", "clothing",
    "food-fruit", "food-prepared", "food-vegetable", "musical-instrument", "transport-ground",
)  # fmt: skip
"""Ten classes of many emoji each: the package's subcategories."""

COUNTS = {"train": 2000, "val": 200, "test": 500}


def emoji_identities(package: Path) -> PictureSprites:
    """One emoji a class."""
    files = {entry["short_name"]: _file(package, entry) for entry in _entries(package)}
    return read_sprites({name: [files[name]] for name in IDENTITIES})


def emoji_categories(package: Path, *, unseen: float = 0.25, seed: int = 0) -> PictureSprites:
    """All emoji of a category as one class, a share of them in `unseen` alone."""
    files: dict[str, list[Path]] = {name: [] for name in CATEGORIES}
    for entry in _entries(package):
        if entry["subcategory"] in files:
            files[entry["subcategory"]].append(_file(package, entry))
    return read_sprites(files, unseen=unseen, seed=seed)


def scene_sets(
    sprites: SpriteSource | None, counts: Mapping[str, int] = COUNTS, *, seed: int = 0, shift: Any = "mild"
) -> dict[str, BoxSet]:
    """The parts, in memory; `sprites=None` are the built-in shapes."""
    return {
        part: build_scenes(count, part=part, seed=seed, sprites=sprites, shift=shift) for part, count in counts.items()
    }


def write_sets(
    sprites: SpriteSource | None,
    counts: Mapping[str, int],
    out: Path,
    *,
    layout: Any,
    seed: int = 0,
    shift: Any = "mild",
) -> None:
    """The scenes as files: `train`, `val` and `test` in OUT, `unseen` as the test part of OUT-unseen."""
    with tempfile.TemporaryDirectory() as folder:
        sets = {}
        for part, count in counts.items():
            maker = SceneMaker(sprites or ShapeSprites(), settings_of(part, shift=shift), part, seed)
            painter, began = SceneFiles(maker, count, Path(folder)), perf_counter()
            for _ in painter.paint(workers=os.cpu_count() or 1):
                pass
            sets[part] = painter.boxes()
            boxes, rate = sum(map(len, painter.truth)), count / (perf_counter() - began)
            print(f"{part}: {count:,} scenes, {boxes:,} boxes, {rate:.0f} scenes a second", flush=True)
        unseen = sets.pop("unseen", None)
        for target, own in ((out, sets), (out.with_name(f"{out.name}-unseen"), {"test": unseen} if unseen else {})):
            if own:
                for _ in convert_boxes(own, target, layout):
                    pass
                print(target)


def _entries(package: Path) -> Sequence[dict[str, Any]]:
    entries = json.loads((package / "emoji.json").read_text(encoding="utf-8"))
    return [entry for entry in entries if entry["has_img_google"]]


def _file(package: Path, entry: dict[str, Any]) -> Path:
    return package / "img" / "google" / "64" / str(entry["image"])


def main() -> None:
    """Write one of the sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["emoji", "categories", "shapes"])
    parser.add_argument("paths", type=Path, nargs="+", help="PACKAGE OUT, or OUT for shapes")
    parser.add_argument("--to", choices=["voc", "coco", "yolo"], default="coco")
    parser.add_argument("--shift", choices=["none", "mild", "strong"], default="mild")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the numbers of scenes, for a try")
    options = parser.parse_args()
    *package, out = options.paths
    if len(package) != (options.what != "shapes"):
        parser.error("shapes takes OUT; the others take PACKAGE OUT")
    makers = {"emoji": emoji_identities, "categories": emoji_categories}
    sprites = makers[options.what](package[0]) if package else None
    counts = COUNTS | ({"unseen": 500} if options.what == "categories" else {})
    counts = {part: max(1, round(count * options.share)) for part, count in counts.items()}
    write_sets(sprites, counts, out, layout=options.to, seed=options.seed, shift=options.shift)


if __name__ == "__main__":
    main()

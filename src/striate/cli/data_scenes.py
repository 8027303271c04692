"""`striate data scenes OUT`: copy-paste scenes with exact boxes, from one's own sprites or from built-in shapes."""

from pathlib import Path
from typing import Literal

from striate.cli.console import print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.problems import print_problems
from striate.cli.words import command
from striate.data.files import printable

__all__ = ["scenes"]


def scenes(
    out: Path,
    /,
    *,
    sprites: Path | None = None,
    classes_by: Literal["folder", "file"] = "folder",
    backgrounds: Path | None = None,
    to: Literal["voc", "coco", "yolo"] = "voc",
    train: int = 1000,
    val: int = 100,
    test: int = 200,
    unseen: float = 0.0,
    shift: Literal["none", "mild", "strong"] = "mild",
    size: tuple[int, int] = (320, 320),
    objects: tuple[int, int] = (2, 7),
    scale: tuple[float, float] = (0.14, 0.40),
    rotation: float = 25.0,
    flip: float = 0.5,
    min_visible: float = 0.6,
    hidden: Literal["not placed", "not labeled"] = "not placed",
    difficult_below: float = 0.35,
    extent: Literal["visible", "full"] = "visible",
    form: Literal["jpg", "png"] = "jpg",
    seed: int = 0,
    workers: int | None = None,
    json: bool = False,
) -> int:
    """Make pictures for detection: objects pasted on backgrounds, each with its exact box and class.

    Scene number 7 of a part is the same however many are made, by however many processes.

    Args:
        out: The folder to write; it must not exist.
        sprites: A folder of objects: emoji, stamps, products. What is clear in a file is not the object; of opaque
            files a plain ground is cut away. Ten built-in textured shapes by default.
        classes_by: The class is the name of the folder that holds the file, or of the file itself.
        backgrounds: A folder of photos, dealt to the parts so that none has another's. Textures by default.
        to: PASCAL VOC's XML, COCO's JSON or YOLO's text files.
        train: Scenes for training.
        val: Scenes for validation.
        test: Scenes for test: other backgrounds, and by --shift other conditions.
        unseen: Share of each class's sprites set aside for scenes of their own, written to OUT-unseen.
        shift: How far test scenes are from training scenes in number, size, turn, overlap, light, blur and noise.
        size: Height and width of a scene in pixels.
        objects: Least and most objects of a training scene.
        scale: Least and most of an object's longer side, as shares of the scene's shorter side.
        rotation: Most by which objects are turned, in degrees to either side.
        flip: Share of objects that are mirrored.
        min_visible: Least share of an object that must be visible.
        hidden: Objects of which less is visible are tried elsewhere and left out, or stay without a box.
        difficult_below: Objects visible by less than this share are marked as difficult.
        extent: Boxes around what is visible, or around the whole object as far as it is in the scene.
        form: JPEG, or PNG without loss.
        seed: Another seed gives other scenes.
        workers: Processes; all cores by default.
        json: Print one JSON document instead of text.
    """
    from striate.recipes.data_scenes import DataScenesConfig, run

    config = DataScenesConfig(
        out=out, sprites=sprites, classes_by=classes_by, backgrounds=backgrounds, to=to, train=train, val=val,
        test=test, unseen=unseen, shift=shift, size=size, objects=objects, scale=scale, rotation=rotation, flip=flip,
        min_visible=min_visible, hidden=hidden, difficult_below=difficult_below, extent=extent, form=form, seed=seed,
        workers=workers,
    )  # fmt: skip
    done = draw_events(run(config))
    sets, problems = done.result
    if json:
        print_json(
            {
                "data": {name: str(path) for name, path in done.files.items()},
                "classes": list(next(iter(sets.values())).classes),
                "parts": {
                    part: {"scenes": len(boxes), "boxes": int(boxes.counts().sum())} for part, boxes in sets.items()
                },
                "problems": [problem.to_dict() for problem in problems],
            }
        )
        return Exit.OK
    rows = []
    for part, boxes in sets.items():
        counts, difficult = boxes.counts(), sum(int(truth.difficult.sum()) for truth in boxes.truth)
        spread = f"{int(counts.min()):,} to {int(counts.max()):,}"
        rows.append([part, f"{len(boxes):,}", f"{int(counts.sum()):,}", spread, f"{difficult:,}"])
    print_table(["", "scenes", "boxes", "a class", "difficult"], rows, align="lrrrr")
    for kind in dict.fromkeys(problem.kind for problem in problems):
        print_problems(kind, [problem for problem in problems if problem.kind == kind], sprites or out, 5)
    print_note("Boxes hold the pixels of which the object covers at least half.")
    for name, path in done.files.items():
        print_result(f"{name.capitalize():<8}{printable(path)}")
    print_next(command("striate", "data", "check", out))
    return Exit.OK

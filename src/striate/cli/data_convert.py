"""`striate data convert PATH --to npz`: labeled pictures from one layout to another."""

from pathlib import Path
from typing import Literal

from striate.cli.console import print_json, print_next, print_result
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.problems import print_problems
from striate.cli.words import BOX_MODEL, command
from striate.data.files import printable

__all__ = ["convert"]


def convert(
    path: str,
    /,
    *,
    to: Literal["folder", "csv", "npz", "idx", "tar", "voc", "coco", "yolo"],
    val: float = 0.0,
    test: float = 0.0,
    seed: int = 0,
    group: str | None = None,
    out: Path | None = None,
    json: bool = False,
) -> int:
    """Write pictures in another layout: files are copied as they are, nothing is overwritten, whole or not at all.

    Args:
        path: Class folders, a CSV, npz, idx or tar file, or a folder of them; boxes in VOC, COCO or YOLO form.
        to: Class folders, pictures with a CSV table, one npz file, MNIST's idx files, or WebDataset tar shards. For
            boxes: VOC's XML, COCO's JSON or YOLO's text files.
        val: Share for validation, divided off on the way.
        test: Share for test.
        seed: Another seed gives other parts.
        group: Regular expression for file names; where it finds the same (its first bracket), files stay together.
        out: The folder (for npz the file) to write; it must not exist. NAME-LAYOUT by default.
        json: Print one JSON document instead of text.
    """
    from striate.recipes.data_convert import DataConvertConfig, run

    config = DataConvertConfig(path=Path(path), to=to, val=val, test=test, seed=seed, group=group, out=out)
    done = draw_events(run(config))
    problems, target = done.result, done.files["data"]
    if json:
        print_json({"data": str(target), "problems": [problem.to_dict() for problem in problems]})
    else:
        for kind in dict.fromkeys(problem.kind for problem in problems):
            print_problems(kind, [problem for problem in problems if problem.kind == kind], path, 5)
        print_result(f"Data    {printable(target)}")
        words = ["--model", BOX_MODEL] if to in {"voc", "coco", "yolo"} else []
        print_next(command("striate", "train", target, *words))
    return Exit.SOME_FAILED if any(problem.kind == "unreadable" for problem in problems) else Exit.OK

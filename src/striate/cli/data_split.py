"""`striate data split PATH --val 0.1`: a table that says which pictures are for training, and which are not."""

from pathlib import Path

from striate.cli.console import print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.problems import print_problems
from striate.cli.words import BOX_MODEL, command
from striate.data.files import printable

__all__ = ["split"]


def split(
    path: str,
    /,
    *,
    val: float = 0.0,
    test: float = 0.0,
    seed: int = 0,
    group: str | None = None,
    out: Path | None = None,
    json: bool = False,
) -> int:
    """Divide pictures into train, val and test: every class in proportion, the files stay where they are.

    The result is a CSV file that every verb takes in place of the folder. For pictures with boxes it is a folder with
    COCO's JSON files, which name the pictures where they are.

    Args:
        path: Class folders, or a CSV file; boxes in VOC, COCO or YOLO form.
        val: Share for validation, such as 0.1.
        test: Share for test.
        seed: Another seed gives other parts.
        group: Regular expression for file names; where it finds the same (its first bracket), files stay together.
        out: The table to write; it must not exist. NAME-split.csv by default, for boxes the folder NAME-split.
        json: Print one JSON document instead of the table.
    """
    from striate.recipes.data_split import DataSplitConfig, run
    from striate.recipes.events import Done, Plan

    config = DataSplitConfig(path=Path(path), val=val, test=test, seed=seed, group=group, out=out)
    done: Done | None = None
    for event in run(config):
        match event:
            case Plan():
                print_note(event.text)
            case Done():
                done = event
    if done is None:
        return Exit.INTERNAL
    sets, table = done.result, done.files.get("table", done.folder)
    problems = [problem for images in sets.values() for problem in images.problems]
    if json:
        print_json(
            {
                "table" if "table" in done.files else "data": str(table),
                "counts": {name: len(images) for name, images in sets.items()},
                "problems": [problem.to_dict() for problem in problems],
            }
        )
        return Exit.OK
    rows = [[name, f"{len(images):,}", f"{int((images.counts() > 0).sum()):,}"] for name, images in sets.items()]
    print_table(["", "pictures", "classes"], rows, align="lrr")
    for kind in dict.fromkeys(problem.kind for problem in problems):
        print_problems(kind, [problem for problem in problems if problem.kind == kind], path, 5)
    print_result(f"{'Table' if 'table' in done.files else 'Data':<8}{printable(table)}")
    print_next(command("striate", "train", table, *([] if "table" in done.files else ["--model", BOX_MODEL])))
    return Exit.OK

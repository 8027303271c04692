"""`striate study new DATA`: pictures for people and networks, in a folder of their own."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from striate.cli.checks import check_positive
from striate.cli.console import print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.fetching import fetch_record, find_missing
from striate.cli.words import command
from striate.data.files import printable

__all__ = ["new"]


def new(
    data: Path,
    /,
    *,
    network: tuple[str, ...] = (),
    classes: tuple[str, ...] = (),
    choices: int | None = None,
    mapping: Path | None = None,
    combine: Literal["mean", "sum", "max"] = "mean",
    images_per_class: int = 10,
    degrade: tuple[str, ...] = (),
    practice: int = 6,
    exposure_ms: int = 200,
    mask_ms: int = 200,
    side: int = 224,
    split: str | None = None,
    consent: Path | None = None,
    title: str | None = None,
    seed: int = 0,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "studies/DATA")] = None,
    max_megapixels: float = 64.0,
    device: str = "auto",
    json: bool = False,
) -> int:
    """Choose pictures of every class, change them, ask the networks, and write it all into one folder.

    Every picture is shown once, under one condition. People and networks get the same pixels and the same choices.

    Args:
        data: Labeled pictures: class folders, CSV, idx, npz or tar shards.
        network: A name of striate models, a weights file or a run; may be given several times.
        classes: The choices: cat,dog,car. All classes when it is not given.
        choices: So many classes, drawn at random.
        mapping: CSV with label,category: joins labels of data and networks to coarser choices.
        combine: Of several outputs of a network for one choice: the mean, sum or max of their probabilities.
        images_per_class: Pictures of each class under each condition.
        degrade: Conditions beside clean: blur=3,noise=0.2,occlude=0.4,contrast=0.2,gray; gray+noise=0.2 does both.
        practice: Pictures for practice; they do not count.
        exposure_ms: How long a picture is shown; 0 leaves it until the answer.
        mask_ms: How long noise is shown after it.
        side: Most pixels of a picture's side.
        split: The part of the data: val, test, train or all.
        consent: A text file to show before anything else.
        title: What the study is called.
        seed: Another seed gives other pictures, other noise and other orders.
        out: The folder to write; it must not exist.
        max_megapixels: Larger pictures are left out, and named.
        device: cpu, cuda, or auto for a GPU where there is one.
        json: Print one JSON document instead of the table.
    """
    check_positive("--max-megapixels", max_megapixels)
    for name in network:
        missing = None if Path(name).exists() else find_missing(name)
        if missing is not None:
            fetch_record(missing)

    from striate.recipes import study as recipe  # imports torch

    config = recipe.StudyConfig(
        data=data,
        networks=network,
        classes=classes,
        choices=choices,
        mapping=mapping,
        combine=combine,
        images_per_class=images_per_class,
        degrade=degrade,
        practice=practice,
        exposure_ms=exposure_ms,
        mask_ms=mask_ms,
        side=side,
        split=split,
        consent=consent,
        title=title,
        seed=seed,
        out=out,
        max_megapixels=max_megapixels,
        device=device,
    )
    done = draw_events(recipe.run(config))
    made: recipe.NewStudy = done.result
    study = made.study
    for problem in made.problems[:5]:
        print_note(printable(str(problem)))
    if len(made.problems) > 5:
        print_note(f"{len(made.problems) - 5} more pictures were left out.")
    tested = study.tested
    if json:
        print_json(
            {
                "study": str(study.folder),
                "pictures": len(tested),
                "practice": len(study.pictures) - len(tested),
                "classes": list(study.settings.classes),
                "conditions": list(study.settings.conditions),
                "networks": [one.name for one in study.participants()],
                "minutes": made.minutes,
                "problems": [problem.to_dict() for problem in made.problems],
            }
        )
        return Exit.OK
    counts = [sum(picture.condition == name for picture in tested) for name in study.settings.conditions]
    rows = [[name, f"{count:,}"] for name, count in zip(study.settings.conditions, counts, strict=True)]
    print_table(["condition", "pictures"], rows, align="lr")
    print_result(f"Choices  {printable(', '.join(study.settings.classes))}")
    for one in study.participants():
        print_result(f"Asked    {one.name}")
    print_result(f"Study    {printable(study.folder)} (about {made.minutes} min a person)")
    print_next(command("striate", "study", "label", study.folder))
    return Exit.OK

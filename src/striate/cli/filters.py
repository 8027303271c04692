"""`striate filters PHOTO`: edges, blur, sharpening; the classic kernels and yours, on a contact sheet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.cli.console import print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.words import command
from striate.data.files import printable
from striate.errors import ConfigError, DataError

if TYPE_CHECKING:
    from striate.recipes.events import Done
    from striate.recipes.filters import FiltersConfig

__all__ = ["filters"]

Documents = list[dict[str, object]]


def filters(
    *photos: Path,
    filter: Annotated[tuple[str, ...], Parameter(name=["--filter", "-f"], consume_multiple=False)] = (),  # noqa: A002
    all: bool = False,  # noqa: A002 - the flag's name
    kernel: str | None = None,
    border: Literal["zeros", "reflect", "symmetric", "replicate", "circular"] = "reflect",
    flip: bool = False,
    grey: bool = False,
    max_side: int = 1024,
    values: bool = False,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "striate-out/PHOTO-filters")] = None,
    device: str = "auto",
    list: bool = False,  # noqa: A002 - the flag's name
    json: bool = False,
) -> int:
    """Filter photos: each result as a picture, all of them on one contact sheet.

    Args:
        photos: Image files.
        filter: A filter or bank of --list, with settings as gaussian:sigma=2; may be given again and again.
        all: Every filter there is.
        kernel: A filter of your own, rows divided by semicolons: "1 0 -1; 1 0 -1; 1 0 -1".
        border: What lies beyond the border: zeros, mirrored without or with the last pixel, repeated, or the other end.
        flip: Turn kernels by 180 degrees first, which makes it a true convolution.
        grey: Filter lightness alone; edges always do.
        max_side: Photos are shrunk to this longest side first, in pixels.
        values: Write the numbers too, as npz.
        out: Folder for the pictures; with several photos each gets a folder inside it.
        device: cpu, cuda, or auto for a GPU where there is one.
        list: List the filters with their kernels and settings.
        json: Print one JSON document instead of the tables.
    """
    if list:
        if photos:
            raise ConfigError(f"--list takes no photo, got '{printable(photos[0])}'; leave one of them out.")
        return _list(json=json)
    if not photos:
        raise ConfigError("'striate filters' needs a photo, or --list. See 'striate filters --help'.")
    from striate.recipes.filters import FiltersConfig, chosen_filters, run

    documents: Documents = []
    failures = 0
    last: Done | None = None
    once = tuple(dict.fromkeys(photos))
    for photo in once:
        if photos.count(photo) > 1:
            print_note(f"{printable(photo)} is given {photos.count(photo)} times; it is filtered once.")
    used: set[Path] = set()
    for photo in once:
        folder = out if out is None or len(once) == 1 else out / f"{photo.stem}-filters"
        config = FiltersConfig(
            photo=photo,
            filters=filter,
            everything=all,
            kernel=kernel,
            border=border,
            flip=flip,
            grey=grey,
            max_side=max_side,
            values=values,
            out=folder,
            device=device,
        )
        config = _apart(config, used)
        chosen_filters(config)  # a wrong filter is everybody's mistake, not this photo's
        try:
            last = draw_events(run(config))
        except DataError as error:
            failures += 1
            print_note(str(error))
            documents.append({"file": str(photo), "error": str(error)})
            continue
        documents.append({"file": str(photo), "files": {name: str(path) for name, path in last.files.items()}})
        if not json:
            _show(last)
    if json:
        print_json({"filtered": len(documents) - failures, "failed": failures, "results": documents})
    elif last is not None:
        print_next(command("striate", "convolve", "7", "conv f=3 s=2 p=1", "--trace"))
    return Exit.OK if not failures else Exit.USER_ERROR if len(once) == 1 else Exit.SOME_FAILED


def _apart(config: "FiltersConfig", used: set[Path]) -> "FiltersConfig":
    """The settings with a folder that no other photo of this run has: photos of two folders may share their names."""
    first, number = config.folder, 1
    while config.folder in used:
        number += 1
        config = config.model_copy(update={"out": first.with_name(f"{first.name}-{number}")})
    used.add(config.folder)
    return config


def _show(done: "Done") -> None:
    rows = [
        [result.filter.name, f"{result.values.min():.3g}", f"{result.values.max():.3g}", result.filter.summary]
        for result in done.result
    ]
    print_table(["filter", "least", "most", ""], rows, align="lrrl")
    print_result("")
    print_result(f"Sheet   {printable(str(done.files['sheet']))}")


def _list(*, json: bool) -> int:
    from striate.ops import find_filter, list_filters
    from striate.recipes.filters import BANKS

    found = [find_filter(name) for name in list_filters()]
    if json:
        print_json(
            [
                {
                    "name": one.name,
                    "summary": one.summary,
                    "source": one.source,
                    "settings": dict(one.settings),
                    "kernels": [kernel.tolist() for kernel in one.kernels],
                }
                for one in found
            ]
        )
        return Exit.OK
    rows = [[one.name, ",".join(f"{k}={v:g}" for k, v in one.settings.items()), one.summary] for one in found]
    rows += [[name, "", f"{len(members)} filters, {members[0]} to {members[-1]}."] for name, members in BANKS.items()]
    print_table(["filter", "settings", ""], rows, align="lll")
    print_result("")
    for one in found:
        if not one.settings:
            kernels = "  and  ".join(
                "; ".join(" ".join(f"{v:g}" for v in row) for row in k.tolist()) for k in one.kernels
            )
            print_result(f"{one.name}: {kernels}")
    print_next(command("striate", "filters", "PHOTO", "--filter", "gaussian:sigma=3"))
    return Exit.OK

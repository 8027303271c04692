"""`striate classify FILES…`: name what is in many photos; a file that cannot be read does not stop the others."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from striate.cli.checks import check_positive
from striate.cli.console import ProgressLine, print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.fetching import fetch_record, find_missing
from striate.cli.words import DEFAULT_NETWORK, command, network_flag, percent
from striate.data.files import printable
from striate.errors import DataError

if TYPE_CHECKING:
    from striate.models import Answer, Network

__all__ = ["classify"]


def classify(
    files: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    network: str = DEFAULT_NETWORK,
    top: int = 5,
    batch_size: int = 16,
    max_megapixels: float = 64.0,
    device: str = "auto",
    json: bool = False,
) -> int:
    """Name what is in many photos. Of a folder, all images in it and below it are taken.

    A file that cannot be read gives one line on stderr; the others go on, and the exit code is then 1.

    Args:
        files: Image files and folders.
        network: A name of `striate models`, with or without a weight tag, or a weights file.
        top: Answers for each photo, best first.
        batch_size: Photos that go through the network at once.
        max_megapixels: Larger photos are refused before they are decoded.
        device: cpu, cuda, or auto for a GPU where there is one.
        json: Print one JSON document: for each file its answers, or its error.
    """
    for name, value in (("--top", top), ("--batch-size", batch_size), ("--max-megapixels", max_megapixels)):
        check_positive(name, value)
    photos, failed = _photos(files)
    for message in failed.values():
        print_note(message)
    results: list[dict[str, Any]] = [{"file": str(path), "error": message} for path, message in failed.items()]
    if photos:
        missing = find_missing(network)
        if missing is not None:
            fetch_record(missing)
        from striate.models import load  # imports torch
        from striate.runtime import reuse_freed_memory

        reuse_freed_memory()
        with ProgressLine() as progress:
            progress.update("loading the network", 0, None)
            loaded = load(network).to(device)
            for start in range(0, len(photos), batch_size):
                progress.update("classifying", start, len(photos))
                batch = photos[start : start + batch_size]
                outcomes = list(_classify_batch(loaded, batch, top=top, max_megapixels=max_megapixels))
                with progress.aside():
                    results += [_note(path, outcome, quiet=json) for path, outcome in outcomes]
    return _finish(results, network=network, top=top, json=json)


def _photos(paths: list[Path]) -> tuple[list[Path], dict[Path, str]]:
    """The image files among `paths`, and what is wrong with the paths that lead to none."""
    from striate.data import find_images

    photos: dict[Path, None] = {}
    failed: dict[Path, str] = {}
    for path in paths:
        try:
            photos.update(dict.fromkeys(find_images(path)))
        except DataError as error:
            failed[path] = str(error)
    return list(photos), failed


def _classify_batch(
    network: "Network", paths: list[Path], *, top: int, max_megapixels: float
) -> Iterator[tuple[Path, "list[Answer] | DataError"]]:
    from striate.data import read_image

    images, outcomes = [], {}
    for path in paths:
        try:
            images.append((path, read_image(path, max_megapixels=max_megapixels)))
        except DataError as error:
            outcomes[path] = error
    # Without resizing the photos of one batch may differ in size: they go one by one then.
    one_by_one = network.preprocessing.resize is None
    groups = [[image] for image in images] if one_by_one else [images] if images else []
    answers: dict[Path, list[Answer]] = {}
    for group in groups:
        found = network.classify([image for _, image in group], top=top)
        answers |= {path: best for (path, _), best in zip(group, found, strict=True)}
    for path in paths:
        yield path, outcomes[path] if path in outcomes else answers[path]


def _note(path: Path, outcome: "list[Answer] | DataError", *, quiet: bool) -> dict[str, Any]:
    """Print one photo's outcome, and return it as it goes into the JSON document."""
    if isinstance(outcome, DataError):
        print_note(str(outcome))
        return {"file": str(path), "error": str(outcome)}
    if not quiet:
        _show(path, outcome)
    return {"file": str(path), "answers": [asdict(answer) for answer in outcome]}


def _show(path: Path, answers: "list[Answer]") -> None:
    if len(answers) == 1:
        print_result(f"{printable(path)}: {answers[0].label} ({percent(answers[0].probability)})")
        return
    print_result(printable(path))
    print_table(["", ""], [[percent(a.probability).rjust(9), a.label] for a in answers], align="rl", answer=0)


def _finish(results: list[dict[str, Any]], *, network: str, top: int, json: bool) -> int:
    failures = sum("error" in result for result in results)
    done = len(results) - failures
    if json:
        document = {"network": network, "top": top, "classified": done, "failed": failures, "results": results}
        print_json(document)
    else:
        summary = f"{done} classified with {network}"
        print_note(f"{summary}, {failures} failed." if failures else f"{summary}.")
        first = next((result["file"] for result in results if "answers" in result), None)
        if first is not None:
            print_next(command("striate", "explain", Path(first), *network_flag(network)))
    return Exit.SOME_FAILED if failures else Exit.OK

"""Which pictures a network is evaluated on: those that are given, or those that its run held out."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from striate.data.files import printable
from striate.data.image_set import ImageSet
from striate.data.opening import open_data
from striate.data.problem import Problem
from striate.errors import DataError, UnknownNameError
from striate.training.predictions import Predictions
from striate.training.run_folder import RunFolder

__all__ = ["Subject", "checked_run", "find_subject", "held_out_pictures"]

_PREFERRED = ("val", "test", "all")


@dataclass(frozen=True, eq=False)
class Subject:
    """What is evaluated: pictures, or only what a run once answered to them.

    Attributes:
        images: The labeled pictures.
        predictions: Stored answers, where the pictures are gone.
        split: Which part of the data, in words.
        notes: What a reader has to know about the choice.
    """

    images: ImageSet | None
    predictions: Predictions | None
    split: str
    notes: tuple[str, ...]


def checked_run(network: str, data: Path | None) -> RunFolder | None:
    """The run that `network` names, if it is a folder.

    Raises:
        DataError: It is no run, or one without weights; or there is neither a run nor data.
    """
    if not Path(network).is_dir():
        if data is None:
            raise DataError(
                f"'{network}' is not the folder of a run, which would know its data: give the data, too: "
                f"striate evaluate {shlex.quote(network)} DATA."
            )
        return None
    found = RunFolder(Path(network))
    if not found.exists():
        raise DataError(f"{found.path}: not the folder of a run (config.yaml is missing). `striate runs` lists them.")
    if not found.best.is_file():
        raise DataError(
            f"{found.best}: no such file: the run has not kept any weights yet. `striate runs` says how far it is."
        )
    return found


def find_subject(data: Path | None, split: str | None, run_folder: RunFolder | None, *, view: str) -> Subject:
    """The pictures: those given, or those that the run held out.

    Raises:
        DataError: There are none, or they cannot be used.
        UnknownNameError: The data has no such part.
    """
    if data is not None:
        return _part(data, split, notes=())
    if run_folder is None:
        raise DataError("There is no data to evaluate on.")
    source = Path(str(run_folder.config().get("data", "")))
    held_out = set(held_out_pictures(run_folder))
    try:
        if split is not None or not held_out:
            subject = _part(source, split, notes=())
            return replace(subject, notes=_learned(subject, held_out))
        return _own_pictures(source, held_out)
    except DataError as error:
        if split is not None or not run_folder.predictions.is_file():
            raise DataError(
                f"The data of the run cannot be used: {error} Give it: striate evaluate RUN DATA."
            ) from error
        note = f"The pictures cannot be had ({str(error).rstrip('.')}): these are the answers that the run stored."
        if view != "center":
            raise DataError(f"The view '{view}' needs the pictures: {error}") from error
        return Subject(None, Predictions.load(run_folder.predictions), "held out by the run", (note,))


def _part(source: Path, split: str | None, *, notes: tuple[str, ...]) -> Subject:
    found = open_data(source)
    if split is None:
        split = next((name for name in _PREFERRED if name in found), None)
        if split is None:
            raise DataError(
                f"{printable(source)}: has only {', '.join(map(repr, found))}; a network is not evaluated on what it "
                "may have learned from. If that is what you want, say --split train."
            )
    if split not in found:
        known = ", ".join(f"'{name}' ({len(images):,})" for name, images in found.items())
        raise UnknownNameError(f"{printable(source)} has no part '{split}'; it has {known}.")
    if not len(found[split]):
        raise DataError(f"{printable(source)}: the part '{split}' has no pictures.")
    return Subject(found[split], None, split, notes)


def _own_pictures(source: Path, held_out: set[str]) -> Subject:
    """The pictures of the names that the run held out, wherever its data has them now."""
    found = open_data(source)
    for part in ("val", "all", "train", "test"):
        images = found.get(part)
        if images is None:
            continue
        places = [i for i in range(len(images)) if images.name(i) in held_out]
        if places:
            own = images.subset(places)
            gone = sorted(held_out - {own.name(i) for i in range(len(own))})
            lost = tuple(
                Problem("missing", name, "held out by the run, but not in the data any more.") for name in gone
            )
            notes = (
                (f"{len(gone):,} of the {len(held_out):,} pictures that the run held out are gone.",) if gone else ()
            )
            return Subject(replace(own, problems=lost), None, "held out by the run", notes)
    raise DataError(f"{printable(source)}: none of the {len(held_out):,} pictures that the run held out is there.")


def held_out_pictures(run_folder: RunFolder) -> list[str]:
    """Names of the pictures that a run set aside."""
    names = run_folder.data().get("validation_pictures") or []
    return [str(name) for name in names] if isinstance(names, list) else []


def _learned(subject: Subject, held_out: set[str]) -> tuple[str, ...]:
    if subject.images is None or subject.split == "test":
        return ()
    learned = sum(subject.images.name(i) not in held_out for i in range(len(subject.images)))
    return (
        (f"The run may have learned from {learned:,} of these pictures: no evidence for new ones.",) if learned else ()
    )

"""What is on one photo: from a file of boxes, or from the data set that it belongs to."""

from collections.abc import Sequence
from pathlib import Path

from striate.data.box_opening import open_boxes
from striate.data.box_set import BoxSet
from striate.data.detections import Detections
from striate.data.files import printable
from striate.data.voc_xml import from_voc
from striate.data.yolo_text import from_yolo
from striate.errors import DataError
from striate.recipes.evaluate_detector import with_labels
from striate.training.run_folder import RunFolder

__all__ = ["read_truth", "truth_of_run"]


def read_truth(given: Path, photo: Path, labels: Sequence[str], size: tuple[int, int]) -> Detections:
    """What a file or a data set says is on a photo.

    Args:
        given: A VOC XML file, a YOLO text file, or a data set in any layout that `open_boxes` reads.
        photo: Its path; a data set is searched for this file, then for its name.
        labels: The detector's classes. A YOLO file numbers these.
        size: `(height, width)` of the photo.

    Returns:
        In photo pixels, of the detector's classes.

    Raises:
        DataError: If it cannot be read, is of another picture, or names a class that the detector does not know.
    """
    kind = given.suffix.lower()
    if given.is_file() and kind in {".xml", ".txt"}:
        try:
            data = given.read_bytes()
            truth = from_voc(data, labels) if kind == ".xml" else from_yolo(data.decode(errors="replace"), labels, size)
        except OSError as error:
            raise DataError(f"{printable(given)}: cannot be read ({error.strerror or error}).") from error
        except DataError as error:
            raise DataError(f"{printable(given)}: {error}") from error
        if truth.size is not None and truth.size != size:
            raise DataError(
                f"{printable(given)} is of a picture of {truth.size[1]} × {truth.size[0]} px; {printable(photo)} has "
                f"{size[1]} × {size[0]}. Give the boxes of this photo."
            )
        return Detections.of(
            truth.boxes, truth.classes, labels, size=size, difficult=truth.difficult, crowd=truth.crowd
        )
    if not given.exists():
        raise DataError(f"{printable(given)}: no such file or folder.")
    found = _found_in(open_boxes(given), photo, labels)
    if found is None:
        raise DataError(
            f"{printable(given)} has no picture {printable(photo.name)}. Give its VOC or YOLO file, or the data set "
            "that it belongs to."
        )
    return found


def truth_of_run(network: str, photo: Path, labels: Sequence[str]) -> tuple[Detections, Path] | None:
    """What the data set of a run says is on a photo, and which data set; None where the photo is not in it.

    Raises:
        DataError: If the data set cannot be read any more.
    """
    folder = RunFolder(Path(network)) if Path(network).is_dir() else None
    if folder is None or not folder.exists():
        return None
    source = Path(str(folder.config().get("data", "")))
    root = source if source.is_dir() else source.parent
    if not source.exists() or not photo.resolve().is_relative_to(root.resolve()):
        return None
    found = _found_in(open_boxes(source), photo, labels, by_name=False)
    return None if found is None else (found, source)


def _found_in(
    sets: dict[str, BoxSet], photo: Path, labels: Sequence[str], *, by_name: bool = True
) -> Detections | None:
    wanted = photo.resolve()
    named: list[tuple[BoxSet, int]] = []
    for boxes in sets.values():
        for index in range(len(boxes)):
            if Path(boxes.name(index)).name != photo.name:
                continue
            if Path(boxes.where(index)).resolve() == wanted:
                return with_labels(boxes.subset([index]), labels).truth[0]
            named.append((boxes, index))
    if not by_name or not named:
        return None
    if len(named) > 1:
        raise DataError(
            f"{len(named)} pictures of the data set are called {printable(photo.name)}, and none of them is this file; "
            "give the photo by its path there, or its VOC or YOLO file."
        )
    boxes, index = named[0]
    return with_labels(boxes.subset([index]), labels).truth[0]

"""A thousand classes and a person's few: which labels of the data, and which outputs of a network, belong to a choice.

Without a table, a choice is the class of that name. A table joins several labels to one choice, as the sixteen
categories of Geirhos et al. join ImageNet's classes:

    label,category
    tabby cat,cat
    n02123394,cat
    golden retriever,dog

A network chooses among the study's classes only, as people do. Of its probabilities p (softmax over all its classes),
choice c gets the mean, the sum or the largest of those that belong to it, and the highest score is the answer:

    answer = argmax_c  mean_{j in c} p_j

With one output for each choice, all three are the network's own order of these classes.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate.data.class_names import class_order, normal_name
from striate.data.files import printable
from striate.data.image_set import ImageSet
from striate.data.labels import Labels
from striate.errors import DataError, UnknownNameError, nearest
from striate.models import Network
from striate.training.class_matching import match_classes

__all__ = [
    "COMBINE",
    "Combine",
    "NetworkAnswers",
    "answer_as_network",
    "read_mapping",
    "study_classes",
    "study_outputs",
    "unknown_labels",
]

Combine = Literal["mean", "sum", "max"]
COMBINE: tuple[Combine, ...] = ("mean", "sum", "max")
BATCH = 32


@dataclass(frozen=True, eq=False)
class NetworkAnswers:
    """What a network answered.

    Attributes:
        choices: int64 `n`, positions among the study's classes.
        scores: float64 `n k`, the score of each of them.
        rule: How the answer was found, in words.
    """

    choices: NDArray[np.int64]
    scores: NDArray[np.float64]
    rule: str


def read_mapping(path: str | Path) -> tuple[tuple[str, str], ...]:
    """A table of `label,category` lines with a header.

    Raises:
        DataError: If the file cannot be read, has no such header, or a line lacks a value or contradicts another one.
    """
    path = Path(path)
    name = printable(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{name}: not UTF-8 text; save the table as CSV in UTF-8.") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({(error.strerror or str(error)).lower()}).") from error
    rows = csv.reader(StringIO(text, newline=""))
    header = [cell.strip().lower() for cell in next(rows, [])]
    if not {"label", "category"} <= set(header):
        raise DataError(
            f"{name}, line 1: needs a header with label and category, has {', '.join(header) or 'nothing'}."
        )
    places = header.index("label"), header.index("category")
    lines: dict[str, tuple[str, int]] = {}
    for row in rows:
        line = rows.line_num
        if not any(cell.strip() for cell in row):
            continue
        label, category = (normal_name(row[i].strip()) if i < len(row) else "" for i in places)
        if not label or not category:
            raise DataError(f"{name}, line {line}: needs a label and a category.")
        other, first = lines.setdefault(label, (category, line))
        if other != category:
            raise DataError(f"{name}, line {line}: '{label}' is '{category}' here, but '{other}' in line {first}.")
    if not lines:
        raise DataError(f"{name}: has no line below its header.")
    return tuple((label, category) for label, (category, _) in lines.items())


def study_classes(
    images: ImageSet, *, wanted: Sequence[str] = (), mapping: Sequence[tuple[str, str]] = ()
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The choices, and the choice that is right for each picture.

    Args:
        images: The data.
        wanted: Choices by name; all that have pictures by default.
        mapping: From `read_mapping`: a class of the data goes by its category, if it has one.

    Returns:
        The choices in the order of their keys, and int64 `n` with −1 for pictures of other classes.

    Raises:
        UnknownNameError: If a wanted class has no pictures, or is no class.
    """
    categories = dict(mapping)
    names = [categories.get(name, name) for name in images.classes]
    if categories:  # what the table does not name is left out, unless it has a category's own name
        inside = set(categories.values())
        names = [name if name in inside else "" for name in names]
    here = {names[label] for label in np.unique(images.labels).tolist()} - {""}
    for name in wanted:
        if name not in here:
            raise UnknownNameError(f"The data has no pictures of a class '{name}'. {nearest(name, sorted(here))}")
    chosen = tuple(dict.fromkeys(wanted)) or class_order(here)
    place = {name: k for k, name in enumerate(chosen)}
    return chosen, np.array([place.get(names[label], -1) for label in images.labels.tolist()], dtype=np.int64)


def study_outputs(
    labels: Labels, classes: Sequence[str], mapping: Sequence[tuple[str, str]] = (), *, network: str = "the network"
) -> list[list[int]]:
    """The network's outputs that belong to each choice.

    Labels of the table that the network does not have are passed over (`unknown_labels` names them); every choice needs
    at least one output.

    Raises:
        DataError: If a choice has none, an output belongs to two, or a label could be several.
    """
    if not mapping:
        try:
            outputs, _ = match_classes(classes, labels, what="the study")
        except DataError as error:
            said = str(error).partition(" Rename the data's")[0]
            raise DataError(
                f"{said} A table of label,category lines (--mapping) joins labels of {network} to the choices."
            ) from error
        return [[int(output)] for output in outputs]
    place = {name: k for k, name in enumerate(classes)}
    found: list[set[int]] = [set() for _ in classes]
    owner: dict[int, str] = {}
    for label, category in (*mapping, *((name, name) for name in classes)):
        if category not in place:
            continue
        try:
            output = labels.find(label)
        except UnknownNameError as error:
            if label != category and " names " in str(error):
                raise DataError(f"The mapping's label {error}") from error
            continue
        if label == category and owner.get(output):  # the choice's own name is one of its labels, or another's synonym
            continue
        if owner.setdefault(output, category) != category:
            raise DataError(f"'{labels[output]}' of {network} belongs to two choices: {owner[output]} and {category}.")
        found[place[category]].add(output)
    empty = [name for name, outputs_ in zip(classes, found, strict=True) if not outputs_]
    if empty:
        raise DataError(
            f"{network} has no class for '{empty[0]}'{f' and {len(empty) - 1} more' if len(empty) > 1 else ''}; add "
            "lines with its labels to the mapping, or leave the choice out."
        )
    return [sorted(each) for each in found]


def unknown_labels(mapping: Sequence[tuple[str, str]], classes: Sequence[str], labels: Sequence[Labels]) -> list[str]:
    """Labels of a table that neither the data's `classes` nor any network's `labels` have: probably misspelled."""
    known = set(classes)

    def is_known(label: str, some: Labels) -> bool:
        try:
            some.find(label)
        except UnknownNameError:
            return False
        return True

    return [name for name, _ in mapping if name not in known and not any(is_known(name, some) for some in labels)]


def answer_as_network(
    network: Network,
    pictures: Iterable[NDArray[np.uint8]],
    outputs: Sequence[Sequence[int]],
    *,
    combine: Combine = "mean",
) -> NetworkAnswers:
    """Let a network choose among the study's classes.

    Args:
        network: With classes.
        pictures: uint8 `s s 3`, as people see them. The whole picture is resized to the network's input; nothing is cut
            off, where the network would usually see the middle only.
        outputs: From `study_outputs`.
        combine: Of several outputs of one choice: `mean`, `sum` or `max` of their probabilities.

    Raises:
        StriateError: As `Network.logits`.

    Source: Geirhos et al. 2021, arXiv:2106.07411: the mean, which does not favor choices with many outputs.
    """
    pre = network.preprocessing
    rule = "its own preprocessing"
    if pre.resize is not None and pre.locate is None and pre.resize != min(pre.input_size):
        network = replace(network, preprocessing=replace(pre, resize=min(pre.input_size)))
        rule = f"the whole picture resized to {pre.input_size[0]} × {pre.input_size[1]}, nothing cut off"
    scores: list[NDArray[np.float64]] = []
    batch: list[NDArray[np.uint8]] = []

    def answer() -> None:
        p = network.logits(list(batch)).double().softmax(1).cpu().numpy()
        scores.append(np.stack([_joined(p[:, list(each)], combine) for each in outputs], axis=1))
        batch.clear()

    for picture in pictures:
        batch.append(picture)
        if len(batch) == BATCH:
            answer()
    if batch:
        answer()
    every = np.concatenate(scores) if scores else np.zeros((0, len(outputs)))
    several = max(map(len, outputs)) > 1
    highest = f"with the highest {combine} of its outputs' probabilities" if several else "that is most probable"
    rule = f"the one of the {len(outputs)} choices {highest}; {rule}"
    return NetworkAnswers(every.argmax(axis=1).astype(np.int64), every, rule)


def _joined(p: NDArray[np.float64], combine: Combine) -> NDArray[np.float64]:
    joined = p.max(axis=1) if combine == "max" else p.sum(axis=1) / (p.shape[1] if combine == "mean" else 1)
    return np.asarray(joined, dtype=np.float64)

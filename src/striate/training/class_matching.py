"""Which output of a network means which class of a data set: by name, never by place.

Folders sort their classes by alphabet, ImageNet by WordNet id, a run as its own data did. Number 3 of one is number 7
of another, and an evaluation that pairs them by place gives a number that looks like bad luck.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.data.labels import Labels
from striate.errors import DataError, UnknownNameError

__all__ = ["match_classes"]

_SHOWN = 5


def match_classes(
    classes: Sequence[str], labels: Labels, *, needed: ArrayLike | None = None, what: str = "the data"
) -> tuple[NDArray[np.int64], dict[str, str]]:
    """The network's output for each class of a data set.

    Args:
        classes: Names of the data's classes.
        labels: The network's.
        needed: Indices of the classes that have pictures; all by default. The others may have no output.
        what: The data, in an error.

    Returns:
        For each class its output, −1 for one that is not needed and has none; and the classes that go by another name
        in the network, as `{"tabby": "tabby cat"}`.

    Raises:
        DataError: If a needed class has no output, or two have the same; the message names them.

    >>> outputs, renamed = match_classes(["dog", "tabby_cat"], Labels(("tabby cat", "dog")))
    >>> outputs.tolist(), renamed
    ([1, 0], {'tabby_cat': 'tabby cat'})
    """
    exact: dict[str, list[int]] = {}
    for index, name in enumerate(labels):
        exact.setdefault(name, []).append(index)
    wanted = set(range(len(classes)) if needed is None else np.asarray(needed, dtype=np.int64).tolist())
    outputs = np.full(len(classes), -1, dtype=np.int64)
    renamed: dict[str, str] = {}
    missing: list[str] = []
    for place, name in enumerate(classes):
        found = _find(name, labels, exact)
        if isinstance(found, int):
            outputs[place] = found
            if labels[found] != name:
                renamed[name] = labels[found]
        elif place in wanted:
            missing.append(found)
    if missing:
        raise DataError(
            f"{len(missing)} of {len(wanted)} classes of {what} are not among the network's {len(labels)}: "
            f"{_listed(missing)}. The network knows {_listed([repr(name) for name in labels])}. Rename the data's "
            "classes, or evaluate a network that was trained on them."
        )
    first: dict[int, int] = {}
    for place in sorted(wanted):
        other = first.setdefault(int(outputs[place]), place)
        if other != place:
            raise DataError(
                f"Two classes of {what}, '{classes[other]}' and '{classes[place]}', are the same class "
                f"'{labels[int(outputs[place])]}' of the network; put their pictures together."
            )
    return outputs, renamed


def _find(name: str, labels: Labels, exact: dict[str, list[int]]) -> int | str:
    """The output, or the name with what is wrong with it."""
    found = exact.get(name, [])
    if len(found) == 1:
        return found[0]
    if found:
        return f"'{name}' (a name of {len(found)} outputs)"
    if name.strip().lstrip("#+-").isdigit():  # Labels.find would take it for a place
        return f"'{name}'"
    try:
        return labels.find(name)
    except UnknownNameError as error:
        return f"'{name}' (which could be several)" if " names " in str(error) else f"'{name}'"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

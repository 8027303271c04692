"""Weights that are not here yet are fetched before the work begins: announced with size, license and origin first."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from striate.cli.console import ProgressLine, print_note
from striate.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from striate.weights import WeightRecord

__all__ = ["announce", "fetch_record", "find_missing"]


def find_missing(network: str, *, needs_classes: bool = True) -> "WeightRecord | None":
    """The record of the weights that `network` means, if they have to be fetched.

    None for a file, for weights that are here, and for a name that nothing answers to: loading it says what is wrong.

    Raises:
        ConfigError: The weights end at their features, and classes are needed: there is nothing to fetch them for, to
            name what is in photos.
    """
    from striate.models import find_entry
    from striate.weights import find_record, is_offline, locate

    try:
        find_entry(network.partition(".")[0])
        record = find_record(network)
    except UnknownNameError:
        return None
    if needs_classes and not record.num_classes:
        raise ConfigError(
            f"'{record.name}' ends at its features and has no classes to answer with. "
            "Use network.features(images, layers=…), or a network of `striate models --task classify`."
        )
    return None if is_offline() or locate(record) is not None else record


def fetch_record(record: "WeightRecord") -> Path:
    """Fetch these weights with a line that says which, and a progress bar.

    Raises:
        WeightsError: If they cannot be had.
    """
    from striate.weights import fetch

    announce(record, f"from {record.origins[0].describe()}")
    with ProgressLine() as line:
        return fetch(record, progress=_bytes_of(line))


def announce(record: "WeightRecord", where: str) -> None:
    """One line before anything is fetched: what, how much, on which terms, from where."""
    print_note(f"{record.name}: {record.size_text}; {record.license}; {where}")


def _bytes_of(line: ProgressLine) -> Callable[[str, int, int | None], None]:
    return lambda label, done, total: line.update(f"Fetching {label}", done, total)

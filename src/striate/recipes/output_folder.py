"""The folder that a recipe writes to: found out before the work whether it can be."""

import os
from pathlib import Path

from striate.errors import DataError

__all__ = ["not_writable", "require_writable"]


def require_writable(folder: Path) -> None:
    """Say now, not after the work, that nothing can be written there.

    Raises:
        DataError: The folder, or the one that it would be made in, is a file or may not be written.
    """
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise not_writable(folder, f"'{place}' is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise not_writable(folder, f"'{place}' may not be written")


def not_writable(folder: Path, reason: str) -> DataError:
    """What is said of a folder that cannot be written."""
    return DataError(f"cannot write to '{folder}': {reason}. Choose another folder with --out.")

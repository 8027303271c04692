"""Whether a folder can be written, said before the work instead of after it."""

import os
from pathlib import Path

from striate.errors import DataError

__all__ = ["not_writable", "require_writable"]


def require_writable(folder: Path) -> None:
    """Refuse a folder that can neither be made nor written.

    Raises:
        DataError: With the reason, and the way out.
    """
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise not_writable(folder, f"'{place}' is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise not_writable(folder, f"'{place}' may not be written")


def not_writable(folder: Path, reason: str) -> DataError:
    """The error for a folder that cannot be written."""
    return DataError(f"cannot write to '{folder}': {reason}. Choose another folder with --out.")

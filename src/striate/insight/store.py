"""Results on disk: arrays and plain settings in one `.npz`, written whole or not at all."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError

__all__ = ["load_arrays", "pack_arrays"]


def pack_arrays(settings: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of a compressed `.npz` of the arrays, with the settings as JSON under `settings`."""
    packed = io.BytesIO()
    named: dict[str, Any] = {**arrays, "settings": np.array(json.dumps(settings))}
    np.savez_compressed(packed, **named)
    return packed.getvalue()


def load_arrays(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The settings and the arrays of such a file; nothing in it is unpickled.

    Raises:
        DataError: The file is missing, damaged, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return dict(json.loads(str(arrays.pop("settings")))), arrays
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} holds no saved result of Striate ({error}).") from error

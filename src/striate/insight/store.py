"""Results on disk: arrays and plain settings in one `.npz`, written whole or not at all."""

import io
import json
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.files import write_whole
from striate.errors import ConfigError, DataError

__all__ = ["json_bytes", "load_arrays", "pack_arrays", "save_as", "saved"]


def save_as(path: str | Path, ways: Mapping[str, Callable[[], bytes]]) -> Path:
    """Write a result in the way that the ending of `path` names, whole or not at all.

    Args:
        path: Where to.
        ways: Ending, such as `.npz` → makes the bytes of the file.

    Raises:
        ConfigError: An ending that is not among them.
    """
    path = Path(path)
    if path.suffix.lower() not in ways:
        *first, last = ways
        known = f"{', '.join(first)} or {last}" if first else last
        raise ConfigError(f"path must end in {known}; got '{path.name}'.")
    write_whole(path, ways[path.suffix.lower()]())
    return path


def json_bytes(values: dict[str, Any], *, indent: int | None = None) -> bytes:
    """Plain JSON values as the bytes of a file; numbers that are not finite become null."""
    return json.dumps(_finite(values), indent=indent, ensure_ascii=False, allow_nan=False).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


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
    except OSError as error:
        raise DataError(f"{path} cannot be read ({(error.strerror or str(error)).lower()}).") from error
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        # NumPy's own words advise to unpickle what is not to be trusted.
        raise DataError(
            f"{path} holds no saved result of Striate: it is damaged, or something else. The `save` of a result "
            "writes the .npz that can be loaded."
        ) from error


@contextmanager
def saved(path: str | Path, kind: str) -> Iterator[tuple[dict[str, Any], dict[str, NDArray[Any]]]]:
    """The settings and the arrays of a result of one kind, to build it from within a `with`.

    Args:
        path: What the result's `save` wrote.
        kind: Name of its class, for the message.

    Raises:
        DataError: As `load_arrays`; or something is missing inside, as in a file of another kind of result.
    """
    settings, arrays = load_arrays(path)
    try:
        yield settings, arrays
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(
            f"{path} holds no whole {kind}: it is damaged, or another kind of result. `{kind}.save` writes one."
        ) from error

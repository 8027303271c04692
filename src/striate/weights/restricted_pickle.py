"""Open one known pickle of NumPy arrays without NumPy's, or anybody's, code being called by it.

A pickle names functions to call. Here exactly the three names that describe an array are understood, and even they are
answered by the small classes below, which check shape, type and length and copy numbers, nothing else. It is used for
files whose whole SHA-256 a weight record knows; the bytes that were hashed are the bytes that are read.
"""

import hashlib
import io
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import WeightsError

__all__ = ["read_pinned_pickle"]

_TYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"}
_MODULES = {"numpy", "numpy.core.multiarray", "numpy._core.multiarray"}


def read_pinned_pickle(path: Path, *, sha256: str) -> dict[str, list[NDArray[Any]]]:
    """The arrays of a pickle `{name: [array, …]}`.

    Args:
        path: The file.
        sha256: The SHA-256 that its content must have.

    Raises:
        WeightsError: If the content is another one, or anything in it is not a plain array.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise WeightsError(
            f"{path} is not the known file: its SHA-256 is {digest}, expected {sha256}. It was not opened."
        )
    try:
        found = _ArraysOnly(io.BytesIO(content)).load()
    except Exception as error:  # what a damaged pickle makes of the stack is not foreseeable
        raise WeightsError(f"{path} holds more than plain arrays: {error}.") from error
    return _named_arrays(found, path)


def _named_arrays(found: object, path: Path) -> dict[str, list[NDArray[Any]]]:
    if not isinstance(found, Mapping):
        raise WeightsError(f"{path} holds a {type(found).__name__}, not named arrays.")
    arrays: dict[str, list[NDArray[Any]]] = {}
    for name, values in found.items():
        entries = values if isinstance(values, list | tuple) else [values]
        if not isinstance(name, str) or not all(isinstance(entry, _Array) for entry in entries):
            raise WeightsError(f"{path} holds something else than plain arrays under {name!r}.")
        arrays[name] = [entry.filled() for entry in entries]
    return arrays


class _Type:
    """Stands for `numpy.dtype`: a number's kind, size and byte order."""

    def __init__(self, code: object = None, _align: object = False, _copy: object = False) -> None:
        if code not in _TYPES:
            raise pickle.UnpicklingError(f"an array of type {code!r}")
        self.code = str(code)
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in {"<", ">", "|", "="} or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("an array of structures")
        self.order = str(state[1])

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order.replace("|", "") + self.code)


class _Array:
    """Stands for `numpy.ndarray`: filled from shape, type and bytes when the pickle sets its state."""

    def __init__(self) -> None:
        self._values: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, kind, is_fortran, content = state
        if not isinstance(kind, _Type) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array of objects")
        if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
            raise pickle.UnpicklingError(f"an array of shape {shape!r}")
        dtype = kind.numpy()
        if math.prod(shape) * dtype.itemsize != len(content):
            raise pickle.UnpicklingError(f"{len(content)} bytes for an array of shape {shape}")
        order = "F" if is_fortran else "C"
        self._values = np.frombuffer(content, dtype).reshape(shape, order=order)  # type: ignore[call-overload]

    def filled(self) -> NDArray[Any]:
        if self._values is None:
            raise WeightsError("The file announces an array without numbers.")
        return self._values


def _reconstruct(subtype: object, _shape: object, _code: object) -> _Array:
    """Stands for `numpy.core.multiarray._reconstruct`, which makes an empty array to be filled afterwards."""
    if subtype is not _Array:
        raise pickle.UnpicklingError("something else than an array")
    return _Array()


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _MODULES:
            if name == "_reconstruct" and module != "numpy":
                return _reconstruct
            if (module, name) == ("numpy", "ndarray"):
                return _Array
            if (module, name) == ("numpy", "dtype"):
                return _Type
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"it refers to something outside, {pid!r}")

"""Read the named arrays of an HDF5 file (Keras weights) of a weight record."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from striate.errors import WeightsError
from striate.weights.state import State

__all__ = ["read_h5"]


def read_h5(path: Path) -> State:
    """All arrays by their path in the file.

    Raises:
        WeightsError: If h5py is missing, the file is damaged, or an array lies outside the file.
    """
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(f"{path} needs h5py to be read: pip install 'striate[weights]'.") from error
    state: State = {}

    def take(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual or item.dtype.kind not in "fiu":
                raise WeightsError(f"{path}: '{name}' is not a plain array in the file itself.")
            state[name] = torch.from_numpy(np.ascontiguousarray(item[()]))

    try:
        with h5py.File(path, "r") as file:
            file.visititems(take)
    except WeightsError:
        raise
    except Exception as error:  # HDF5 reports damage in many ways
        raise WeightsError(f"{path} is damaged: {error}.") from error
    return state

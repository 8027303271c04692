"""The tensors of a weight record, fetched, verified and under our names."""

import torch

from striate.errors import WeightsError
from striate.weights.fetching import Located, Progress, fetch_file
from striate.weights.h5 import read_h5
from striate.weights.layouts import to_our_keys
from striate.weights.native import read_safetensors
from striate.weights.record import WeightRecord
from striate.weights.restricted_pickle import read_pinned_pickle
from striate.weights.state import State
from striate.weights.torch_file import read_torch_file

__all__ = ["load_state_dict", "read_located"]


def load_state_dict(record: WeightRecord, *, progress: Progress | None = None) -> State:
    """The weights of a record, on the CPU, under the names that our network has for them.

    The file is fetched if it is not here, and its whole content is verified each time.

    Args:
        record: Which weights.
        progress: Called with the record's name, the bytes so far, and the total or None.

    Raises:
        WeightsError: If the file cannot be had or read.
    """
    return read_located(fetch_file(record, progress=progress))


def read_located(located: Located) -> State:
    """The tensors of a verified file, under our names."""
    file = located.origin.file
    match file.name.rpartition(".")[2]:
        case "safetensors":
            state, _ = read_safetensors(located.path)
        case "pth" | "pt" | "bin":
            state = read_torch_file(located.path)
        case "h5":
            state = read_h5(located.path)
        case "pkl" if file.sha256 is not None:
            arrays = read_pinned_pickle(located.path, sha256=file.sha256)
            # The arrays lie on read-only bytes; the tensors get memory of their own.
            state = {f"{name}/{i}": torch.tensor(a) for name, parts in arrays.items() for i, a in enumerate(parts)}
        case ending:
            raise WeightsError(f"{file.name}: weight files that end with .{ending} are not read.")
    return to_our_keys(state, file.layout)

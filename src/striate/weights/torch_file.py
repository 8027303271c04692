"""Read a `.pth` that somebody saved with torch: tensors only, never code.

Such a file is a pickle, and a pickle can run any command when it is opened. It is read with `weights_only=True`; what
that refuses is refused, and nothing is tried instead.
"""

import pickle
import re
import warnings
import zipfile
from pathlib import Path

import torch

from striate.errors import WeightsError
from striate.weights.state import State, plain_state

__all__ = ["read_torch_file"]


def read_torch_file(path: Path) -> State:
    """The named tensors of a file of `torch.save`, on the CPU.

    Raises:
        WeightsError: If the file needs code to be run, is a program (TorchScript, torch.export) and not weights, is
            damaged, or holds anything but named tensors.
    """
    is_zip = zipfile.is_zipfile(path)
    if is_zip:
        _refuse_programs(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about instructions that it does not know, just before it refuses them
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise WeightsError(_needs_code(path, str(error))) from error
    except Exception as error:  # what a damaged file does inside torch is not foreseeable
        first = str(error).strip().splitlines()
        raise WeightsError(f"{path} is damaged or no file of torch.save: {first[0] if first else error!r}.") from error
    return plain_state(content, path)


def _needs_code(path: Path, message: str) -> str:
    _, _, reason = message.rpartition("WeightsUnpickler error:")  # before it stands advice to run the code after all
    found = re.search(r"GLOBAL ([\w.]+)", reason) or re.search(r"(?:function|class|type) [`']?(\w+\.[\w.]+)", reason)
    what = f" (it refers to {found.group(1)})" if found else ""
    return (
        f"{path} holds more than tensors{what}: opening it would run code, which is never done here. If you trust it, "
        "save its weights alone: torch.save(module.state_dict(), 'weights.pth'), or as safetensors."
    )


def _refuse_programs(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.split("/", 1)[-1] for name in archive.namelist()]
    except Exception as error:  # names that are no text, offsets that point nowhere, …
        raise WeightsError(f"{path} is damaged: {error}.") from error
    program = any(
        name.startswith(("code/", "models/")) or name in {"archive_format", "constants.pkl"} for name in names
    )
    if program:
        raise WeightsError(
            f"{path} is a program (TorchScript or torch.export), not weights; save `module.state_dict()` instead."
        )

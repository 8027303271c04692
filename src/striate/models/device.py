"""Where to compute: a device by name, or an error that says why not."""

import torch

from striate.errors import ConfigError

__all__ = ["pick_device"]


def pick_device(device: str | torch.device) -> torch.device:
    """The device of a name: `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU if there is one.

    Raises:
        ConfigError: This machine, or this build of torch, has no such device.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    wanted = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if str(wanted).startswith("meta"):
        raise ConfigError("device 'meta' holds shapes without numbers, so nothing can be answered. Use 'auto'.")
    try:
        return torch.empty(0, device=wanted).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"device '{device}' cannot be used here: {reason}. Use 'auto' or 'cpu'.") from error

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
    try:
        kind = torch.device(wanted).type
    except (RuntimeError, TypeError):
        raise ConfigError(f"device must be 'cpu', 'cuda' (or 'cuda:1' and so on) or 'auto', got {device!r}.") from None
    if kind == "meta":
        raise ConfigError("device 'meta' holds shapes without numbers, so nothing can be answered. Use 'auto'.")
    try:
        return torch.empty(0, device=wanted).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # Of a device that this build of torch does not have, torch lists all that it was ever built for.
        has_own_words = kind == "cuda"
        reason = str(error).strip().splitlines()[0] if has_own_words else "this build of torch has none"
        raise ConfigError(f"device '{device}' cannot be used here: {reason}. Use 'auto' or 'cpu'.") from error

"""The operators that torch knows by name (`torch.ops.striate`): `torch.export` and fake tensors can pass them."""

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["declare"]

# Alive as long as the process: what it declares dies with it.
_library: Any = torch.library.Library("striate", "FRAGMENT")  # type: ignore[no-untyped-call]


def declare(
    schema: str,
    *,
    anywhere: Callable[..., Any],
    shapes: Callable[..., Any],
    cpu: Callable[..., Any] | None = None,
    backward: Callable[..., Any] | None = None,
    remember: Callable[..., Any] | None = None,
) -> None:
    """Make an operator known to torch.

    Args:
        schema: `name(Tensor …) -> Tensor`.
        anywhere: The kernel in plain torch, for every device.
        shapes: An empty output of the right shape, for tensors without numbers.
        cpu: A faster kernel for the CPU.
        backward: From the context and the output's gradient to one gradient for each argument.
        remember: Puts into the context what `backward` needs.
    """
    name = schema.partition("(")[0]
    _library.define(schema)
    _library.impl(name, anywhere, "CompositeExplicitAutograd")
    if cpu is not None:
        _library.impl(name, cpu, "CPU")
    torch.library.register_fake(f"striate::{name}", shapes, lib=_library)
    if backward is not None:
        torch.library.register_autograd(f"striate::{name}", backward, setup_context=remember, lib=_library)

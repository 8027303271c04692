"""How a module is run while it is looked at: in evaluation mode, uncompiled, and left as it was."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

__all__ = ["evaluating", "is_compiled", "running_eagerly"]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put every part of `module` into evaluation mode, and each back into its own mode afterwards."""
    were_training = [part for part in module.modules() if part.training]
    for part in were_training:
        part.training = False
    try:
        yield
    finally:
        for part in were_training:
            part.training = True


def is_compiled(module: nn.Module) -> bool:
    """Whether `torch.compile` or `module.compile()` has been applied to any part of it."""
    dynamo = sys.modules.get("torch._dynamo")  # whoever compiled has imported it, and it takes a second to import
    optimized = getattr(dynamo, "OptimizedModule", None)  # another thread may be importing it right now
    return optimized is not None and any(
        isinstance(part, optimized) or part._compiled_call_impl is not None for part in module.modules()
    )


def running_eagerly(module: nn.Module) -> AbstractContextManager[object]:
    """Run what was compiled as plain Python: compiled code does not see hooks that are set after its first run."""
    return torch.compiler.set_stance("force_eager") if is_compiled(module) else nullcontext()

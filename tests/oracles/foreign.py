"""torchvision and timm as oracles, also beside a torch for which torchvision was not built.

torchvision's compiled operators are bound to one exact build of torch. Beside any other, `import torchvision` fails
with `operator torchvision::nms does not exist`, although its networks, transforms and tables are plain Python.
Declaring two operators by name is enough to import those; calling the operators would still fail, which no test does.
Beside the torch that it was built for, torchvision is imported as it is: a second declaration would be refused.
"""

import importlib
import importlib.util
import sys
from types import ModuleType

import pytest
import torch

__all__ = ["load_timm", "load_torchvision"]

# Alive as long as the process: the declarations vanish with the Library object.
_declared: list[torch.library.Library] = []

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def load_torchvision() -> ModuleType:
    """The module `torchvision`, with `models`, `transforms` and `ops` imported; skips the test where there is none."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed (oracle; pip install --no-deps torchvision==0.28.0)")
    try:
        module = importlib.import_module("torchvision")
    except RuntimeError:  # "operator torchvision::nms does not exist"
        _forget("torchvision")
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _OPERATORS:
            library.define(schema)
        _declared.append(library)
        module = importlib.import_module("torchvision")
    for name in ("models", "transforms", "ops"):
        importlib.import_module(f"torchvision.{name}")
    return module


def load_timm() -> ModuleType:
    """The module `timm` (it imports torchvision); skips the test where there is none."""
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed (oracle; pip install --no-deps timm==1.0.31)")
    load_torchvision()
    return importlib.import_module("timm")


def _forget(package: str) -> None:
    """Drop what a failed import has left behind, so that the next one starts afresh."""
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]

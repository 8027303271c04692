"""torchvision and timm as oracles, also beside a torch for which torchvision was not built.

torchvision's compiled operators are bound to one exact build of torch. Beside any other, `import torchvision` fails with
`operator torchvision::nms does not exist`, although its networks, transforms and tables are plain Python. Declaring the
two operators that it registers fake versions for is enough to import those; calling the operators would still fail,
which no test does.
"""

import importlib
import importlib.util
from types import ModuleType

import pytest
import torch

__all__ = ["load_timm", "load_torchvision"]

# Alive as long as the process: the declarations vanish with the Library object.
_declared: list[torch.library.Library] = []

_OPERATORS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def load_torchvision() -> ModuleType:
    """The module `torchvision`, with `models`, `transforms` and `ops` imported; skips the test where there is none."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed (oracle; pip install --no-deps torchvision==0.28.0)")
    if not _declared and "torchvision" not in __import__("sys").modules:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name, schema in _OPERATORS.items():
            if not hasattr(torch.ops.torchvision, name):
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

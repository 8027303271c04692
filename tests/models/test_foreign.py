"""Every network that torchvision or timm has: the same tensors, the same cost, and the same answers with one's weights.

A new entry of the catalogue is held to this by its `keys` field.
"""

import pytest
import torch
from torch import Tensor, nn

from striate.models import create_model, find_entry
from striate.models.catalogue import catalogue
from tests.oracles.foreign import load_timm, load_torchvision
from tests.oracles.networks import count_macs, relative_difference, same_weights

FOREIGN = [name for name, entry in catalogue().items() if entry.keys in {"torchvision", "timm", "timm legacy"}]
# A trunk, and graphs with a foreign network's keys: tested beside the network that they depart from.
FOREIGN = [name for name in FOREIGN if not name.endswith(("_v1", "_features"))]
# torchvision's detector wants a size beside the picture: tests/detection/test_region_networks.py compares it.
FOREIGN = [name for name in FOREIGN if find_entry(name).task != "detect"]


def on_meta(name: str) -> tuple[nn.Module, nn.Module]:
    """Ours and theirs, without storage."""
    keys = find_entry(name).keys
    with torch.device("meta"):
        if keys == "torchvision":
            options = {"init_weights": False} if name == "googlenet" else {}  # its own takes a minute
            theirs = load_torchvision().models.get_model(name, weights=None, **options)
        else:
            prefix = "legacy_" if keys == "timm legacy" else "tf_"
            theirs = load_timm().create_model((prefix + name).replace("se_res", "seres"))
        return create_model(name).eval(), theirs.eval()


def fill(module: nn.Module) -> None:
    """Random weights that keep activations near one, from one drawing: 140 million numbers take seconds to draw."""
    drawn = torch.randn(1_000_003, generator=torch.Generator().manual_seed(0))  # a prime: kernels differ
    module.to_empty(device="cpu")
    for name, tensor in module.state_dict().items():
        noise = drawn.repeat(-(-tensor.numel() // len(drawn)))[: tensor.numel()].view(tensor.shape)
        if not tensor.is_floating_point():
            tensor.zero_()
        elif name.endswith("running_var"):
            tensor.copy_(0.5 + noise.abs())
        elif tensor.dim() == 1:
            tensor.copy_(name.endswith("weight") + 0.1 * noise)
        else:
            tensor.copy_(noise * (2 / tensor[0].numel()) ** 0.5)


def published_size(name: str) -> tuple[int, int, int]:
    return find_entry(name).input_size


@pytest.mark.parametrize("name", FOREIGN)
def test_tensors_and_costs_are_theirs(name: str) -> None:
    ours, theirs = on_meta(name)
    same_weights(ours, theirs)  # compares names, shapes, kinds and order
    if find_entry(name).keys == "torchvision":  # timm pads outside its layers or counts gates: see its own tests
        assert count_macs(ours, *published_size(name)) == count_macs(theirs, *published_size(name))


@pytest.mark.parametrize("name", FOREIGN)
def test_a_checkpoint_from_there_loads_strictly_and_answers_the_same(name: str) -> None:
    ours, theirs = on_meta(name)
    fill(theirs)
    assert ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    x: Tensor = torch.randn(1, 3, 64, 97)
    with torch.inference_mode():
        wanted = theirs(x)
        assert wanted.std() > 1e-3  # answers that differ, not a row of biases
        assert relative_difference(ours(x), wanted) < 1e-5

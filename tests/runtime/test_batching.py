import torch
from torch import Tensor, nn

from striate.models import create_model
from striate.runtime import best_batch_size


def test_larger_maps_want_smaller_batches() -> None:
    with torch.device("meta"):
        nets = {name: create_model(name) for name in ("vgg16", "efficientnet_lite0", "alexnet")}
    x = torch.empty(9, 3, 224, 224, device="meta")
    sizes = [best_batch_size(net, x) for net in nets.values()]
    assert sizes == sorted(sizes)
    assert sizes[0] == 2
    assert sizes[1] == 6
    assert 16 <= sizes[2] <= 32


def test_bounds_hold_for_any_module() -> None:
    assert best_batch_size(nn.Identity(), torch.zeros(1, 1, 1, 1), most=7) == 7
    assert best_batch_size(nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 9000, 9000)) == 1


def test_a_module_that_cannot_be_followed_gets_a_small_batch() -> None:
    class Refuses(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("no")

    assert best_batch_size(Refuses(), torch.zeros(1, 3, 8, 8)) == 8

"""Small networks of every shape that people write, for what looks at all units of a layer."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["NETWORKS", "build", "spatial_layers"]


class Plain(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 5, 3, padding=1),
            nn.BatchNorm2d(5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.Conv2d(5, 6, 3, padding=2, dilation=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 4, (1, 5), stride=(1, 2), padding=(0, 1), groups=2),
        )


class Branches(nn.Module):
    """Branches of different reach, added and put together; functional and shared activations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 5, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.left, self.right = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.wide = nn.Conv2d(4, 3, 3, padding=3, dilation=3)
        self.join = nn.Identity()
        self.last = nn.Conv2d(7, 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        both = self.relu(self.left(x) + self.right(x))
        return self.last(self.join(torch.cat([F.relu(both), self.wide(x)], 1)))


class Resized(nn.Module):
    """Down, up again, and across."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1)
        self.near = nn.Upsample(scale_factor=2)
        self.mix = nn.Conv2d(7, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu_(self.down(x))
        return self.mix(torch.cat([self.up(x), self.near(x)], 1))


NETWORKS: dict[str, type[nn.Module]] = {"plain": Plain, "branches": Branches, "resized": Resized}


def build(name: str, *, seed: int = 5) -> nn.Module:
    """One of the networks in float64, with statistics of its own."""
    torch.manual_seed(seed)
    net = NETWORKS[name]().double().eval()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return net


def spatial_layers(net: nn.Module) -> list[str]:
    """All layers that have no layers."""
    return [path for path, part in net.named_modules() if path and next(part.children(), None) is None]

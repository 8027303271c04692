"""Small networks for the gradient methods, each with something that tools trip over, and their backward passes by hand.

Every network is `conv → … → linear` in float64. `by_hand` goes back through it with matrices, sums and masks alone: no
autograd, no shared code.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Rule = str
Act = Callable[[Tensor], Tensor]


class Simple(nn.Module):
    """What captum can do: module rectifiers, each input read once."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv1, self.relu1 = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.conv2, self.relu2 = nn.Conv2d(6, 5, 3), nn.ReLU()
        self.norm = nn.BatchNorm2d(5)
        self.conv3, self.relu3 = nn.Conv2d(5, 4, 2), nn.ReLU()
        self.fc = nn.Linear(4, 3)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.conv1(x)))
        x = self.relu2(self.norm(self.conv2(x)))
        return self.fc(self.relu3(self.conv3(x)).mean((2, 3)))


class TwoReaders(nn.Module):
    """The input of the rectifier is read twice: y = fc(mean(b(relu(z)) + c(z))), z = a(x)."""

    def __init__(self, act: Act = F.relu, slope: float = 0.0, top: float = torch.inf) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.a, self.b, self.c = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.act, self.slope, self.top = act, slope, top
        self.fc = nn.Linear(4, 3)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        z = self.a(x)
        return self.fc((self.b(self.act(z)) + self.c(z)).mean((2, 3)))

    def by_hand(self, x: Tensor, target: int, rule: Rule) -> Tensor:
        h, w = x.shape[2:]
        z = mix(self.a.weight, x) + self.a.bias.detach()[:, None, None]
        up = (self.fc.weight.detach()[target] / (h * w)).view(1, -1, 1, 1).expand_as(z)
        through = rectified(rule, z, unmix(self.b.weight, up), self.slope, self.top)
        return unmix(self.a.weight, through + unmix(self.c.weight, up))


class SharedTwice(nn.Module):
    """One activation module, and one convolution, each used twice."""

    def __init__(self, act: nn.Module, slope: float = 0.0, top: float = torch.inf) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
        self.act, self.slope, self.top = act, slope, top
        self.fc = nn.Linear(4, 3)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.b(self.act(self.a(x))))
        return self.fc(self.act(self.b(x)).mean((2, 3)))

    def by_hand(self, x: Tensor, target: int, rule: Rule) -> Tensor:
        def bias(layer: nn.Conv2d) -> Tensor:
            return layer.bias.detach()[:, None, None]

        def act(z: Tensor) -> Tensor:
            return torch.where(z > 0, z, self.slope * z).clamp(max=self.top)

        h, w = x.shape[2:]
        z1 = mix(self.a.weight, x) + bias(self.a)
        z2 = mix(self.b.weight, act(z1)) + bias(self.b)
        z3 = mix(self.b.weight, act(z2)) + bias(self.b)
        g = (self.fc.weight.detach()[target] / (h * w)).view(1, -1, 1, 1).expand_as(z3)
        for z in (z3, z2):
            g = unmix(self.b.weight, rectified(rule, z, g, self.slope, self.top))
        return unmix(self.a.weight, rectified(rule, z1, g, self.slope, self.top))


def mix(weight: Tensor, x: Tensor) -> Tensor:
    """A 1 × 1 convolution without bias."""
    return torch.einsum("oi,nihw->nohw", weight.detach()[:, :, 0, 0], x)


def unmix(weight: Tensor, g: Tensor) -> Tensor:
    """Its transpose."""
    return torch.einsum("oi,nohw->nihw", weight.detach()[:, :, 0, 0], g)


def rectified(rule: Rule, z: Tensor, g: Tensor, slope: float, top: float) -> Tensor:
    """The table of the rules."""
    derivative = torch.where(z > 0, torch.ones_like(z), slope) * (z < top)
    passed = torch.where(g > 0, g, slope * g)
    return {"plain": derivative * g, "deconvnet": passed, "guided": derivative * passed}[rule]

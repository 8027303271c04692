"""The basic residual block: two 3×3 convolutions that learn what to change, and the input added to their result.

y = relu(x + F(x)), F(x) = norm(conv2(relu(norm(conv1(x))))). Where the block halves the map or has other channels than
its input, x is fitted first: by a 1×1 convolution of its own (*projection*, the paper's option B), or by dropping
pixels and adding channels of zeros (*zeros*, option A), which has no parameters.
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.layers.conv_norm import conv_norm
from striate.layers.zero_shortcut import ZeroShortcut

__all__ = ["BasicBlock", "ShortcutKind"]

ShortcutKind = Literal["projection", "zeros"]


class BasicBlock(nn.Module):
    """relu(shortcut(x) + norm(conv2(relu(norm(conv1(x)))))), both convolutions 3×3.

    Source: He et al. 2015, arXiv:1512.03385, figure 5 left; the shortcuts are section 3.3's options B and A.

    Args:
        in_channels: channels in.
        out_channels: channels of both convolutions.
        stride: of the first convolution; 2 halves the map.
        shortcut: what fits the input to the result; there is a shortcut layer only where the shape changes.

    Raises:
        ConfigError: `shortcut` is neither, or zeros are asked to take channels away.

    >>> import torch
    >>> BasicBlock(16, 32, stride=2, shortcut="zeros")(torch.zeros(1, 16, 32, 32)).shape
    torch.Size([1, 32, 16, 16])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, shortcut: ShortcutKind = "projection"
    ) -> None:
        super().__init__()
        if shortcut not in {"projection", "zeros"}:
            raise ConfigError(f"shortcut is 'projection' (option B) or 'zeros' (option A), but got {shortcut!r}.")
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = (
                ZeroShortcut(in_channels, out_channels, stride=stride)
                if shortcut == "zeros"
                else conv_norm(in_channels, out_channels, 1, stride=stride)
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Add the residual to `x`, fitted where the shape changes."""
        residual = self.relu1(self.bn1(self.conv1(x)))  # n c2 h2 w2
        residual = self.bn2(self.conv2(residual))
        shortcut = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu2(residual + shortcut)
        return out

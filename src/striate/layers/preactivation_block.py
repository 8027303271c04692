"""The residual block with its normalization and ReLU in front: nothing stands on the way from block to block.

In the first residual networks every sum goes through a ReLU. Here normalization and ReLU come before each convolution
instead, and the sum is passed on as it is: y = x + F(x), F(x) = conv2(relu(norm(conv1(relu(norm(x)))))). An identity
from the last block to the first remains, and the gradient comes back along it unchanged. The last block's sum is
normalized and rectified once, behind all blocks.
"""

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PreactivationBlock"]


class PreactivationBlock(nn.Module):
    """a = relu(norm(x)); shortcut + conv2(dropout(relu(norm(conv1(a))))), both convolutions 3×3.

    The shortcut is x itself, or a 1×1 convolution of *a* (not of x) where the shape changes, without normalization.

    Source: He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv:1603.05027, figure 1b; Zagoruyko and
    Komodakis 2016, Wide Residual Networks, arXiv:1605.07146, figure 1 (a, and d with dropout), and the authors' code
    for the shortcut.

    Args:
        in_channels: channels in.
        out_channels: channels of both convolutions.
        stride: of the first convolution; 2 halves the map.
        dropout: probability that a number is dropped in front of the second convolution, in training.

    >>> import torch
    >>> PreactivationBlock(64, 128, stride=2)(torch.zeros(1, 64, 32, 32)).shape
    torch.Size([1, 128, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU()
        self.dropout = nn.Dropout(dropout) if dropout > 0 else None
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        same_shape = stride == 1 and in_channels == out_channels
        self.downsample = None if same_shape else nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Add the residual to `x` or to the projection of its activation."""
        active = self.relu1(self.bn1(x))  # n c h w
        residual = self.relu2(self.bn2(self.conv1(active)))  # n c2 h2 w2
        if self.dropout is not None:
            residual = self.dropout(residual)
        residual = self.conv2(residual)
        shortcut = x if self.downsample is None else self.downsample(active)
        out: Tensor = residual + shortcut
        return out

"""A shortcut without parameters where the map shrinks: every second pixel, and zeros for the new channels.

A residual block adds its input to its result, which needs one shape. Where the block halves the map and doubles the
channels, the input can be projected by a 1×1 convolution (He et al.'s option B), or be *made* to fit: drop every
second row and column, and let the channels that it does not have be 0 (option A). Nothing is learned here: what the
block does not change passes through the whole network as it is.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import ConfigError

__all__ = ["ZeroShortcut"]


class ZeroShortcut(nn.Module):
    """y[c, i, j] = x[c − before, i · stride, j · stride], and 0 for the channels that x does not have.

    Half of the new channels stand before those of x and half behind them, the odd one behind: which place they have
    makes no difference to what can be learned (the channels of the next layers only change their numbers), but weights
    trained with one place answer worse with another.

    Source: He et al. 2015, arXiv:1512.03385, section 3.3, option A. The paper does not say where the zeros stand; half
    and half is what trained weights in PyTorch have (pytorch_resnet_cifar10).

    Args:
        in_channels: channels in.
        out_channels: channels out, not fewer.
        stride: 2 keeps every second row and column, the first included.

    Raises:
        ConfigError: fewer channels out than in.

    >>> import torch
    >>> ZeroShortcut(1, 3, stride=2)(torch.arange(9.0).view(1, 1, 3, 3)).flatten(2)
    tensor([[[0., 0., 0., 0.],
             [0., 2., 6., 8.],
             [0., 0., 0., 0.]]])
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        if out_channels < in_channels:
            raise ConfigError(
                f"A shortcut of zeros only adds channels, but got {in_channels} in and {out_channels} out: "
                "use a projection."
            )
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.behind = out_channels - in_channels - self.before

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Thin out `x` and add channels of zeros."""
        kept = x[:, :, :: self.stride, :: self.stride]  # n c h2 w2
        return F.pad(kept, (0, 0, 0, 0, self.before, self.behind))  # n c2 h2 w2

    def extra_repr(self) -> str:
        """What `print(module)` shows between the brackets."""
        return f"{self.before} channels of 0 before, {self.behind} behind, stride={self.stride}"

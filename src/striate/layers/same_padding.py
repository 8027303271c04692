"""TensorFlow's 'SAME' padding, which depends on the size of the picture.

'SAME' asks for ⌈h / s⌉ outputs along an axis of h pixels with stride s. A window of kernel k and dilation d covers
d (k − 1) + 1 pixels, so that (⌈h / s⌉ − 1) s + d (k − 1) + 1 pixels are needed; what is missing is padded with zeros,
half before and half after, the odd one *after*. With stride 2, kernel 3 and an even h that is nothing before and one
zero after, while PyTorch's padding=1 adds one on both sides: the same output size with the windows one pixel off.
Weights trained with one load into the other without an error, and answer worse.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SamePadConv2d", "same_conv2d", "same_padding"]


def same_padding(size: int, *, kernel_size: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after an axis of `size` pixels.

    Source: TensorFlow's documentation of `tf.nn.convolution`, padding "SAME".

    >>> same_padding(224, kernel_size=3, stride=2), same_padding(225, kernel_size=3, stride=2)
    ((0, 1), (1, 1))
    """
    outputs = -(-size // stride)
    needed = (outputs - 1) * stride + dilation * (kernel_size - 1) + 1
    total = max(needed - size, 0)
    return total // 2, total - total // 2


class SamePadConv2d(nn.Conv2d):
    """A convolution that pads its input the 'SAME' way, anew for every input size.

    Its own `padding` is 0: what is padded follows from the input.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        kernel_size: side of the square kernel.
        stride: steps between windows, both axes.
        groups: groups of channels that do not mix.
        bias: whether to add a bias.

    >>> import torch
    >>> SamePadConv2d(3, 8, 3, stride=2)(torch.zeros(1, 3, 15, 224)).shape
    torch.Size([1, 8, 8, 112])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=bias)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Pad `x` and convolve it."""
        kernel_size, stride = self.kernel_size[0], self.stride[0]
        top, bottom = same_padding(x.shape[-2], kernel_size=kernel_size, stride=stride)
        left, right = same_padding(x.shape[-1], kernel_size=kernel_size, stride=stride)
        return super().forward(F.pad(x, (left, right, top, bottom)))

    def extra_repr(self) -> str:
        """What `print(module)` shows between the brackets."""
        settings: str = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{settings}, padding=SAME"


def same_conv2d(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1, bias: bool = True
) -> nn.Conv2d:
    """Build a convolution with 'SAME' padding, plain where plain padding is the same thing.

    With stride 1 and an odd kernel the padding is kernel_size // 2 on all sides, whatever the input's size.

    >>> same_conv2d(3, 8, 3), same_conv2d(3, 8, 1, stride=2).__class__.__name__
    (Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1)), 'SamePadConv2d')
    """
    if stride == 1 and kernel_size % 2 == 1:
        return nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, groups=groups, bias=bias)
    return SamePadConv2d(in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=bias)

"""Local response normalization: a unit is damped by its neighbors at the same place in the channels next to it.

b[c] = a[c] / (k + (alpha / size) * sum over the size channels around c of a²)^beta
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.arithmetic.checks import finite
from striate.errors import ConfigError, ShapeError
from striate.ops.geometry import setting

__all__ = ["local_response_norm"]


def local_response_norm(
    input: Float[Tensor, "n c *spatial"], size: int, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Float[Tensor, "n c *spatial"]:
    """Divide each unit by a power of the mean square of its neighbors in the channels.

    Args:
        input: Maps, `n c` and at least one axis of space.
        size: Channels of the window; where it reaches beyond the first or last there is 0. For an even size there is
            one more before than after.
        alpha: What the mean square is multiplied with.
        beta: The power.
        k: What is added before the power is taken.

    Raises:
        ShapeError: No axis of space.
        ConfigError: A size below 1 or above 2^31 - 1, another setting that is no finite number, or integer maps.

    Source: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional neural networks",
        section 3.3.

    Differs:
        As PyTorch, Caffe and ONNX, alpha is divided by the size; the paper multiplies the plain sum, so its 1e-4 with
        size 5 is 5e-4 here. ONNX has the odd neighbor of an even size after, not before.

    >>> import torch
    >>> local_response_norm(torch.full((1, 3, 1), 2.0), 3, alpha=3.0, beta=1.0, k=0.0).flatten().tolist()
    [0.25, 0.1666666716337204, 0.25]
    """
    if input.dim() < 3:
        raise ShapeError(f"local_response_norm takes an input 'n c …', got the shape {tuple(input.shape)}.")
    if not input.is_floating_point():
        raise ConfigError(f"local_response_norm takes floating-point numbers, got {input.dtype}; use input.float().")
    size = setting("size", size, at_least=1)
    alpha, beta, k = finite("alpha", alpha), finite("beta", beta), finite("k", k)
    covering = max(2 * input.shape[1] - 1, 1)  # reaches every channel from each: a larger one only adds zeros
    if size > covering:
        alpha, size = alpha * covering / size, covering
    return F.local_response_norm(input, size, alpha, beta, k)

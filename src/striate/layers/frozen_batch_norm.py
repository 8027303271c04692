"""Batch normalization whose numbers do not change: a scale and a shift of each channel.

    y = (x − mean) · weight / √(var + ε) + bias

Detectors learn from one or two large pictures at a time, too few for statistics of their own. So those of the ImageNet
training stay, together with scale and shift, as numbers that are saved but never learned.

Source: He et al. 2015, arXiv:1512.03385, appendix A ("BN layers are fixed … linear activations with constant offsets
and scales"). Names and saved tensors are torchvision's (`FrozenBatchNorm2d`); `num_batches_tracked` is left out when a
trained normalization is loaded.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FrozenBatchNorm2d", "freeze_batch_norm"]


class FrozenBatchNorm2d(nn.Module):
    """y = (x − running_mean) · weight / √(running_var + eps) + bias, channel by channel; nothing is learned.

    Args:
        num_features: channels.
        eps: added to the variance.

    >>> import torch
    >>> layer = FrozenBatchNorm2d(3, eps=0.0)
    >>> layer(torch.ones(1, 3, 2, 2)).mean().item(), len(list(layer.parameters()))
    (1.0, 0)
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, eps
        self.register_buffer("weight", torch.ones(num_features))
        self.register_buffer("bias", torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Scale and shift each channel."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def extra_repr(self) -> str:
        """What `print(module)` shows between the brackets."""
        return f"{self.num_features}, eps={self.eps:g}"


def freeze_batch_norm(module: nn.Module) -> None:
    """Put a frozen layer with the same numbers in place of every `BatchNorm2d` inside `module`."""
    for name, child in list(module.named_children()):
        if type(child) is nn.BatchNorm2d and child.track_running_stats:
            frozen = FrozenBatchNorm2d(child.num_features, eps=child.eps)
            frozen.to(child.running_mean.device if child.running_mean is not None else None)
            frozen.load_state_dict(child.state_dict(), strict=True)
            setattr(module, name, frozen)
        else:
            freeze_batch_norm(child)

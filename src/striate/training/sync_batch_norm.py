"""Batch normalization over the pictures of all processes, on any device.

With each process normalizing its own part of the batch, two processes learn something else than one. The mean and the
variance are sums over all pictures, so each process adds up its own and the sums are added over the processes:

    mean = Σ_r Σ x / N ,    var = Σ_r Σ (x − mean)² / N ,    N = Σ_r n_r h w

in two rounds, because the difference of large sums of squares would lose digits. The sums are differentiable: backward
adds up over the processes as well. torch's own `SyncBatchNorm` needs a GPU ("SyncBatchNorm expected input tensor to be
on GPU").

Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["SyncBatchNorm", "synchronize_batch_norm"]


class SyncBatchNorm(_BatchNorm):
    """Batch normalization whose mean and variance are those of all processes; alone it is torch's own.

    Same weights, same names, same answer in evaluation as the layer that it stands for.
    """

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        if input.dim() < 2:
            raise ValueError(f"expected at least 2 axes (got {input.dim()})")

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Normalize every channel of `n c …`."""
        if not self.training or not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(input)
        x = input.float() if input.element_size() < 4 else input
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1, *[1] * (x.dim() - 2)]
        count = x.new_tensor(float(x.numel() // x.shape[1]))
        dist.all_reduce(count)
        mean = _sum_over_all(x.sum(axes)) / count
        centered = x - mean.view(shape)
        variance = _sum_over_all(centered.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        y = centered * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked or 1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


def synchronize_batch_norm(module: nn.Module) -> nn.Module:
    """The same network with every `BatchNorm1d`, `2d` and `3d` synchronized; the weights are shared, not copied."""
    if isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm):
        twin: Any = object.__new__(SyncBatchNorm)
        twin.__dict__.update(module.__dict__)
        return twin  # type: ignore[no-any-return]
    for name, part in module.named_children():
        setattr(module, name, synchronize_batch_norm(part))
    return module


class _SumOverAll(torch.autograd.Function):
    """The sum over all processes; so is its gradient, because every process's loss depends on every process's part."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        total = part.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


def _sum_over_all(part: Tensor) -> Tensor:
    total: Tensor = _SumOverAll.apply(part)  # type: ignore[no-untyped-call]
    return total

"""Batch normalization over the pictures of all processes, on any device.

With each process normalizing its own part of the batch, two processes learn something else than one. Here mean and
variance are those of all n = Σ_r n_r values of a channel, put together from each process's own:

    μ = Σ_r n_r μ_r / n ,        σ² = Σ_r n_r (σ_r² + (μ_r − μ)²) / n

which loses no digits, as the difference of large sums of squares would. Backward, with x̂ = (x − μ) / √(σ² + ε) and the
gradient g that comes from above, needs two more sums over all processes:

    ∂L/∂x = γ / √(σ² + ε) · ( g − Σ g / n − x̂ · Σ g x̂ / n )

The gradients of γ and β stay each process's own: whoever adds up the gradients of weights adds up these too. So a layer
costs one exchange of 2 c + 1 numbers forward, and one of 2 c numbers backward. torch's own `SyncBatchNorm` needs a GPU
("SyncBatchNorm expected input tensor to be on GPU").

Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1; the joint variance: Chan, Golub and LeVeque 1979.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from striate.errors import ConfigError

__all__ = ["restore_batch_norm", "synchronize_batch_norm"]


class _Synchronized(_BatchNorm):
    """In training with several processes, mean and variance are those of all of them; else it is torch's own layer."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Normalize every channel of `n c …`; `n` may be 0 on some of the processes."""
        if not self.training or not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        y, mean, variance, count = _Normalize.apply(input, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        self._remember(mean, variance * count / (count - 1))
        return y  # type: ignore[no-any-return]

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        share = 0.0 if self.momentum is None else self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                share = 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


class _SyncBatchNorm1d(_Synchronized, nn.BatchNorm1d):
    pass


class _SyncBatchNorm2d(_Synchronized, nn.BatchNorm2d):
    pass


class _SyncBatchNorm3d(_Synchronized, nn.BatchNorm3d):
    pass


_SYNCHRONIZED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _SyncBatchNorm1d,
    nn.BatchNorm2d: _SyncBatchNorm2d,
    nn.BatchNorm3d: _SyncBatchNorm3d,
}
_PLAIN = {synchronized: plain for plain, synchronized in _SYNCHRONIZED.items()}


def synchronize_batch_norm(module: nn.Module) -> None:
    """Turn every `BatchNorm1d`, `2d` and `3d` of a network into a synchronized one, in place.

    Only the class of the layers changes: weights, names, hooks and the answers in evaluation stay.

    Args:
        module: The network; it may be such a layer itself.

    Raises:
        ConfigError: If it holds a batch normalization of another class, which could not be synchronized.
    """
    for name, part in module.named_modules():
        if type(part) in _SYNCHRONIZED:
            part.__class__ = _SYNCHRONIZED[type(part)]
        elif isinstance(part, _BatchNorm) and not isinstance(part, _Synchronized | nn.SyncBatchNorm):
            raise ConfigError(
                f"The batch normalization '{name}' ({type(part).__name__}) cannot be synchronized over processes; use "
                "torch.nn.BatchNorm1d, 2d or 3d, or one process."
            )


def restore_batch_norm(module: nn.Module) -> None:
    """Turn synchronized layers back into torch's own, in place."""
    for part in module.modules():
        if type(part) in _PLAIN:
            part.__class__ = _PLAIN[type(part)]


class _Normalize(torch.autograd.Function):
    """The normalized input, and the mean, biased variance and count that it was done with."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, variance, count = _joint_moments(x)
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance, count)
        y = F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps) if len(x) else x.clone()
        return y, mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: object) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight, mean, variance, count = ctx.saved_tensors
        shape = [1, -1, *[1] * (x.dim() - 2)]
        axes = _axes(x)
        inverse = torch.rsqrt(variance + ctx.eps)
        g = gradient.to(mean.dtype)
        normalized = (x.to(mean.dtype) - mean.view(shape)).mul_(inverse.view(shape))
        own = torch.stack([(g * normalized).sum(axes), g.sum(axes)])  # 2 c: of the weight, of the bias
        dx = None
        if ctx.needs_input_grad[0]:
            joint = own.clone()
            dist.all_reduce(joint)
            joint /= count
            scale = inverse if weight is None else inverse * weight
            dx = (g - joint[1].view(shape)).sub_(normalized.mul_(joint[0].view(shape))).mul_(scale.view(shape))
            dx = dx.to(x.dtype)
        wanted = ctx.needs_input_grad
        return dx, own[0] if wanted[1] else None, own[1] if wanted[2] else None, None


def _joint_moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance of every channel over all processes, and over how many values."""
    channels = x.shape[1]
    wide = x.float() if x.element_size() < 4 else x
    values = x.numel() // channels
    own = wide.new_zeros(2 * channels + 1)
    if values:
        variance, mean = torch.var_mean(wide, _axes(x), correction=0)
        own = torch.cat([mean, variance, mean.new_tensor([float(values)])])
    every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(every, own)
    means, variances, counts = torch.split(torch.stack(every), [channels, channels, 1], dim=1)  # r c, r c, r 1
    count = counts.sum(0)
    if values <= 1 and float(count) <= 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {tuple(x.shape)}")
    shares = counts / count
    mean = (shares * means).sum(0)
    variance = (shares * (variances + (means - mean).square())).sum(0)
    return mean, variance, count


def _axes(x: Tensor) -> list[int]:
    return [axis for axis in range(x.dim()) if axis != 1]

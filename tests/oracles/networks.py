"""What every network is compared by: the same answers as another, and multiply-adds counted from its layers' shapes."""

import torch
from torch import Tensor, nn

from striate.layers.table_convolution import TableConv2d

__all__ = ["count_macs", "forget_statistics", "relative_difference", "same_weights"]


def relative_difference(ours: Tensor, theirs: Tensor) -> float:
    """‖ours − theirs‖ / ‖theirs‖."""
    assert ours.shape == theirs.shape
    assert theirs.norm() > 0
    return float((ours - theirs).norm() / theirs.norm())


def forget_statistics(module: nn.Module, *, seed: int = 0) -> nn.Module:
    """Give every BatchNorm2d statistics and weights that are not the neutral ones it starts with."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            shape = part.running_mean.shape
            part.running_mean.copy_(0.2 * torch.randn(shape, generator=generator))
            part.running_var.copy_(0.5 + torch.rand(shape, generator=generator))
            part.weight.data.copy_(0.5 + torch.rand(shape, generator=generator))
            part.bias.data.copy_(0.2 * torch.randn(shape, generator=generator))
    return module


def same_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """Load `theirs` into `ours`, which must have the same keys, shapes and kinds, in the same order."""
    state = theirs.state_dict()
    mine = ours.state_dict()
    assert [(k, v.shape, v.dtype) for k, v in mine.items()] == [(k, v.shape, v.dtype) for k, v in state.items()]
    ours.load_state_dict(state, strict=True, assign=True)


def count_macs(module: nn.Module, *size: int) -> int:
    """Multiply-adds of convolutions and full layers for one image `c h w`, from the shapes that pass through them.

    Works on a module of the meta device, and knows nothing of operators: the count is outputs × weights that meet in
    one output.
    """
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weights = layer.kernel() if isinstance(layer, TableConv2d) else layer.weight
        total += output.numel() * weights[0].numel()

    kinds = nn.Conv2d | nn.Linear | TableConv2d
    hooks = [part.register_forward_hook(count) for part in module.modules() if isinstance(part, kinds)]
    device = next(module.parameters()).device
    was_training = module.training
    with torch.no_grad():
        module.eval()(torch.zeros(1, *size, device=device))
    module.train(was_training)
    for hook in hooks:
        hook.remove()
    return total

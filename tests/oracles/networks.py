"""What every network is compared by: the same answers as another, and multiply-adds counted from its layers' shapes."""

import importlib

import torch
from torch import Tensor, nn

from striate.errors import ShapeError
from striate.layers.table_convolution import TableConv2d
from striate.models.catalogue import find_entry

__all__ = [
    "assert_behaves",
    "assert_catalogue_entry_is_true",
    "count_macs",
    "forget_statistics",
    "relative_difference",
    "same_weights",
    "smallest_size",
]


@torch.no_grad()
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


def assert_catalogue_entry_is_true(name: str) -> nn.Module:
    """Build the network of a catalogue entry without storage, and compare every number that the entry gives.

    Returns:
        The network, on the meta device.
    """
    entry = find_entry(name)
    module_name, function = entry.builder.split(":")
    builder = getattr(importlib.import_module(module_name), function)
    with torch.device("meta"):
        network = builder(num_classes=entry.num_classes, in_channels=entry.input_size[0], **entry.options)
    assert sum(p.numel() for p in network.parameters()) == entry.parameters
    assert count_macs(network, *entry.input_size) == entry.macs
    assert network.get_submodule(entry.first_conv).in_channels == entry.input_size[0]
    for path in entry.classifier:
        shapes = [tuple(t.shape) for t in network.get_submodule(path).state_dict().values()]
        assert shapes
        assert all(shape[0] == entry.num_classes for shape in shapes)
    assert smallest_size(network, entry.input_size[0]) == entry.min_size
    return network


def smallest_size(network: nn.Module, channels: int, *, limit: int = 128) -> int:
    """The smallest square that runs on the meta device; one pixel less in height or width must be refused."""
    network.eval()

    def runs(height: int, width: int) -> bool:
        try:
            network(torch.empty(1, channels, height, width, device="meta"))
        except ShapeError:
            return False
        return True

    size = next(n for n in range(1, limit) if runs(n, n))
    assert not runs(size - 1, size + 9)
    assert not runs(size + 9, size - 1)
    assert runs(size, size + 9)
    return size


def assert_behaves(network: nn.Module, x: Tensor) -> None:
    """What holds for every network: one image at a time gives the same, gradients are finite and arrive everywhere,
    it exports, and nothing that it is given is changed.
    """
    network.eval()
    before = x.clone()
    x.requires_grad_()
    together = network(x)
    alone = torch.cat([network(image[None]) for image in x])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5 * float(together.detach().abs().max()))
    together.square().mean().backward()
    for name, tensor in [("input", x), *network.named_parameters()]:
        assert tensor.grad is not None, name
        assert tensor.grad.isfinite().all(), name
        assert tensor.grad.abs().sum() > 0, name
    x = x.detach()
    assert torch.equal(x, before)
    exported = torch.export.export(network, (x,))
    torch.testing.assert_close(exported.module()(x), together.detach())

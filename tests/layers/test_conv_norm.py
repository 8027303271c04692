"""Convolution and batch normalization, and He et al.'s random weights."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from striate.layers.conv_norm import conv_norm, initialize_convolutions


@pytest.mark.parametrize(("kernel_size", "stride", "groups"), [(1, 1, 1), (1, 2, 1), (3, 2, 1), (3, 1, 2)])
def test_is_a_convolution_without_bias_and_its_normalization(kernel_size, stride, groups):
    torch.manual_seed(0)
    layer = conv_norm(4, 6, kernel_size, stride=stride, groups=groups).train()
    x = torch.randn(3, 4, 9, 8)
    y = F.conv2d(x, layer[0].weight, stride=stride, padding=kernel_size // 2, groups=groups)
    mean, var = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), keepdim=True, unbiased=False)
    torch.testing.assert_close(layer(x), (y - mean) / (var + 1e-5).sqrt())
    assert list(layer.state_dict()) == [
        "0.weight",
        *(f"1.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
    ]


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    layer = conv_norm(2, 3, 3, stride=2).double().train()
    x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w: torch.func.functional_call(layer, {"0.weight": w}, x), (x, layer[0].weight)
    )


@pytest.mark.parametrize(
    ("options", "fan"), [({}, 32 * 9), ({"mode": "fan_out"}, 32 * 9), ({"mode": "fan_in"}, 64 * 9)]
)
def test_random_weights_have_variance_two_by_fan(options, fan):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(128, 32, 3, groups=2), nn.Linear(8, 8))
    bias, linear = network[0].bias.detach().clone(), network[1].weight.detach().clone()
    initialize_convolutions(network, **options)
    assert float(network[0].weight.detach().var()) == pytest.approx(2 / fan, rel=0.05)
    assert torch.equal(network[0].bias, bias)
    assert torch.equal(network[1].weight, linear)

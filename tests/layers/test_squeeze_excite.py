"""Squeeze and excite against the paper's equations written as sums."""

import torch

from striate.layers.squeeze_excite import SqueezeExcite


def test_is_equations_2_to_4():
    torch.manual_seed(0)
    layer = SqueezeExcite(8, reduction=4)
    x = torch.randn(3, 8, 5, 7)
    w1, b1 = layer.fc1.weight[:, :, 0, 0], layer.fc1.bias
    w2, b2 = layer.fc2.weight[:, :, 0, 0], layer.fc2.bias
    expected = torch.empty_like(x)
    for n, image in enumerate(x):
        z = torch.stack([channel.sum() / channel.numel() for channel in image])  # equation 2
        s = 1 / (1 + torch.exp(-(w2 @ (w1 @ z + b1).clamp(min=0) + b2)))  # equation 3
        for c in range(8):
            expected[n, c] = s[c] * image[c]  # equation 4
    torch.testing.assert_close(layer(x), expected)
    assert sum(p.numel() for p in layer.parameters()) == 8 * 2 + 2 + 2 * 8 + 8


def test_the_factors_have_an_address():
    layer = SqueezeExcite(4, reduction=2)
    seen = []
    layer.sigmoid.register_forward_hook(lambda _m, _i, out: seen.append(out))
    x = torch.randn(2, 4, 1, 3)
    torch.testing.assert_close(layer(x), x * seen[0])
    assert seen[0].shape == (2, 4, 1, 1)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    layer = SqueezeExcite(4, reduction=2).double()
    x = torch.randn(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))

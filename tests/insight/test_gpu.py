"""On a GPU everything must say what it says on the CPU."""

import numpy as np
import pytest
import torch
from torch import nn

from striate.insight import kernels, occlusion, saliency, stage_activations
from striate.models import create_model
from striate.probe import summary

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _needs_cuda() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")


def pair(name: str) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    cpu = create_model(name, num_classes=7).double().eval()
    gpu = create_model(name, num_classes=7).double().eval()
    gpu.load_state_dict(cpu.state_dict())
    return cpu, gpu.to("cuda").to(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "googlenet", "efficientnet_lite0", "se_resnext50_32x4d"])
def test_maps_equal_the_cpus(name: str) -> None:
    cpu, gpu = pair(name)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    ours, theirs = saliency(gpu, x.cuda(), target=3), saliency(cpu, x, target=3)
    np.testing.assert_allclose(ours.values, theirs.values, rtol=0, atol=1e-9 * theirs.values.max())
    ours, theirs = (occlusion(n, y, target=3, window=32, stride=16) for n, y in ((gpu, x.cuda()), (cpu, x)))
    np.testing.assert_allclose(ours.grid, theirs.grid, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.values, theirs.values, rtol=0, atol=1e-9)
    for mine, other in zip(stage_activations(gpu, x.cuda())[1], stage_activations(cpu, x)[1], strict=True):
        np.testing.assert_allclose(mine.maximum, other.maximum, rtol=1e-9)
    np.testing.assert_array_equal(kernels(gpu).weights, kernels(cpu).weights)
    assert summary(gpu, (3, 64, 64)) == summary(cpu, (3, 64, 64))

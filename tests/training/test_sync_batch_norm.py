"""Joint batch normalization is torch's own on the whole batch; alone it is torch's own, bit by bit."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.errors import ConfigError
from striate.models import create_model
from striate.runtime import fold
from striate.training.sync_batch_norm import restore_batch_norm, synchronize_batch_norm
from tests.training.jobs import gang

TOLERANCES = {"float32": 2e-6, "bfloat16": 0.04, "far from zero": 1e-8}  # bfloat16 rounds answers up to 8 to 1/32


def test_two_processes_normalize_as_one_does(tmp_path: Path) -> None:
    said = gang("normalize", tmp_path)
    assert len(said[0]) == 11
    for differences in said:
        for case, difference in differences.items():
            assert difference <= TOLERANCES.get(case, 1e-12), (case, difference)


def test_alone_and_in_evaluation_it_is_torchs_own_bit_by_bit() -> None:
    torch.manual_seed(0)
    plain = create_model("resnet20", num_classes=3)
    joint = copy.deepcopy(plain)
    synchronize_batch_norm(joint)
    x = torch.rand(4, 3, 32, 32)
    for mode in (True, False):
        plain.train(mode)
        joint.train(mode)
        torch.manual_seed(1)
        wanted = plain(x)
        torch.manual_seed(1)
        got = joint(x)
        assert torch.equal(wanted, got)
        if mode:
            wanted.sum().backward()
            got.sum().backward()
    assert list(plain.state_dict()) == list(joint.state_dict())
    for a, b in zip(plain.state_dict().values(), joint.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(plain.parameters(), joint.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.equal(a.grad, b.grad)


def test_only_the_class_changes_and_comes_back() -> None:
    root = nn.BatchNorm2d(3)
    seen: list[nn.Module] = []
    root.register_forward_hook(lambda layer, *_: seen.append(layer))
    weight = root.weight
    synchronize_batch_norm(root)
    assert type(root) is not nn.BatchNorm2d
    assert isinstance(root, nn.BatchNorm2d)
    assert root.weight is weight
    synchronize_batch_norm(root)  # twice changes nothing
    root(torch.rand(2, 3, 4, 4))
    assert seen == [root]
    with pytest.raises(ValueError, match="expected 4D input"):
        root(torch.rand(2, 3))
    restore_batch_norm(root)
    assert type(root) is nn.BatchNorm2d


def test_a_network_that_was_synchronized_folds_afterwards() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    synchronize_batch_norm(net)
    restore_batch_norm(net)
    x = torch.rand(2, 3, 8, 8)
    folded = fold(net, x)
    assert folded is not net
    torch.testing.assert_close(folded(x), net(x))


def test_a_normalization_of_ones_own_is_refused() -> None:
    class Own(nn.BatchNorm2d):
        pass

    with pytest.raises(ConfigError, match=r"'1' \(Own\) cannot be synchronized"):
        synchronize_batch_norm(nn.Sequential(nn.Conv2d(3, 4, 1), Own(4)))

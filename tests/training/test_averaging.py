"""The averaged weights against a slow twin, number by number."""

import torch
from torch import nn

from striate.training.averaging import WeightAverage


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()


def test_the_average_is_that_of_the_formula() -> None:
    torch.manual_seed(0)
    module = net()
    average = WeightAverage(module, decay=0.8)
    slow = {name: value.clone() for name, value in module.state_dict().items() if value.is_floating_point()}
    for step in range(60):
        module(torch.randn(5, 3, dtype=torch.float64))  # moves the running statistics
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        average.update(module, step=step)
        decay = min(0.8, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if name in slow:  # the running statistics too: they belong to the weights that made the maps
                slow[name] = decay * slow[name] + (1 - decay) * value
    for name, value in slow.items():
        torch.testing.assert_close(average.state[name], value, rtol=1e-12, atol=1e-12)
    assert {"1.running_mean", "1.running_var"} <= set(slow)
    assert average.state["1.num_batches_tracked"] == module[1].num_batches_tracked


def test_the_start_is_forgotten_soon() -> None:
    module = net()
    average = WeightAverage(module, decay=0.9999)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(1.0)
    for step in range(100):
        average.update(module, step=step)
    left = (average.state["0.weight"] - 1).abs().max().item()
    assert left < 1e-6  # a decay of .9999 alone would leave .99 of it


def test_it_is_a_copy_and_takes_up_a_saved_state() -> None:
    module = net()
    average = WeightAverage(module, decay=0.5)
    with torch.no_grad():
        module[0].weight.add_(1)
    assert not torch.equal(average.state["0.weight"], module[0].weight)
    saved = {name: value + 1 for name, value in average.state.items()}
    average.load(saved)
    assert all(torch.equal(average.state[name], saved[name]) for name in saved)
    assert average.state["1.num_batches_tracked"].dtype == torch.int64

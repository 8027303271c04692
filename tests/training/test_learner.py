"""One step at a time: parts of a batch, clipping, precision, class weights, auxiliary heads, what is frozen."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.data.loader import Batch, load_batches
from striate.training.classification import ClassificationTask
from striate.training.learner import Learner
from striate.training.losses import picture_losses, soft_targets
from striate.training.world import ALONE
from tests.training.small import bars, settings, small_net, small_task, with_module


def learner_of(task: ClassificationTask, **given: Any) -> Learner:
    learner = Learner(task, settings(**given), device=torch.device("cpu"), world=ALONE)
    learner.begin_epoch()
    return learner


def batch_of(task: ClassificationTask, indices: Any) -> Batch:
    order = [np.asarray(indices, dtype=np.int64)]
    return next(load_batches(task.train, order, task.augmentation.geometry, seed=0, epoch=0, workers=0))


def steps(learner: Learner, count: int = 3, rate: float = 0.1) -> list[float]:
    losses = []
    for step in range(count):
        batch = batch_of(learner.task, range(8))
        told = learner.learn(batch, step=step, epoch=0, count=len(batch), rate=rate)
        losses.append(float(told["loss"]) / len(batch))
    return losses


def test_a_step_is_that_of_the_formula() -> None:
    task = small_task(small_net(norm=False))
    learner = learner_of(task, precision="float64", optimizer="sgd", momentum=0.0, weight_decay=0.0)
    slow = small_net(norm=False).double()
    x = (task.train.store.array[:8, None] / 255.0 - 0.5) / 0.25  # type: ignore[attr-defined]
    loss = nn.functional.cross_entropy(
        slow(torch.from_numpy(x).float().double()), torch.from_numpy(task.train.labels[:8])
    )
    loss.backward()
    (value,) = steps(learner, 1)
    assert value == pytest.approx(loss.item(), rel=1e-6)
    for name, parameter in slow.named_parameters():
        assert parameter.grad is not None
        expected = parameter.detach() - 0.1 * parameter.grad
        torch.testing.assert_close(learner.module.get_parameter(name).detach(), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("parts", [2, 3, 8])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_batch_in_parts_is_the_batch(parts: int, optimizer: str) -> None:
    found = []
    for accumulate in (1, parts):
        learner = learner_of(
            small_task(small_net(norm=False)),
            precision="float64",
            accumulate=accumulate,
            optimizer=optimizer,
            clip_norm=1.0,
        )
        found.append((steps(learner), learner.module.state_dict()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    for name, value in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], value, rtol=1e-9, atol=1e-12)


def test_the_longest_gradient() -> None:
    task = small_task(small_net(norm=False))
    plain = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "precision": "float64"}
    moved = []
    for clip in (0.0, 1e-3):
        net = small_net(norm=False)
        learner = learner_of(with_module(task, net), clip_norm=clip, **plain)
        before = torch.cat([p.detach().flatten().clone() for p in net.parameters()])
        steps(learner, 1, rate=1.0)
        moved.append((torch.cat([p.detach().flatten() for p in net.parameters()]) - before).norm().item())
    assert moved[0] > 0.01
    assert moved[1] == pytest.approx(1e-3, rel=1e-4)


def test_label_smoothing_and_class_weights_reach_the_loss() -> None:
    train = bars(12).subset([0, 2, 4, 6, 8, 10, 1, 3])  # six of class 0, two of class 1
    task = small_task(small_net(norm=False), train=train)
    (smooth,) = steps(learner_of(with_module(task, small_net(norm=False)), label_smoothing=0.3), 1)
    (balanced,) = steps(learner_of(with_module(task, small_net(norm=False)), class_weights="balanced"), 1)
    logits = _logits(task, small_net(norm=False))
    labels = torch.from_numpy(train.labels)
    cross = nn.functional.cross_entropy
    assert smooth == pytest.approx(cross(logits, labels, label_smoothing=0.3).item(), rel=1e-5)
    weights = torch.tensor([8 / 12, 8 / 4])
    expected = cross(logits, labels, weight=weights, reduction="none").mean().item()
    assert balanced == pytest.approx(expected, rel=1e-5)
    assert weights[train.labels].mean().item() == pytest.approx(1.0)


def _logits(task: ClassificationTask, net: nn.Module) -> Tensor:
    x = (task.train.store.take(np.arange(8))[:, None] / 255.0 - 0.5) / 0.25  # type: ignore[attr-defined]
    return net(torch.from_numpy(x).float())


def test_a_class_without_pictures_weighs_nothing_also_under_smoothing() -> None:
    train = bars(12, classes=3)
    two = train.subset(np.flatnonzero(train.labels < 2))
    assert small_task(small_net(3), train=two, validation=None).balance.tolist() == [1.0, 1.0, 0.0]


class WithHeads(nn.Module):
    """A network that answers three times in training."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = small_net(norm=False)
        self.aux = nn.ModuleList([nn.Linear(64, 2), nn.Linear(64, 2)])

    def forward(self, x: Tensor) -> Any:
        logits = self.trunk(x)
        return (logits, *(head(x.flatten(1)) for head in self.aux)) if self.training else logits


def test_auxiliary_heads_add_their_weighted_losses_but_are_not_reported() -> None:
    torch.manual_seed(0)
    net = WithHeads()
    twin = WithHeads()
    twin.load_state_dict(net.state_dict())
    task = small_task(net, validation=None)
    plain = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "precision": "float64"}
    learner = learner_of(task, auxiliary_weight=0.3, **plain)
    (reported,) = steps(learner, 1)
    twin.double().train()
    x = (task.train.store.take(np.arange(8))[:, None] / 255.0 - 0.5) / 0.25  # type: ignore[attr-defined]
    labels = torch.from_numpy(task.train.labels[:8])
    losses = [nn.functional.cross_entropy(logits, labels) for logits in twin(torch.from_numpy(x).float().double())]
    (losses[0] + 0.3 * losses[1] + 0.3 * losses[2]).backward()
    assert reported == pytest.approx(losses[0].item(), rel=1e-6)
    for name, parameter in twin.named_parameters():
        assert parameter.grad is not None
        expected = parameter.detach() - 0.1 * parameter.grad
        torch.testing.assert_close(learner.module.get_parameter(name).detach(), expected, rtol=1e-6, atol=1e-8)


def test_mixed_precision_learns_in_float32_weights() -> None:
    learner = learner_of(small_task(), precision="bfloat16")
    losses = steps(learner, 12)
    assert losses[-1] < 0.6 * losses[0]
    assert {value.dtype for value in learner.module.parameters()} == {torch.float32}


def test_only_the_classifier_learns_first() -> None:
    net = small_net()
    learner = learner_of(small_task(net), head_epochs=1)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    steps(learner)
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"head.weight", "head.bias"}
    learner.enter_phase(epoch=1)
    learner.begin_epoch()
    steps(learner)
    now = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert now == set(before)


def test_what_is_frozen_stays_to_the_last_bit() -> None:
    net = small_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    steps(learner_of(small_task(net), freeze="norm1", ema=0.5))
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith(("conv1", "norm1")), name


def test_the_average_is_what_is_kept() -> None:
    learner = learner_of(small_task(), ema=0.9)
    steps(learner)
    kept, own = learner.kept_state(), learner.module.state_dict()
    assert not torch.equal(kept["head.weight"], own["head.weight"])
    module = learner.kept_module()
    assert module is not learner.module
    assert not module.training
    assert all(torch.equal(value, kept[name]) for name, value in module.state_dict().items())


def test_dropout_is_a_function_of_seed_and_step() -> None:
    def losses(seed: int) -> list[float]:
        learner = learner_of(small_task(small_net(dropout=0.5)), seed=seed)
        torch.rand(seed + 3)  # somebody else draws from the same generator
        return steps(learner)

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_everything_that_a_step_needs_is_in_the_state() -> None:
    given = {"ema": 0.9, "optimizer": "adamw", "layer_decay": 0.7}
    first = learner_of(small_task(small_net(dropout=0.5)), **given)
    steps(first)
    saved = {name: value.clone() for name, value in first.state().items()}
    second = learner_of(small_task(small_net(dropout=0.5, seed=9)), **given)
    second.restore(saved, epoch=0, phase=first.phase)
    second.begin_epoch()
    assert steps(first) == steps(second)
    again = second.state()
    assert all(torch.equal(value, again[name]) for name, value in first.state().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["weight", "average", "memory"])
def test_one_number_that_is_none_is_noticed(where: str, value: float) -> None:
    learner = learner_of(small_task(), ema=0.9)
    steps(learner, 1)
    assert learner.is_finite()
    name = {
        "weight": "module.conv1.weight",
        "average": "average.norm2.running_var",
        "memory": "optimizer.0.momentum_buffer",
    }
    learner.state()[name[where]].view(-1)[0] = value
    assert not learner.is_finite()


def test_soft_targets_and_the_loss_agree_with_the_learner_on_right_answers() -> None:
    learner = learner_of(small_task())
    batch = batch_of(learner.task, range(8))
    told = learner.learn(batch, step=0, epoch=0, count=8, rate=0.0)
    net = small_net().train()
    logits = _logits(learner.task, net)
    assert int(told["top1"]) == int((logits.argmax(1) == batch.labels).sum())
    losses = picture_losses(logits, soft_targets(batch.labels, 2, dtype=torch.float32))
    assert float(told["loss"]) == pytest.approx(losses.sum().item(), rel=1e-5)


def test_what_was_frozen_for_a_training_is_free_after_it_and_what_never_learns_stays() -> None:
    net = small_net()
    net.get_parameter("conv1.weight").requires_grad_(False)
    learner = learner_of(small_task(net), freeze="trunk")
    assert [name for name, weight in net.named_parameters() if weight.requires_grad] == ["head.weight", "head.bias"]
    learner.unfreeze()
    assert [name for name, weight in net.named_parameters() if not weight.requires_grad] == ["conv1.weight"]

"""Losses against torch's own and against the formula written out."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from striate.errors import ConfigError
from striate.models.lenet5 import map_loss
from striate.training.losses import MAP_J, every_logits, picture_losses, soft_targets


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(9, 5, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, 5, (9,), generator=generator)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_is_torchs(case: tuple[torch.Tensor, torch.Tensor], smoothing: float, weighted: bool) -> None:
    logits, labels = case
    weights = torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0], dtype=torch.float64) if weighted else None
    targets = soft_targets(labels, 5, dtype=torch.float64)
    ours = picture_losses(logits, targets, smoothing=smoothing, class_weights=weights)
    theirs = F.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_cross_entropy_of_mixed_targets_is_torchs(case: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, labels = case
    one = soft_targets(labels, 5, dtype=torch.float64)
    mixed = 0.3 * one + 0.7 * one.flip(0)
    ours = picture_losses(logits, mixed, smoothing=0.1)
    theirs = F.cross_entropy(logits, mixed, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_the_formula_written_out() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5]], dtype=torch.float64)
    targets = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    p = logits.exp() / logits.exp().sum()
    q = 0.9 * targets + 0.1 / 3
    expected = -sum(float(q[0, k]) * float(p[0, k].log()) for k in range(3))
    assert picture_losses(logits, targets, smoothing=0.1).item() == pytest.approx(expected, abs=1e-14)


def test_the_map_loss_is_that_of_lenet5(case: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, labels = -case[0].abs(), case[1]
    ours = picture_losses(logits, soft_targets(labels, 5, dtype=torch.float64), kind="map")
    torch.testing.assert_close(ours.mean(), map_loss(logits, labels, j=MAP_J))


def test_16_bit_logits_are_read_as_float32() -> None:
    logits = torch.tensor([[20.0, -30.0]], dtype=torch.bfloat16)
    targets = torch.tensor([[0.0, 1.0]])
    loss = picture_losses(logits, targets)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(50.0)


def test_gradients_are_those_of_the_formula(case: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits = case[0].clone().requires_grad_()
    targets = soft_targets(case[1], 5, dtype=torch.float64)
    picture_losses(logits, targets, smoothing=0.2).sum().backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, logits.detach().softmax(1) - (0.8 * targets + 0.04))


@pytest.mark.parametrize(
    "wrong",
    [
        {"smoothing": 0.1},
        {"class_weights": torch.ones(2)},
        {"targets": torch.tensor([[0.5, 0.5]])},
    ],
)
def test_refused_with_the_map_loss(wrong: dict[str, object]) -> None:
    given = {"targets": torch.tensor([[1.0, 0.0]]), **wrong}
    with pytest.raises(ConfigError, match="one right class a picture"):
        picture_losses(torch.zeros(1, 2), kind="map", **given)  # type: ignore[arg-type]


def test_answers_in_every_form() -> None:
    a, b, c = torch.zeros(2, 3), torch.ones(2, 3), torch.full((2, 3), 2.0)
    assert every_logits(a) == (a, [])
    assert every_logits((a, b, c)) == (a, [b, c])
    assert every_logits([a, None]) == (a, [])
    assert every_logits({"aux": b, "logits": a}) == (a, [b])


@pytest.mark.parametrize("answer", [torch.zeros(2, 3, 4, 4), "words", {}, (), nn.Identity()])
def test_refused_answers(answer: object) -> None:
    with pytest.raises(ConfigError, match="answers with logits n × k"):
        every_logits(answer)

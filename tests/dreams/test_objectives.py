"""Objectives: what each says, and that they add up, in one pass that stops early."""

import pytest
import torch
from torch import Tensor, nn

from striate.dreams import Seen, build_subject, objectives
from striate.dreams.objectives import OUTPUT, channel, direction, distance, each, layer, logit, neuron, unit
from striate.errors import ConfigError, ShapeError, UnknownNameError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
        self.fc = nn.Linear(5, 3)
        self.passes: list[str] = []

    def forward(self, x: Tensor) -> Tensor:
        self.passes.append("a")
        x = self.a(x).relu_()
        x = self.b(x).relu()
        self.passes.append("all")
        return self.fc(x.mean((2, 3)))


NET = Net().double().eval()
X = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def look(objective: objectives.Objective, x: Tensor = X, views: int = 1) -> Tensor:
    seen = build_subject(NET).read(x.repeat_interleave(views, 0), objective.layers)
    return objective(Seen(x, seen))


def test_each_says_what_it_is() -> None:
    with torch.no_grad():
        a, out = NET.a(X), NET(X)
        b = NET.b(a.relu())
    torch.testing.assert_close(look(channel("a", 2)), a[:, 2].mean((1, 2)))
    torch.testing.assert_close(look(neuron("a", 2)), a[:, 2, 3, 3])
    torch.testing.assert_close(look(neuron("b", 1, (0, 4))), b[:, 1, 0, 4])
    torch.testing.assert_close(look(layer("b")), b.square().sum((1, 2, 3)) / 2)
    torch.testing.assert_close(look(logit(2)), out[:, 2])
    torch.testing.assert_close(look(unit("a:2@3,4")), a[:, 2, 3, 4])
    torch.testing.assert_close(look(unit("fc:1")), out[:, 1])
    v = torch.arange(5.0, dtype=torch.float64)
    torch.testing.assert_close(look(direction("b", v)), torch.einsum("nchw,c->nhw", b, v).mean((1, 2)))
    cosine = torch.einsum("nchw,c->nhw", b, v) / (b.norm(dim=1) * v.norm())
    expected = (torch.einsum("nchw,c->nhw", b, v) * cosine.clamp(min=0.1) ** 2).mean((1, 2))
    torch.testing.assert_close(look(direction("b", v, cosine_power=2)), expected)
    goal = torch.rand_like(b[:1])
    relative = (b - goal).square().sum((1, 2, 3)) / goal.square().sum()
    torch.testing.assert_close(look(distance("b", goal)), relative)
    assert look(distance("b", b)).max() < 1e-25


def test_penalties_are_the_papers_sums() -> None:
    x = X[:1, :1, :2, :3]
    rows = x[0, 0].tolist()
    squares = sum((p - 0.5) ** 2 for row in rows for p in row)
    sixth = sum(abs(p - 0.5) ** 6 for row in rows for p in row)
    assert look(objectives.l2_norm(), x).item() == pytest.approx(squares)
    assert look(objectives.alpha_norm(), x).item() == pytest.approx(sixth)
    for beta in (1.0, 2.0, 3.0):
        total = 0.0
        for i, j in [(i, j) for i in range(2) for j in range(3)]:
            down = rows[i + 1][j] - rows[i][j] if i < 1 else 0.0
            across = rows[i][j + 1] - rows[i][j] if j < 2 else 0.0
            total += (down**2 + across**2) ** (beta / 2)
        assert look(objectives.total_variation(beta), x).item() == pytest.approx(total, rel=1e-3)
    flat = torch.full((1, 1, 3, 3), 0.5, dtype=torch.float64, requires_grad=True)
    look(objectives.total_variation(1.0), flat).sum().backward()
    assert flat.grad is not None
    assert bool(flat.grad.isfinite().all())


def test_they_add_up() -> None:
    a, b, c = channel("a", 0), logit(1), objectives.l2_norm()
    whole = a + 2 * b - c / 4 + 1
    torch.testing.assert_close(look(whole), look(a) + 2 * look(b) - look(c) / 4 + 1)
    assert whole.layers == {"a", OUTPUT}
    torch.testing.assert_close(look(sum([a, b, -c])), look(a) + look(b) - look(c))  # type: ignore[arg-type]
    torch.testing.assert_close(look(1 - a), 1 - look(a))
    assert whole.name == "a:0 + 2·logit 1 - 0.25·L2 norm + 1"


def test_one_pass_that_stops_at_the_deepest_layer() -> None:
    NET.passes.clear()
    look(channel("a", 0) + channel("b", 1) + objectives.total_variation())
    assert NET.passes == ["a"]  # one pass, left before its end
    NET.passes.clear()
    look(objectives.l2_norm())
    assert NET.passes == []
    look(channel("a", 0) + logit(0))
    assert NET.passes == ["a", "all"]


def test_each_picture_has_its_own_and_views_are_averaged() -> None:
    both = each([channel("a", 0), logit(1) - objectives.l2_norm()])
    alone = torch.stack([look(channel("a", 0))[0], (look(logit(1)) - look(objectives.l2_norm()))[1]])
    torch.testing.assert_close(look(both), alone)
    torch.testing.assert_close(look(both, views=3), alone)
    torch.testing.assert_close(look(distance("b", NET.b(NET.a(X).relu()).detach()), views=2), torch.zeros(2).double())


def test_gradients_are_right() -> None:
    goal = torch.rand(1, 5, 5, 5, dtype=torch.float64)
    whole = channel("a", 1) + layer("b") - distance("b", goal) - objectives.total_variation(3.0) + logit(0)
    assert torch.autograd.gradcheck(lambda x: look(whole, x), (X[:1].clone().requires_grad_(True),), fast_mode=True)


def test_refusals_say_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match="channels 0 to 3; 4 is not"):
        look(channel("a", 4))
    with pytest.raises(ConfigError, match="lies outside of the map, which is 7 × 7"):
        look(neuron("a", 0, (7, 0)))
    with pytest.raises(UnknownNameError, match="Net has no layer 'c'"):
        look(channel("c", 0) + logit(0))
    with pytest.raises(UnknownNameError, match="Net has no layer 'c'"):
        look(channel("c", 0))
    with pytest.raises(ShapeError, match="one number for each channel"):
        look(direction("a", torch.ones(3)))
    with pytest.raises(ShapeError, match="representation must have the shape"):
        look(distance("a", torch.ones(1, 4, 2, 2)))
    with pytest.raises(ConfigError, match="2 objectives for 1 pictures"):
        look(each([logit(0), logit(1)]), X[:1])
    with pytest.raises(ConfigError, match="at least one"):
        each([])
    with pytest.raises(ShapeError, match="neutral"):
        look(objectives.l2_norm((0.1, 0.2)))
    with pytest.raises(ShapeError, match="refuses pictures of 2 × 2 pixels"):
        look(logit(0), X[:, :, :2, :2])

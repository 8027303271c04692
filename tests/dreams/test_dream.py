"""The loop: the same numbers as plain torch, the same again, exactly resumed, never silently NaN."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.dreams import Dream, FourierImage, PhaseImage, PixelImage, RedirectedRelu, build_subject
from striate.dreams.after_step import Blur, Decay
from striate.dreams.objectives import channel, distance, each, l2_norm, logit
from striate.dreams.optimizers import LBFGS, SGD, Adam, NAdam, Optimizer
from striate.dreams.transforms import Noise, robust_transform
from striate.errors import ConfigError


class Net(nn.Module):
    """In place, functional and shared activations."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 3)
        self.act = nn.ReLU6(inplace=True)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.a(x))
        x = F.relu(self.b(x)) + self.act(self.b(x))
        return self.fc(x.mean((2, 3)))


def fourier(count: int = 1, seed: int = 0) -> FourierImage:
    return FourierImage.noise(
        count, (12, 12), generator=torch.Generator().manual_seed(seed), spread=0.1, dtype=torch.float64
    )


NET = Net().double().eval()
SUBJECT = build_subject(NET)
OPTIMIZERS = [Adam(), NAdam(lr=0.1), SGD(lr=0.5, momentum=0.9), SGD(lr=0.1, normalize="rms"), LBFGS()]


def finish(dream: Dream) -> Tensor:
    for _ in dream.run():
        pass
    return dream.image.image().detach()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__ + str(getattr(o, "normalize", "")))
def test_the_same_again_and_exactly_resumed(optimizer: Optimizer, tmp_path: Path) -> None:
    def build() -> Dream:
        return Dream(SUBJECT, fourier(), logit(1), transform=robust_transform((12, 12)), optimizer=optimizer, steps=9)

    whole = build()
    values = [event.values.item() for event in whole.run()]
    assert values[-1] != values[0]
    assert torch.equal(whole.image.image(), finish(build()))
    stopped = build()
    for event in stopped.run():
        if event.number == 4:
            break
    path = stopped.save_state(tmp_path / "state.pt")
    again = build()
    again.load_state(path)
    assert [event.values.item() for event in again.run()] == values[4:]
    assert torch.equal(whole.image.image(), again.image.image())


def test_equals_plain_torch() -> None:
    mine, theirs = fourier(), fourier()
    finish(Dream(SUBJECT, mine, logit(1) - 0.1 * l2_norm(), optimizer=Adam(0.03), steps=7))
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.03)
    for _ in range(7):
        optimizer.zero_grad()
        picture = theirs.image()
        (0.1 * (picture - 0.5).square().sum() - NET(picture)[0, 1]).backward()
        optimizer.step()
    torch.testing.assert_close(mine.image(), theirs.image(), atol=1e-12, rtol=0)
    NET.zero_grad()


def test_lbfgs_equals_torchs_own_run_of_many_iterations_with_fewer_passes() -> None:
    goal = NET.a(torch.rand(1, 3, 12, 12, dtype=torch.float64)).detach()
    mine, theirs = fourier(), fourier()
    dream = Dream(SUBJECT, mine, -distance("a", goal), optimizer=LBFGS(history_size=7), steps=12)
    passes = []
    counting = NET.a.register_forward_hook(lambda *_: passes.append(1))
    finish(dream)
    counting.remove()
    optimizer = torch.optim.LBFGS(
        theirs.parameters(),
        max_iter=12,
        history_size=7,
        line_search_fn="strong_wolfe",
        tolerance_grad=0,
        tolerance_change=0,
    )
    calls = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        calls.append(1)
        loss = (NET.a(theirs.image()) - goal).square().sum() / goal.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(mine.image(), theirs.image(), atol=1e-9, rtol=0)
    assert len(passes) == len(calls)
    NET.zero_grad()


def test_pictures_of_a_batch_do_not_mix() -> None:
    both = fourier(2)
    apart = [FourierImage(both.coefficients[i : i + 1], width=12) for i in range(2)]
    goals = [logit(0), channel("b", 2)]
    together = finish(Dream(SUBJECT, both, each(goals), transform=robust_transform((12, 12)), steps=6, seed=5))
    for i in range(2):
        alone = Dream(SUBJECT, apart[i], goals[i], transform=robust_transform((12, 12)), steps=6, seed=5)
        torch.testing.assert_close(together[i : i + 1], finish(alone), atol=1e-10, rtol=0)


def test_previews_events_and_schedules() -> None:
    dream = Dream(SUBJECT, fourier(2), logit(0), optimizer=Adam(schedule="cosine"), steps=5)
    events = list(dream.run(preview_every=2))
    assert [event.number for event in events] == [1, 2, 3, 4, 5]
    assert [event.image is not None for event in events] == [False, True, False, True, True]
    assert events[0].values.shape == events[0].gradient_norms.shape == (2,)
    assert [round(event.learning_rate / 0.05, 3) for event in events] == [1.0, 0.905, 0.655, 0.345, 0.095]
    assert list(dream.run()) == []  # it is finished


def test_pixel_changes_come_after_the_step_and_nothing_is_left() -> None:
    start = torch.rand(1, 3, 9, 9, dtype=torch.float64)
    image = PixelImage(start)
    net = Net().double().train()
    with torch.inference_mode():
        finish(
            Dream(
                build_subject(net),
                image,
                channel("a", 1),
                optimizer=SGD(lr=2.0),
                after_step=(Decay(0.1), Blur(1.0, 1)),
                steps=1,
            )
        )
    assert net.training
    assert net.act.training
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert not net.a._forward_hooks
    assert image.pixels.grad is None
    assert not torch.equal(image.pixels, start)


def test_nan_is_stepped_back_from_and_said() -> None:
    class Cliff(nn.Module):
        def __init__(self, edge: float) -> None:
            super().__init__()
            self.edge = edge

        def forward(self, x: Tensor) -> Tensor:
            m = x.mean((1, 2, 3))
            return torch.sqrt(self.edge - m)[:, None] * 0 + m[:, None]  # NaN beyond the edge

    image = PixelImage(torch.full((1, 1, 2, 2), 0.5), limits=None)
    dream = Dream(build_subject(Cliff(0.9)), image, logit(0), optimizer=SGD(lr=2.0), steps=4)
    events = list(dream.run())
    assert [event.stepped_back for event in events] == [False, True, False, True]
    assert bool(image.image().isfinite().all())
    broken = PixelImage(torch.full((1, 1, 2, 2), 0.95), limits=None)
    with pytest.raises(ConfigError, match=r"picture 0 is not finite .* at the start"):
        finish(Dream(build_subject(Cliff(0.9)), broken, logit(0), steps=2))

    start = PixelImage(torch.full((1, 1, 2, 2), 0.5), limits=None)
    with pytest.raises(ConfigError, match=r"after 5 steps back\. Use a smaller learning rate"):
        finish(Dream(build_subject(Cliff(0.5 + 1e-6)), start, logit(0), optimizer=SGD(lr=1.0), steps=9))


@pytest.mark.parametrize("kind", ["module", "functional", "inplace", "six"])
def test_a_silent_unit_is_woken(kind: str) -> None:
    class Silent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)
            nn.init.constant_(self.conv.weight, 0.1)
            nn.init.constant_(self.conv.bias, -1.5)  # below zero for a gray picture, not for a white one
            self.relu = nn.ReLU6() if kind == "six" else nn.ReLU(inplace=kind == "inplace")

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return (F.relu(x) if kind == "functional" else self.relu(x)).mean((2, 3))

    def build(redirect: int) -> Dream:
        start = PixelImage(torch.full((1, 3, 6, 6), 0.2))
        return Dream(
            build_subject(Silent()),
            start,
            logit(0),
            optimizer=SGD(lr=0.1, normalize="max"),
            steps=12,
            redirect_steps=redirect,
        )

    asleep = list(build(0).run())
    assert all(event.gradient_norms.item() == 0 for event in asleep)
    awake = list(build(10).run())
    assert awake[0].values.item() == 0
    assert awake[0].gradient_norms.item() > 0
    assert awake[-1].values.item() > 0


def test_redirection_leaves_other_pictures_alone() -> None:
    x = torch.tensor([[1.0, -1.0], [-1.0, -2.0]], requires_grad=True)
    with RedirectedRelu():
        (gradient,) = torch.autograd.grad((F.relu(x) * torch.tensor([-1.0, 3.0])).sum(), x)
    # The first has a gradient and keeps it; the second gets only what pushes its units up.
    assert gradient.tolist() == [[-1.0, 0.0], [-1.0, 0.0]]


def test_phases_can_be_optimized() -> None:
    image = PhaseImage.noise(1, (12, 12), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    dream = Dream(SUBJECT, image, channel("a", 0), optimizer=NAdam(lr=0.3), transform=Noise(0.01), steps=15)
    values = [event.values.item() for event in dream.run()]
    assert values[-1] > values[0]


def test_refusals_say_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match="steps must be at least 1"):
        Dream(SUBJECT, fourier(), logit(0), steps=0)
    with pytest.raises(ConfigError, match="needs a PixelImage; got FourierImage"):
        Dream(SUBJECT, fourier(), logit(0), after_step=[Decay(0.1)])
    with pytest.raises(ConfigError, match="lr must be a number above 0"):
        Adam(lr=0.0)
    with pytest.raises(ConfigError, match="momentum"):
        SGD(momentum=1.0)
    with pytest.raises(ConfigError, match="schedule"):
        Adam(schedule="step")  # type: ignore[arg-type]
    dream = Dream(SUBJECT, fourier(), logit(0), steps=2)
    with pytest.raises(ConfigError, match="the state is of parameters"):
        dream.restore(Dream(SUBJECT, fourier(2), logit(0), steps=2).state())

    class Detached(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3)).detach()

    with pytest.raises(ConfigError, match="has no gradient with respect to the picture"):
        finish(Dream(build_subject(Detached()), fourier(), logit(0), steps=1))

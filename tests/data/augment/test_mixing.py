"""Two pictures in one: shares of pixels and of labels agree."""

import numpy as np
import pytest
import torch

from striate.data.augment import CutMix, Draws, EitherMix, Mixup
from striate.data.augment.mixing import _partners
from striate.errors import ConfigError, ShapeError

N = 300


@pytest.fixture
def batch():
    """Every picture is one level, its own, and every picture has its own class."""
    levels = torch.linspace(0, 1, N, dtype=torch.float64)
    return levels.view(-1, 1, 1, 1).expand(-1, 3, 16, 12).contiguous(), torch.eye(N, dtype=torch.float64)


def draws(n=N):
    return Draws(0, 0, np.arange(n))


@pytest.mark.parametrize(
    "mix", [Mixup(0.4), CutMix(), EitherMix(Mixup(0.4), CutMix())], ids=["mixup", "cutmix", "either"]
)
def test_targets_hold_the_shares_that_are_seen(mix, batch):
    images, targets = batch
    mixed, mixed_targets = mix(images, targets, draws())
    torch.testing.assert_close(mixed_targets.sum(1), torch.ones(N, dtype=torch.float64))
    assert (mixed_targets > 0).sum(1).max() == 2
    # With one level a picture, the mean level is the mean of the labels' levels in their shares.
    torch.testing.assert_close(mixed.mean((1, 2, 3)), mixed_targets @ images[:, 0, 0, 0])
    assert torch.equal(images, batch[0])


def test_mixup_is_the_weighted_mean(batch):
    images, targets = batch
    mixed, mixed_targets = Mixup(0.4)(images, targets, draws())
    torch.testing.assert_close(mixed, torch.einsum("nm,mchw->nchw", mixed_targets, images))
    own = mixed_targets.diagonal().numpy()
    assert own.mean() == pytest.approx(0.5, abs=0.08)
    assert np.var(own) == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.15)  # of Beta(α, α)


def test_cutmix_pastes_one_rectangle(batch):
    images, targets = batch
    mixed, _ = CutMix()(images, targets, draws())
    foreign = (mixed != images).any(1).numpy()
    for mask in foreign:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            assert mask.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)


def test_probability_leaves_the_others_whole(batch):
    images, targets = batch
    for mix in (Mixup(probability=0.3), CutMix(probability=0.3)):
        _, mixed = mix(images, targets, draws())
        assert 0.55 < float((mixed.diagonal() == 1).double().mean()) < 0.9
    assert torch.equal(Mixup(probability=0.0)(images, targets, draws())[0], images)


def test_nobody_meets_itself_and_everybody_is_met_once():
    for n in (2, 3, 17):
        partners = _partners(draws(n))
        assert sorted(partners) == list(range(n))
        assert (partners != np.arange(n)).all()
    assert _partners(draws(1)).tolist() == [0]


def test_one_picture_and_none_stay_as_they_are():
    x = torch.rand(1, 3, 8, 8)
    for mix in (Mixup(), CutMix()):
        mixed, targets = mix(x, torch.tensor([[0.0, 1.0]]), draws(1))
        torch.testing.assert_close(mixed, x)
        torch.testing.assert_close(targets, torch.tensor([[0.0, 1.0]]))
        assert mix(x[:0], torch.zeros(0, 2), draws(0))[0].shape == (0, 3, 8, 8)


def test_a_coin_decides_which(batch):
    images, targets = batch
    either, _ = EitherMix(Mixup(), CutMix(), 0.25)(images, targets, draws())
    first, second = Mixup()(images, targets, draws())[0], CutMix()(images, targets, draws())[0]
    is_first = (either == first).flatten(1).all(1)
    is_second = (either == second).flatten(1).all(1)
    assert (is_first | is_second).all()
    assert 0.15 < float((is_first & ~is_second).double().mean()) < 0.35


def test_refuses_labels_instead_of_probabilities():
    with pytest.raises(ShapeError, match="one_hot"):
        Mixup()(torch.rand(2, 3, 4, 4), torch.tensor([0, 1]), draws(2))


@pytest.mark.parametrize(
    "make",
    [lambda: Mixup(0), lambda: CutMix(-1), lambda: Mixup(probability=2), lambda: EitherMix(Mixup(), CutMix(), 3)],
)
def test_refuses_settings_outside_their_rules(make):
    with pytest.raises(ConfigError, match="must be from"):
        make()

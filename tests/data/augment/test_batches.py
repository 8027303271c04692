"""What happens to batches of tensors: against torchvision, against slow twins, and picture by picture."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from striate.data.augment import (
    ColorJitter,
    Draws,
    ElasticDistortion,
    PcaLighting,
    RandomAffine,
    RandomErasing,
    UserTransform,
    Warp,
)
from striate.data.augment import color_jitter as color
from striate.errors import ConfigError, ShapeError
from tests.oracles.foreign import load_torchvision

STEPS = [
    ColorJitter(hue=0.1),
    PcaLighting(),
    RandomErasing(1.0),
    RandomErasing(0.5, fill="color"),
    RandomErasing(0.5, fill=0.25),
    Warp((RandomAffine(),)),
    Warp((RandomAffine(), ElasticDistortion()), background=0.5),
    UserTransform(lambda x: x.flip(3) * torch.rand(1), per_picture=True),
]


def draws(n, start=0):
    return Draws(0, 0, np.arange(start, start + n))


def pictures(n=6, h=20, w=24):
    return torch.rand(n, 3, h, w)


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.describe()[:30])
def test_a_step_works_on_each_picture_alone_and_leaves_the_input(step):
    x = pictures()
    before = x.clone()
    together = step(x, draws(6))
    torch.testing.assert_close(x, before, rtol=0, atol=0)
    assert together.shape == x.shape
    assert together.min() >= 0
    assert together.max() <= 1
    assert not torch.equal(together, x)
    for row in range(6):  # the same, with whatever others it is in a batch
        torch.testing.assert_close(step(x[row : row + 1], draws(1, row)), together[row : row + 1], rtol=0, atol=2e-6)
    torch.testing.assert_close(step(x, draws(6)), together, rtol=0, atol=0)


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.describe()[:30])
def test_a_step_takes_channels_last_gray_and_nothing(step):
    x = pictures(4)
    plain = step(x, draws(4))
    torch.testing.assert_close(
        step(x.contiguous(memory_format=torch.channels_last), draws(4)), plain, rtol=0, atol=2e-6
    )
    gray = x[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(step(gray, draws(4)).shape, x.shape)
    assert step(x[:0], draws(0)).shape == (0, 3, 20, 24)
    assert torch.isfinite(step(torch.rand(2, 3, 1, 1), draws(2))).all()


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        *((name, factor) for name in ("brightness", "contrast", "saturation") for factor in (0.0, 0.3, 1.0, 1.7)),
        *(("hue", turn) for turn in (-0.5, -0.1, 0.0, 0.3, 0.5)),
    ],
)
def test_colors_are_adjusted_as_by_torchvision(name, factor):
    functional = load_torchvision().transforms.functional
    x = pictures()
    x[0] = x[0, :1]  # gray
    x[1] = (x[1] > 0.5).float()  # pure colors, where the largest channel is not one alone
    theirs = getattr(functional, f"adjust_{name}")(x, factor)
    ours = getattr(color, f"adjust_{name}")(x, torch.full((6, 1, 1, 1), factor))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=3e-6)


def test_color_jitter_is_torchvisions_four_steps_in_the_drawn_order():
    functional = load_torchvision().transforms.functional
    jitter, x, numbers = ColorJitter(0.4, 0.3, 0.2, 0.1), pictures(8), draws(8)
    ours = jitter(x, numbers)
    orders = np.argsort(numbers.uniform("color-jitter/order", 4), axis=1)
    drawn = numbers.uniform("color-jitter", 4)
    names, strengths = ("brightness", "contrast", "saturation", "hue"), (0.4, 0.3, 0.2, 0.1)
    for row in range(8):
        y = x[row]
        for which in orders[row]:
            low = -strengths[which] if which == 3 else 1 - strengths[which]
            high = strengths[which] if which == 3 else 1 + strengths[which]
            y = getattr(functional, f"adjust_{names[which]}")(y, float(low + (high - low) * drawn[row, which]))
        torch.testing.assert_close(ours[row], y, rtol=0, atol=1e-5)
    assert len({tuple(order) for order in np.argsort(draws(500).uniform("color-jitter/order", 4), axis=1)}) == 24


def test_color_jitter_gives_the_same_all_at_once():
    x, numbers, jitter = pictures(9), draws(9), ColorJitter(hue=0.2)
    at_once = jitter._jittered(
        x.clone(), numbers.uniform("color-jitter", 4), np.argsort(numbers.uniform("color-jitter/order", 4), axis=1)
    )
    torch.testing.assert_close(at_once, jitter(x, numbers), rtol=0, atol=2e-6)


def test_lighting_adds_one_color_a_picture_with_the_papers_spread():
    x = torch.full((3000, 3, 2, 2), 0.5)
    shift = (PcaLighting()(x, draws(3000)) - x).double().numpy()
    assert np.ptp(shift, axis=(2, 3)).max() < 1e-6
    along = shift[:, :, 0, 0] @ np.array(PcaLighting().directions)
    np.testing.assert_allclose(along.std(0), 0.1 * np.array(PcaLighting().spread), rtol=0.05)


def test_lighting_finds_the_directions_of_pictures():
    rng = np.random.default_rng(0)
    axis = np.array([0.6, 0.0, 0.8])
    colors = 128 + 40 * rng.standard_normal((200, 100, 1)) * axis
    found = PcaLighting.from_pictures(colors.round().astype(np.uint8)[:, None])
    assert abs(np.array(found.directions)[:, 0] @ axis) > 0.999
    assert found.spread[0] == pytest.approx(40 / 255, rel=0.02)
    assert found.spread[1] < 0.005


def test_erasing_covers_one_rectangle_with_noise_and_nothing_else():
    x, numbers, step = torch.full((400, 3, 32, 40), 2.0), draws(400), RandomErasing(0.5)
    erased = step(x, numbers)
    top, left, bottom, right = step.boxes((32, 40), numbers)
    covered = (erased != 2).any(1).numpy()
    for row in range(400):
        expected = np.zeros((32, 40), bool)
        expected[top[row] : bottom[row], left[row] : right[row]] = True
        np.testing.assert_array_equal(covered[row], expected)
    values = erased[erased != 2].numpy()
    assert stats.kstest(values[:20_000], "uniform").pvalue > 1e-3
    hit = covered.any((1, 2))
    assert abs(hit.sum() - 200) < 40
    share = covered[hit].mean((1, 2))
    assert share.min() > 0.015
    assert share.max() < 0.34


def test_erasing_boxes_are_distributed_as_torchvisions():
    erasing = load_torchvision().transforms.RandomErasing
    torch.manual_seed(0)
    theirs = np.array([erasing.get_params(torch.zeros(3, 32, 40), (0.02, 0.33), (0.3, 3.3))[:4] for _ in range(1500)])
    top, left, bottom, right = RandomErasing(1.0).boxes((32, 40), draws(1500))
    for ours, column in ((top, 0), (left, 1), (bottom - top, 2), (right - left, 3)):
        assert stats.ks_2samp(ours, theirs[:, column]).pvalue > 1e-3


def test_an_affine_warp_is_scipys():
    x = torch.rand(3, 1, 17, 23, dtype=torch.float64)
    affine, numbers = RandomAffine(25, 0.2, (0.7, 1.4), 15), draws(3)
    ours = Warp((affine,), background=0.3)(x, numbers)
    matrices, shifts = affine.matrices(numbers)
    for row in range(3):
        inverse = np.linalg.inv(matrices[row])[::-1, ::-1]  # SciPy counts down first, then across
        center = (np.array([17, 23]) - 1) / 2
        offset = center - inverse @ (center + shifts[row, ::-1] * [17, 23])
        theirs = 0.3 + ndimage.affine_transform(x[row, 0].numpy() - 0.3, inverse, offset, order=1, mode="grid-constant")
        np.testing.assert_allclose(ours[row, 0].numpy(), theirs, atol=1e-9)


def test_elastic_places_move_as_far_as_the_paper_says_everywhere():
    places = torch.zeros(400, 2, 29, 29)
    moved = ElasticDistortion(34, 4)(places, draws(400)).numpy()
    assert moved.std() == pytest.approx(0.163 * 34 / 4, rel=0.02)
    by_place = moved.std(axis=(0, 1))
    assert by_place[0, 0] == pytest.approx(by_place[14, 14], rel=0.15)
    # The field is the Gaussian's: neighbors at distance d correlate by exp(−d² / 4σ²) in the middle.
    middle = moved[:, 0, 14]
    assert np.corrcoef(middle[:, 12], middle[:, 16])[0, 1] == pytest.approx(np.exp(-(4**2) / (4 * 16)), abs=0.06)


def test_elastic_distortion_is_a_smoothed_field():
    numbers = draws(2)
    field = 2 * numbers.coarse("elastic-distortion", 2 * 41 * 41).reshape(2, 2, 41, 41) - 1
    moved = ElasticDistortion(10, 2)(torch.zeros(2, 2, 41, 41, dtype=torch.float64), numbers).numpy()
    smooth = ndimage.gaussian_filter(field.astype(np.float64), (0, 0, 2, 2), mode="constant", truncate=8)
    np.testing.assert_allclose(moved[:, :, 15:26, 15:26], 10 * smooth[:, :, 15:26, 15:26], atol=2e-3)


def test_the_background_stays_the_pictures_own():
    ink = torch.zeros(2, 3, 28, 28)
    ink[1] = 0.9
    ink[:, :, 10:18, 12:16] = 0.4
    warped = Warp((RandomAffine(30, 0.3, (0.5, 0.6)),))(ink, draws(2))
    assert warped[0, :, 0, 0].tolist() == [0, 0, 0]
    torch.testing.assert_close(warped[1, :, 0, 0], torch.full((3,), 0.9))
    assert warped[0].max() <= 0.4 + 1e-6
    assert warped[1].max() <= 0.9 + 1e-6


def test_a_warp_that_moves_nothing_changes_nothing():
    x = pictures()
    still = Warp((RandomAffine(0, 0, (1, 1), 0), ElasticDistortion(0)))
    torch.testing.assert_close(still(x, draws(6)), x, rtol=0, atol=2e-6)


def test_a_users_transform_repeats_and_leaves_the_generators_alone():
    import random

    def shaky(x):
        return (x + 0.1 * torch.rand_like(x) + 0.01 * random.random() + 0.01 * np.random.rand()).clamp_(0, 1)  # noqa: NPY002

    x = pictures()
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    for per_picture in (False, True):
        step = UserTransform(shaky, per_picture)
        first = step(x, draws(6))
        torch.testing.assert_close(step(x, draws(6)), first, rtol=0, atol=0)
        assert not torch.equal(step(x, draws(6, 1)), first)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert random.getstate() == state[1]
    assert np.random.get_state()[1].tolist() == state[2]  # noqa: NPY002
    assert "shaky" in step.describe()


def test_a_kornia_pipeline_plugs_in():
    kornia = pytest.importorskip("kornia.augmentation", reason="kornia is not installed (pip install kornia)")
    pipeline = kornia.AugmentationSequential(
        kornia.RandomHorizontalFlip(p=0.5), kornia.ColorJiggle(0.2, 0.2, 0.2, 0.1, p=1.0)
    )
    x = pictures()
    first = UserTransform(pipeline)(x, draws(6))
    assert first.shape == x.shape
    torch.testing.assert_close(UserTransform(pipeline)(x, draws(6)), first, rtol=0, atol=0)


@pytest.mark.parametrize("give", [lambda x: x[:, :, 1:], lambda x: x.double(), lambda x: x / 0, lambda x: "picture"])
def test_refuses_what_a_users_transform_may_not_give(give):
    with pytest.raises(ShapeError, match=r"must give finite torch.float32 \(2, 3, 4, 4\)"):
        UserTransform(give)(torch.rand(2, 3, 4, 4), draws(2))


def test_refuses_batches_of_other_draws_and_types():
    with pytest.raises(ShapeError, match="n = 3 as in draws, got float32 2 3 4 4"):
        PcaLighting()(torch.rand(2, 3, 4, 4), draws(3))
    with pytest.raises(ShapeError, match="got uint8"):
        RandomErasing()(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), draws(2))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: ColorJitter(brightness=-1), "brightness must be from 0"),
        (lambda: ColorJitter(hue=0.6), "hue must be from 0 to 0.5"),
        (lambda: ColorJitter(contrast=float("nan")), "contrast"),
        (lambda: PcaLighting(-1), "deviation"),
        (lambda: PcaLighting.from_pictures([]), "pictures is empty"),
        (lambda: RandomErasing(1.5), "probability"),
        (lambda: RandomErasing(area=(0, 0.5)), "area must be two shares"),
        (lambda: RandomErasing(ratio=(2, 1)), "ratio must be two numbers"),
        (lambda: RandomErasing(fill="black"), "'noise', 'color' or a level"),
        (lambda: RandomErasing(fill=2.0), "fill must be from 0 to 1"),
        (lambda: RandomAffine(degrees=200), "degrees"),
        (lambda: RandomAffine(scale=(0, 1)), "scale must be two numbers"),
        (lambda: ElasticDistortion(sigma=0), "sigma"),
        (lambda: Warp((), background="white"), "'border' or a level"),
    ],
)
def test_refuses_settings_outside_their_rules(make, what):
    with pytest.raises(ConfigError, match=what):
        make()

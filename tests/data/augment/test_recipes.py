"""The named policies: all of them run, say what they do, and give way to settings."""

import numpy as np
import pytest
import torch

from striate.data.augment import (
    POLICIES,
    ColorJitter,
    Draws,
    EitherMix,
    FixedView,
    Mixup,
    PadCrop,
    Policy,
    RandomErasing,
    RandomResizedCrop,
    ScaleJitter,
    UserTransform,
    Warp,
    build_augmentation,
)
from striate.data.preprocessing import Preprocessing
from striate.errors import ConfigError, UnknownNameError

VIEW = Preprocessing(input_size=(48, 48), resize=56, interpolation="bicubic")


@pytest.mark.parametrize("name", list(POLICIES))
def test_a_policy_runs_and_describes_itself(name):
    augmentation = build_augmentation(name, VIEW)
    draws = Draws(0, 0, np.arange(5))
    photo = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    cuts = np.stack([augmentation.geometry(photo, draws, row) for row in range(5)])
    x = torch.from_numpy(cuts).permute(0, 3, 1, 2).float() / 255
    y, targets = augmentation.mix(augmentation.augment(x, draws), torch.eye(5), draws)
    assert y.shape == (5, 3, 48, 48)
    assert y.min() >= 0
    assert y.max() <= 1
    torch.testing.assert_close(targets.sum(1), torch.ones(5))
    assert all(augmentation.describe())
    again = Policy(**{k: tuple(v) if isinstance(v, list) else v for k, v in augmentation.to_dict().items()})
    assert again == POLICIES[name]
    if name == "none":
        assert torch.equal(x, y)
    else:
        assert not torch.equal(y, torch.from_numpy(np.stack([VIEW.view(photo).pixels] * 5)).permute(0, 3, 1, 2) / 255)


def test_policies_hold_what_they_are_named_for():
    kinds = {
        name: (type(a.geometry), [type(step) for step in a.batch], type(a.mixing))
        for name in POLICIES
        for a in [build_augmentation(name, VIEW)]
    }
    assert kinds["none"] == (FixedView, [], type(None))
    assert kinds["digits"] == (FixedView, [Warp], type(None))
    assert kinds["small"] == (PadCrop, [RandomErasing], type(None))
    assert kinds["vgg"][0] is ScaleJitter
    assert kinds["strong"] == (RandomResizedCrop, [ColorJitter, RandomErasing], EitherMix)
    assert POLICIES["digits"].flip == 0
    jitter = build_augmentation("vgg", Preprocessing()).geometry
    assert jitter.shorter == (256, 512)
    assert build_augmentation("alexnet", Preprocessing()).geometry.shorter == (256, 256)
    assert build_augmentation("imagenet", VIEW).geometry.interpolation == "bicubic"
    small = Preprocessing(input_size=(32, 32), resize=32)
    assert build_augmentation("small", small).geometry.padding == 4


def test_settings_change_a_policy():
    changed = build_augmentation(
        "imagenet", VIEW, settings={"mixup": 0.2, "flip": 0, "lighting": 0, "crop_scale": [0.5, 1]}
    )
    assert changed.mixing == Mixup(0.2)
    assert changed.geometry.flip == 0
    assert changed.geometry.scale == (0.5, 1)
    assert changed.batch == ()
    assert "mixup (α 0.2)" in changed.describe()[-1]


def test_functions_of_the_users_come_before_erasing():
    added = build_augmentation("small", VIEW, transforms=[lambda x: x.flip(2), ColorJitter()])
    assert [type(step) for step in added.batch] == [UserTransform, ColorJitter, RandomErasing]


@pytest.mark.parametrize(
    ("policy", "settings", "error", "what"),
    [
        ("imagnet", {}, UnknownNameError, "Nearest: 'imagenet'"),
        ("none", {"mixpu": 1}, UnknownNameError, "Nearest: 'mixup'"),
        ("none", {"mixup": "a lot"}, ConfigError, "'mixup' must be a number"),
        ("none", {"mixup": True}, ConfigError, "'mixup' must be a number"),
        ("imagenet", {"crop_scale": 0.5}, ConfigError, "'crop_scale' must be 2 numbers"),
        ("none", {"crop": 3}, ConfigError, "'crop' must be a word"),
        ("none", {"crop": "middle"}, ConfigError, "must be 'view', 'resized', 'jitter' or 'moved'"),
        ("none", {"flip": 0.5}, ConfigError, "nothing is mirrored"),
        ("digits", {"stretch": 1.0}, ConfigError, "stretch must be"),
        ("imagenet", {"flip": 3}, ConfigError, "flip must be a probability"),
    ],
)
def test_refuses_what_it_does_not_know(policy, settings, error, what):
    with pytest.raises(error, match=what):
        build_augmentation(policy, VIEW, settings=settings)

"""A guard against wrong preprocessing, which never fails by itself: it only makes a network answer worse.

The idea: of the recipes that are in use anywhere, the right one must explain known photos best. Under a wrong recipe
(planted by a test, or slipped into a weight record) at least one rival, the right one, explains them better, so that
the guard fails and names it. On a real network use photos that it answers with confidence.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from striate.data import Preprocessing
from striate.data.images import Photo

__all__ = ["assert_best_recipe", "one_mistake", "rivals"]

# (channels, scale, mean, std) of the recipes that published weights use; the comment says whose.
_RECIPES: dict[str, tuple[str, float, tuple[float, ...], tuple[float, ...]]] = {
    "torchvision": ("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "inception": ("RGB", 1.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "tensorflow lite": ("RGB", 255.0, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    "caffe": ("BGR", 255.0, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0)),
    "caffe in RGB order": ("RGB", 255.0, (123.0, 117.0, 104.0), (1.0, 1.0, 1.0)),
    "caffe, mean in the wrong order": ("BGR", 255.0, (123.0, 117.0, 104.0), (1.0, 1.0, 1.0)),
    "caffe, picture in the wrong order": ("RGB", 255.0, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0)),
    "torchvision, picture in the wrong order": ("BGR", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "torchvision without the division": ("RGB", 1.0, (0.485, 0.456, 0.406), (1.0, 1.0, 1.0)),
    "nothing": ("RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "levels": ("RGB", 255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "torchvision on levels": ("RGB", 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def rivals(recipe: Preprocessing) -> dict[str, Preprocessing]:
    """Every other way of treating the values that is in use, with the same resize and crop."""
    others = {
        name: replace(recipe, channels=channels, scale=scale, mean=mean, std=std)
        for name, (channels, scale, mean, std) in _RECIPES.items()
    }
    return {name: other for name, other in others.items() if not _same_values(other, recipe)}


def one_mistake(recipe: Preprocessing) -> dict[str, Preprocessing]:
    """What a person gets wrong by one slip, for planting."""
    swapped = {"RGB": "BGR", "BGR": "RGB"}[recipe.channels]
    other = 1.0 if recipe.scale == 255 else 255.0
    return {
        "channels swapped": replace(recipe, channels=swapped),
        "mean swapped": replace(recipe, mean=recipe.mean[::-1], std=recipe.std[::-1]),
        "scale forgotten": replace(recipe, scale=other),
        "mean forgotten": replace(recipe, mean=(0.0, 0.0, 0.0)),
        "deviation forgotten": replace(recipe, std=(recipe.scale,) * 3),
    }


def assert_best_recipe(
    logits: Callable[[Tensor], Tensor],
    recipe: Preprocessing,
    photos: Sequence[tuple[Photo, int]],
    *,
    margin: float = 0.05,
) -> None:
    """Fail, naming the better ones, if any rival gives the photos' true classes a higher mean log-probability.

    Args:
        logits: The network: `n c h w` after preprocessing to `n k`, in evaluation mode.
        recipe: The preprocessing under test.
        photos: Each photo with the index of its class; a rival and the recipe see the same ones.
        margin: How much more a rival may have by chance: on a few photos, recipes that hardly differ are a draw.
    """
    pictures, classes = [photo for photo, _ in photos], torch.tensor([index for _, index in photos])

    def evidence(way: Preprocessing) -> float:
        with torch.no_grad():
            inputs = torch.cat([way(picture) for picture in pictures])
            return float(logits(inputs).log_softmax(1).gather(1, classes[:, None]).mean())

    own = evidence(recipe)
    better = {name: found for name, way in rivals(recipe).items() if (found := evidence(way)) > own + margin}
    if better:
        ranking = ", ".join(
            f"{name} ({found:.3f})" for name, found in sorted(better.items(), key=lambda item: -item[1])
        )
        raise AssertionError(f"Mean log-probability {own:.3f} with this preprocessing, but more with: {ranking}")


def _same_values(a: Preprocessing, b: Preprocessing) -> bool:
    x = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    ours, theirs = a.normalize(x), b.normalize(x)
    return ours.shape == theirs.shape and bool(torch.allclose(ours, theirs, atol=1e-2 * float(theirs.std())))

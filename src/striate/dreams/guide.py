"""Dreams after another picture: wherever the layer sees something like it, become more like it.

    for every place p of the photo:  y(p) = the guide's feature with the largest dot product with a(p)
    gradient at the layer          = y(p)

which is the gradient of Σ_p max_j a(p) · y_j: so it is an objective as any other.

Source: Mordvintsev, Olah, Tyka 2015, google/deepdream, `dream.ipynb`, `objective_guide`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from striate.dreams.objectives import Objective, Seen
from striate.errors import ShapeError

__all__ = ["guided"]

_PRODUCTS_AT_ONCE = 2**24  # 64 MB of dot products in float32


def guided(layer: str, features: Float[Tensor, "..."]) -> Objective:
    """Σ over the places of a layer of the largest dot product with any of the guide's features.

    Args:
        layer: A layer that answers `n c h w`.
        features: What it answers to the guide, `1 c gh gw`; any number of places.

    Raises:
        ShapeError: `features` are not `1 c h w`; later, a layer of other channels.

    >>> features = torch.eye(2).view(1, 2, 1, 2)
    >>> float(guided("a", features)(Seen(torch.zeros(1, 3, 4, 4), {"a": torch.tensor([3.0, 5.0]).view(1, 2, 1, 1)})))
    5.0
    """
    if features.dim() != 4 or len(features) != 1 or not features.numel():
        raise ShapeError(
            f"the guide's features at '{layer}' must be maps '1 c h w'; got {tuple(features.shape)}. Choose a layer "
            "with places, such as a convolution's."
        )
    choices = features.detach()[0].flatten(1)  # c g

    def value(seen: Seen) -> Tensor:
        maps = seen.activations[layer]
        if maps.dim() != 4 or maps.shape[1] != len(choices):
            raise ShapeError(f"'{layer}' answers {tuple(maps.shape)}; the guide has {len(choices)} channels there.")
        places = maps.movedim(1, -1).flatten(1, 2)  # m p c
        wanted = choices.to(places)
        with torch.no_grad():
            rows = max(_PRODUCTS_AT_ONCE // wanted.shape[1], 1)
            flat = places.detach().flatten(0, 1)
            best = torch.cat([(part @ wanted).argmax(1) for part in torch.split(flat, rows)])
        return seen.per_picture((places * wanted.T[best].view(places.shape)).flatten(1).sum(1))

    return Objective(f"guide at {layer}", frozenset({layer}), value)

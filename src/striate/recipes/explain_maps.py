"""The maps of an explanation: which methods there are, and one after the other what they find.

A method that a network does not allow (guided back-propagation through an activation that has no mask, say) is told of
where nobody asked for it by name; asked for by name, it is an error.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate import insight
from striate.errors import ConfigError, UnknownNameError, nearest
from striate.insight import Heatmap, InputGradient
from striate.models import Network
from striate.recipes.events import Progress

__all__ = ["DEFAULT", "METHODS", "FoundMaps", "asks_for_all", "find_maps", "rank_pixels", "read_methods"]

Map = Heatmap | InputGradient
Sweep = Callable[[int], Generator[tuple[int, int], None, Heatmap]]


def cut_out(network: Network, photo: NDArray[np.uint8], *, target: int) -> Heatmap:
    """GrabCut's mask from the saliency map, as a map of ones on the object and zeros elsewhere."""
    found = insight.grabcut(network, photo, target=target)
    height, width = found.masks[0].shape
    return Heatmap(
        values=found.values.astype(np.float32),
        method="grabcut",
        unit="object",
        signed=False,
        target=(target,),
        parameters={**found.parameters, "share": round(float(found.masks[0].sum()) / (height * width), 4)},
        seconds=found.seconds,
    )


METHODS: dict[str, Callable[..., Map]] = {
    "occlusion": insight.occlusion,
    "saliency": insight.saliency,
    "input_gradient": insight.input_gradient,
    "guided_backprop": insight.guided_backprop,
    "deconvnet": insight.deconvnet,
    "grad_cam": insight.grad_cam,
    "guided_grad_cam": insight.guided_grad_cam,
    "smooth_grad": insight.smooth_grad,
    "integrated_gradients": insight.integrated_gradients,
    "grabcut": cut_out,
}
DEFAULT = ("occlusion", "saliency", "guided_backprop", "deconvnet", "grad_cam")
RANKING_STEPS = 8
"""Points of the deletion and the insertion curves: enough to tell maps apart, and quick."""


@dataclass(frozen=True)
class FoundMaps:
    """What the methods found.

    Attributes:
        maps: By method, in the order asked for.
        notes: Which methods the network does not allow, and why.
    """

    maps: dict[str, Map]
    notes: tuple[str, ...]


def read_methods(words: Sequence[str]) -> tuple[str, ...]:
    """Names of methods from words such as `grad-cam,smooth-grad` or `all`; the default ones where there are none.

    >>> read_methods(["Grad-CAM,saliency"])
    ('grad_cam', 'saliency')

    Raises:
        UnknownNameError: No such method.
    """
    names = _names(words)
    if not names:
        return DEFAULT
    if asks_for_all(words):
        return tuple(METHODS)
    for name in names:
        if name not in METHODS:
            known = [method.replace("_", "-") for method in METHODS]
            raise UnknownNameError(f"There is no method '{name}'. {nearest(name.replace('_', '-'), known)}")
    return tuple(dict.fromkeys(names))


def asks_for_all(words: Sequence[str]) -> bool:
    """Whether `all` stands among the words: then what a network does not allow is left out."""
    return "all" in _names(words)


def _names(words: Sequence[str]) -> list[str]:
    return [part.strip().lower().replace("-", "_") for word in words for part in word.split(",") if part.strip()]


def find_maps(
    network: Network, photo: NDArray[np.uint8], *, target: int, methods: Sequence[str], by_name: bool, sweep: Sweep
) -> Generator[Progress, None, FoundMaps]:
    """Every map in turn; yields what is being done.

    Args:
        network: Loaded.
        photo: uint8 `h w 3`.
        target: The class.
        methods: Names of `METHODS`.
        by_name: Whether somebody asked for just these (and not for all): then none may be missing.
        sweep: Makes the occlusion sweep for a class.

    Raises:
        StriateError: A method that was asked for is not possible here.
    """
    maps: dict[str, Map] = {}
    notes = []
    for method in methods:
        yield Progress(method.replace("_", "-"), 0, None)
        if method == "occlusion":
            maps[method] = yield from _swept(sweep(target))
            continue
        try:
            maps[method] = METHODS[method](network, photo, target=target)
        except ConfigError as error:
            if by_name:
                raise
            notes.append(str(error))
    return FoundMaps(maps, tuple(notes))


def rank_pixels(
    network: Network, photo: NDArray[np.uint8], maps: dict[str, Map], *, target: int, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Areas under the deletion and the insertion curve of each map, and of a random order, from shared passes."""
    if not maps:
        return {}
    falls, rises = insight.deletion_insertion(
        network, photo, maps, target=target, steps=RANKING_STEPS, random_orders=1, center=False, seed=seed
    )
    return {
        name: {"deletion": float(falls.auc[name].mean()), "insertion": float(rises.auc[name].mean())}
        for name in (*maps, "random")
    }


def _swept(sweep: Generator[tuple[int, int], None, Heatmap]) -> Generator[Progress, None, Heatmap]:
    while True:
        try:
            done, total = next(sweep)
        except StopIteration as finished:
            result: Heatmap = finished.value
            return result
        yield Progress("occlusion", done, total)

"""Colors for classes on a map: a cycle that the color-blind tell apart; where colors repeat, far from each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.draw.themes import RGB
from striate.errors import ConfigError

__all__ = ["CLASS_COLORS", "class_colors", "class_places", "spread_colors"]

# Okabe and Ito's colors, made darker on paper and lighter on black so that words in them can be read; the cycle begins
# with the pairs that differ most for every kind of color blindness.
CLASS_COLORS: dict[str, tuple[RGB, ...]] = {
    "light": (
        (0, 98, 158), (176, 74, 0), (0, 116, 84), (168, 72, 128),
        (110, 92, 0), (24, 118, 168), (92, 68, 150), (90, 92, 96),
    ),
    "dark": (
        (88, 172, 236), (238, 140, 62), (52, 198, 150), (226, 142, 190),
        (222, 206, 74), (132, 214, 236), (178, 160, 240), (168, 168, 172),
    ),
}  # fmt: skip


def class_colors(theme: str) -> tuple[RGB, ...]:
    """The cycle for a theme.

    Raises:
        ConfigError: It is neither `light` nor `dark`.
    """
    if theme not in CLASS_COLORS:
        raise ConfigError(f"theme must be 'light' or 'dark', got {theme!r}.")
    return CLASS_COLORS[theme]


def class_places(positions: NDArray[np.float64], labels: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Where a class's name belongs: at its member that is nearest to the middle, inside a cluster."""
    given = np.asarray(labels, dtype=object)
    found = {}
    for name in sorted(set(labels) - {""}):
        members = positions[given == name]
        middle = np.median(members, axis=0)
        best = members[np.abs(members - middle).sum(1).argmin()]
        found[name] = (float(best[0]), float(best[1]))
    return found


def spread_colors(places: dict[str, tuple[float, float]], count: int = 8) -> dict[str, int]:
    """A color number for each class; beyond `count` classes each takes the color whose other users are farthest away.

    >>> spread_colors({"a": (0.0, 0.0), "b": (1.0, 0.0), "c": (9.0, 0.0)}, 2)
    {'a': 0, 'b': 1, 'c': 0}
    """
    used: list[list[tuple[float, float]]] = [[] for _ in range(count)]
    chosen = {}
    for number, (name, place) in enumerate(places.items()):
        away = [min((np.hypot(place[0] - x, place[1] - y) for x, y in one), default=np.inf) for one in used]
        color = number if number < count else int(np.argmax(away))
        used[color].append(place)
        chosen[name] = color
    return chosen

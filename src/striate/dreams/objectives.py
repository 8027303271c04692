"""What a picture is changed for: values that add up.

    objective = channel("blocks.3.1", 7) + 0.5 * logit(207) - 1e-3 * total_variation()

An objective says which layers it needs, and gives one number for each picture, to be made large. However many are
added, one forward pass serves all, and it stops at the deepest layer that one of them wants. Penalties (`l2_norm`,
`total_variation`, `alpha_norm`, `distance`) are positive: subtract them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import ConfigError, ShapeError
from striate.probe import UnitAddress

__all__ = [
    "OUTPUT",
    "Objective",
    "Seen",
    "alpha_norm",
    "channel",
    "direction",
    "distance",
    "each",
    "l2_norm",
    "layer",
    "logit",
    "neuron",
    "total_variation",
    "unit",
]

OUTPUT = ""  # names what the module itself answers, where a layer's path is asked for


@dataclass(frozen=True, eq=False)
class Seen:
    """What one forward pass shows to an objective.

    Attributes:
        image: The pictures, `n c h w`, before the transforms.
        activations: Layer → what it answered to the transformed pictures; `n·k` rows, the k views of a picture
            together.
    """

    image: Float[Tensor, "n c h w"]
    activations: Mapping[str, Tensor] = field(default_factory=dict)

    def per_picture(self, values: Float[Tensor, " m"]) -> Float[Tensor, " n"]:
        """The mean over the views of each picture."""
        return values.view(len(self.image), -1).mean(1)

    def only(self, index: int) -> "Seen":
        """What belongs to one picture of the batch."""
        views = {name: len(a) // len(self.image) for name, a in self.activations.items()}
        mine = {name: a[index * views[name] : (index + 1) * views[name]] for name, a in self.activations.items()}
        return Seen(self.image[index : index + 1], mine)


@dataclass(frozen=True, eq=False)
class Objective:
    """One number for each picture, to be made large.

    Attributes:
        name: What it is, for people and for saved settings.
        layers: What it needs; `OUTPUT` stands for the module's answer.
        function: From what a pass showed to `n` numbers.
    """

    name: str
    layers: frozenset[str]
    function: Callable[[Seen], Tensor]

    def __call__(self, seen: Seen) -> Float[Tensor, " n"]:
        """The value of every picture."""
        return self.function(seen)

    def __add__(self, other: "Objective | float") -> "Objective":
        if isinstance(other, Objective):
            mine, theirs = self.function, other.function
            return Objective(
                f"{self.name} + {other.name}", self.layers | other.layers, lambda seen: mine(seen) + theirs(seen)
            )
        if isinstance(other, int | float):  # so that sum() works, which starts from 0
            return self if other == 0 else replace(self, name=f"{self.name} + {other:g}", function=self._shifted(other))
        return NotImplemented

    __radd__ = __add__

    def __mul__(self, factor: float) -> "Objective":
        if not isinstance(factor, int | float):
            return NotImplemented
        mine = self.function
        name = f"({self.name})" if any(sign in self.name for sign in (" + ", " - ")) else self.name
        return replace(self, name=f"{factor:g}·{name}", function=lambda seen: factor * mine(seen))

    __rmul__ = __mul__

    def __neg__(self) -> "Objective":
        return self * -1.0

    def __sub__(self, other: "Objective | float") -> "Objective":
        if not isinstance(other, Objective):
            return self + -other
        inner = f"({other.name})" if any(sign in other.name for sign in (" + ", " - ")) else other.name
        return replace(self + -other, name=f"{self.name} - {inner}")

    def __rsub__(self, other: float) -> "Objective":
        return -self + other

    def __truediv__(self, divisor: float) -> "Objective":
        return self * (1 / divisor)

    def _shifted(self, number: float) -> Callable[[Seen], Tensor]:
        mine = self.function
        return lambda seen: mine(seen) + number


def channel(layer: str, index: int) -> Objective:
    """The mean over the positions of one channel's map: the whole picture is asked for what the channel likes."""
    return Objective(
        f"{layer}:{index}",
        frozenset({layer}),
        lambda seen: seen.per_picture(_position_mean(_map(seen, layer, index))),
    )


def neuron(layer: str, index: int, position: tuple[int, int] | None = None) -> Objective:
    """One position of one channel's map; the middle by default, wherever that is at the size of the picture."""
    name = f"{layer}:{index}@" + ("middle" if position is None else f"{position[0]},{position[1]}")

    def value(seen: Seen) -> Tensor:
        plane = _map(seen, layer, index)
        if plane.dim() == 1:
            return seen.per_picture(plane)
        height, width = plane.shape[1:]
        y, x = (height // 2, width // 2) if position is None else position
        if not (0 <= y < height and 0 <= x < width):
            raise ConfigError(f"unit '{name}' lies outside of the map, which is {height} × {width} at this size.")
        return seen.per_picture(plane[:, y, x])

    return Objective(name, frozenset({layer}), value)


def unit(address: str | UnitAddress) -> Objective:
    """What an address means: a layer (its energy), a channel (its mean), or one position of it."""
    place = UnitAddress.parse(address) if isinstance(address, str) else address
    if place.channel is None:
        return layer(place.layer)
    if place.position is None:
        return channel(place.layer, place.channel)
    return neuron(place.layer, place.channel, place.position)


def layer(path: str) -> Objective:
    """Half the sum of squares of all that a layer answers: DeepDream, whose gradient at the layer is its activation.

    Source: Mordvintsev, Olah, Tyka 2015, "Inceptionism"; the notes' rule for DeepDream.
    """
    return Objective(path, frozenset({path}), lambda seen: seen.per_picture(_all(seen, path).square().sum(1) / 2))


def logit(index: int) -> Objective:
    """A class's score before the softmax. Its probability would also grow by pushing the other classes down.

    Source: Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034, section 2.
    """
    return Objective(
        f"logit {index}",
        frozenset({OUTPUT}),
        lambda seen: seen.per_picture(_position_mean(_map(seen, OUTPUT, index))),
    )


def direction(layer: str, vector: Float[Tensor, " c"], *, cosine_power: float = 0.0) -> Objective:
    """The mean over the positions of activation · vector, times cos^power of the angle between them.

    Args:
        layer: A layer that answers `n c …`.
        vector: A direction among its channels.
        cosine_power: 0 for the plain product; more asks for the direction rather than for large activations.

    Source: lucid's `objectives.direction` and `dot product · cosine similarity^power` (Olah et al. 2018).
    """

    def value(seen: Seen) -> Tensor:
        activation = _require(seen, layer)
        if activation.dim() < 2 or activation.shape[1] != len(vector):
            raise ShapeError(
                f"vector must have one number for each channel of '{layer}', which answers "
                f"{tuple(activation.shape)}; got {len(vector)}."
            )
        rows = activation.flatten(2) if activation.dim() > 2 else activation[:, :, None]  # m c positions
        product = torch.einsum("mcp,c->mp", rows, vector.to(rows))
        if cosine_power:
            lengths = rows.norm(dim=1) * vector.to(rows).norm()
            product = product * (product / lengths.clamp(min=1e-6)).clamp(min=0.1) ** cosine_power
        return seen.per_picture(product.mean(1))

    return Objective(f"direction in {layer}", frozenset({layer}), value)


def distance(layer: str, representation: Float[Tensor, "k ..."]) -> Objective:
    """‖Φ(x) − Φ₀‖² / ‖Φ₀‖² between what a layer answers and a representation to match. A penalty: subtract it.

    Args:
        layer: A layer's path, or `OUTPUT`.
        representation: What to match: one for all pictures, or one for each.

    Source: Mahendran, Vedaldi 2015, "Understanding deep image representations by inverting them", arXiv:1412.0035,
        eq. 4.
    """
    target = representation.detach()

    def value(seen: Seen) -> Tensor:
        got = _require(seen, layer)
        if target.shape[1:] != got.shape[1:] or len(target) not in (1, len(seen.image)):
            raise ShapeError(
                f"representation must have the shape of what '{layer or 'the module'}' answers, "
                f"{tuple(got.shape[1:])}, once or for each of {len(seen.image)} pictures; got {tuple(target.shape)}."
            )
        wanted = target.to(got)
        if len(wanted) > 1:
            wanted = wanted.repeat_interleave(len(got) // len(wanted), 0)
        size = wanted.flatten(1).square().sum(1).clamp(min=torch.finfo(got.dtype).tiny)
        return seen.per_picture((got - wanted).flatten(1).square().sum(1) / size)

    return Objective(f"distance in {layer or 'output'}", frozenset({layer}), value)


def l2_norm(neutral: float | Sequence[float] = 0.5) -> Objective:
    """Σ (x − neutral)² over a picture's pixels and channels. A penalty: subtract it.

    Args:
        neutral: The color that costs nothing, one number or one for each channel.

    Source: Simonyan et al. 2013, arXiv:1312.6034, eq. 1.
    """
    return Objective("L2 norm", frozenset(), lambda seen: _centered(seen, neutral).square().flatten(1).sum(1))


def alpha_norm(alpha: float = 6.0, neutral: float | Sequence[float] = 0.5) -> Objective:
    """Σ |x − neutral|^α: with a large α, pixels stay within a range, and inside of it cost nothing. A penalty.

    Source: Mahendran, Vedaldi 2015, arXiv:1412.0035, section 2.
    """
    return Objective(
        f"{alpha:g}-norm", frozenset(), lambda seen: _centered(seen, neutral).abs().pow(alpha).flatten(1).sum(1)
    )


def total_variation(beta: float = 2.0) -> Objective:
    """Σ ((x[i, j+1] − x[i, j])² + (x[i+1, j] − x[i, j])²)^(β/2) over pixels and channels. A penalty: subtract it.

    The border is repeated: a difference across it is zero.

    Source: Mahendran, Vedaldi 2015, arXiv:1412.0035, section 2.
    Differs: the gradient of β < 2 at a flat place is taken at 10⁻¹⁰ instead of 0, where it does not exist.
    """

    def value(seen: Seen) -> Tensor:
        x = seen.image
        down = torch.diff(x, dim=2, append=x[:, :, -1:])
        across = torch.diff(x, dim=3, append=x[:, :, :, -1:])
        squares = down.square() + across.square()
        powers = squares if beta == 2 else squares.clamp(min=1e-10).pow(beta / 2)
        return powers.flatten(1).sum(1)

    return Objective("total variation", frozenset(), value)


def each(objectives: Sequence[Objective]) -> Objective:
    """The first picture of the batch for the first objective, the second for the second, and so on.

    In evaluation mode the pictures of a batch do not mix, so that each becomes what it would become alone.
    """
    wanted = tuple(objectives)
    if not wanted:
        raise ConfigError("each() needs at least one objective; got none.")

    def value(seen: Seen) -> Tensor:
        if len(seen.image) != len(wanted):
            raise ConfigError(f"each() has {len(wanted)} objectives for {len(seen.image)} pictures; it needs one each.")
        return torch.cat([objective(seen.only(index)) for index, objective in enumerate(wanted)])

    name = ", ".join(objective.name for objective in wanted)
    return Objective(f"each of [{name}]", reduce(lambda a, b: a | b, (o.layers for o in wanted)), value)


def _require(seen: Seen, layer: str) -> Tensor:
    return seen.activations[layer]


def _all(seen: Seen, layer: str) -> Tensor:
    return _require(seen, layer).flatten(1)


def _map(seen: Seen, layer: str, index: int) -> Tensor:
    """The map `m h w` of one channel, or the value `m` of one neuron."""
    activation = _require(seen, layer)
    if activation.dim() < 2:
        raise ShapeError(f"'{layer or 'the module'}' answers {tuple(activation.shape)}, which has no channels 'n c …'.")
    if not 0 <= index < activation.shape[1]:
        raise ConfigError(
            f"'{layer or 'the module'}' has channels 0 to {activation.shape[1] - 1}; {index} is not one of them."
        )
    return activation[:, index]


def _centered(seen: Seen, neutral: float | Sequence[float]) -> Tensor:
    values = [neutral] if isinstance(neutral, int | float) else list(neutral)
    if len(values) not in (1, seen.image.shape[1]):
        raise ShapeError(
            f"neutral must be one number or one for each of {seen.image.shape[1]} channels; got {len(values)}."
        )
    return seen.image - seen.image.new_tensor(values).view(1, -1, 1, 1)


def _position_mean(plane: Tensor) -> Tensor:
    """The mean of `m h w` over the positions; a neuron of a full layer has none."""
    return plane if plane.dim() == 1 else plane.flatten(1).mean(1)

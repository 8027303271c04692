"""Which operators are local, and how: the table that everything else is read from.

An operator is *local* if an output depends on the inputs around its place only. There are three ways:

- `Aligned`: on the inputs at the same place (activations, sums, concatenation of channels, normalization across them).
- `Windowed`: on the inputs in a window (convolution, pooling, padding, cropping).
- `Grown`: the other way round, an input spreads over a window of outputs (transposed convolution, upsampling).

What is not in the table (attention, pooling over the whole map, whatever comes next year) needs the whole map. That is
always right, so the table need not be complete.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.runtime.incremental.intervals import Window
from striate.runtime.incremental.program import Program, Ref, Scaled, Step, references
from striate.runtime.incremental.simplify import Affine, Convolution, MaxPool, pair

__all__ = ["Aligned", "Grown", "Rule", "Windowed", "rule_for"]

aten = torch.ops.aten


@dataclass(frozen=True)
class Aligned:
    """Outputs depend on the inputs at the same place.

    Attributes:
        sized: An argument tells the shape, and must be written anew.
    """

    sized: bool = False


@dataclass(frozen=True)
class Windowed:
    """Outputs depend on a window of the one input.

    Attributes:
        windows: Along y and x.
        apply: Windowed inputs with their border, to outputs.
        fill: What lies beyond the border.
    """

    windows: tuple[Window, Window]
    apply: Callable[[Tensor], Tensor]
    fill: float = 0.0
    divisor: Tensor | None = None  # 1 1 h w: by what each output is divided


@dataclass(frozen=True)
class Grown:
    """Each input spreads over a window of outputs."""

    windows: tuple[Window, Window]
    apply: Callable[[Tensor], Tensor]


Rule = Aligned | Windowed | Grown


def rule_for(program: Program, step: Step) -> Rule | None:
    """How a step is local, or None where it needs whole maps."""
    sources = [program.steps[number] for number in references(step)]
    if not step.batched or not sources or len(step.shape) < 3:
        return None
    if not all(source.batched and len(source.shape) >= 3 for source in sources):
        return None
    operator = step.operator
    if isinstance(operator, Convolution):
        return _convolution(operator)
    if isinstance(operator, MaxPool):
        windows = _windows(operator.kernel, operator.stride, operator.padding, operator.dilation)
        return Windowed(windows, operator.apply, fill=-float("inf"))
    if operator in _WINDOWED:
        return _WINDOWED[operator](step, sources[0])
    if any(source.extent != step.extent for source in sources):
        return None
    if isinstance(operator, Affine):
        return Aligned()
    if operator in _ALIGNED:
        return _ALIGNED[operator](step, sources[0])
    if torch.Tag.pointwise in getattr(operator, "tags", ()):
        return Aligned() if _broadcasts_by_channel(step, sources) else None
    return None


def _windows(kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Window, Window]:
    y, x = (Window(*sizes) for sizes in zip(pair(kernel), pair(stride), pair(padding), pair(dilation), strict=True))
    return y, x


def _convolution(convolution: Convolution) -> Rule:
    left, _, top, _ = convolution.border
    padding = (convolution.padding[0] + top, convolution.padding[1] + left)
    kernel = tuple(convolution.weight.shape[2:])
    windows = _windows(kernel, convolution.stride, padding, convolution.dilation)
    return Grown(windows, convolution.apply) if convolution.transposed else Windowed(windows, convolution.apply)


def _average(step: Step, source: Step) -> Rule | None:
    _, kernel, stride, padding, ceil_mode, counts_border, divisor = (*step.args, *(None,) * 6)[:7]
    counts_border = True if len(step.args) < 6 else counts_border
    kernel, padding = pair(kernel), pair(padding or 0)
    stride = pair(stride) if stride else kernel
    # The border counts or not, and a window that ends beyond it (ceil_mode) is smaller: all are sums with divisors.
    ones = torch.ones((1, 1, *source.extent), dtype=torch.float64)
    cells = F.avg_pool2d(ones, kernel, stride, padding, bool(ceil_mode), divisor_override=1)
    if divisor:
        cells = torch.full_like(cells, divisor)
    elif counts_border:
        cells = _cells(source.extent, step.extent, kernel, stride, padding)
    pool = partial(F.avg_pool2d, kernel_size=kernel, stride=stride, divisor_override=1)
    return Windowed(_windows(kernel, stride, padding, 1), pool, divisor=cells)


def _cells(extent: tuple[int, int], outputs: tuple[int, int], kernel: Any, stride: Any, padding: Any) -> Tensor:
    """Cells of each window inside the padded map."""
    sides = []
    for n, o, k, s, p in zip(extent, outputs, kernel, stride, padding, strict=True):
        begin = torch.arange(o) * s - p
        sides.append((torch.clamp(begin + k, max=n + p) - begin).double())
    cells: Tensor = sides[0][:, None] * sides[1]
    return cells[None, None]


def _adaptive_average(step: Step, source: Step) -> Rule | None:
    if any(n % o for n, o in zip(source.extent, step.extent, strict=True)):
        return None  # windows of different sizes
    kernel = tuple(n // o for n, o in zip(source.extent, step.extent, strict=True))
    return Windowed(_windows(kernel, kernel, 0, 1), partial(F.avg_pool2d, kernel_size=kernel))


def _pad(step: Step, source: Step) -> Rule | None:
    _, pads, value = (*step.args, 0)[:3]
    places = [*pads, *[0] * (2 * len(step.shape) - len(pads))]
    if places[-2:] != [0, 0] or any(isinstance(n, Scaled) for n in pads):
        return None
    left, _, top, _ = places[:4]
    if not any(places[:4]):
        return Aligned()
    if any(places[4:]):
        return None
    return Windowed(_windows(1, 1, (top, left), 1), _itself, fill=float(value))


def _slice(step: Step, source: Step) -> Rule | None:
    _, dim, start, _, pace = (*step.args, *(None,) * 4)[:5]
    dim, pace = (dim or 0) % len(step.shape), pace or 1
    if dim == 0 or isinstance(start, Scaled):
        return None
    if dim < len(step.shape) - 2:
        return Aligned()
    extent = source.shape[dim]
    start = start or 0
    start = max(start + extent, 0) if start < 0 else start
    by_axis = [(1, 0), (1, 0)]
    by_axis[dim - len(step.shape) + 2] = (pace, -start)
    (y, top), (x, left) = by_axis
    return Windowed(_windows(1, (y, x), (top, left), 1), lambda t: t[..., ::y, ::x])


def _itself(x: Tensor) -> Tensor:
    return x


def _nearest(step: Step, source: Step) -> Rule | None:
    factors = [o // n for n, o in zip(source.extent, step.extent, strict=True)]
    if any(n * f != o for n, f, o in zip(source.extent, factors, step.extent, strict=True)):
        return None
    scales = [s for s in step.args[2:] if s is not None]
    if any(scale != float(factor) for scale, factor in zip(scales, factors, strict=False)):
        return None
    enlarge = partial(F.interpolate, scale_factor=tuple(float(f) for f in factors), mode="nearest")
    return Grown(_windows(tuple(factors), tuple(factors), 0, 1), enlarge)


def _channels_only(place: int) -> Callable[[Step, Step], Rule | None]:
    """The rule of operators that work along the axes which argument `place` tells."""

    def rule(step: Step, source: Step) -> Rule | None:
        axes = step.args[place] if len(step.args) > place else 0
        axes = [axes] if isinstance(axes, int) else axes
        count = len(source.shape)
        return Aligned() if axes and all(0 < axis % count < count - 2 for axis in axes) else None

    return rule


def _concatenation(step: Step, source: Step) -> Rule | None:
    whole_tensors = all(isinstance(part, Ref) for part in step.args[0])
    dim = (step.args[1] if len(step.args) > 1 else 0) % len(step.shape)
    return Aligned() if whole_tensors and 0 < dim < len(step.shape) - 2 else None


def _view(step: Step, source: Step) -> Rule | None:
    return Aligned(sized=True)


def _transpose(step: Step, source: Step) -> Rule | None:
    count = len(step.shape)
    return Aligned() if all(0 < axis % count < count - 2 for axis in step.args[1:3]) else None


def _permute(step: Step, source: Step) -> Rule | None:
    count = len(step.shape)
    order = [axis % count for axis in step.args[1]]
    return Aligned() if order[0] == 0 and order[-2:] == [count - 2, count - 1] else None


def _unsqueeze(step: Step, source: Step) -> Rule | None:
    return Aligned() if 0 < step.args[1] % len(step.shape) < len(step.shape) - 2 else None


def _average_of_channels(step: Step, source: Step) -> Rule | None:
    _, kernel, stride, padding, ceil_mode, *_ = (*step.args, *(None,) * 5)[:7]
    flat = (kernel, stride or kernel, [n + 1 for n in (padding or [0, 0, 0])])
    still = all(len(sizes) == 3 and list(sizes[1:]) == [1, 1] for sizes in flat)
    return Aligned() if still and not ceil_mode and len(step.shape) == 5 else None


def _broadcasts_by_channel(step: Step, sources: list[Step]) -> bool:
    """Whether every constant is the same at all places, and every tensor has all axes."""
    if any(len(source.shape) != len(step.shape) for source in sources):
        return False
    leaves = torch.utils._pytree.tree_leaves((step.args, step.kwargs))
    constants = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    return all(all(n == 1 for n in t.shape[-2:]) and (t.dim() < 4 or t.shape[0] == 1) for t in constants) and not any(
        isinstance(leaf, Scaled) for leaf in leaves
    )


_WINDOWED: dict[Any, Callable[[Step, Step], Rule | None]] = {
    aten.avg_pool2d.default: _average,
    aten._adaptive_avg_pool2d.default: _adaptive_average,
    aten.constant_pad_nd.default: _pad,
    aten.slice.Tensor: _slice,
    aten.upsample_nearest2d.default: _nearest,
}
_ALIGNED: dict[Any, Callable[[Step, Step], Rule | None]] = {
    aten.cat.default: _concatenation,
    torch.reshape: _view,
    aten.transpose.int: _transpose,
    aten.permute.default: _permute,
    aten.unsqueeze.default: _unsqueeze,
    aten.squeeze.dim: _channels_only(1),
    aten.squeeze.dims: _channels_only(1),
    aten.select.int: _channels_only(1),
    aten.mean.dim: _channels_only(1),
    aten.sum.dim_IntList: _channels_only(1),
    aten.amax.default: _channels_only(1),
    aten.amin.default: _channels_only(1),
    aten._softmax.default: _channels_only(1),
    aten._log_softmax.default: _channels_only(1),
    aten.avg_pool3d.default: _average_of_channels,
}

"""Do feature maps move with the picture, and does the answer stay? Both measured by shifting.

A convolution commutes with a shift T of its input: F(T x) = T F(x), away from the borders. Where strides make a step of
s pixels it does so for shifts by multiples of s alone: by others, the windows look at other pixels. The answer should
not move at all: it should be invariant.

For a shift by d pixels a map of stride s is expected to move by δ = d / s units; where δ is no whole number, the
unshifted map is read between its units (linear). The difference of the two is

    error = ‖F(T x) − T_δ F(x)‖ / √(½ (‖F(T x) − mean‖² + ‖T_δ F(x) − mean‖²)),

means by channel: 0 where the map moves with the picture, about √2 where the two have nothing in common.

Source: Lenc, Vedaldi 2015, "Understanding image representations by measuring their equivariance and equivalence",
arXiv:1411.5908, section 2; the dependence on the stride and the consistency of answers are Zhang 2019, "Making
convolutional networks shift-invariant again", arXiv:1904.11486, section 3 and equation 5.
"""

import time
from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.arithmetic import Field
from striate.errors import ConfigError, DataError, ShapeError
from striate.insight.heatmap import as_numpy
from striate.insight.picture_stream import Pictures, PictureStream
from striate.insight.shift_result import LayerShift, ShiftResponse
from striate.insight.target import Target, choose_targets
from striate.models import Network
from striate.probe import capture, evaluating, summary

__all__ = ["shift_response"]

Fill = Literal["edge", "zero", "wrap"]


def shift_response(
    network: Network | nn.Module,
    images: Pictures,
    *,
    layers: Sequence[str] | None = None,
    shifts: Sequence[int] = tuple(range(16)),
    axis: Literal["x", "y"] = "x",
    fill: Fill = "edge",
    target: Target = None,
    batch_size: int = 8,
) -> ShiftResponse:
    """How feature maps and the answer follow when the picture is shifted.

    Two errors a layer: `interior` over the units whose fields lie, before and after, on the part of the picture that is
    in both, so that no border and no filling is in it; and `overlap` over all units that have a partner. Both look at
    the shifted axis alone: along the other, borders are the same for both.

    Args:
        network: A `Network` (images are photos), or any module (images are tensors, fed as they are).
        images: Pictures of one size, as for `top_patches`.
        layers: Addresses of layers with maps; by default the end of each stage.
        shifts: Pixels of the network's input to the right or down; negative ones to the left or up.
        axis: Along which axis.
        fill: What comes in at the border: the `edge` pixel repeated, `zero` (in what the network gets, the mean color
            of most networks), or what went out at the other side (`wrap`).
        target: The class to follow; each picture's answer without a shift by default.
        batch_size: Pictures at once.

    Returns:
        Curves over the shifts, with `draw` and `save`.

    Raises:
        ConfigError: No shifts, a shift as large as the picture, or an unknown axis or filling.
        UnknownNameError: There is no such layer, or the pass does not call it.
        ShapeError: A layer gives no maps, or pictures differ in size.
        DataError: There are no pictures, or none can be read.

    >>> import torch
    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <torch...>
    >>> strided = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2))
    >>> found = shift_response(strided, torch.rand(2, 1, 33, 33), layers=["0"], shifts=[0, 1, 2, 3, 4])["0"]
    >>> [round(float(e), 3) for e in found.interior[[0, 2, 4]]], bool(found.interior[1] > 0.1)
    ([0.0, 0.0, 0.0], True)
    """
    began = time.perf_counter()
    if axis not in ("x", "y") or fill not in ("edge", "zero", "wrap"):
        raise ConfigError(f"axis must be 'x' or 'y' and fill 'edge', 'zero' or 'wrap'; got {axis!r} and {fill!r}.")
    if not len(shifts):
        raise ConfigError("shifts is empty; give at least one number of pixels.")
    module = network.module if isinstance(network, Network) else network
    sums: dict[str, _Sums] = {}
    probabilities: list[NDArray[np.floating]] = []
    same: list[NDArray[np.bool_]] = []
    targets: list[int] = []
    size: tuple[int, ...] = ()
    with evaluating(module), torch.inference_mode():
        for batch in PictureStream(network, images, batch_size=batch_size, workers=0):
            if not batch.numbers:
                continue
            x = batch.x
            if not size:
                size = tuple(x.shape[1:])
                _check_shifts(shifts, size[2 if axis == "x" else 1])
                sums = _layers(module, size, layers, len(shifts), axis)
            if tuple(x.shape[1:]) != size:
                raise ShapeError(f"images must have one size; got {size} and {tuple(x.shape[1:])}.")
            still = capture(module, x, sums) if sums else {}
            logits = module(x)
            chosen = _chosen(network, logits, target)
            followed = []
            for number, shift in enumerate(shifts):
                moved = _shifted(x, shift, axis, fill)
                for layer, output in (capture(module, moved, sums) if sums else {}).items():
                    sums[layer].add(number, shift, still[layer], output)
                if chosen is not None:
                    followed.append(module(moved).double())
            if chosen is not None:
                scores = torch.stack(followed, 1)  # n s k
                each = chosen[:, None, None].expand(-1, len(shifts), 1)
                probabilities.append(as_numpy(scores.softmax(2).gather(2, each)[..., 0]))
                same.append((scores.argmax(2) == logits.argmax(1)[:, None]).cpu().numpy())
                targets += chosen.tolist()
    if not size:
        raise DataError("none of the pictures can be read.")
    return ShiftResponse(
        shifts=np.array(shifts, np.int64),
        layers={layer: one.result() for layer, one in sums.items()},
        probability=np.concatenate(probabilities) if probabilities else None,
        same=np.concatenate(same) if same else None,
        target=tuple(targets),
        network=network.name if isinstance(network, Network) else type(network).__name__,
        parameters={"axis": axis, "fill": fill, "layers": list(sums), "size": list(size)},
        seconds=time.perf_counter() - began,
    )


def _check_shifts(shifts: Sequence[int], extent: int) -> None:
    odd = [shift for shift in shifts if shift % 1]
    if odd:
        raise ConfigError(f"shifts must be whole numbers of pixels; got {odd[0]}.")
    largest = max(abs(shift) for shift in shifts)
    if largest >= extent:
        raise ConfigError(f"a shift must be smaller than the picture, {extent} pixels; got {largest}.")


def _layers(
    module: nn.Module, size: tuple[int, ...], layers: Sequence[str] | None, count: int, axis: str
) -> dict[str, "_Sums"]:
    table = summary(module, size)
    if layers is None:
        ends = [stage for stage in table.stages if len(stage.output_shape) == 4 and max(stage.output_shape[2:]) > 1]
        layers = [stage.address for stage in ends]
    place = 1 if axis == "x" else 0
    found = {}
    for layer in layers:
        row = table.row(layer)
        found[layer] = _Sums(layer, None if row is None else row.field, size[1 + place], count, place)
    return found


def _chosen(network: Network | nn.Module, logits: object, target: Target) -> Tensor | None:
    """The class of each picture, or None for a module that does not score classes."""
    if target is None and (not isinstance(logits, Tensor) or logits.dim() != 2):
        return None
    return choose_targets(network, logits, target)


def _shifted(x: Tensor, shift: int, axis: str, fill: Fill) -> Tensor:
    """The picture `shift` pixels to the right or down."""
    dim = 3 if axis == "x" else 2
    if fill == "wrap" or shift == 0:
        return x.roll(shift, dim)
    kept = x.narrow(dim, max(-shift, 0), x.shape[dim] - abs(shift))
    before, after = max(shift, 0), max(-shift, 0)
    pads = [before, after, 0, 0] if axis == "x" else [0, 0, before, after]
    return F.pad(kept, pads, mode="replicate") if fill == "edge" else F.pad(kept, pads)


class _Sums:
    """Squared differences of one layer, summed over batches.

    Args:
        layer: Its address.
        field: What its units see, or None.
        extent: Pixels of the picture along the axis.
        count: Number of shifts.
        place: The axis: 0 for rows, 1 for columns.
    """

    def __init__(self, layer: str, field: Field | None, extent: int, count: int, place: int) -> None:
        self.layer, self.field, self.extent, self.place = layer, field, extent, place
        self.apart = np.zeros((2, count))
        self.spread = np.zeros((2, count))
        self.units = np.zeros((2, count), np.int64)

    def stride(self, units: int) -> Fraction:
        """Pixels between neighboring units; from the sizes where the field is not known."""
        step = self.field.stride[self.place] if self.field is not None else 0
        return Fraction(step) if step else Fraction(self.extent, units)

    def add(self, number: int, shift: int, still: Tensor, moved: Tensor) -> None:
        """Compare the maps of the unshifted and the shifted pictures, `n c h w`."""
        if still.dim() != 4:
            raise ShapeError(f"layer '{self.layer}' gives {tuple(still.shape)}; what moves must be maps 'n c h w'.")
        still, moved = (maps.movedim(2 + self.place, 3).double() for maps in (still, moved))  # n c other along
        units = still.shape[3]
        delta = Fraction(shift) / self.stride(units)
        low, part = floor(delta), float(delta - floor(delta))
        here = np.arange(units)
        first, second = here - low, here - low - (1 if part else 0)  # unit i was between these
        partner = (first >= 0) & (first < units) & (second >= 0) & (second < units)
        inner = partner & self._inner(here, shift) & self._inner(first, 0, shift) & self._inner(second, 0, shift)
        for kind, chosen in enumerate((inner, partner)):
            at = np.flatnonzero(chosen)
            if not len(at):
                continue
            expected = (1 - part) * still[..., first[at]] + part * still[..., second[at]]
            got = moved[..., at]
            self.apart[kind, number] += float(((got - expected) ** 2).sum())
            self.spread[kind, number] += float(sum(_around(m) for m in (got, expected))) / 2
            self.units[kind, number] = len(at)

    def _inner(self, units: NDArray[np.int64], shift: int, left_out: int = 0) -> NDArray[np.bool_]:
        """Whose field lies on pixels of the unshifted picture that are in both pictures.

        Args:
            units: Their places along the axis.
            shift: By how much the picture that they look at was shifted.
            left_out: By how much the other was shifted.
        """
        field = self.field
        if field is None or not field.stride[self.place]:
            return np.zeros(len(units), bool)
        step, start, size = field.stride[self.place], field.start[self.place], field.size[self.place]
        low = np.array([floor(start + int(i) * step) for i in units]) - shift
        gone = shift or left_out
        return np.asarray((low >= max(-gone, 0)) & (low + size <= self.extent - max(gone, 0)))

    def result(self) -> LayerShift:
        """The two curves."""
        with np.errstate(invalid="ignore", divide="ignore"):
            errors = np.where(self.spread > 0, np.sqrt(self.apart / self.spread), np.nan)
        step = self.field.stride[self.place] if self.field is not None else 0
        return LayerShift(
            layer=self.layer,
            stride=float(step) if step else None,
            whole=self.field is None or self.field.whole,
            interior=errors[0],
            overlap=errors[1],
            interior_units=self.units[0],
            overlap_units=self.units[1],
        )


def _around(maps: Tensor) -> Tensor:
    """Squares around the mean of each channel."""
    return ((maps - maps.mean((0, 2, 3), keepdim=True)) ** 2).sum()

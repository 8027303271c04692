"""The k largest values of every unit of a layer, kept up to date while batches pass by.

A unit's map of one picture competes with its largest value alone (or with its `per_image` largest), so that nine
patches show nine pictures. Per batch, one maximum over places is taken for all units; only the maps whose maximum
enters a unit's list are looked at again to find the place.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.errors import ShapeError, WeightsError

__all__ = ["RunningTop"]


class RunningTop:
    """The running lists of one layer.

    Ties go to the earlier picture, then the upper row, then the left column, whatever the batches are.

    Args:
        layer: Its address, for errors.
        k: Length of each unit's list.
        per_image: Most places of one picture in a unit's list.
        channels: The channels to follow; all by default.

    Attributes:
        values: `u k`, largest first; −∞ where fewer pictures have passed.
        pictures: `u k`, the numbers of their pictures; −1 where there is none.
        rows: `u k`, the units' rows in the map.
        columns: `u k`.
        count: Pictures that have passed.
        shape: `c h w` of the layer's first output.
    """

    def __init__(self, layer: str, *, k: int, per_image: int = 1, channels: Sequence[int] | None = None) -> None:
        self.layer, self.k, self.per_image = layer, k, per_image
        self.channels = None if channels is None else torch.as_tensor(list(channels))
        self.count = 0
        self.shape: tuple[int, int, int] | None = None
        self.values = self.pictures = self.rows = self.columns = torch.empty(0)
        self._mean = self._square = torch.empty(0)

    @property
    def peak_mean(self) -> Tensor:
        """`u`: mean over all pictures of the largest value in the unit's map."""
        return self._mean

    @property
    def peak_std(self) -> Tensor:
        """`u`: standard deviation of the same."""
        return (self._square / max(self.count, 1)).sqrt()

    def add(self, output: object, numbers: Tensor) -> None:
        """Take what the layer gave for the pictures `numbers` (int64 `n`, ascending).

        Raises:
            ShapeError: It is neither `n c h w` nor `n c`.
            WeightsError: A value is not a number.
        """
        if not isinstance(output, Tensor) or output.dim() not in (2, 4):
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ShapeError(f"layer '{self.layer}' gives {got}; units need maps 'n c h w', or 'n c'.")
        maps = output if output.dim() == 4 else output[:, :, None, None]  # n c -> n c 1 1
        if self.shape is None:
            self.shape = (maps.shape[1], maps.shape[2], maps.shape[3])
            self._start(maps)
        if self.channels is not None:
            maps = maps[:, self.channels.to(maps.device)]
        peaks = maps.amax((2, 3)).to(self.values.dtype)  # n u
        if bool(peaks.isnan().any()):
            raise WeightsError(
                f"layer '{self.layer}' gives values that are not a number: the weights are damaged, or a picture is."
            )
        self._note(peaks)
        rows, units = (peaks > self.values[:, -1]).nonzero(as_tuple=True)  # by picture
        if len(rows):
            self._merge(maps, peaks, rows, units, numbers.to(maps.device))

    def _start(self, maps: Tensor) -> None:
        units = maps.shape[1] if self.channels is None else len(self.channels)
        dtype = torch.promote_types(maps.dtype, torch.float32)
        shape = (units, self.k)
        self.values = torch.full(shape, -torch.inf, dtype=dtype, device=maps.device)
        self.pictures = torch.full(shape, -1, dtype=torch.int64, device=maps.device)
        self.rows, self.columns = self.pictures.clone(), self.pictures.clone()
        self._mean = torch.zeros(units, dtype=torch.float64, device=maps.device)
        self._square = self._mean.clone()

    def _note(self, peaks: Tensor) -> None:
        """Means and squares of several batches together (Chan, Golub, LeVeque 1979, equations 2.1)."""
        n, new = self.count, peaks.double()
        mean = new.mean(0)
        away = mean - self._mean
        self.count = n + len(new)
        self._square += ((new - mean) ** 2).sum(0) + away**2 * (n * len(new) / self.count)
        self._mean += away * (len(new) / self.count)

    def _merge(self, maps: Tensor, peaks: Tensor, rows: Tensor, units: Tensor, numbers: Tensor) -> None:
        n, width = len(maps), maps.shape[3]
        flat = maps[rows, units].flatten(1)  # m h w -> m h*w
        each = min(self.per_image, flat.shape[1])
        if each == 1:
            values, places = peaks[rows, units][:, None], flat.argmax(1, keepdim=True)  # the first of equal ones
        else:
            values, places = (part[:, :each] for part in flat.sort(dim=1, descending=True, stable=True))
        slots = torch.full((self.values.shape[0], n * each), -torch.inf, dtype=self.values.dtype, device=maps.device)
        found = torch.zeros(slots.shape, dtype=torch.int64, device=maps.device)
        at = rows[:, None] * each + torch.arange(each, device=maps.device)  # m each
        slots[units[:, None], at] = values.to(slots.dtype)
        found[units[:, None], at] = places
        owner = numbers.repeat_interleave(each).expand_as(found)
        # Older entries stand first, and the sort keeps the order of equals.
        merged, order = torch.cat([self.values, slots], 1).sort(dim=1, descending=True, stable=True)
        order = order[:, : self.k]
        self.values = merged[:, : self.k].contiguous()
        empty = self.values == -torch.inf
        for name, new in (("pictures", owner), ("rows", found // width), ("columns", found % width)):
            kept = torch.cat([getattr(self, name), new], 1).gather(1, order)
            setattr(self, name, kept.masked_fill_(empty, -1))

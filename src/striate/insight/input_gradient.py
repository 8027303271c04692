"""The gradient of any neuron or class with respect to the picture, with its signs and colors.

Near one picture I a unit is nearly linear, a(I + d) ≈ a(I) + w · d, and w = da/dI says for every pixel and color in
which direction, and how strongly, a change moves the unit. It has the shape of a picture, so it is drawn as one: gray
is zero, and a color says which way the unit pulls.

Source: Simonyan, Vedaldi, Zisserman 2013, "Deep inside convolutional networks", arXiv:1312.6034, section 3.
"""

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from striate import draw
from striate.data.images import Images
from striate.errors import ConfigError, ShapeError
from striate.insight.backward_pass import Gradients, gradients_of
from striate.insight.heatmap import Heatmap, as_numpy
from striate.insight.store import json_bytes, pack_arrays, save_as, saved
from striate.insight.target import Target
from striate.models import Network
from striate.probe import UnitAddress
from striate.probe.backward_rules import BackwardRule, SmoothRule

__all__ = ["InputGradient", "as_input_gradient", "input_gradient"]

Channels = Literal["maximum", "sum", "norm"]
_MERGED = {
    "maximum": "maximum over channels of the absolute value",
    "sum": "sum over channels",
    "norm": "Euclidean norm over channels",
}
_SMALLEST = 224
"""A picture of a PNG is at least about so many pixels wide."""


@dataclass(frozen=True)
class InputGradient:
    """A number with a sign for every pixel and channel of every picture, and how it was made.

    Attributes:
        values: `n c h w`, float, with respect to what the network gets (after normalization); for many targets of one
            picture, `n` runs over the targets.
        method: The method's name: `input_gradient`, `guided_backprop`, `deconvnet`.
        unit: What a value means, such as `d logit / d input`.
        target: For each picture the class, or the address of the unit with its position.
        scores: `n`: the logit or activation of each target, or None where the method has no single one.
        channels: What the `c` axis means: `RGB`, `BGR`, `L`, or `maps`.
        boxes: `n 4`, `xyxy` pixels of the picture that the values are cut to, reaching over the border where the
            receptive field does; None for whole pictures.
        parameters: Every setting that the values depend on.
        seconds: Wall time it took.
    """

    values: NDArray[np.floating[Any]]
    method: str
    unit: str
    target: tuple[int | str | None, ...]
    scores: NDArray[np.floating[Any]] | None = None
    channels: str = "RGB"
    boxes: NDArray[np.integer[Any]] | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.values)

    def limits(self, *, percentile: float = 99.9) -> tuple[float, float]:
        """`(-m, m)` with m that percentile of the magnitudes: what is drawn black and white."""
        return draw.limits_of(self.values, signed=True, percentile=percentile)

    def saliency(self) -> Heatmap:
        """The map `n h w` of the largest absolute value over channels."""
        return self.heatmap("maximum")

    def heatmap(self, channels: Channels = "maximum") -> Heatmap:
        """One number a pixel.

        Args:
            channels: `maximum` of the absolute values, their signed `sum`, or the Euclidean `norm`.

        Returns:
            `values` `n h w`; `sum` alone has a sign.

        Raises:
            ConfigError: Another word.
        """
        if channels not in _MERGED:
            raise ConfigError(f"channels must be one of {', '.join(map(repr, _MERGED))}; got {channels!r}.")
        v = self.values
        merged = (
            np.abs(v).max(1) if channels == "maximum" else v.sum(1) if channels == "sum" else np.sqrt((v * v).sum(1))
        )
        return Heatmap(
            values=merged,
            method=self.method,
            unit=self.unit if channels == "sum" else f"|{self.unit}|",
            signed=channels == "sum",
            target=self.target,
            parameters={**self.parameters, "channels": _MERGED[channels]},
            seconds=self.seconds,
        )

    def draw(self, *, percentile: float = 99.9, each: bool = False) -> NDArray[np.uint8]:
        """Signed pictures: mid gray is zero, ±m are the ends of each color.

        Args:
            percentile: m is this percentile of the magnitudes; larger ones are drawn at the end of the scale. 100 takes
                the largest, which a few pixels decide.
            each: Give every picture a scale of its own, so that weak ones can be seen; else all share one and can be
                compared.

        Returns:
            uint8 `n h w 3`; what is not finite is mid gray.

        Raises:
            ShapeError: There are neither one nor three channels.
            ConfigError: The percentile is outside (0, 100].
        """
        if self.values.shape[1] not in (1, 3):
            raise ShapeError(
                f"a gradient is drawn in color where it has 1 or 3 channels; this has {self.values.shape[1]}. "
                "Draw .heatmap('sum') or .saliency() instead."
            )
        return np.concatenate(
            [
                _signed_picture(part, draw.limits_of(part, signed=True, percentile=percentile)[1], self.channels)
                for part in (self.values[:, None] if each else self.values[None])
            ]
        )

    def settings(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        return {
            "method": self.method,
            "unit": self.unit,
            "target": list(self.target),
            "channels": self.channels,
            "parameters": self.parameters,
            "seconds": self.seconds,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that there are, by name."""
        named = {"values": self.values, "scores": self.scores, "boxes": self.boxes}
        return {name: array for name, array in named.items() if array is not None}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "InputGradient":
        """The inverse of `settings` and `arrays`."""
        return cls(
            values=arrays["values"],
            scores=arrays.get("scores"),
            boxes=arrays.get("boxes"),
            **{**settings, "target": tuple(settings["target"])},
        )

    def save(self, path: str | Path) -> Path:
        """Write it: `.npz` keeps every number (`load` reads it), `.json` the settings and values, `.png` draws it.

        The PNG shows all pictures on one scale, with the scale below.

        Raises:
            ConfigError: Another ending.
            ShapeError: A PNG of other than one or three channels.
        """
        numbers = self.arrays()
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(self.settings(), numbers),
                ".json": lambda: json_bytes({**self.settings(), **{n: array.tolist() for n, array in numbers.items()}}),
                ".png": self._repr_png_,
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "InputGradient":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "InputGradient") as (settings, arrays):
            return cls.restore(settings, arrays)

    def _repr_png_(self) -> bytes:
        # Small pictures are made larger by whole pixels, so that a field of 11 × 11 can be seen.
        factor = max(1, _SMALLEST // max(self.values.shape[2:]))
        pictures = draw.grid([draw.enlarge(picture, factor) for picture in self.draw()], gap=4)
        width = max(pictures.shape[1], 320)
        label = f"{self.unit} (each color; limits at the 99.9th percentile)"
        scale = draw.draw_scalebar(self.limits(), colormap="gray", width=width, label=label)
        sheet = np.full((pictures.shape[0] + 8 + scale.shape[0], width, 3), scale[-1, -1], np.uint8)
        sheet[: pictures.shape[0], : pictures.shape[1]] = pictures
        sheet[pictures.shape[0] + 8 :] = scale
        return draw.encode_png(sheet)


def input_gradient(
    network: Network | nn.Module,
    images: Images,
    *,
    target: Target = None,
    crop: bool = False,
    batch_size: int | None = None,
) -> InputGradient:
    """The gradient of a class score or of any unit with respect to the picture, with signs.

    The score of a class is the logit, before the softmax. The gradient is taken with respect to what the network gets,
    after normalization. The pass stops at the layer of the units. The module is left as it was: no gradient on its
    weights, no changed mode or flag, no hook.

    Args:
        network: A `Network` (images are photos) or any module (images are the tensor that goes in).
        images: One photo, several, or a tensor `n c h w`.
        target: A class index, a label or the address of a unit (`features.3:17@4,5`; without a position, the unit of
            the channel that is most active in the picture), one for all or one for each; each image's best class by
            default. For a single image a list of any length: all from one forward pass. A rectifier's own unit that is
            silent, or at the upper end of a ReLU6, has a gradient of zero: ask the layer before it.
        crop: Cut the values to the receptive field of each unit; all targets must be units of one layer. The work is
            cut too: only the pixels that the unit sees go through the network.
        batch_size: Pictures that go through the network at once; by default as many as the processor's cache likes.

    Returns:
        `values` `n c h w`; `scores` `n`, the logits or activations.

    Raises:
        ConfigError: A target that is no unit or class, or that does not depend on the picture in a way that has a
            gradient; `crop` for a class.
        UnknownNameError: No such label or layer.
        ShapeError: A class of a module that does not answer `n k`, or a unit of a layer without units.

    Source:
        Simonyan et al. 2013, arXiv:1312.6034, section 3.

    >>> import torch
    >>> linear = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False))
    >>> _ = linear[1].weight.data.copy_(torch.tensor([[1.0, -4.0, 2.0], [0.0, 0.0, 1.0]]))
    >>> result = input_gradient(linear, torch.ones(1, 3, 1, 1), target=[0, "1:1"])
    >>> result.values[:, :, 0, 0].tolist(), result.target, result.scores.tolist()
    ([[1.0, -4.0, 2.0], [0.0, 0.0, 1.0]], (0, '1:1'), [-1.0, 1.0])
    """
    began = perf_counter()
    found = gradients_of(network, images, target, method="input_gradient", batch_size=batch_size, crop=crop)
    return as_input_gradient(network, found, method="input_gradient", began=began)


def as_input_gradient(
    network: Network | nn.Module,
    found: Gradients,
    *,
    method: str,
    began: float,
    rule: BackwardRule = "plain",
    smooth: SmoothRule = "refuse",
) -> InputGradient:
    """The result of a method that went back to the picture once for each target."""
    units = [UnitAddress.parse(t) if isinstance(t, str) else None for t in found.targets]
    order = network.preprocessing.channels if isinstance(network, Network) else "RGB"
    count = found.values.shape[1]
    parameters: dict[str, Any] = {
        "score": ["logit" if unit is None else "activation" for unit in units],
        "position": [None if unit is None or unit.position is None else list(unit.position) for unit in units],
    }
    if rule != "plain":
        parameters |= {
            "rule": rule,
            "smooth": smooth,
            "rectifiers": found.rectifiers,
            "derivatives": found.derivatives,
        }
    return InputGradient(
        values=as_numpy(found.values),
        method=method,
        unit=unit_of(found.targets, rule),
        target=found.targets,
        scores=as_numpy(found.scores),
        channels=order if count == 3 else "L" if count == 1 else "maps",
        boxes=found.boxes,
        parameters=parameters,
        seconds=perf_counter() - began,
    )


def unit_of(targets: tuple[int | str, ...], rule: BackwardRule = "plain") -> str:
    """What a gradient of these targets is, in words.

    >>> unit_of((1,)), unit_of(("0:1@2,3",)), unit_of((1, "0:1@2,3"), "guided")
    ('d logit / d input', 'd activation / d input', 'guided d score / d input')
    """
    kinds = {isinstance(target, str) for target in targets}
    score = "score" if len(kinds) == 2 else "activation" if True in kinds else "logit"
    return f"{'' if rule == 'plain' else rule + ' '}d {score} / d input"


def _signed_picture(values: NDArray[np.floating[Any]], top: float, channels: str) -> NDArray[np.uint8]:
    """uint8 `n h w 3` of `n c h w`; ±`top` become 255 and 0."""
    shares = np.clip(np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0) / top, -1.0, 1.0)
    pixels = np.rint(127.5 + 127.5 * shares).astype(np.uint8).transpose(0, 2, 3, 1)  # n c h w → n h w c
    if channels == "BGR":
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:3], 3)))

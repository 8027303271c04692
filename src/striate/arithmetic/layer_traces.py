"""Layers without a window, with every number: activation, flatten, fully connected."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from striate.arithmetic.convolution_trace import ConvolutionTrace, trace_convolution
from striate.arithmetic.trace_words import say_factor, say_number
from striate.arithmetic.window import Numbers, Step

__all__ = ["ElementTrace", "FlattenTrace", "LinearTrace"]


@dataclass(frozen=True, slots=True, eq=False)
class ElementTrace:
    """A function of each number by itself.

    Attributes:
        name: What the layer is called.
        function: Which function.
        input: Any shape.
        output: The same shape.
    """

    name: str
    function: Literal["relu", "sigmoid", "tanh"]
    input: Numbers
    output: Numbers

    def steps(self) -> Iterator[Step]:
        """One step a number."""
        for at in np.ndindex(*self.input.shape):
            x, y = float(self.input[at]), float(self.output[at])
            place = ", ".join(map(str, at))
            yield Step(1, f"{self.function}({say_number(x)}) = {say_number(y)} at ({place}).")


@dataclass(frozen=True, slots=True, eq=False)
class FlattenTrace:
    """All numbers in one row: channel by channel, row by row.

    Attributes:
        name: What the layer is called.
        input: `c h w`.
        output: One axis.
    """

    name: str
    input: Numbers
    output: Numbers

    def steps(self) -> Iterator[Step]:
        """The one step."""
        yield Step(1, f"{'×'.join(map(str, self.input.shape))} numbers in one row of {self.output.size}.")


@dataclass(frozen=True, slots=True, eq=False)
class LinearTrace:
    """A fully connected layer.

    Attributes:
        name: What the layer is called.
        input: One number a feature.
        weight: `outputs features`.
        bias: One number an output.
        output: `weight @ input + bias`.
        shape: c, h and w of the map that was flattened into the features, or (features, 1, 1).
    """

    name: str
    input: Numbers
    weight: Numbers
    bias: Numbers
    output: Numbers
    shape: tuple[int, int, int]

    def steps(self) -> Iterator[Step]:
        """One step an output."""
        for number, row in enumerate(self.weight):
            terms = " + ".join(
                f"{say_number(float(x))}·{say_factor(float(w))}" for x, w in zip(self.input, row, strict=True)
            )
            bias = f" + {say_factor(float(self.bias[number]))} (bias)" if self.bias[number] else ""
            yield Step(1, f"Output {number}: {terms}{bias} = {say_number(float(self.output[number]))}.")

    def as_convolution(self) -> ConvolutionTrace:
        """The same layer as a convolution whose filters cover the whole map: one place, one number a filter.

        Source: Long, Shelhamer, Darrell 2015, "Fully convolutional networks for semantic segmentation", section 3.1.
        """
        weight = self.weight.reshape(-1, *self.shape)
        return trace_convolution(self.input.reshape(self.shape), weight, self.bias, name=self.name)

"""Questions with one setting missing: `conv f=7 s=2 p=? o=112` on an input of 224."""

import re
from dataclasses import dataclass
from typing import Any

from striate.arithmetic import (
    Convolution,
    Pooling,
    input_sizes_for,
    kernel_sizes_for,
    paddings_for,
    parse_layer,
    per_axis,
    split_padding,
    strides_for,
)
from striate.arithmetic.layer import padding_per_axis
from striate.errors import ConfigError

__all__ = ["Solution", "answer_question", "is_question"]

_SYMBOLS = {"p": "padding", "padding": "padding", "s": "stride", "stride": "stride", "f": "kernel_size"}
_SYMBOLS |= {"kernel_size": "kernel_size"}


@dataclass(frozen=True, slots=True)
class Solution:
    """The answers to one question, along one axis.

    Attributes:
        asked: What was asked for: `padding`, `stride`, `kernel_size` or `input_size`.
        answers: All of them, smallest first; paddings in total of both sides.
        text: One sentence.
    """

    asked: str
    answers: tuple[int, ...]
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"asked": self.asked, "answers": list(self.answers), "text": self.text}


def is_question(text: str) -> bool:
    """Whether a setting of a layer, or the input, is asked for."""
    return "?" in text


def answer_question(input_size: int | None, layer: str, output_size: int) -> Solution:
    """The settings that lead from an input size to an output size, along one axis.

    Args:
        input_size: Places of the input; None where it is what is asked for.
        layer: A convolution or pooling in notation, with `?` for what is asked for.
        output_size: Places of the output.

    Raises:
        ConfigError: No question, more than one, or one without an answer.

    >>> answer_question(224, "conv f=7 s=2 p=? n=64", 112).text
    'p = 3 on each side (a total of 6), or a total of 5 (3 and 2).'
    >>> answer_question(None, "conv f=3 s=2 p=1 n=1", 112).answers
    (223, 224)
    """
    asked = re.findall(r"(\w+)=\?", layer)
    if len(asked) + (input_size is None) != 1 or layer.count("?") != len(asked):
        raise ConfigError(f"One thing can be asked for, as in 'conv f=7 s=2 p=?', got '{layer}'.")
    if input_size is None:
        return _inputs(layer, output_size)
    name = _SYMBOLS.get(asked[0])
    if name is None:
        raise ConfigError(f"p, s, f and the input can be asked for, got '{asked[0]}=?'.")
    # A stand-in makes the rest readable: the smallest value that is allowed.
    settings = _settings(re.sub(r"(\w+)=\?", r"\1=" + ("0" if name == "padding" else "1"), layer))
    del settings[name]
    if name == "padding":
        found = paddings_for(output_size, input_size=input_size, **settings)
        return Solution(name, tuple(found), _say_paddings(tuple(found)))
    question = strides_for if name == "stride" else kernel_sizes_for
    answers = tuple(question(output_size, input_size=input_size, **settings))
    symbol = "s" if name == "stride" else "f"
    more = " (or any larger one)" if name == "stride" and output_size == 1 else ""
    return Solution(name, answers, f"{symbol} = {_say(answers)}{more}.")


def _inputs(layer: str, output_size: int) -> Solution:
    settings = _settings(layer)
    answers = tuple(input_sizes_for(output_size, settings.pop("kernel_size"), **settings))
    return Solution("input_size", answers, f"i = {_say(answers)}.")


def _settings(text: str) -> dict[str, Any]:
    layer = parse_layer(text if "n=" in text or "pool" in text else f"{text} n=1")
    if not isinstance(layer, Convolution | Pooling) or (isinstance(layer, Convolution) and layer.transposed):
        raise ConfigError(f"Questions are about convolutions and poolings, got '{text}'.")
    if isinstance(layer.padding, str):
        raise ConfigError(f"padding must be a number in a question, got '{layer.padding}'.")
    stride = layer.kernel_size if layer.stride is None else layer.stride
    numbers = {"kernel_size": layer.kernel_size, "stride": stride, "dilation": layer.dilation}
    for name, value in numbers.items():
        if len(set(per_axis(name, value, 2))) > 1:
            raise ConfigError(f"A question is about one axis; {name} differs between rows and columns, got '{text}'.")
    if isinstance(layer, Pooling) and layer.ceil_mode:
        raise ConfigError(f"A question is about sizes that are rounded down; leave out ceil, got '{text}'.")
    sides = padding_per_axis(layer.padding, 2)
    if len(set(sides)) > 1:
        raise ConfigError(f"A question is about one axis; padding differs between rows and columns, got '{text}'.")
    padding = sides[0]
    flat = {name: per_axis(name, value, 2)[0] for name, value in numbers.items()}
    return {**flat, "padding": padding}


def _say_paddings(totals: tuple[int, ...]) -> str:
    even = [f"p = {total // 2} on each side (a total of {total})" for total in totals if total % 2 == 0]
    odd = [f"a total of {total} ({' and '.join(map(str, split_padding(total)))})" for total in totals if total % 2]
    return ", or ".join(even + odd) + "."


def _say(answers: tuple[int, ...]) -> str:
    if len(answers) <= 4:
        return " or ".join(str(answer) for answer in answers)
    return f"{answers[0]} to {answers[-1]}"

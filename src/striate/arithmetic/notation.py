"""Layers written as one writes them on a blackboard: `conv f=7 s=2 p=3 n=64`.

A word says what the layer is; the settings have the symbols of the formulas, or their whole names:

    f kernel_size    s stride    p padding    d dilation    g groups    n out_channels    b bias    q output_padding

One number counts for all axes, `x` stands between axes (`f=3x5`) and a comma between before and after (`p=1,2`, or
`p=1,2x0,3`). `c` means as many as channels come in (`n=c`). Branches are written with their sequences between brackets:
`add(conv f=3 p=1 n=64; relu; conv f=3 p=1 n=64 | )` is a residual block, whose second path hands its input through.
"""

import re
from collections.abc import Callable
from typing import Any, Literal, cast

from striate.arithmetic.checks import text_of
from striate.arithmetic.layer import (
    Activation,
    Axes,
    AxesPadding,
    Branches,
    Convolution,
    Flatten,
    GlobalPooling,
    Layer,
    Linear,
    Pooling,
    PoolingKind,
)
from striate.arithmetic.padding import PADDING_NAMES
from striate.errors import ConfigError, UnknownNameError, nearest

__all__ = ["parse_layer", "parse_layers", "write_layer"]

DEEPEST = 32  # branches within branches; real networks have two or three
_POOLS: dict[str, PoolingKind] = {"max": "max", "min": "min", "avg": "average", "lp": "lp"}


def parse_layer(text: str) -> Layer:
    """One layer from its notation.

    Args:
        text: `conv`, `deconv`, `depthwise`, `fc`, `maxpool`, `minpool`, `avgpool`, `lppool`, `globalmaxpool` (and so
            on), `relu`, `sigmoid`, `tanh`, `flatten`, `add(…)` or `concat(…)`, then the settings. `f` and `n` of a
            convolution, `f` of a pooling and `n` of `fc` must be there; `b=no` and `ceil` may be.

    Raises:
        UnknownNameError: An unknown word or setting; the message names the nearest.
        ConfigError: A setting that is missing, given twice, or whose value its rule forbids.

    >>> parse_layer("maxpool f=3 s=2 p=1")
    Pooling(kind='max', kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False)
    >>> parse_layer("conv f=3x5 n=8 b=no") == parse_layer("conv kernel_size=3x5 out_channels=8 bias=no")
    True
    """
    layers = parse_layers(text_of("layer", text, example="conv f=3 n=8"))
    if len(layers) != 1:
        raise ConfigError(f"One layer must be given, such as 'conv f=3 n=8', got {text!r}.")
    return layers[0]


def parse_layers(text: str) -> tuple[Layer, ...]:
    """A sequence of layers, with `;` between them.

    Raises:
        UnknownNameError: As `parse_layer`.
        ConfigError: As `parse_layer`, or brackets that do not match.

    >>> [type(layer).__name__ for layer in parse_layers("conv f=3 n=8; relu; maxpool f=2")]
    ['Convolution', 'Activation', 'Pooling']
    """
    text = text_of("layers", text, example="conv f=3 n=8; relu")
    return tuple(_parse_one(part) for part in _split(text, ";") if part.strip())


def write_layer(layer: Layer) -> str:
    """The notation of a layer, settings at their defaults left out; `parse_layer` reads it back.

    >>> write_layer(Convolution(out_channels=64, kernel_size=7, stride=2, padding=3))
    'conv f=7 s=2 p=3 n=64'
    >>> write_layer(Branches(paths=((Activation(function="relu"),), ()), join="add"))
    'add(relu | )'
    """
    match layer:
        case Convolution():
            return _write_convolution(layer)
        case Pooling():
            stride = f" s={_write_axes(layer.stride)}" if layer.stride is not None else ""
            word = f"{_pool_word(layer.kind)} f={_write_axes(layer.kernel_size)}{stride}"
            return word + _write_settings(layer.padding, layer.dilation) + (" ceil" if layer.ceil_mode else "")
        case GlobalPooling():
            return f"global{_pool_word(layer.kind)}"
        case Activation():
            return layer.function
        case Flatten():
            return "flatten"
        case Linear():
            return f"fc n={layer.out_features}" + ("" if layer.bias else " b=no")
        case Branches():
            paths = ("; ".join(write_layer(inside) for inside in path) for path in layer.paths)
            return f"{layer.join}({' | '.join(paths)})"


def _write_convolution(layer: Convolution) -> str:
    depthwise = layer.groups is None and not layer.transposed
    words = ["depthwise" if depthwise else "deconv" if layer.transposed else "conv"]
    words.append(f"f={_write_axes(layer.kernel_size)}")
    if layer.stride != 1:
        words.append(f"s={_write_axes(layer.stride)}")
    words[-1] += _write_settings(layer.padding, layer.dilation)
    if layer.output_padding != 0:
        words.append(f"q={_write_axes(layer.output_padding)}")
    if not (depthwise and layer.out_channels is None):
        words.append(f"n={_write_channels(layer.out_channels)}")
    if not depthwise and layer.groups != 1:
        words.append(f"g={_write_channels(layer.groups)}")
    return " ".join(words) + ("" if layer.bias else " b=no")


def _write_settings(padding: AxesPadding, dilation: Axes) -> str:
    text = ""
    if padding != 0:
        sides = padding if isinstance(padding, tuple) else (padding,)
        text += " p=" + "x".join(",".join(map(str, side)) if isinstance(side, tuple) else str(side) for side in sides)
    return text + (f" d={_write_axes(dilation)}" if dilation != 1 else "")


def _write_axes(value: Axes) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _write_channels(value: int | None) -> str:
    return "c" if value is None else str(value)


def _pool_word(kind: PoolingKind) -> str:
    return next(word for word, name in _POOLS.items() if name == kind) + "pool"


# --- reading


def _axes(name: str, text: str) -> Axes:
    parts = re.split("[x×]", text)
    if not all(re.fullmatch("[0-9]{1,18}", part) for part in parts):
        raise ConfigError(f"{name} must be a whole number, or one an axis such as 3x5, {_got(text)}.")
    return tuple(int(part) for part in parts) if len(parts) > 1 else int(parts[0])


def _padding(name: str, text: str) -> AxesPadding:
    if text in PADDING_NAMES:
        return text
    sides = [side.split(",") for side in re.split("[x×]", text)]
    if not all(len(side) in (1, 2) and all(re.fullmatch("[0-9]{1,18}", part) for part in side) for side in sides):
        raise ConfigError(
            f"{name} must be a number per side such as 1, before and after such as 1,2, one an axis such as 1x2, "
            f"or one of {', '.join(PADDING_NAMES)}; got {text!r}."
        )
    numbers = tuple(int(side[0]) if len(side) == 1 else (int(side[0]), int(side[1])) for side in sides)
    return numbers[0] if len(numbers) == 1 and isinstance(numbers[0], int) else numbers


def _channels(name: str, text: str) -> int | None:
    return None if text == "c" else _whole(name, text)


def _whole(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise ConfigError(f"{name} must be a whole number, {_got(text)}.")
    return int(text)


def _got(text: str) -> str:
    """What stands there; of a whole number, what is wrong with it."""
    if re.fullmatch("[-−][0-9]+", text):
        return f"not a negative one, got {text!r}"
    if re.fullmatch("[0-9]{19,}", text):
        return f"of 18 digits at most, got one of {len(text)}"
    return f"got {text!r}"


def _yes_or_no(name: str, text: str) -> bool:
    if text not in ("yes", "no", "true", "false"):
        raise ConfigError(f"{name} must be yes or no, got {text!r}.")
    return text in ("yes", "true")


_Reader = Callable[[str, str], Any]
_WINDOW: dict[str, tuple[str, _Reader]] = {
    "f": ("kernel_size", _axes),
    "s": ("stride", _axes),
    "p": ("padding", _padding),
    "d": ("dilation", _axes),
}
_FILTERS = _WINDOW | {"n": ("out_channels", _channels), "g": ("groups", _channels), "b": ("bias", _yes_or_no)}
_POOLING = _WINDOW | {"ceil": ("ceil_mode", _yes_or_no)}
_FULL: dict[str, tuple[str, _Reader]] = {"n": ("out_features", _whole), "b": ("bias", _yes_or_no)}

# What a word makes: the layer, what is fixed by the word, the settings that it takes, and those that must be there.
_Kind = tuple[Callable[..., Layer], dict[str, Any], dict[str, tuple[str, _Reader]], tuple[str, ...]]
_KINDS: dict[str, _Kind] = {
    "conv": (Convolution, {}, _FILTERS, ("f", "n")),
    "deconv": (Convolution, {"transposed": True}, _FILTERS | {"q": ("output_padding", _axes)}, ("f", "n")),
    "depthwise": (Convolution, {"out_channels": None, "groups": None}, _FILTERS, ("f",)),
    "fc": (Linear, {}, _FULL, ("n",)),
    "flatten": (Flatten, {}, {}, ()),
}
_KINDS |= {f"{word}pool": (Pooling, {"kind": kind}, _POOLING, ("f",)) for word, kind in _POOLS.items()}
_KINDS |= {f"global{word}pool": (GlobalPooling, {"kind": kind}, {}, ()) for word, kind in _POOLS.items()}
_KINDS |= {function: (Activation, {"function": function}, {}, ()) for function in ("relu", "sigmoid", "tanh")}
_MEANINGS = {"f": "the size of the window, such as f=3", "n": "the number of filters or features, such as n=64"}


def _parse_one(text: str) -> Layer:
    text = text.strip()
    join, bracket, inside = text.partition("(")
    if bracket:
        return _parse_branches(join.strip().lower(), inside, text)
    word, *settings = re.sub(r"\s*([=,])\s*", r"\1", text).split()
    if word.lower() not in _KINDS:
        raise UnknownNameError(f"No layer named {word!r}. {nearest(word.lower(), (*_KINDS, 'add(…)', 'concat(…)'))}")
    make, fixed, takes, needs = _KINDS[word.lower()]
    long = {name: (name, read) for name, read in takes.values()}
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if key not in takes and key not in long:
            known = nearest(key, (*takes, *long)) if takes else "It has none."
            raise UnknownNameError(f"{word} has no setting {key!r}, as in {text!r}. {known}")
        name, read = (takes | long)[key]
        if name in values:
            raise ConfigError(f"{key} is given twice in {text!r}; give it once.")
        if not equals and name != "ceil_mode":
            raise ConfigError(f"{key} needs a value in {text!r}, such as {key}=1.")
        values[name] = read(key, value) if equals else True
    for key in needs:
        if takes[key][0] not in values:
            raise ConfigError(f"{word} needs {key}, {_MEANINGS[key]}; got {text!r}.")
    return make(**(fixed | values))


def _parse_branches(join: str, inside: str, text: str) -> Branches:
    if join not in ("add", "concat"):
        raise UnknownNameError(f"No branches named {join!r}, as in {text!r}. {nearest(join, ('add', 'concat'))}")
    if not inside.endswith(")"):
        raise ConfigError(f"Branches must end with their bracket, got {text!r}.")
    paths = tuple(parse_layers(path) for path in _split(inside[:-1], "|"))
    return Branches(paths=paths, join=cast("Literal['add', 'concat']", join))


def _split(text: str, separator: str) -> list[str]:
    """Cut at the separators that stand outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            break
        if depth > DEEPEST:
            raise ConfigError(f"Branches may lie at most {DEEPEST} deep within each other; {text[:40]!r}… has more.")
        if letter == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    if depth:
        raise ConfigError(f"Brackets must match, got {text!r}.")
    return parts

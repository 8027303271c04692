"""A classifier slid over a whole picture: its fully connected layers are convolutions that saw one place only.

A network whose last map is c × h × w at its native size multiplies that map, flattened, with a matrix of k rows. The
same numbers, folded into k kernels of c × h × w, answer at every place of the larger map that a larger picture gives:

    scores[k, y, x] = b[k] + Σ_{c,i,j} W[k, (c, i, j)] · map[c, y + i, x + j]         answer[k] = mean over y, x

Nothing outside of the crop is lost, and the trunk runs once for all places. Networks that end in a global average are
dense as they are: the mean of the scores is the score of the mean.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from striate.errors import ConfigError, StriateError

__all__ = ["Dense", "densify"]

_FLATTENING = {"flatten", "view", "reshape", "squeeze"}
_CAREFUL = {"adaptive_avg_pool2d", "linear"}
_POOLING = {"avg_pool2d", "max_pool2d", "max_pool2d_with_indices"}
_Shape = tuple[int, ...]


class Dense:
    """A module that answers pictures of any size from its native one on; made by `densify`.

    Args:
        module: In evaluation mode.
        shapes: What the calls that care for the size did at the native size.
    """

    def __init__(self, module: nn.Module, shapes: Mapping[tuple[str, int], tuple[_Shape, _Shape]]) -> None:
        self.module = module
        self._shapes = shapes

    def __call__(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """The mean scores over all places, `n k`."""
        with _Sliding(self._shapes):
            return _averaged(self.module(x))


def densify(module: nn.Module, input_shape: tuple[int, int, int], *, name: str = "") -> Dense:
    """The same network for pictures larger than its native size.

    Args:
        module: In evaluation mode: convolutions, then a pooling or a flattening, then fully connected layers, with
            functions of single numbers between them.
        input_shape: The native size, `(channels, height, width)`.
        name: What to call it in an error.

    Raises:
        ConfigError: If the module cannot be slid; the message says what stands in the way.

    Source: Sermanet et al. 2013, arXiv:1312.6229, section 3.5; Simonyan & Zisserman 2014, arXiv:1409.1556, section 3.2
        (the class score map is averaged before the softmax).
    Differs: of the flipped picture no second answer is taken.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 10)).eval()
    >>> densify(net, (3, 8, 8))(torch.zeros(1, 3, 20, 30)).shape
    torch.Size([1, 10])
    """
    what = f"'{name}'" if name else f"this {type(module).__name__}"
    parameter = next(module.parameters(), torch.empty(0))
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, *input_shape, generator=generator).to(parameter)
    with torch.no_grad():
        with _Watching() as watched:
            expected = module(x)
        if not isinstance(expected, Tensor) or expected.ndim not in {2, 4}:
            raise _impossible(what, "it does not answer with one row of scores a picture")
        dense = Dense(module, watched.shapes)
        try:
            found = dense(x)
        except StriateError as error:
            raise _impossible(what, str(error).rstrip(".")) from error
        except RuntimeError as error:
            raise _impossible(what, "what follows its maps reads them as one row of numbers") from error
    expected = _averaged(expected)
    slack = 1e-3 * float(expected.abs().max()) + 1e-6  # of float32 and of reduced precision on a GPU
    if found.shape != expected.shape or not bool((found - expected).abs().max() <= slack):
        raise _impossible(what, "slid over a picture of its native size it does not answer as it does by itself")
    return dense


class _Watching(TorchFunctionMode):
    """Notes what the calls that care for the size get and give."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: dict[tuple[str, int], tuple[_Shape, _Shape]] = {}
        self._calls: Counter[str] = Counter()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the call and note its shapes."""
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in _FLATTENING | _POOLING | _CAREFUL:
            number = self._calls[name]
            self._calls[name] += 1
            if isinstance(args[0], Tensor) and isinstance(result, Tensor):
                self.shapes[name, number] = (tuple(args[0].shape), tuple(result.shape))
        return result


class _Sliding(TorchFunctionMode):
    """Keeps maps as maps: what flattened them is left out, and what multiplied the row convolves."""

    def __init__(self, shapes: Mapping[tuple[str, int], tuple[_Shape, _Shape]]) -> None:
        super().__init__()
        self._shapes = shapes
        self._calls: Counter[str] = Counter()
        self._kernel = (1, 1)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the call, or what stands for it at a larger size."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "linear" and args[0].ndim == 4:
            number = self._calls[name]
            self._calls[name] += 1
            maps = self._linear(*args, **kwargs)
            return maps if (name, number + 1) in self._shapes else _averaged(maps)  # the last one gives the scores
        if name in _FLATTENING | _POOLING | _CAREFUL:
            number = self._calls[name]
            self._calls[name] += 1
            before, after = self._shapes.get((name, number), ((), ()))
            x = args[0]
            if name in _FLATTENING:
                flattens = len(before) == 4 and len(after) == 2 and before[1] * before[2] * before[3] == after[1]
                if flattens and not before[2:] == x.shape[2:] == (1, 1):
                    self._kernel = (before[2], before[3])
                    return x
            elif name == "adaptive_avg_pool2d" and after[2:] != (1, 1):  # a global average stays one
                return _adaptive(x, before, after)
            elif (
                name in _POOLING and after[2:] == (1, 1) and before[2:] != (1, 1)
            ):  # one window at the native size: slide it
                pool = F.max_pool2d if name.startswith("max") else F.avg_pool2d
                return pool(x, before[2:], stride=1)
        return func(*args, **kwargs)

    def _linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # noqa: A002 - torch's name
        h, w = self._kernel
        self._kernel = (1, 1)
        return F.conv2d(input, weight.view(weight.shape[0], input.shape[1], h, w), bias)


def _adaptive(x: Tensor, before: _Shape, after: _Shape) -> Tensor:
    if before[2:] == after[2:]:
        return x  # at the native size it changes nothing
    ratios = [b // a for b, a in zip(before[2:], after[2:], strict=True) if b % a == 0]
    if len(ratios) != 2:
        raise ConfigError(f"its adaptive pooling makes {before[2:]} to {after[2:]}, with windows of different sizes")
    return F.avg_pool2d(x, ratios, stride=ratios)


def _averaged(scores: Tensor) -> Tensor:
    return scores.mean(dim=(2, 3)) if scores.ndim == 4 else scores  # n k h w → n k


def _impossible(what: str, why: str) -> ConfigError:
    return ConfigError(f"{what} cannot be slid over a whole picture: {why}. Use the view 'center' or 'ten-crop'.")

"""How much is added around an input: by number, or by what it is for.

`valid` adds nothing, so that every window lies on real pixels. `same` adds so much that the output has ⌈i/s⌉ places: as
many as the input at stride 1. `full` adds d(f - 1) a side, so that every window that touches a pixel counts.

Two conventions are in use for a padding p of one number: p on each side (PyTorch, and everywhere here), or p in total,
⌈p/2⌉ on one side and ⌊p/2⌋ on the other. Who puts the larger half where: TensorFlow, ONNX `SAME_UPPER` and PyTorch's
`padding="same"` after; ONNX `SAME_LOWER` (and Caffe2's `SAME_LOWER`) before; the textbook Zhang et al. 2023, "Dive into
Deep Learning", section 7.3, before ("on the top").
"""

from typing import Literal, NamedTuple, SupportsIndex, cast

from striate.arithmetic.numbers import whole
from striate.errors import ConfigError, nearest

__all__ = ["PADDING_NAMES", "Padding", "PaddingSpec", "reach", "resolve_padding", "split_padding"]

PaddingName = Literal["valid", "same", "same_lower", "full"]
PaddingSpec = int | tuple[int, int] | str
"""One number for each side, (before, after), or one of `PADDING_NAMES`."""
PADDING_NAMES = ("valid", "same", "same_lower", "full")


class Padding(NamedTuple):
    """Places added before the first and after the last of one axis."""

    before: int
    after: int

    @property
    def total(self) -> int:
        """Both sides together."""
        return self.before + self.after


def split_padding(total: int, *, larger: Literal["before", "after"] = "before") -> Padding:
    """A total as ⌈p/2⌉ on one side and ⌊p/2⌋ on the other.

    Args:
        total: Places added in all (the p of "if p is odd").
        larger: The side that gets ⌈p/2⌉.

    Raises:
        ConfigError: A negative total, or another side.

    >>> split_padding(5), split_padding(5, larger="after")
    (Padding(before=3, after=2), Padding(before=2, after=3))
    """
    if larger not in ("before", "after"):
        raise ConfigError(f"larger must be 'before' or 'after', got {larger!r}.")
    half, odd = divmod(whole("total", total, at_least=0), 2)
    return Padding(half + odd, half) if larger == "before" else Padding(half, half + odd)


def reach(kernel_size: int, dilation: int) -> int:
    """From the first tap of a filter to its last: d(f - 1)."""
    return dilation * (kernel_size - 1)


def resolve_padding(
    padding: PaddingSpec, *, input_size: int, kernel_size: int, stride: int = 1, dilation: int = 1
) -> Padding:
    """The padding of one axis in numbers, however it was given.

    Raises:
        ConfigError: An unknown name, or a number below 0.

    >>> resolve_padding("same", input_size=7, kernel_size=3)
    Padding(before=1, after=1)
    >>> resolve_padding("same", input_size=224, kernel_size=3, stride=2)
    Padding(before=0, after=1)
    >>> resolve_padding("full", input_size=7, kernel_size=3, dilation=2)
    Padding(before=4, after=4)
    """
    if isinstance(padding, str):
        if padding not in PADDING_NAMES:
            raise ConfigError(f"padding has no choice {padding!r}. {nearest(padding, PADDING_NAMES)}")
        far = reach(whole("kernel_size", kernel_size, at_least=1), whole("dilation", dilation, at_least=1))
        if padding == "valid":
            return Padding(0, 0)
        if padding == "full":
            return Padding(far, far)
        step, size = whole("stride", stride, at_least=1), whole("input_size", input_size, at_least=1)
        outputs = -(-size // step)
        total = max((outputs - 1) * step + far + 1 - size, 0)
        return split_padding(total, larger="after" if padding == "same" else "before")
    if isinstance(padding, tuple):
        if len(padding) != 2:
            raise ConfigError(f"padding of one axis must be one number or (before, after), got {padding!r}.")
        before, after = (whole("padding", p, at_least=0) for p in padding)
        return Padding(before, after)
    each = whole("padding", cast("SupportsIndex", padding), at_least=0)
    return Padding(each, each)

"""A layer's settings in a few words, for tables and cards."""

from torch import nn

__all__ = ["describe"]


def describe(module: nn.Module) -> str:
    """The settings of one layer in words; empty for a container.

    >>> describe(nn.Conv2d(64, 128, 3, stride=2, padding=1, groups=2))
    '3×3, 64 → 128, stride 2, padding 1, groups 2'
    >>> describe(nn.ConvTranspose2d(8, 4, 3, stride=2, output_padding=1))
    '3×3, 8 → 4, stride 2, output padding 1'
    >>> describe(nn.MaxPool2d(3, stride=2, dilation=2, ceil_mode=True))
    '3×3, stride 2, dilation 2, ceil mode'
    >>> describe(nn.Linear(4096, 1000))
    '4096 → 1000'
    """
    if isinstance(module, nn.modules.conv._ConvNd):
        words = [_window(module.kernel_size), f"{module.in_channels} → {module.out_channels}"]
        words += _unless(module.stride, 1, "stride")
        words += (
            [f"padding {module.padding}"] if isinstance(module.padding, str) else _unless(module.padding, 0, "padding")
        )
        words += _unless(module.output_padding, 0, "output padding")
        words += _unless(module.dilation, 1, "dilation")
        if module.groups > 1:
            words.append("depthwise" if module.groups == module.in_channels else f"groups {module.groups}")
        return ", ".join(words)
    if isinstance(module, nn.Linear):
        return f"{module.in_features} → {module.out_features}"
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        words = [
            _window(module.kernel_size),
            *_unless(module.stride, 1, "stride"),
            *_unless(module.padding, 0, "padding"),
            *(_unless(module.dilation, 1, "dilation") if isinstance(module, nn.MaxPool2d) else []),
        ]
        return ", ".join(words + (["ceil mode"] if module.ceil_mode else []))
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return f"to {_window(module.output_size)}"
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return f"{module.num_features} channels, eps {module.eps:g}"
    if isinstance(module, nn.LocalResponseNorm):
        return f"n {module.size}, k {module.k:g}, α {module.alpha:g}, β {module.beta:g}"
    if isinstance(module, nn.Dropout):
        return f"p {module.p:g}"
    # A layer of somebody's own says what it likes to be known by; a container has its rows.
    return "" if next(module.children(), None) is not None else module.extra_repr()


def _window(size: object) -> str:
    return "×".join(str(n) for n in (size if isinstance(size, tuple) else (size, size)))


def _unless(value: object, plain: int, name: str) -> list[str]:
    numbers = value if isinstance(value, tuple) else (value,)
    if all(n == plain for n in numbers):
        return []
    return [f"{name} " + (str(numbers[0]) if len(set(numbers)) == 1 else "×".join(str(n) for n in numbers))]

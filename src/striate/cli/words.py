"""Numbers as people read them in a terminal, and commands as they can paste them into one."""

import os
import shlex
from pathlib import Path

__all__ = [
    "BOX_MODEL",
    "DEFAULT_NETWORK",
    "command",
    "count",
    "giga",
    "network_flag",
    "percent",
    "rate_words",
    "score_words",
    "shape",
]

DEFAULT_NETWORK = "efficientnet_lite0"
BOX_MODEL = "faster_rcnn"
"""What a command that comes next names where pictures have boxes."""


def command(*words: str | Path) -> str:
    r"""A command to copy, whatever is in its words; a path is never taken for an option.

    What cannot be printed is quoted as bash, zsh and POSIX 2024 do it.

    >>> print(command("striate", "explain", Path("it's a cat.jpg")), command("striate", "explain", Path("-x.jpg")))
    striate explain 'it'"'"'s a cat.jpg' striate explain ./-x.jpg
    >>> print(command("striate", "explain", Path("a\nb.jpg")))
    striate explain $'a\012b.jpg'
    """
    return " ".join(_quoted(f"./{w}" if isinstance(w, Path) and str(w).startswith("-") else str(w)) for w in words)


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    safe = set(range(0x20, 0x7F)) - {ord("'"), ord("\\")}
    letters = (chr(byte) if byte in safe else f"\\{byte:03o}" for byte in os.fsencode(word))
    return f"$'{''.join(letters)}'"


def network_flag(network: str) -> list[str]:
    """The words by which a command goes on with a network; none for the one that it takes by itself.

    >>> network_flag("efficientnet_lite0"), network_flag("vgg16")
    ([], ['--network', 'vgg16'])
    """
    return [] if network == DEFAULT_NETWORK else ["--network", network]


def percent(probability: float) -> str:
    """A probability with one digit; what is not certain never reads as certain.

    >>> percent(0.7712), percent(0.99999), percent(1.0), percent(0.0001)
    ('77.1 %', '>99.9 %', '100.0 %', '<0.1 %')
    """
    if 0.9995 <= probability < 1:
        return ">99.9 %"
    if 0 < probability < 0.0005:
        return "<0.1 %"
    return f"{100 * probability:.1f} %"


def rate_words(per_second: float) -> str:
    """So many a second; slow ones with a digit more.

    >>> rate_words(1216.4), rate_words(7.84)
    ('1,216', '7.8')
    """
    return f"{per_second:,.0f}" if per_second >= 20 else f"{per_second:.1f}"


def score_words(value: float, score: str) -> str:
    """A score of a run, by its name in the run's status.

    >>> score_words(0.912, "top1"), score_words(0.8127, "map50")
    ('91.2 %', 'mAP@.5 .813')
    """
    return f"mAP@.5 {value:.3f}".replace(" 0.", " .") if score == "map50" else percent(value)


def count(number: int) -> str:
    """A large number of parameters, short.

    >>> count(25_557_032), count(4_652_008), count(61_706)
    ('25.6 M', '4.65 M', '61.7 k')
    """
    for unit, step in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= step:
            return f"{number / step:.3g} {unit}"
    return str(number)


def giga(macs: int) -> str:
    """Multiply-adds in units of 10^9.

    >>> giga(4_089_184_256), giga(416_520)
    ('4.09', '0.00042')
    """
    value = macs / 10**9
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def shape(sizes: tuple[int, ...]) -> str:
    """A shape as `3×224×224`."""
    return "×".join(str(n) for n in sizes)

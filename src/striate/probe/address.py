"""The address of a unit: one string that means the same in Python, on the command line, in a report and in a URL.

features.3              a layer: every channel, every position
features.3:17           one channel of it (one feature map, or one neuron of a fully connected layer)
features.3:17@4,5       one unit: channel 17 at row 4, column 5
layer1.0.relu#2         the second call of a module that is used more than once in a pass
"""

import re
from dataclasses import dataclass

from striate.errors import ConfigError

__all__ = ["UnitAddress"]

_PATTERN = re.compile(
    r"(?P<layer>[A-Za-z0-9_][A-Za-z0-9_.]*(?:#[1-9][0-9]*)?)(?::(?P<channel>\d+)(?:@(?P<y>\d+),(?P<x>\d+))?)?"
)


@dataclass(frozen=True, slots=True)
class UnitAddress:
    """A layer, a channel of it, or one unit.

    Attributes:
        layer: The module's path as in `named_modules()`, with `#2` for its second call in one pass.
        channel: Index along the channel axis, or None for the whole layer.
        position: `(y, x)` of one unit in the channel's map, or None for the whole map.
    """

    layer: str
    channel: int | None = None
    position: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str) -> "UnitAddress":
        """Read an address.

        >>> UnitAddress.parse("layer1.0.conv1:17@4,5")
        UnitAddress(layer='layer1.0.conv1', channel=17, position=(4, 5))

        Raises:
            ConfigError: The text is not an address.
        """
        match = _PATTERN.fullmatch(text.strip())
        if match is None:
            raise ConfigError(
                f"unit address must look like 'layer', 'layer:channel' or 'layer:channel@y,x'; got {text!r}. "
                "Example: 'features.3:17@4,5'."
            )
        channel, y, x = match["channel"], match["y"], match["x"]
        return cls(
            match["layer"],
            None if channel is None else int(channel),
            None if y is None else (int(y), int(x)),
        )

    def __str__(self) -> str:
        text = self.layer
        if self.channel is not None:
            text += f":{self.channel}"
        if self.position is not None:
            text += f"@{self.position[0]},{self.position[1]}"
        return text

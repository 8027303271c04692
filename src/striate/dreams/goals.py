"""What a dream is to show more of, as a person says it: layers, channels, units and classes, with weights.

    blocks.4                          a layer: more of all that it sees
    blocks.4:17                       a channel; blocks.4:17@3,5 one unit of it
    tabby cat, #281                   a class, by its name or number
    blocks.4,blocks.2:7=0.5           a mixture

Weights are shares of the step: each goal's gradient is first divided by its own mean absolute value, at the start of
every octave. Without that, the layer with the largest numbers would win, whatever the weights say.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from striate.dreams import objectives
from striate.dreams.objectives import Objective
from striate.errors import ConfigError, ShapeError, UnknownNameError
from striate.models import Network
from striate.probe import UnitAddress, require_layer, summary

__all__ = ["DreamTarget", "Goal", "default_layer", "read_goals"]

DreamTarget = int | str | UnitAddress | Objective

# One goal of a mixture: a name, perhaps a place (which has a comma of its own), perhaps a weight.
_GOAL = re.compile(r"\s*(?P<name>[^,=]+?(?:@\d+\s*,\s*\d+)?)\s*(?:=\s*(?P<weight>[^,=\s]+)\s*)?(?:,|$)")


@dataclass(frozen=True, eq=False)
class Goal:
    """One thing to show more of.

    Attributes:
        name: For people and for saved settings; `read_goals` reads it again.
        objective: What it is as a number.
        weight: Its share; below 0 for less of it.
        layer: The path of a whole layer, which a guide can be used with; empty for anything else.
    """

    name: str
    objective: Objective
    weight: float = 1.0
    layer: str = ""


def read_goals(
    network: Network | nn.Module,
    target: DreamTarget | Sequence[DreamTarget] | Mapping[str, float] | None,
    *,
    size: tuple[int, int] = (224, 224),
    channels: int = 3,
) -> tuple[Goal, ...]:
    """Goals from words.

    Args:
        network: Its layers and labels are what can be named.
        target: One or several of: text as above (text that is a layer's path is that layer, else a label that the
            network knows, else a unit's address), a class index, an address, an `Objective`; or names with weights.
            None for `default_layer`.
        size: `(h, w)` at which a plain module's layers are listed for the default.
        channels: Of its pictures.

    Raises:
        UnknownNameError: No such layer or label; the message names the nearest.
        ConfigError: No goal, a weight that is no number other than 0, or an index for a module without classes.
    """
    if target is None:
        target = default_layer(network, size=size, channels=channels)
    if isinstance(target, Mapping):
        goals = [goal for name, weight in target.items() for goal in _read(network, name, weight)]
    elif isinstance(target, str | int | UnitAddress | Objective):
        goals = _read(network, target, None)
    else:
        goals = [goal for item in target for goal in _read(network, item, None)]
    if not goals:
        raise ConfigError("target must name at least one layer, channel, unit or class; got none.")
    return tuple(goals)


def default_layer(network: Network | nn.Module, *, size: tuple[int, int] = (224, 224), channels: int = 3) -> str:
    """Where dreams have shapes, and not only strokes: the end of the stage at two thirds of the depth.

    Stages are runs of layers at one spatial size, as `striate inspect` lists them, those without places left out: block
    4 of EfficientNet-Lite0, `inception4e` of GoogLeNet, `layer3` of ResNets, `features.22` of VGG-16.

    Raises:
        ConfigError: No layer answers a map.
    """
    table = network.summary() if isinstance(network, Network) else summary(network, (channels, *size))
    maps = [stage for stage in table.stages if len(stage.output_shape) == 4 and max(stage.output_shape[2:]) > 1]
    if not maps:
        raise ConfigError("the network has no layer that answers maps; name a class or a unit as the target.")
    return maps[round(2 / 3 * (len(maps) - 1))].address


def _read(network: Network | nn.Module, item: DreamTarget, weight: float | None) -> list[Goal]:
    if isinstance(item, str):
        whole = _find(network, item.strip()) if "=" not in item else None
        if whole is not None:
            return [_weighted(whole, 1.0 if weight is None else weight)]
        return [_weighted(goal, number) for goal, number in _split(network, item, weight)]
    if isinstance(item, bool) or not isinstance(item, int | UnitAddress | Objective):
        raise ConfigError(f"target must be a layer, a unit's address, a class or an Objective; got {item!r}.")
    number = 1.0 if weight is None else weight
    if isinstance(item, Objective):
        return [_weighted(Goal(item.name, item), number)]
    if isinstance(item, UnitAddress):
        return [_weighted(_unit(network, item), number)]
    return [_weighted(_class(network, item), number)]


def _split(network: Network | nn.Module, text: str, weight: float | None) -> list[tuple[Goal, float]]:
    found, end = [], 0
    while end < len(text):
        match = _GOAL.match(text, end)
        if match is None:
            raise ConfigError(
                f"target must be names with commas between and weights after '=', such as 'blocks.4,blocks.2:7=0.5'; "
                f"got {text!r}."
            )
        end = match.end()
        goal = _find(network, match["name"])
        if goal is None:
            raise _unknown(network, match["name"])
        found.append((goal, (1.0 if weight is None else weight) * _number(match["weight"], match["name"])))
    return found


def _number(text: str | None, name: str) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        raise ConfigError(f"the weight of '{name}' must be a number; got {text!r}.") from None


def _weighted(goal: Goal, weight: float) -> Goal:
    if not math.isfinite(weight) or not weight:
        raise ConfigError(f"the weight of '{goal.name}' must be a finite number other than 0; got {weight:g}.")
    return Goal(goal.name, goal.objective, weight, goal.layer)


def _find(network: Network | nn.Module, text: str) -> Goal | None:
    """The goal that a name stands for, or None where it stands for nothing."""
    module = network.module if isinstance(network, Network) else network
    paths = {path for path, _ in module.named_modules() if path}
    if text.partition("#")[0] in paths:
        return _unit(network, UnitAddress.parse(text))
    labels = network.labels if isinstance(network, Network) else None
    if labels:
        try:
            return _class(network, labels.find(text))
        except UnknownNameError as error:
            if " classes: " in str(error) and ":" not in text:  # a word of several names: theirs to choose
                raise
    elif re.fullmatch(r"#?\d+", text):
        return _class(network, int(text.removeprefix("#")))
    if _is_address(text) and UnitAddress.parse(text).layer.partition("#")[0] in paths:
        return _unit(network, UnitAddress.parse(text))
    return None


def _unknown(network: Network | nn.Module, text: str) -> Exception:
    module = network.module if isinstance(network, Network) else network
    labels = network.labels if isinstance(network, Network) else None
    found: list[str] = []
    if labels and not (_is_address(text) and re.search(r"[.:#]", text)):
        try:
            labels.find(text)
        except UnknownNameError as error:
            found.append(str(error))
    if _is_address(text):
        try:
            require_layer(module, UnitAddress.parse(text).layer.partition("#")[0])
        except UnknownNameError as error:
            found.append(str(error))
    if found:
        return UnknownNameError(" ".join(found))
    return ConfigError(f"target must be a layer, a unit's address such as 'features.3:17', or a class; got {text!r}.")


def _is_address(text: str) -> bool:
    try:
        UnitAddress.parse(text)
    except ConfigError:
        return False
    return True


def _unit(network: Network | nn.Module, address: UnitAddress) -> Goal:
    require_layer(network.module if isinstance(network, Network) else network, address.layer.partition("#")[0])
    return Goal(str(address), objectives.unit(address), layer=address.layer if address.channel is None else "")


def _class(network: Network | nn.Module, index: int) -> Goal:
    if index < 0:
        raise ConfigError(f"a class index must be 0 or more; got {index}.")
    if isinstance(network, Network):
        if not network.labels:
            raise ShapeError(f"'{network.name}' ends at its features and has no classes; name a layer or a unit.")
        index = network.labels.find(index)
    return Goal(f"#{index}", objectives.logit(index))

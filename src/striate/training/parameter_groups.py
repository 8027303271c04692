"""Which weights learn, and how fast: stages from the picture to the answer, frozen ones, slower ones.

A network that was trained on a million photos has edges and textures in its first stages that need no change, while its
classifier starts afresh. So the rate may fall from stage to stage towards the picture ("discriminative" rates: Howard
and Ruder 2018, arXiv:1801.06146), or the first stages stay as they are. Biases and normalizations are not decayed
(He et al. 2018, arXiv:1812.01187, section 3.1).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from striate.errors import ConfigError, UnknownNameError, nearest

__all__ = ["Stage", "freeze", "keep_frozen_still", "parameter_groups", "stages_of"]


@dataclass(frozen=True, slots=True)
class Stage:
    """Some layers that lie behind one another.

    Attributes:
        name: Path of the module.
        parameters: Names of its weights, in order.
        is_classifier: Whether its size follows the number of classes.
    """

    name: str
    parameters: tuple[str, ...]
    is_classifier: bool


def stages_of(module: nn.Module, *, classifier: Sequence[str]) -> list[Stage]:
    """The stages of a network from the picture to the answer, as its modules are listed.

    A stage is a child of the network, or a child of a child that is a row of layers (`features.3`, `layer2.0`). A
    module with `holds_stages`, such as the trunk of a detector, counts as the network does: its children are asked.

    Args:
        module: The network.
        classifier: Paths of its last layers, as in the catalogue.
    """
    found: dict[str, list[str]] = {}
    for name, _ in module.named_parameters():
        found.setdefault(_stage_of(module, name), []).append(name)
    heads = tuple(f"{path}." for path in classifier)
    stages = [
        Stage(name, tuple(names), any(parameter.startswith(heads) for parameter in names))
        for name, names in found.items()
    ]
    return sorted(stages, key=lambda stage: stage.is_classifier)  # stable: only the classifier moves behind the rest


def freeze(module: nn.Module, stages: Sequence[Stage], until: str, *, always: Collection[str] = ()) -> list[str]:
    """Let stages stay as they are; gives the names of the frozen ones.

    Args:
        module: The network, whose weights want gradients afterwards exactly if they are not frozen.
        stages: Of the network.
        until: `none`, `trunk` (all but the classifier), or a layer: its stage and those before it.
        always: Names of weights that never learn, whatever is asked for.

    Raises:
        UnknownNameError: If there is no such layer.
        ConfigError: If nothing is left to learn.
    """
    names = [stage.name for stage in stages]
    if until == "none":
        frozen = []
    elif until == "trunk":
        frozen = [stage.name for stage in stages if not stage.is_classifier]
    else:
        frozen = names[: _last_stage(module, names, until) + 1]
    if len(frozen) == len(stages):
        way_out = "name a layer" if until == "trunk" else "name an earlier layer, or 'trunk'"
        raise ConfigError(f"freeze '{until}' (or head_epochs) leaves nothing to learn; {way_out}.")
    still = {name for stage in stages if stage.name in frozen for name in stage.parameters} | set(always)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in still)
    return frozen


def keep_frozen_still(module: nn.Module) -> None:
    """Put modules without a learning weight into evaluation mode: the statistics of a frozen normalization stay too."""
    for part in module.modules():
        own = list(part.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            part.eval()


def parameter_groups(
    module: nn.Module, stages: Sequence[Stage], *, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """The learning weights in groups for an optimizer: each with its decay and `scale`, its share of the rate."""
    depth = {name: len(stages) - 1 - i for i, stage in enumerate(stages) for name in stage.parameters}
    undecayed = set(_without_decay(module))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            decay = 0.0 if name in undecayed else weight_decay
            groups.setdefault((layer_decay ** depth[name], decay), []).append(parameter)
    return [{"params": params, "scale": scale, "weight_decay": decay} for (scale, decay), params in groups.items()]


def _last_stage(module: nn.Module, names: Sequence[str], until: str) -> int:
    """The number of the stage that ends with this layer; -1 where no weight lies before it."""
    inside = [i for i, name in enumerate(names) if f"{until}.".startswith(f"{name}.") or name.startswith(f"{until}.")]
    if inside:  # `features` stands for all of `features.0`, `features.3`, …
        return max(inside)
    paths = [path for path, _ in module.named_modules() if path]
    if until not in paths:
        known = ["trunk", "none", *dict.fromkeys(path for path in paths if path in names or "." not in path)]
        raise UnknownNameError(f"No layer named '{until}' to freeze. {nearest(until, known)}")
    before = paths[: paths.index(until)]  # a layer without weights: the stages before it
    return max((i for i, name in enumerate(names) if name in before), default=-1)


def _without_decay(module: nn.Module) -> Iterator[str]:
    for name, parameter in module.named_parameters():
        if parameter.ndim <= 1:
            yield name


def _stage_of(module: nn.Module, parameter: str) -> str:
    words = parameter.split(".")[:-1]
    path = words[:1]
    part: nn.Module = module
    is_link = False  # of a row of layers
    for word in words[:-1]:
        part = part.get_submodule(word)
        is_row = isinstance(part, nn.Sequential | nn.ModuleList)
        if is_link or not (is_row or getattr(part, "holds_stages", False)):
            break
        path = words[: len(path) + 1]
        is_link = is_row
    return ".".join(path)

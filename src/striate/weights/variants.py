"""Which network a weight file belongs to, when its names and shapes alone do not tell.

ResNet-50 of the paper (stride in the 1×1 convolution) and of torchvision (in the 3×3) have the same names and shapes:
the weights of one load into the other without an error, and answer worse. So what a file *is* must be known: from its
own metadata, from its hash, or, if only one network of the catalogue fits, from its shapes. Otherwise the user says it
once, with `striate weights import`, and the file carries that from then on.

This floor does not know the catalogue. The floor above describes its networks as `Blueprint`s.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from torch import Tensor, nn

from striate.data import Labels, Preprocessing
from striate.errors import UnknownNameError, WeightsError
from striate.weights.files import LoadedWeights
from striate.weights.record import WeightRecord
from striate.weights.records import foreign_file

__all__ = ["Blueprint", "Blueprints", "Identity", "Shapes", "companions", "identify", "look_like", "shapes_of"]

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

_COUNTER = "num_batches_tracked"  # of batch normalization; old files do not have it, and inference does not use it


@dataclass(frozen=True)
class Blueprint:
    """Names and shapes of the tensors of one network of the catalogue.

    Attributes:
        name: The catalogue's name.
        shapes: The shape of every tensor of its `state_dict`.
        variant: One line: which graph exactly.
        classifier: Paths of the modules whose size depends on the number of classes.
        first_conv: Path of the convolution that sees the image.
    """

    name: str
    shapes: Shapes = field(hash=False)
    variant: str = ""
    classifier: tuple[str, ...] = ()
    first_conv: str | None = None

    @classmethod
    def of(
        cls,
        name: str,
        module: nn.Module,
        *,
        variant: str = "",
        classifier: Iterable[str] = (),
        first_conv: str | None = None,
    ) -> "Blueprint":
        """The blueprint of a module, which may lie on the meta device."""
        return cls(name, shapes_of(module.state_dict()), variant, tuple(classifier), first_conv)

    def fits(self, shapes: Shapes) -> bool:
        """Whether tensors of these shapes belong here, for any number of classes and of input channels."""
        return not self.differences(shapes, limit=1)

    def differences(self, shapes: Shapes, *, limit: int = 3) -> list[str]:
        """The first differences, in words; empty where the tensors belong here."""
        found = []
        for name, expected in self.shapes.items():
            if name not in shapes:
                if not name.endswith(_COUNTER):
                    found.append(f"'{name}' is missing")
            elif self._free(name, shapes[name]) != self._free(name, expected):
                found.append(f"'{name}' has shape {shapes[name]} where {expected} is expected")
        found += [f"'{name}' is unknown" for name in shapes if name not in self.shapes]
        return found[:limit]

    def misfit(self, shapes: Shapes, *, preprocessing: Preprocessing | None, labels: Labels | None) -> str:
        """Why tensors that fit cannot be used with these companions, as the rest of a sentence; empty if they can."""
        classes, channels = self.num_classes(shapes), self.in_channels(shapes)
        if classes == 0 or channels == 0:
            return "holds weights for no classes" if classes == 0 else "holds weights for no image channels"
        if labels is not None and classes is not None and len(labels) != classes:
            return f"has {classes} classes, but {len(labels)} labels were given"
        if preprocessing is not None and channels is not None and len(preprocessing.channels) != channels:
            return f"takes {channels} image channels, but its preprocessing gives {preprocessing.channels}"
        return ""

    def is_classifier(self, name: str) -> bool:
        """Whether the tensor belongs to a layer whose size depends on the number of classes."""
        return name.rpartition(".")[0] in self.classifier

    def is_first_conv(self, name: str) -> bool:
        """Whether the tensor is the kernel that sees the image."""
        return self.first_conv is not None and name == f"{self.first_conv}.weight"

    def num_classes(self, shapes: Shapes) -> int | None:
        """Number of classes of tensors that fit, or None where the network has no classifier."""
        return next((shapes[name][0] for name in shapes if self.is_classifier(name) and shapes[name]), None)

    def in_channels(self, shapes: Shapes) -> int | None:
        """Number of channels of the images of tensors that fit, or None where no first convolution is named."""
        return next((shapes[name][1] for name in shapes if self.is_first_conv(name)), None)

    def _free(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape without the lengths that a user may choose."""
        if self.is_classifier(name):
            return (-1, *shape[1:])
        if self.is_first_conv(name) and len(shape) == 4:
            return (shape[0], -1, *shape[2:])
        return shape


# Networks to compare with, or a function that gives those of some names, or of the whole catalogue for None.
Blueprints: TypeAlias = Iterable[Blueprint] | Callable[[list[str] | None], Iterable[Blueprint]]


@dataclass(frozen=True)
class Identity:
    """What a weight file is.

    Attributes:
        architecture: The catalogue's name of the network.
        evidence: How that is known: the file's own `metadata`, its `known hash`, or that it is the `only fit`.
        num_classes: Of the file, or None where the network has no classifier.
        in_channels: Of the file, or None where that is not known.
        preprocessing: What the weights were trained with, or None where that is not known: then it must not be guessed.
        labels: The classes, or None where they are not known.
        record: The weight record of the file's hash, if it has one.
    """

    architecture: str
    evidence: Literal["metadata", "known hash", "only fit"]
    num_classes: int | None
    in_channels: int | None
    preprocessing: Preprocessing | None
    labels: Labels | None
    record: WeightRecord | None


def identify(loaded: LoadedWeights, blueprints: Blueprints, *, wanted: str | None = None) -> Identity:
    """Tell which network a file belongs to.

    Args:
        loaded: The file.
        blueprints: The networks it may belong to, or a function that gives them: it is asked for one name where the
            file's metadata or its hash say which, which is a matter of milliseconds, and for all where nothing does.
        wanted: The network that the user named, if any.

    Raises:
        WeightsError: If the file belongs to another network than `wanted`, to none, or to more than one.
    """
    foreign = foreign_file(loaded.sha256)
    if foreign is not None:
        raise WeightsError(
            f"{loaded.path} is {foreign.file}, which must not be loaded as {foreign.fits}: {foreign.reason}."
        )
    shapes = shapes_of(loaded.state)
    if loaded.metadata is not None:
        evidence: Literal["metadata", "known hash", "only fit"] = "metadata"
        blueprint = _named(loaded.metadata.architecture, blueprints, loaded)
    elif loaded.record is not None:
        evidence, blueprint = "known hash", _named(loaded.record.architecture, blueprints, loaded)
    else:
        evidence, blueprint = "only fit", _only_fit(loaded, shapes, _all(blueprints))
    if wanted is not None and wanted != blueprint.name:
        raise WeightsError(
            f"{loaded.path} holds weights of {blueprint.name} ({_because(evidence)}), not of {wanted}"
            + (f"; {blueprint.name} is: {blueprint.variant}." if blueprint.variant else ".")
        )
    problems = blueprint.differences(shapes)
    if problems:
        raise WeightsError(f"{loaded.path} should hold {blueprint.name} ({_because(evidence)}), but {problems[0]}.")
    preprocessing, labels = companions(loaded)
    said = loaded.metadata  # a record's facts are ours, a file's are anybody's
    problem = blueprint.misfit(
        shapes,
        preprocessing=None if said is None else said.preprocessing,
        labels=None if said is None else said.labels,
    )
    if problem:
        raise WeightsError(f"{loaded.path} {problem}.")
    return Identity(
        architecture=blueprint.name,
        evidence=evidence,
        num_classes=blueprint.num_classes(shapes),
        in_channels=blueprint.in_channels(shapes),
        preprocessing=preprocessing,
        labels=labels,
        record=loaded.record,
    )


def look_like(shapes: Shapes, blueprints: Blueprints) -> str:
    """The networks whose tensors these are, or the nearest one and how it differs, as a sentence; may be empty."""
    known = _all(blueprints)
    fitting = [blueprint.name for blueprint in known if blueprint.fits(shapes)]
    if fitting:
        return f"These look like weights of {' or '.join(fitting)}."
    names = set(shapes)
    nearest = max(known, key=lambda b: _overlap(names, set(b.shapes)), default=None)
    if nearest is None or _overlap(names, set(nearest.shapes)) < 0.5:
        return ""
    return f"The nearest network is {nearest.name}, where {nearest.differences(shapes)[0]}."


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Name → shape."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _all(blueprints: Blueprints) -> list[Blueprint]:
    return list(blueprints(None) if callable(blueprints) else blueprints)


def _named(name: str, blueprints: Blueprints, loaded: LoadedWeights) -> Blueprint:
    try:
        known = blueprints([name]) if callable(blueprints) else blueprints
        return next(blueprint for blueprint in known if blueprint.name == name)
    except (UnknownNameError, StopIteration):
        raise WeightsError(
            f"{loaded.path} holds weights of '{name}', a network that this version does not have."
        ) from None


def _only_fit(loaded: LoadedWeights, shapes: Shapes, known: list[Blueprint]) -> Blueprint:
    fitting = [blueprint for blueprint in known if blueprint.fits(shapes)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        first = ", ".join(f"'{name}'" for name in list(shapes)[:3])
        raise WeightsError(
            f"{loaded.path} fits no network of the catalogue (its first tensors are {first}). "
            f"{look_like(shapes, known)}".rstrip()
        )
    choices = "; ".join(f"{blueprint.name}: {blueprint.variant}" for blueprint in fitting)
    raise WeightsError(
        f"{loaded.path} fits {len(fitting)} networks that only differ in their graph ({choices}). Say which one it was "
        f"trained as: striate weights import {loaded.path} --variant {'|'.join(b.name for b in fitting)}"
    )


def _because(evidence: str) -> str:
    return {
        "metadata": "its own metadata says so",
        "known hash": "its SHA-256 is known",
        "only fit": "no other network has its tensors",
    }[evidence]


def companions(loaded: LoadedWeights) -> tuple[Preprocessing | None, Labels | None]:
    """The preprocessing and the labels that a file's metadata or its known hash tell, where they do."""
    if loaded.metadata is not None:
        return loaded.metadata.preprocessing, loaded.metadata.labels
    if loaded.record is not None:
        record = loaded.record
        return record.preprocessing, Labels.load(record.labels) if record.labels else None
    return None, None


def _overlap(a: set[str], b: set[str]) -> float:
    return len(a & b) / max(len(a | b), 1)

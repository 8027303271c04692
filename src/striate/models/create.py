"""From a name to a module, and from a name or a file to a `Network`."""

import os
from pathlib import Path

from torch import Tensor, nn

from striate.data import Labels
from striate.errors import ConfigError, WeightsError
from striate.models.blueprints import blueprints
from striate.models.build import build
from striate.models.catalogue import CatalogueEntry, find_entry, list_models
from striate.models.network import Network
from striate.weights import (
    LoadedWeights,
    NativeMetadata,
    Progress,
    WeightRecord,
    find_record,
    fit_state,
    identify,
    load_file,
    load_state_dict,
)

__all__ = ["create_model", "load"]

BEST = "best.safetensors"  # the weights of a training run that answered best, in its folder
_WEIGHT_FILES = {".safetensors", ".pth", ".pt", ".bin"}


def create_model(
    name: str,
    *,
    weights: str | Path | None = None,
    num_classes: int | None = None,
    in_channels: int | None = None,
) -> nn.Module:
    """Build a network of the catalogue, with fresh or with trained weights.

    Args:
        name: A name that `list_models` gives. `name.tag` asks for the trained weights called `tag`.
        weights: A tag (`in1k`, or torchvision's `IMAGENET1K_V1` and `DEFAULT`), a weights file, or None for fresh ones.
        num_classes: Classes; by default those of the weights, or the published number. With trained weights of another
            number the classifier starts afresh.
        in_channels: Channels of the picture; by default those of the weights, or the published number. With trained
            weights of another number the first convolution is adapted: summed for one channel, repeated for more.

    Returns:
        The module, in training mode as torch builds it. `load` gives a `Network` that is ready for photos instead.

    Raises:
        UnknownNameError: No such network or tag; the message names the nearest.
        ConfigError: A number below 1, or two different tags.
        WeightsError: The weights cannot be had, are damaged, or belong to another network or variant.

    Warns:
        WeightsWarning: When weights were left out or adapted; it names them.

    >>> net = create_model("resnet18", num_classes=10)
    >>> net.fc.out_features
    10
    """
    architecture, _, tag = name.partition(".")
    entry = find_entry(architecture)
    if tag and weights is not None:
        raise ConfigError(f"name '{name}' asks for weights already; got weights={str(weights)!r} as well. Give one.")
    wanted = tag or weights
    if wanted is None:
        return build(entry, num_classes=num_classes, in_channels=in_channels)
    if _is_file(wanted):
        path = Path(wanted)
        loaded = load_file(path / BEST if path.is_dir() else path)
        identity = identify(loaded, blueprints, wanted=architecture)
        theirs = (identity.num_classes, identity.in_channels)
        return _fill(entry, loaded.state, theirs=theirs, asked=(num_classes, in_channels))
    record = find_record(f"{architecture}.{wanted}")
    return _from_record(entry, record, num_classes=num_classes, in_channels=in_channels)


def load(name_or_path: str | Path, *, progress: Progress | None = None) -> Network:
    """A network that is ready for photos: trained weights, the preprocessing they want, and their labels.

    Args:
        name_or_path: `name` for a network's default weights, `name.tag` for others, the folder of a training run, or a
            weights file that says what it is (a native file; `striate weights import` makes one).
        progress: Called with the record's name, the bytes so far, and the total or None, while weights are fetched.

    Raises:
        UnknownNameError: No such network, or no trained weights for it.
        WeightsError: The weights cannot be had, are damaged, belong to another variant, or do not say how photos are
            to be prepared for them.

    >>> network = load("efficientnet_lite0")
    >>> network.weights.name
    'efficientnet_lite0.in1k'
    """
    if _is_file(name_or_path):
        return _load_file(Path(name_or_path))
    find_entry(str(name_or_path).partition(".")[0])  # an unknown network is a clearer message than unknown weights
    record = find_record(str(name_or_path))
    entry = find_entry(record.architecture)
    module = _from_record(entry, record, progress=progress)
    labels = Labels.load(record.labels) if record.labels else Labels(())
    return Network(entry.name, module.eval(), record.preprocessing, labels, record)


def _from_record(
    entry: CatalogueEntry,
    record: WeightRecord,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    progress: Progress | None = None,
) -> nn.Module:
    state = load_state_dict(record, progress=progress)
    classes = record.num_classes if entry.classifier else None
    return _fill(entry, state, theirs=(classes, entry.input_size[0]), asked=(num_classes, in_channels))


def _fill(
    entry: CatalogueEntry,
    state: dict[str, Tensor],
    *,
    theirs: tuple[int | None, int | None],
    asked: tuple[int | None, int | None] = (None, None),
) -> nn.Module:
    """Build for the (classes, channels) asked for, or for those of the weights, and put the weights in."""
    classes, channels = (ours if ours is not None else their for ours, their in zip(asked, theirs, strict=True))
    adapt = (classes, channels) != theirs
    module = build(entry, num_classes=classes, in_channels=channels, blank=not adapt)
    fit_state(
        module,
        state,
        classifier=entry.classifier,
        first_conv=entry.first_conv,
        allow_adapt=adapt,
        name=entry.name,
        blueprints=blueprints,
    )
    return module


def _load_file(path: Path) -> Network:
    loaded = load_file(path / BEST if path.is_dir() else path)
    if loaded.metadata is not None and loaded.metadata.architecture in list_models("detect"):
        return _load_detector(loaded, loaded.metadata)
    identity = identify(loaded, blueprints)
    if identity.preprocessing is None:
        raise WeightsError(
            f"{path} does not say how photos are to be prepared for its weights, and a guess would only answer "
            f"nonsense. Say it once: striate weights import {path} --variant {identity.architecture} "
            "--preprocessing-from RECORD."
        )
    entry = find_entry(identity.architecture)
    module = _fill(entry, loaded.state, theirs=(identity.num_classes, identity.in_channels))
    labels = identity.labels or Labels(tuple(f"class {i}" for i in range(identity.num_classes or 0)))
    return Network(entry.name, module.eval(), identity.preprocessing, labels, identity.record)


def _load_detector(loaded: LoadedWeights, said: NativeMetadata) -> Network:
    """A detector of a file that says what it is; its shapes follow from its classes and, for some, its canvas."""
    entry = find_entry(said.architecture)
    if said.preprocessing is None or not said.labels:
        raise WeightsError(f"{loaded.path}: says neither how photos are to be prepared nor which classes it finds.")
    options = {"image_size": said.preprocessing.input_size[0]} if "image_size" in entry.options else {}
    module = build(entry, num_classes=len(said.labels), blank=True, options=options)
    try:
        module.load_state_dict(loaded.state)
    except RuntimeError as error:
        reason = " ".join(str(error).split("\n")[1:2]).strip()
        raise WeightsError(f"{loaded.path} should hold {entry.name}, but does not fit it: {reason}") from error
    return Network(entry.name, module.eval(), said.preprocessing, said.labels)


def _is_file(value: str | Path) -> bool:
    text = os.fspath(value)
    return (
        isinstance(value, Path)
        or Path(text).suffix.lower() in _WEIGHT_FILES
        or os.sep in text
        or text in {os.curdir, os.pardir, ""}
    )

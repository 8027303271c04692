"""Our own files: safetensors that carry their preprocessing, their labels and their history with them."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args
from uuid import uuid4

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from striate import __version__
from striate.data import Labels, Preprocessing
from striate.errors import StriateError, WeightsError
from striate.weights.saving import writing
from striate.weights.state import State, plain_state

__all__ = ["Evidence", "NativeMetadata", "read_safetensors", "save_native"]

Evidence = Literal["record", "user", "trained"]

_FORMAT = 1


@dataclass(frozen=True)
class NativeMetadata:
    """What a native weight file says about itself.

    Attributes:
        architecture: The catalogue's name of the network.
        variant: One line: which graph exactly.
        evidence: Who says so: a weight `record`, the `user` who imported the file, or the run that `trained` it.
        preprocessing: What the weights were trained with, where it is known.
        labels: The classes, where they are known.
        license: In words.
        provenance: Where the numbers came from: `source`, `source_sha256`, `record`, …
        striate_version: The version that wrote the file.
    """

    architecture: str
    variant: str
    evidence: Evidence
    preprocessing: Preprocessing | None = None
    labels: Labels | None = None
    license: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict, hash=False)
    striate_version: str = __version__


def save_native(path: str | Path, state: State, *, metadata: NativeMetadata) -> Path:
    """Write a native file, whole or not at all; an existing file is replaced.

    Args:
        path: Ends with `.safetensors`.
        state: Tensors under our names, on any device.
        metadata: What the file shall say about itself.

    Raises:
        WeightsError: If the name ends otherwise, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise WeightsError(f"A native weight file ends with .safetensors, got '{path.name}'.")
    # Views of one memory (tied weights) are written apart: the format knows no sharing.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with writing(part):
            path.parent.mkdir(parents=True, exist_ok=True)
            part.touch()
            mode = part.stat().st_mode  # as the user's umask wants it; safetensors makes files for their owner alone
            save_file(tensors, part, metadata=_to_strings(metadata))
            part.chmod(mode)
            with part.open("rb+") as stream:
                os.fsync(stream.fileno())
            part.replace(path)
    except SafetensorError as error:
        raise WeightsError(f"{path} cannot be written: {error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def read_safetensors(path: Path) -> tuple[State, NativeMetadata | None]:
    """The tensors of a safetensors file, and what it says about itself if it is a native one.

    Raises:
        WeightsError: If the file is damaged, or written by a later version of the format.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            strings = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged or no safetensors file: {error}.") from error
    return plain_state(state, path), _from_strings(strings, path)


def _to_strings(metadata: NativeMetadata) -> dict[str, str]:
    strings = {
        "format": "pt",  # what other readers of safetensors look for
        "striate_format": str(_FORMAT),
        "striate_version": metadata.striate_version,
        "architecture": metadata.architecture,
        "variant": metadata.variant,
        "evidence": metadata.evidence,
        "license": metadata.license,
        "provenance": json.dumps(dict(metadata.provenance), ensure_ascii=False, sort_keys=True),
    }
    if metadata.preprocessing is not None:
        strings["preprocessing"] = json.dumps(metadata.preprocessing.to_dict())
    if metadata.labels is not None:
        strings["labels"] = json.dumps(asdict(metadata.labels), ensure_ascii=False)
    return strings


def _from_strings(strings: Mapping[str, str], path: Path) -> NativeMetadata | None:
    if "striate_format" not in strings:
        return None
    if strings["striate_format"] != str(_FORMAT):
        raise WeightsError(
            f"{path} was written by striate {strings.get('striate_version', '?')} in format "
            f"{strings['striate_format']}, this is striate {__version__} with format {_FORMAT}; update striate."
        )
    try:
        if strings["evidence"] not in get_args(Evidence):
            raise WeightsError(f"unknown evidence '{strings['evidence']}'")
        return NativeMetadata(
            architecture=strings["architecture"],
            variant=strings["variant"],
            evidence=cast("Evidence", strings["evidence"]),
            preprocessing=_preprocessing(strings),
            labels=_labels(strings),
            license=strings.get("license", ""),
            provenance={str(key): str(value) for key, value in json.loads(strings.get("provenance", "{}")).items()},
            striate_version=strings.get("striate_version", ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, StriateError) as error:
        raise WeightsError(f"{path} has damaged metadata: {str(error).rstrip('.')}.") from error


def _preprocessing(strings: Mapping[str, str]) -> Preprocessing | None:
    return Preprocessing.from_dict(json.loads(strings["preprocessing"])) if "preprocessing" in strings else None


def _labels(strings: Mapping[str, str]) -> Labels | None:
    if "labels" not in strings:
        return None
    facts: dict[str, Any] = json.loads(strings["labels"])
    return Labels(
        names=tuple(map(str, facts["names"])),
        ids=tuple(map(str, facts.get("ids", ()))),
        synonyms=tuple(tuple(map(str, words)) for words in facts.get("synonyms", ())),
    )

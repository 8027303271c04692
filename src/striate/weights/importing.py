"""Turn a user's bare weight file into a native one that says what it is."""

from pathlib import Path

from striate.data import Labels, Preprocessing
from striate.errors import WeightsError
from striate.weights.files import LoadedWeights, load_file
from striate.weights.native import NativeMetadata, save_native
from striate.weights.records import foreign_file
from striate.weights.state import all_numbers
from striate.weights.variants import Blueprint, Blueprints, companions, look_like, shapes_of

__all__ = ["import_file"]


def import_file(
    path: str | Path,
    *,
    blueprint: Blueprint,
    preprocessing: Preprocessing | None = None,
    labels: Labels | None = None,
    out: str | Path | None = None,
    blueprints: Blueprints = (),
) -> Path:
    """Write the weights of `path` as a native file that is recorded, on the user's word, to be of `blueprint`.

    Args:
        path: A safetensors file or a state dict saved with torch.
        blueprint: The network that the user says it is.
        preprocessing: What it was trained with; by default what the file's metadata or its known hash say, if they do.
        labels: Its classes, likewise.
        out: The file to write, `NAME.ARCHITECTURE.safetensors` beside `path` by default. It must not exist.
        blueprints: Other networks, to say what the weights look like if they do not fit.

    Returns:
        The file that was written.

    Raises:
        WeightsError: If the file cannot be read, does not fit, is known to be of another network, or `out` exists.
    """
    loaded = load_file(path)
    shapes = shapes_of(loaded.state)
    problems = blueprint.differences(shapes)
    if problems:
        raise WeightsError(
            f"{loaded.path} does not fit {blueprint.name}: {'; '.join(problems)}. "
            f"{look_like(shapes, blueprints)}".rstrip()
        )
    _check_word(loaded, blueprint)
    known_preprocessing, known_labels = companions(loaded)
    preprocessing, labels = preprocessing or known_preprocessing, labels or known_labels
    problem = blueprint.misfit(shapes, preprocessing=preprocessing, labels=labels)
    if problem:
        raise WeightsError(f"{loaded.path} {problem}.")
    broken = [name for name, tensor in loaded.state.items() if not all_numbers(tensor)]
    if broken:
        raise WeightsError(
            f"{loaded.path} holds values that are no numbers (NaN or infinite) in {', '.join(broken[:3])}; "
            "such a network answers nothing. Take an earlier checkpoint."
        )
    target = Path(out) if out is not None else _beside(loaded.path, blueprint.name)
    if target.exists():
        raise WeightsError(f"{target} exists already; remove it, or name another file with --out.")
    known = loaded.record is not None and loaded.record.architecture == blueprint.name
    metadata = NativeMetadata(
        architecture=blueprint.name,
        variant=blueprint.variant,
        evidence="record" if known else "user",
        preprocessing=preprocessing,
        labels=labels,
        license=loaded.record.license if loaded.record is not None else "",
        provenance={
            "source": loaded.path.name,
            "source_sha256": loaded.sha256,
            **({"record": loaded.record.name} if loaded.record is not None else {}),
        },
    )
    return save_native(target, loaded.state, metadata=metadata)


def _check_word(loaded: LoadedWeights, blueprint: Blueprint) -> None:
    """The user's word counts where nothing is known; it does not overrule a known hash."""
    foreign = foreign_file(loaded.sha256)
    if foreign is not None:
        raise WeightsError(f"{loaded.path} is {foreign.file}: {foreign.reason}.")
    if loaded.record is not None and loaded.record.architecture != blueprint.name:
        raise WeightsError(
            f"{loaded.path} is {loaded.record.name} (its SHA-256 is known), which is not {blueprint.name}: "
            f"{loaded.record.variant}."
        )
    if loaded.metadata is not None and loaded.metadata.evidence != "user":
        said = loaded.metadata
        if said.architecture != blueprint.name:
            raise WeightsError(f"{loaded.path} is of {said.architecture} by its own metadata, not of {blueprint.name}.")


def _beside(path: Path, architecture: str) -> Path:
    stem = path.name.removesuffix(path.suffix)
    return path.with_name(f"{stem}.{architecture}.safetensors")

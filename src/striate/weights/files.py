"""Open a weight file of any kind that is safe to open; its content, not its ending, says which kind."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from striate.errors import WeightsError
from striate.weights.layouts import detect_layout, to_our_keys
from striate.weights.native import NativeMetadata, read_safetensors
from striate.weights.record import WeightRecord
from striate.weights.records import record_for_sha256
from striate.weights.state import State
from striate.weights.torch_file import read_torch_file
from striate.weights.verify import file_sha256

__all__ = ["LoadedWeights", "load_file"]

_LARGEST_HEADER_BYTES = 100_000_000  # safetensors' own limit


@dataclass(frozen=True)
class LoadedWeights:
    """A weight file as read.

    Attributes:
        state: The tensors, under our names where the layout is known.
        path: The file.
        sha256: Of its whole content.
        format: `native` (ours), `safetensors` or `torch`.
        metadata: What a native file says about itself.
        record: The weight record whose file this is, told by its hash.
    """

    state: State
    path: Path
    sha256: str
    format: Literal["native", "safetensors", "torch"]
    metadata: NativeMetadata | None = None
    record: WeightRecord | None = None


def load_file(path: str | Path) -> LoadedWeights:
    """Read a user's weight file: safetensors, or a `.pth` of torch (tensors only; nothing in it is run).

    Raises:
        WeightsError: If the file is missing, damaged, of another kind, or would need code to be run.
    """
    path = Path(path)
    with suppress(RuntimeError):  # a home that nobody knows: the file is then not found under its name as it is
        path = path.expanduser()
    kind = _kind(path)
    digest = file_sha256(path)
    record = record_for_sha256(digest)
    if kind == "safetensors":
        state, metadata = read_safetensors(path)
        if metadata is not None:
            return LoadedWeights(state, path, digest, "native", metadata, record)
    else:
        state = read_torch_file(path)
    layout = detect_layout(state) if record is None else _layout_of(record, digest)
    return LoadedWeights(to_our_keys(state, layout), path, digest, kind, None, record)


def _layout_of(record: WeightRecord, sha256: str) -> str:
    return next((origin.file.layout for origin in record.origins if origin.file.fits(sha256)), record.layout)


def _kind(path: Path) -> Literal["safetensors", "torch"]:
    if path.is_dir():
        raise WeightsError(f"{path} is a folder; name the weight file in it.")
    try:
        with path.open("rb") as stream:
            head = stream.read(9)
    except FileNotFoundError:
        raise WeightsError(f"There is no file {path}.") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(head) < 9:
        raise WeightsError(f"{path} has only {len(head)} bytes; it holds no weights.")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LARGEST_HEADER_BYTES:
        return "safetensors"
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return "torch"
    other = "an HDF5 file" if head.startswith(b"\x89HDF") else "no weight file of a known kind"
    raise WeightsError(f"{path} is {other}; safetensors files and state dicts saved with torch.save can be read.")

"""A weight file from the Hugging Face Hub, through its own client and into its own cache, which other tools share."""

import importlib.util
from pathlib import Path
from typing import Any

from striate.errors import WeightsError
from striate.weights.cache import is_offline
from striate.weights.download import Progress
from striate.weights.origin import Hub
from striate.weights.saving import writing
from striate.weights.verify import check_file

__all__ = ["fetch_from_hub"]


def fetch_from_hub(
    origin: Hub, *, label: str, progress: Progress | None = None, endpoint: str | None = None
) -> tuple[Path, str]:
    """The file in the hub's cache and its SHA-256.

    The content is compared with the SHA-256 that the hub itself names it by (and with the published one, where the
    record has it): the client compares lengths only.

    Args:
        origin: Which file of which repository.
        label: What progress is reported as.
        progress: Called with the label, the bytes so far, and the total; the client shows its own bar without it.
        endpoint: Another address of the hub.

    Raises:
        WeightsError: If the client is not installed, the network is forbidden or missing, or the content is wrong.
    """
    if is_offline(hub=True):
        raise WeightsError("STRIATE_OFFLINE or HF_HUB_OFFLINE forbids the network.")
    if importlib.util.find_spec("huggingface_hub") is None:
        raise WeightsError("the hub's client is not installed (pip install 'striate[hub]').")
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    if progress is not None:
        progress(label, 0, origin.file.size_bytes)
    try:
        address = hf_hub_url(origin.repo, origin.path, revision=origin.revision, endpoint=endpoint)
        told = get_hf_file_metadata(address, endpoint=endpoint)
        path = Path(
            hf_hub_download(
                origin.repo,
                origin.path,
                revision=origin.revision,
                endpoint=endpoint,
                tqdm_class=None if progress is None else _reporting_to(progress, label),
            )
        )
    except Exception as error:  # the client's own errors, its HTTP library's and the system's
        first = str(error).strip().splitlines()
        raise WeightsError(f"{origin.repo}: {(first[0] if first else type(error).__name__).rstrip('.')}.") from error
    expected = told.etag if told.etag is not None and len(told.etag) == 64 else None
    try:
        digest = check_file(path, origin.file, noted=expected)
    except WeightsError:
        with writing(path):  # a damaged blob would be served again and again
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        raise
    if progress is not None:
        progress(label, path.stat().st_size, path.stat().st_size)
    return path, digest


def _reporting_to(progress: Progress, label: str) -> Any:
    """A progress bar for the client that draws nothing: two bars in one terminal would write over each other."""
    from huggingface_hub.utils import tqdm

    class Reporting(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})
            self.n, self.total = options.get("initial", 0), options.get("total")

        def update(self, n: float | None = 1) -> bool | None:
            self.n += n or 0
            progress(label, int(self.n), None if self.total is None else int(self.total))
            return None

    return Reporting

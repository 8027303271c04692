"""Download one file so that nothing half done is ever taken for the file.

The bytes go to `NAME.part`; what a cut connection left there is continued (HTTP Range), and only a file with the right
length and hash gets its name, in one step.
"""

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from striate.errors import WeightsError
from striate.weights.https import CutError, NoAddressError, Response, Web, plain
from striate.weights.origin import WeightFile, say_bytes
from striate.weights.saving import check_space, save_checked, writing
from striate.weights.verify import check_file

__all__ = ["Progress", "Timing", "download"]

Progress = Callable[[str, int, int | None], None]

_CHUNK_BYTES = 1 << 18
_LONGEST_PAUSE_S = 16.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait, and how often to try again.

    Attributes:
        stall_s: Seconds without a byte after which a connection counts as dead.
        attempts: Tries in a row that bring no new byte before giving up.
        pause_s: Pause before the second try; it doubles with every further one, up to 16 s.
    """

    stall_s: float = 30.0
    attempts: int = 5
    pause_s: float = 1.0


def download(
    url: str,
    target: Path,
    file: WeightFile,
    *,
    label: str,
    progress: Progress | None = None,
    timing: Timing | None = None,
    allow_loopback_http: bool = False,
) -> str:
    """Fetch `url` to `target` and give its SHA-256; the caller holds the lock on `target`.

    Args:
        url: An https address.
        target: Where the file shall be. Its folder exists.
        file: The size and hash it must have.
        label: What progress is reported as.
        progress: Called with the label, the bytes so far, and the total (None if the server does not say).
        timing: Patience; the default suits the internet.
        allow_loopback_http: Also speak plain http to this machine itself (for tests).

    Raises:
        WeightsError: With the reason and what is left behind (a part that the next try continues, or nothing).
    """
    timing = timing or Timing()
    job = _Download(
        url=url,
        part=target.with_name(target.name + ".part"),
        file=file,
        web=Web(stall_s=timing.stall_s, allow_loopback_http=allow_loopback_http),
        report=lambda done, total: None if progress is None else progress(label, done, total),
    )
    resumed = job.run(timing)
    try:
        digest = job.checked()
    except WeightsError:
        if not resumed:
            raise
        job.run(timing)  # the old part belonged to another version of the file: once more, from the beginning
        digest = job.checked()
    save_checked(job.part, target, digest)
    return digest


@dataclass(frozen=True, slots=True)
class _Download:
    url: str
    part: Path
    file: WeightFile
    web: Web
    report: Callable[[int, int | None], None]

    def run(self, timing: Timing) -> bool:
        """Bring the part to its full length, however often the connection breaks; whether old bytes were continued."""
        resumed = self._size() > 0
        if resumed and self._size() == self.file.size_bytes:  # only the last step was missing
            return True
        failures = 0
        while True:
            before = self._size()
            try:
                self._transfer(before)
            except CutError as error:
                after = self._size()
                failures = 1 if after > before else failures + 1
                resumed = resumed or after > 0
                most = min(2, timing.attempts) if isinstance(error, NoAddressError) else timing.attempts
                if failures >= most:
                    kept = f" {say_bytes(after)} are kept, and the next try continues them." if after else ""
                    raise WeightsError(f"{self.url} could not be fetched ({failures} tries): {error}.{kept}") from error
                time.sleep(min(timing.pause_s * 2 ** (failures - 1), _LONGEST_PAUSE_S))
            else:
                return resumed

    def checked(self) -> str:
        """The part's SHA-256; a part that is not the file is removed."""
        try:
            return check_file(self.part, self.file)
        except WeightsError as error:
            self.part.unlink(missing_ok=True)
            raise WeightsError(
                f"{self.url} sent another file than the published one ({error}) Nothing was kept."
            ) from error

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _transfer(self, done: int) -> None:
        """One connection: append to the part what it lacks, or raise `CutError`."""
        response = self.web.open(self.url, start=done)
        if response is None:  # the server has no more than we have: the hash will tell whether that is the file
            if done and self.file.size_bytes in {None, done}:
                return
            self.part.unlink(missing_ok=True)
            raise CutError("the server refused to continue the part")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise WeightsError(f"{self.url} was sent compressed, although that was not asked for.")
        if not (response.status == http.HTTPStatus.PARTIAL_CONTENT and _starts_at(response.headers, done)):
            done = 0  # the server ignores Range: from the beginning
        total = self._total(response.headers, done)
        with writing(self.part), self.part.open("r+b" if done else "wb") as stream:
            stream.seek(done)
            stream.truncate()
        while True:
            self.report(done, total)
            chunk = _read(response)
            if not chunk:
                break
            done += len(chunk)
            if done > self.file.largest_bytes:
                self.part.unlink(missing_ok=True)
                raise WeightsError(f"{self.url} sends more than the published {self.file.size_text}; nothing was kept.")
            with writing(self.part), self.part.open("ab") as stream:
                stream.write(chunk)
        if total is not None and done < total:
            raise CutError(f"the connection ended after {say_bytes(done)} of {say_bytes(total)}")

    def _total(self, headers: Message, done: int) -> int | None:
        """The length of the whole file, if the server tells it, it is plausible, and the disk can hold it."""
        length = str(headers.get("Content-Length", "")).strip()
        if not length.isdecimal():
            return None
        total = done + int(length)
        if total > self.file.largest_bytes or self.file.size_bytes not in {None, total}:
            self.part.unlink(missing_ok=True)
            published = self.file.size_bytes or f"about {round(self.file.largest_bytes / 1.05)}"
            raise WeightsError(
                f"{self.url} announces {total} bytes, but {published} were published: it is another file."
            )
        check_space(self.part.parent, total - done)
        return total


def _starts_at(headers: Message, done: int) -> bool:
    return str(headers.get("Content-Range", "")).strip().lower().startswith(f"bytes {done}-")


def _read(response: Response) -> bytes:
    try:
        return response.read(_CHUNK_BYTES)
    except TimeoutError as error:
        raise CutError("no byte came for a while") from error
    except (OSError, http.client.HTTPException) as error:
        raise CutError(f"the connection broke ({plain(error)})") from error

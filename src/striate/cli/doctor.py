"""`striate doctor`: what is installed, what is missing and how to get it; imports torch only to ask for its devices."""

import os
import platform
import re
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from striate.cli.console import print_json, print_next, print_result, print_table, stdout
from striate.cli.errors import Exit

__all__ = ["doctor", "extras"]

_NAME = re.compile(r"^[\w.-]+")


def doctor(*, json: bool = False) -> int:
    """Show versions, devices, caches, weights, and what is missing with the command that gets it.

    Args:
        json: Print one JSON document instead of the tables.
    """
    report = {
        "versions": _versions(),
        "machine": _machine(),
        "extras": _extras(),
        "places": _places(),
        "weights": _weights(),
        "environment": _environment(),
    }
    if json:
        print_json(report)
    else:
        _show(report)
    return Exit.OK


def extras() -> dict[str, list[str]]:
    """The optional extras of the installed package, with the distributions that each wants."""
    found: dict[str, list[str]] = {}
    for line in requires("striate") or []:
        distribution, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        name = _NAME.match(distribution.strip())
        if extra and name:
            found.setdefault(extra[1], []).append(name[0])
    return found


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _versions() -> dict[str, str | None]:
    needed = [line for line in requires("striate") or [] if "extra ==" not in line]
    names = [match[0] for match in map(_NAME.match, needed) if match]
    return {"striate": _version("striate"), "python": platform.python_version(), **{n: _version(n) for n in names}}


def _machine() -> dict[str, Any]:
    facts: dict[str, Any] = {"system": platform.platform(), "cpus": _cpus()}
    if _version("torch") is None:
        return facts
    import torch

    facts |= {
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "cuda_build": torch.version.cuda,
        "mps": torch.backends.mps.is_available(),
    }
    return facts


def _cpus() -> int:
    """Processors that this process may use, which a container may hold below the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _extras() -> dict[str, Any]:
    report = {}
    for name, distributions in extras().items():
        installed = {each: _version(each) for each in distributions}
        missing = [each for each, found in installed.items() if found is None]
        report[name] = {"installed": installed, "get": f"pip install 'striate[{name}]'" if missing else None}
    return report


def _places() -> list[dict[str, Any]]:
    from striate.weights import striate_home

    return [
        _place("cache", striate_home()),
        _place("here", Path.cwd()),
        _place("temporary", Path(tempfile.gettempdir())),
    ]


def _place(name: str, path: Path) -> dict[str, Any]:
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    return {
        "name": name,
        "path": str(path),
        "exists": path.exists(),
        "writable": _can_write(nearest),
        "free_bytes": shutil.disk_usage(nearest).free,
    }


def _can_write(folder: Path) -> bool:
    """Tried, because permission bits do not tell of read-only mounts."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _weights() -> list[dict[str, Any]]:
    """The default weights of every architecture and whatever else is on this machine, verified by hash."""
    from striate.weights import list_records, locate
    from striate.weights.cache import places

    report = []
    for record in list_records():
        if any(places(record, origin) for origin in record.origins):
            path = locate(record)
            report.append(
                {"name": record.name, "verified": path is not None, "path": None if path is None else str(path)}
            )
    return report


def _environment() -> dict[str, Any]:
    from striate.weights import is_offline

    names = ("STRIATE_HOME", "STRIATE_OFFLINE", "STRIATE_DEBUG", "TORCH_HOME", "HF_HOME", "HF_HUB_OFFLINE", "NO_COLOR")
    console = stdout()
    return {
        "offline": is_offline(),
        "variables": {name: os.environ[name] for name in names if name in os.environ},
        "terminal": console.is_terminal,
        "colors": console.color_system or "none",
        "encoding": getattr(sys.stdout, "encoding", None) or "unknown",
    }


def _show(report: dict[str, Any]) -> None:
    from striate.weights.origin import say_bytes

    _section("Versions", [[name, found or "missing"] for name, found in report["versions"].items()])
    machine = report["machine"]
    devices = machine.get("cuda") or (["Apple GPU (MPS)"] if machine.get("mps") else ["none, so the CPU is used"])
    _section(
        "Machine",
        [
            ["system", machine["system"]],
            [
                "CPU",
                f"{machine['cpus']} cores, {machine.get('threads', '?')} threads, {machine.get('cpu_capability', '?')}",
            ],
            ["GPU", ", ".join(devices)],
        ],
    )
    rows = [
        [
            name,
            ", ".join(f"{n} {v}" if v else f"{n} missing" for n, v in extra["installed"].items()),
            extra["get"] or "",
        ]
        for name, extra in report["extras"].items()
    ]
    _section("Optional extras", rows)
    rows = [
        [
            place["name"],
            place["path"],
            "writable" if place["writable"] else "NOT WRITABLE",
            f"{say_bytes(place['free_bytes'])} free",
        ]
        for place in report["places"]
    ]
    _section("Places", rows)
    found = [
        [w["name"], "verified" if w["verified"] else "damaged", w["path"] or f"striate weights verify {w['name']}"]
        for w in report["weights"]
    ]
    _section("Weights on this machine", found or [["none", "striate weights fetch NAME", ""]])
    here = report["environment"]
    rows = [["network", "forbidden by STRIATE_OFFLINE" if here["offline"] else "used only to fetch weights"]]
    rows += [[name, value] for name, value in here["variables"].items()]
    rows.append(["terminal", f"{'yes' if here['terminal'] else 'no'}, colors: {here['colors']}, {here['encoding']}"])
    _section("Environment", rows)
    print_next("striate models")


def _section(title: str, rows: list[list[str]]) -> None:
    print_result(title, style="bold")
    print_table([""] * (len(rows[0]) + 1), [["", *row] for row in rows], align="l" * (len(rows[0]) + 1))
    print_result("")

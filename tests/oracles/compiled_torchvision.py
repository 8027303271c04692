"""torchvision's compiled operators as an oracle, also beside a CPU build of torch.

The wheel's library names CUDA libraries that its CPU kernels never call. Empty libraries of those names, made here with
the C compiler, let it load. That is done in a process of its own, which is given calls and answers with tensors: beside
a torchvision that was imported in another way it could not be.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

__all__ = ["ask_torchvision"]

_STUBS = ("libcudart.so.13", "libc10_cuda.so", "libtorch_cuda.so")


def ask_torchvision(calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
    """The answers of `torchvision.ops.NAME(*arguments)`; `NAME'` gives the gradient of its first argument for the last.

    Skips the test where torchvision, a C compiler or `nm` is missing, or the library does not load.
    """
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed (oracle; pip install --no-deps torchvision==0.28.0)")
    if shutil.which("gcc") is None or shutil.which("nm") is None:
        pytest.skip("needs gcc and nm to load torchvision's compiled operators")
    with tempfile.TemporaryDirectory() as folder:
        torch.save([list(call) for call in calls], Path(folder) / "calls.pt")
        done = subprocess.run(
            [sys.executable, __file__, folder], capture_output=True, text=True, check=False, timeout=250
        )
        if done.returncode != 0:
            pytest.skip(f"torchvision's compiled operators do not load here: {done.stderr.strip()[-200:]}")
        answers: list[Any] = torch.load(Path(folder) / "answers.pt", weights_only=True)
    return answers


def _symbols(path: Path, flag: str) -> list[str]:
    listed = subprocess.run(["nm", "-D", flag, path], capture_output=True, text=True, check=True)
    return [line.split()[-1] for line in listed.stdout.splitlines()]


def _make_stubs(folder: Path, library: Path) -> None:
    here = Path(torch.__file__).parent / "lib"
    known = {
        name.partition("@")[0]
        for file in ("libc10.so", "libtorch_cpu.so", "libtorch_python.so", "libtorch.so")
        for name in _symbols(here / file, "--defined-only")
    }
    wanted = _symbols(library, "--undefined-only")
    runtime = [name.partition("@")[0] for name in wanted if "@libcudart" in name]
    others = [name for name in wanted if "@" not in name and name not in known and "cuda" in name]
    for file, names in zip(_STUBS, (runtime, others, []), strict=True):
        lines = ["static long nothing[64];"]
        for number, name in enumerate(names):
            if name.endswith("9allocatorE"):  # a variable, not a function
                lines.append(f'void *d{number}[64] __asm__("{name}");')
            else:
                value = "(long)nothing" if name == "__cudaRegisterFatBinary" else "0"
                lines.append(f'long f{number}(void) __asm__("{name}"); long f{number}(void) {{ return {value}; }}')
        source = folder / f"{file}.c"
        source.write_text("\n".join(lines))
        command = ["gcc", "-shared", "-fPIC", "-w", str(source), "-o", str(folder / file), f"-Wl,-soname,{file}"]
        if file.startswith("libcudart"):
            versions = folder / "versions.map"
            versions.write_text(f"{file} {{ global: *; }};\n")
            command.append(f"-Wl,--version-script={versions}")
        subprocess.run(command, check=True)


def _answer(folder: Path) -> None:
    import ctypes

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise SystemExit("no torchvision")
    try:
        torchvision = importlib.import_module("torchvision")
    except (RuntimeError, OSError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        _make_stubs(folder, Path(spec.origin).parent / "_C.so")
        for file in _STUBS:
            ctypes.CDLL(str(folder / file), mode=ctypes.RTLD_GLOBAL)
        torchvision = importlib.import_module("torchvision")
    operators = importlib.import_module("torchvision.ops")
    if not torchvision.extension._has_ops():
        raise SystemExit("no compiled operators")
    answers = []
    for name, arguments in torch.load(folder / "calls.pt", weights_only=True):
        if name.endswith("'"):
            maps, *rest, gradient = arguments
            maps = maps.detach().clone().requires_grad_()
            getattr(operators, name[:-1])(maps, *rest).backward(gradient)
            answers.append(maps.grad)
        else:
            answers.append(getattr(operators, name)(*arguments))
    torch.save(answers, folder / "answers.pt")


if __name__ == "__main__":
    _answer(Path(sys.argv[1]))

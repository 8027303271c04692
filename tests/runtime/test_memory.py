"""The setting must really stop the page faults that it is there for; measured in a process of its own."""

import subprocess
import sys

import pytest

from striate.runtime import reuse_freed_memory

COUNT = """
import resource, sys, torch
from striate.runtime import reuse_freed_memory
if sys.argv[1] == "on":
    assert reuse_freed_memory()
x = torch.ones(2**22)
for _ in range(5):
    x + 1
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    x + 1
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word: str) -> int:
    command = [sys.executable, "-c", COUNT, word]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is Linux's")
def test_large_blocks_are_used_again() -> None:
    assert faults("on") < 50 + faults("off") / 10


def test_it_is_refused_quietly_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not reuse_freed_memory()

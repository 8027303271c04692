"""What `kill` and `timeout` send."""

import os
import signal
import subprocess
import sys

import pytest

from striate.cli.signals import ending_cleanly


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_request_to_end_cleans_up_first() -> None:
    program = (
        "import sys, time; import striate.cli.doctor as d; from striate.cli import main\n"
        "def work():\n"
        "    try: print('ready', flush=True); time.sleep(60)\n"
        "    finally: print('cleaned up', flush=True)\n"
        "d._versions = work\n"
        "sys.exit(main(['doctor']))"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if child.stdout is None:
            pytest.fail("no stdout")
        child.stdout.readline()
        child.terminate()
        out, err = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == 143
    assert (out, err) == ("cleaned up\n", "")


def test_a_handler_of_somebody_else_stays() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ending_cleanly():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    with ending_cleanly():
        assert callable(signal.getsignal(signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) is before

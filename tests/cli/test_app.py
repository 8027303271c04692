"""The command as a person meets it: help, mistakes, exit codes, streams."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from cyclopts import App

from striate import __version__
from striate.cli import app as app_module
from striate.cli.app import VERBS, Verb, build_app
from striate.errors import DataError

STRIATE = [sys.executable, "-m", "striate"]


def test_help_lists_every_verb_with_its_line(run_cli: Callable[..., Any]) -> None:
    result = run_cli("--help")
    assert result.code == 0
    assert result.err == ""
    for verb in VERBS:
        assert verb.name in result.out
        assert verb.help in result.out
    assert "explain PHOTO" in result.out


def test_without_words_the_help_is_shown(run_cli: Callable[..., Any]) -> None:
    assert run_cli().out == run_cli("--help").out


def test_version(run_cli: Callable[..., Any]) -> None:
    assert run_cli("--version").out.strip() == f"striate {__version__}"


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_needs_no_torch_and_half_a_second(words: list[str]) -> None:
    program = (
        "import sys; from striate.cli import main; main(sys.argv[1:]);"
        "heavy = {'torch', 'numpy', 'matplotlib', 'numba', 'pydantic'} & set(sys.modules);"
        "heavy and sys.exit(f'imported: {sorted(heavy)}')"
    )
    # Processor time, not the clock's: on an idle machine they are the same, on a busy one only the first is ours.
    program += ";import time; print(time.process_time(), file=sys.stderr)"
    took = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        took.append(float(done.stderr))
    assert min(took) < 0.5


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_help_of_its_own(verb: Verb, run_cli: Callable[..., Any]) -> None:
    result = run_cli(verb.name, "--help")
    assert result.code == 0
    assert f"Usage: striate {verb.name}" in result.out
    module, _, name = verb.target.partition(":")
    target = getattr(import_module(module), name)
    if not isinstance(target, App):
        assert "--json" in result.out
        for parameter in build_app()[verb.name].assemble_argument_collection(parse_docstring=True):
            assert parameter.parameter.help, f"{verb.name} {parameter.name} has no help"


def test_unknown_verb_names_the_nearest_and_imports_no_verb(run_cli: Callable[..., Any]) -> None:
    result = run_cli("explian", "photo.jpg")
    assert result.code == 2
    assert result.out == ""
    assert result.err == "Error: There is no verb 'explian'. Nearest: 'explain'. 'striate --help' lists them.\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--colour"], "'striate' has no option '--colour'. See 'striate --help'."),
        (["models", "--taks", "x"], "'striate models' has no option '--taks'. Nearest: '--task', '--json'."),
        (["explain", "a.png", "--window", "abc"], "'--window' must be a whole number, got 'abc'."),
        (["explain", "a.png", "--max-megapixels", "big"], "'--max-megapixels' must be a number, got 'big'."),
        (["explain", "a.png", "b.png"], "'striate explain' does not know what to do with 'b.png'."),
        (["inspect"], "'striate inspect' needs NETWORK. See 'striate inspect --help'."),
        (["classify"], "'striate classify' needs FILES."),
        (["inspect", "resnet18", "--depth"], "'striate inspect' needs a value for --depth."),
        (["inspect", "resnet18", "--depth", "1", "--depth", "2"], "'--depth' was given more than once; give it once."),
        (["explain"], "'striate explain' needs either PHOTO or --from DIR, exactly one of them."),
        (["models", "resnet51"], "No network named 'resnet51'. Nearest: 'resnet56'"),
    ],
)
def test_usage_mistakes_are_one_line_and_code_2(words: list[str], message: str, run_cli: Callable[..., Any]) -> None:
    result = run_cli(*words)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith(f"Error: {message}")
    assert result.err.count("\n") == 1


def test_with_json_the_error_is_a_document_too(run_cli: Callable[..., Any]) -> None:
    result = run_cli("models", "resnet51", "--json")
    assert result.code == 2
    assert result.json["error"]["kind"] == "UnknownNameError"
    assert result.json["error"]["exit_code"] == 2
    assert result.json["error"]["message"] in result.err


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make the verb `doctor` end with an error."""

    def install(error: BaseException) -> None:
        def fail(*, json: bool = False) -> int:
            raise error

        app = App(name="striate", suppress_keyboard_interrupt=False)
        app.command(fail, name="doctor")
        monkeypatch.setattr(app_module, "build_app", lambda: app)

    return install


@pytest.mark.parametrize(
    ("error", "code"),
    [(DataError("x.jpg: empty."), 2), (KeyboardInterrupt(), 130), (MemoryError(), 2), (ZeroDivisionError("hm"), 3)],
    ids=["user", "interrupt", "memory", "fault"],
)
def test_exit_codes(
    error: BaseException, code: int, failing: Callable[[BaseException], None], run_cli: Callable[..., Any]
) -> None:
    failing(error)
    result = run_cli("doctor")
    assert result.code == code
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err


def test_a_fault_of_ours_says_how_to_report_it(
    failing: Callable[[BaseException], None], run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(ZeroDivisionError("hm"))
    quiet = run_cli("doctor")
    assert "ZeroDivisionError: hm" in quiet.err
    assert "--debug" in quiet.err
    assert "Traceback" in run_cli("doctor", "--debug").err
    monkeypatch.setenv("STRIATE_DEBUG", "1")
    assert "Traceback" in run_cli("doctor").err


def test_debug_shows_the_traceback_of_a_mistake(run_cli: Callable[..., Any]) -> None:
    result = run_cli("--debug", "models", "resnet51")
    assert result.code == 2
    assert "Traceback" in result.err
    assert result.err.endswith("`striate models` lists all of them.\n")


def test_a_path_that_is_not_there_is_the_users_mistake(run_cli: Callable[..., Any]) -> None:
    result = run_cli("explain", "nowhere/photo.jpg")
    assert result.code == 2
    assert "nowhere/photo.jpg" in result.err.splitlines()[-1]


def test_a_reader_that_goes_away_is_no_error() -> None:
    # `striate models --json | head -c 1` in one shell-free piece: the pipe is closed before anything is written.
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*STRIATE, "models", "--json"], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_ends_with_one_line() -> None:
    program = (
        # A suite that runs in the background of a shell inherits an ignored SIGINT; a person at a terminal does not.
        "import signal, sys, time; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "import striate.cli.doctor as d; from striate.cli import main;"
        "d._versions = lambda: (print('ready', flush=True), time.sleep(60)); sys.exit(main(['doctor']))"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if child.stdout is None:
            pytest.fail("no stdout")
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == 130
    assert err == "Error: Interrupted; nothing more was written.\n"


def _in_a_terminal(words: list[str], environment: dict[str, str]) -> str:
    """Run a command with stdout and stderr on a pseudo-terminal and return what it shows."""
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment}
    done = subprocess.Popen([*STRIATE, *words], stdout=child, stderr=child, env=variables)
    os.close(child)
    shown = b""
    while True:
        try:
            chunk = os.read(parent, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(parent)
    done.wait(timeout=60)
    return shown.decode()


def test_color_in_a_terminal_and_none_with_no_color() -> None:
    assert "\x1b[" in _in_a_terminal(["models", "resnet18"], {})
    assert "\x1b[" not in _in_a_terminal(["models", "resnet18"], {"NO_COLOR": "1"})
    assert "\x1b[" not in _in_a_terminal(["models", "resnet51"], {"NO_COLOR": "1"})

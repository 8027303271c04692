"""Streams that are closed, full, narrow, or of an old encoding; and names made to act on the terminal."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from striate.cli.console import visible

STRIATE = [sys.executable, "-m", "striate"]
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


def _run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **variables}
    return subprocess.run([*STRIATE, *words], capture_output=True, text=True, env=environment, check=False)


def _in_shell(ending: str, *words: str) -> subprocess.CompletedProcess[str]:
    line = f'"$@" {ending}'
    return subprocess.run(["sh", "-c", line, "sh", *STRIATE, *words], capture_output=True, text=True, check=False)


@POSIX
@pytest.mark.parametrize(
    ("ending", "words", "code"),
    [
        (">&-", ["models"], 0),
        (">&-", ["models", "--json"], 0),
        ("2>&-", ["models", "resnet51"], 2),
        ("<&- >&- 2>&-", ["models", "resnet51", "--json"], 2),
    ],
)
def test_a_missing_stream_is_no_fault(ending: str, words: list[str], code: int) -> None:
    done = _in_shell(ending, *words)
    assert done.returncode == code
    assert done.stdout + done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["models"], ["models", "--json"]])
def test_a_full_disk_under_stdout_is_one_line(words: list[str]) -> None:
    done = _in_shell("> /dev/full", *words)
    assert done.returncode == 2
    assert done.stderr == "Error: The output cannot be written: no space left on device.\n"
    assert _in_shell("2> /dev/full", "models", "resnet51").returncode == 2


@POSIX
def test_a_reader_that_goes_away_is_no_failed_input() -> None:
    """The table goes through Rich, which would end the process with the code 1."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*STRIATE, "models"], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    name = "café 😀.jpg"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    words = [*STRIATE, "classify", name, "--json"]
    done = subprocess.run(words, capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout.decode(encoding))["results"][0]["file"] == name


@pytest.mark.parametrize("columns", ["0", "1", "-3", "x"])
def test_a_terminal_without_columns_still_shows_words(columns: str) -> None:
    done = _run("--help", COLUMNS=columns)
    assert done.returncode == 0
    assert "explain" in done.stdout


@POSIX
def test_a_library_that_logs_is_not_heard(tmp_path: Path) -> None:
    """matplotlib warns of a home that it cannot write to, in two long lines, whenever a map is drawn."""
    program = (
        "import logging, sys; import striate.cli.doctor as d; from striate.cli import main;"
        "d._versions = lambda: logging.getLogger('matplotlib').warning('mkdir failed') or {};"
        "sys.exit(main(sys.argv[1:]))"
    )
    quiet, loud = (
        subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
        for words in (["doctor", "--json"], ["doctor", "--json", "--debug"])
    )
    assert quiet.returncode == loud.returncode == 0
    assert quiet.stderr == ""
    assert "mkdir failed" in loud.stderr


def test_what_a_terminal_would_act_on_is_shown() -> None:
    assert visible("a\x1b[2J\x07b\x9b1m\rc") == r"a\x1b[2J\x07b\x9b1m\rc"
    assert visible("gpj.\u202eexe \udcff") == r"gpj.\u202eexe \udcff"
    assert visible("two\nlines\tand 日本 é 😀") == "two\nlines\tand 日本 é 😀"


HOSTILE = [
    "clear\x1b[2J\x1b]0;owned\x07.jpg",
    "two\nlines.jpg",
    "turned\u202egpj.jpg",
    "-x.jpg",
    "$(touch owned) `id` '\".jpg",
]


@POSIX
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_names(
    name: str,
    tmp_path: Path,
    photo_path: Callable[[str], Path],
    run_cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing in a name reaches the terminal raw, and the command to go on with is about that very file."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(photo_path("coffee.png").read_bytes())
    result = run_cli("classify", "--top", "1", "--", name)
    assert result.code == 0
    shown = result.out + result.err
    assert not any(sign in shown for sign in "\x1b\x07\u202e")
    lines = result.out.splitlines()
    assert len(lines) == 2  # the answer, and what to do next
    words = lines[1].removeprefix("Next    striate explain ")
    again = subprocess.run(["bash", "-c", f"printf %s {words}"], capture_output=True, check=True, cwd=tmp_path)
    assert Path(os.fsdecode(again.stdout)) == Path(name)
    assert not Path("owned").exists()
    missing = run_cli("explain", "--", f"not {name}")
    assert missing.code == 2
    assert not any(sign in missing.err for sign in "\x1b\x07\u202e")
    assert missing.err.count("\n") == 1


def test_warnings_about_damaged_metadata_are_not_heard(
    tmp_path: Path, photo_path: Callable[[str], Path], run_cli: Callable[..., Any]
) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "damaged.jpg"
    Image.open(photo_path("coffee.png")).convert("RGB").save(path, exif=exif)
    content = bytearray(path.read_bytes())
    directory = content.index(b"Exif\0\0") + 10
    content[directory : directory + 4] = b"\xff\xff\xff\x7f"  # the directory of tags lies far behind the end
    path.write_bytes(content)
    result = run_cli("classify", path)
    assert result.code == 0
    assert "EXIF" not in result.err

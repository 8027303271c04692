"""Empty words, folders that are gone, numbers that are none."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from striate.cli.checks import check_positive, check_words
from striate.errors import ConfigError


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["explain", "a.jpg", "--out", ""], "'--out'"),
        (["explain", "a.jpg", "--out="], "'--out'"),
        (["explain", ""], "A word"),
        (["classify", "--", "--top", ""], "A word"),
    ],
)
def test_an_empty_word_is_refused(words: list[str], what: str, run_cli: Callable[..., Any]) -> None:
    """`--out "$UNSET"` would write fourteen files into the current folder."""
    result = run_cli(*words)
    assert result.code == 2
    assert result.err.startswith(f"Error: {what} is empty; give a value")


def test_words_that_only_look_empty_are_taken() -> None:
    check_words(["explain", " ", "--target", "=", "--target==", "--", "--out="])


@pytest.mark.parametrize(
    ("value", "rule"), [(0, "above|greater than 0"), (math.nan, "0, got nan"), (math.inf, "finite")]
)
def test_refusals(value: float, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        check_positive("--max-megapixels", value)
    check_positive("--max-megapixels", 0.5)


@pytest.mark.parametrize("verb", ["explain", "classify"])
def test_no_limit_at_all_is_refused(verb: str, run_cli: Callable[..., Any], photo_path: Callable[[str], Path]) -> None:
    """Infinity went into the report's data, which is JSON and knows none, after all the work was done."""
    result = run_cli(verb, photo_path("coffee.png"), "--max-megapixels", "inf")
    assert result.code == 2
    assert "--max-megapixels must be a finite number, got inf." in result.err


@pytest.mark.skipif(os.name != "posix", reason="needs a folder that can be removed while it is used")
def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    line = f'mkdir gone && cd gone && rmdir ../gone && "{sys.executable}" -m striate doctor'
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "Error: The current folder does not exist any more; change to one that does.\n"

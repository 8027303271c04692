"""What libraries say is said again in one form: argument, rule, value, way out."""

import errno
from enum import Enum
from typing import Annotated, Any, Literal, Optional

import pytest
from cyclopts import App
from cyclopts.exceptions import CycloptsError
from pydantic import BaseModel, Field, ValidationError, field_validator

from striate.cli.errors import Exit, describe, exit_code
from striate.errors import ConfigError, WeightsError


class Settings(BaseModel):
    """A config as recipes have them."""

    batch_size: int = Field(default=16, ge=1)
    mode: str = Field(default="a", pattern="^[ab]$")
    layer: str = "x"

    @field_validator("layer")
    @classmethod
    def _known(cls, value: str) -> str:
        if value == "ours":
            raise ConfigError("layer must be one of the network's; got 'ours'.")
        if value == "theirs":
            raise ValueError("layer must not be empty")
        return value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": 0}, "'--batch-size' must be greater than or equal to 1, got 0."),
        (
            {"batch_size": "many"},
            "'--batch-size' must be a valid integer, unable to parse string as an integer, got 'many'.",
        ),
        ({"mode": "c"}, "'--mode' must match pattern '^[ab]$', got 'c'."),
        ({"layer": "ours"}, "layer must be one of the network's; got 'ours'."),
        ({"layer": "theirs"}, "'--layer': layer must not be empty, got 'theirs'."),
    ],
)
def test_pydantic_is_rewritten(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**values)  # type: ignore[arg-type]
    assert describe(caught.value) == message
    assert exit_code(caught.value) is Exit.USER_ERROR


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.png"), Exit.USER_ERROR),
        (PermissionError(errno.EACCES, "Permission denied", "out"), Exit.USER_ERROR),
        (OSError(errno.ENOSPC, "No space left on device", "out"), Exit.USER_ERROR),
        (OSError(errno.EIO, "Input/output error", "out"), Exit.INTERNAL),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), Exit.INTERNAL),
        (BrokenPipeError(), Exit.BROKEN_PIPE),
        (KeyError("x"), Exit.INTERNAL),
    ],
)
def test_which_failures_are_the_users(error: BaseException, code: Exit) -> None:
    assert exit_code(error) is code


class Color(Enum):
    """Choices of another kind."""

    RED = 1
    DARK_BLUE = 2


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Literal["a", "b", "c"], "'a', 'b' or 'c'"),
        (Literal["a"], "'a'"),
        (Optional[Literal["a", "b"]], "'a' or 'b'"),  # noqa: UP045 - as flags that are built at run time
        (Literal["a", "b"] | None, "'a' or 'b'"),
        (Annotated[Literal[1, 2], "words"], "'1' or '2'"),
        (list[Literal["a", "b"]], "'a' or 'b'"),
        (tuple[int, ...], "a whole number"),
        (int | Literal["auto"], "a whole number or 'auto'"),
        (int | None, "a whole number"),
        (float, "a number"),
        (bool, "yes or no"),
        (Color, "'red' or 'dark-blue'"),
    ],
)
def test_a_wrong_value_is_told_what_it_must_be(kind: Any, rule: str) -> None:
    app = App()

    def verb(*, flag):
        pass

    verb.__annotations__ = {"flag": kind}
    app.command(verb)
    with pytest.raises(CycloptsError) as caught:
        app(["verb", "--flag=nope"], exit_on_error=False, print_error=False)
    assert describe(caught.value).startswith(f"'--flag' must be {rule}, got 'nope'.")


def test_a_full_disk_names_the_file() -> None:
    assert describe(OSError(errno.ENOSPC, "No space left on device", "out")) == "'out': no space left on device."


def test_our_own_sentences_stay_as_they_are() -> None:
    text = "The weights x cannot be had:\n  - url origin: no answer\nGet them by hand."
    assert describe(WeightsError(text)) == text


def test_a_fault_with_line_breaks_is_one_line() -> None:
    assert "\n" not in describe(RuntimeError("first\nsecond"))

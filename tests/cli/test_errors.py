"""What libraries say is said again in one form: argument, rule, value, way out."""

import errno

import pytest
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


def test_a_full_disk_names_the_file() -> None:
    assert describe(OSError(errno.ENOSPC, "No space left on device", "out")) == "'out': no space left on device."


def test_our_own_sentences_stay_as_they_are() -> None:
    text = "The weights x cannot be had:\n  - url origin: no answer\nGet them by hand."
    assert describe(WeightsError(text)) == text


def test_a_fault_with_line_breaks_is_one_line() -> None:
    assert "\n" not in describe(RuntimeError("first\nsecond"))

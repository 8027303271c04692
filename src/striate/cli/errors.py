"""Every failure in one or two sentences: the argument, the rule, the value, the way out; and its exit code.

What cyclopts and pydantic say is rewritten to the same form. A fault of ours keeps its traceback for `--debug`.
"""

import errno
import sys
from collections.abc import Iterable, Sequence
from enum import Enum, IntEnum
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

from cyclopts.exceptions import (
    CoercionError,
    ConsumeMultipleError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)

from striate.errors import StriateError, nearest

__all__ = ["Exit", "describe", "exit_code"]


class Exit(IntEnum):
    """The exit codes of every verb."""

    OK = 0
    SOME_FAILED = 1
    """Some inputs could not be read; the others were done."""
    USER_ERROR = 2
    INTERNAL = 3
    """A fault of Striate."""
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    """The reader of stdout went away, as `head` does."""


# What the person at the keyboard can mend: a wrong path, a right that is missing, a full disk.
_USERS_OS_ERRORS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
_FULL = {errno.EDQUOT, errno.ENOSPC}


def exit_code(error: BaseException) -> Exit:
    """The exit code for an error that ended a run."""
    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return Exit.BROKEN_PIPE
    if isinstance(error, StriateError | CycloptsError | MemoryError) or _is_pydantic(error):
        return Exit.USER_ERROR
    if isinstance(error, OSError) and error.errno in _USERS_OS_ERRORS:
        # A full disk is not ours to mend, also where the system does not say which file it was (stdout).
        return Exit.USER_ERROR if error.filename is not None or error.errno in _FULL else Exit.INTERNAL
    return Exit.INTERNAL


def describe(error: BaseException, *, verbs: Iterable[str] = ()) -> str:
    """The sentence (or two) that tells the user what went wrong and what to do."""
    if isinstance(error, CycloptsError):
        return _describe_usage(error, verbs=verbs)
    if _is_pydantic(error):
        return _describe_config(error)
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted; nothing more was written."
    if isinstance(error, MemoryError):
        return "There is not enough memory for this. A smaller photo, batch or network needs less."
    if exit_code(error) is Exit.USER_ERROR:
        if isinstance(error, OSError):
            what = f"'{error.filename}'" if error.filename is not None else "The output cannot be written"
            return f"{what}: {(error.strerror or str(error)).lower()}."
        return str(error).strip()
    return (
        f"A fault of Striate, not of yours: {type(error).__name__}: {' '.join(str(error).split())} "
        "Run it again with --debug for the traceback, and report that with the output of 'striate doctor'."
    )


def _describe_usage(error: CycloptsError, *, verbs: Iterable[str]) -> str:
    command = " ".join(["striate", *(error.command_chain or ())])
    help_hint = f"See '{command} --help'."
    name = error.argument.name if error.argument is not None else ""
    match error:
        case UnknownCommandError():
            word = (error.unused_tokens or [""])[0]
            if word.startswith("-"):
                return f"'{command}' has no option '{word}'. {help_hint}"
            return f"There is no verb '{word}'. {nearest(word, verbs)} 'striate --help' lists them."
        case UnknownOptionError():
            option = (error.token.keyword or error.token.value).split("=", 1)[0]
            options = [n for argument in error.argument_collection if argument.parse for n in argument.names]
            known = nearest(option, [n for n in options if n.startswith("--")])
            return f"'{command}' has no option '{option}'. {known}"
        case ConsumeMultipleError():
            return f"'{command}' needs {error.min_required} or more of {name}, got {error.actual_count}. {help_hint}"
        case MissingArgumentError():
            what = error.keyword or name
            return f"'{command}' needs {'a value for ' if what.startswith('-') else ''}{what}. {help_hint}"
        case CoercionError() if error.token is not None:
            what = error.token.keyword or name
            return f"'{what}' must be {_kind(error.target_type)}, got '{error.token.value}'. {help_hint}"
        case UnusedCliTokensError():
            words = ", ".join(f"'{token}'" for token in error.unused_tokens or ())
            return f"'{command}' does not know what to do with {words}. {help_hint}"
        case RepeatArgumentError():
            return f"'{error.token.keyword}' was given more than once; give it once."
        case ValidationError() if _is_pydantic(error.__cause__):
            return _describe_config(error.__cause__)
    return f"{' '.join(str(error).split())} {help_hint}"


def _kind(target: object) -> str:
    """What a value of this type is called, or which values there are to choose from."""
    origin, parts = get_origin(target), [part for part in get_args(target) if part not in (NoneType, Ellipsis)]
    if origin is Literal:
        return _one_of([f"'{part}'" for part in parts])
    if isinstance(target, type) and issubclass(target, Enum):
        return _one_of([f"'{member.name.lower().replace('_', '-')}'" for member in target])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(part) for part in parts))
    if origin is not None and parts:  # Annotated, and each value of a list or a tuple
        return _kind(parts[0])
    names: dict[object, str] = {int: "a whole number", float: "a number", bool: "yes or no", str: "text"}
    if target in names:
        return names[target]
    return f"a {target.__name__.lower()}" if isinstance(target, type) else "another kind of value"


def _one_of(choices: Sequence[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def _is_pydantic(error: BaseException | None) -> bool:
    # pydantic is looked up, not imported: whoever raised its error has imported it already.
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(error, pydantic.ValidationError)


def _describe_config(error: BaseException | None) -> str:
    first: dict[str, object] = error.errors()[0]  # type: ignore[union-attr]
    where: Sequence[object] = first["loc"]  # type: ignore[assignment]
    name = ".".join(str(part) for part in where)
    flag = f"'--{name.replace('_', '-')}'" if name else "The settings"
    cause = first.get("ctx", {}).get("error") if isinstance(first.get("ctx"), dict) else None  # type: ignore[attr-defined]
    if isinstance(cause, StriateError | ValueError):
        rule = str(cause)
        return rule if isinstance(cause, StriateError) else f"{flag}: {rule.rstrip('.')}, got {first['input']!r}."
    rule = str(first["msg"]).replace("Input should", "must").replace("String should", "must").rstrip(".")
    return f"{flag} {rule[:1].lower()}{rule[1:]}, got {first['input']!r}."

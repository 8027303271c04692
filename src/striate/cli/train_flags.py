"""The options of `striate train`: every setting of a run, none of them given unless somebody gives it.

A recipe may want other numbers than another, so an option that is not given has no value of its own here. Names, rules
and words are those of `TrainConfig` and `TrainSettings`, which also read a run's `config.yaml`.
"""

import re
from typing import Annotated, Any, Optional

from cyclopts import Group, Parameter
from pydantic import BaseModel, ConfigDict, Field, create_model

from striate.recipes.train_config import TrainConfig
from striate.training.settings import TrainSettings

__all__ = ["TrainFlags", "given_flags"]

_WHAT = Group("Data and network", sort_key=1)
_HOW = Group("Learning", sort_key=2)
_ENTRY = re.compile(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", re.MULTILINE)


def _words() -> dict[str, str]:
    """What the docstrings say about each setting, on one line."""
    text = f"{TrainSettings.__doc__}\n{TrainConfig.__doc__}"
    return {name: " ".join(said.split()).replace("`", "") for name, said in _ENTRY.findall(text)}


def _flags() -> type[BaseModel]:
    words = _words()
    fields: dict[str, Any] = {}
    own = {name: field for name, field in TrainConfig.model_fields.items() if name not in TrainSettings.model_fields}
    for name, field in {**own, **TrainSettings.model_fields}.items():
        if name != "data":
            annotation: Any = Optional[field.annotation]  # noqa: UP045 - built at run time
            is_switch = field.annotation in {bool, Optional[bool]}  # noqa: UP045
            negative = f"--no-{name.replace('_', '-')}" if is_switch else ()
            option = Parameter(group=_WHAT if name in own else _HOW, negative=negative)
            fields[name] = (Annotated[annotation, option], Field(default=None, description=words[name]))
    flags: type[BaseModel] = create_model("TrainFlags", __config__=ConfigDict(frozen=True, extra="forbid"), **fields)
    flags.__doc__ = "Every setting of a run, or None where it is not given."
    return flags


TrainFlags: Any = _flags()


def given_flags(flags: BaseModel | None) -> dict[str, Any]:
    """The settings that were given, by name."""
    return {} if flags is None else {name: value for name, value in flags if value is not None}

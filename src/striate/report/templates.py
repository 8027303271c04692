"""What every page is made with: templates that escape, files of the package, JSON that cannot end its script."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["embed_json", "environment", "web"]


def embed_json(value: Any) -> Markup:
    r"""JSON that can stand inside a script element, whatever text it holds.

    >>> str(embed_json({"label": "</script>"}))
    '{"label":"\\u003c/script>"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  # escaped in this line


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Templates of this package; what a stranger wrote is escaped."""
    return Environment(
        loader=FunctionLoader(web),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def web(name: str) -> str:
    """The text of a file of the `web` folder."""
    return files("striate.report").joinpath("web", name).read_text(encoding="utf-8")

"""What every page is made with: templates that escape, files of the package, JSON that cannot end its script.

A page opens from disk without a network: style, script and data are inside, and its own content security policy
forbids every request. Labels and file names are a stranger's words: Jinja escapes them, and in the JSON for the script
every `<` is written as an escape, so that no text can end the script element.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from striate import __version__

__all__ = ["embed_json", "render_page"]


def embed_json(value: Any) -> Markup:
    r"""JSON that can stand inside a script element, whatever text it holds.

    >>> str(embed_json({"label": "</script>"}))
    '{"label":"\\u003c/script>"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  # escaped in this line


def render_page(template: str, *, styles: Sequence[str], scripts: Sequence[str], data: Any, **words: Any) -> str:
    """One self-contained HTML page.

    Args:
        template: A file of the `web` folder.
        styles: Style sheets of that folder, in their order.
        scripts: Scripts of that folder, in their order; together they are one module.
        data: Plain JSON values for the script.
        words: What the template names besides; text in it is escaped.

    Returns:
        The text of the file.
    """
    style, script = ("\n".join(_web(name) for name in names) for names in (styles, scripts))
    return (
        _environment()
        .get_template(template)
        .render(
            version=__version__,
            style=Markup(style),  # noqa: S704  # the package's own files
            script=Markup(script),  # noqa: S704
            data=embed_json(data),
            **words,
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Templates of this package; what a stranger wrote is escaped."""
    return Environment(
        loader=FunctionLoader(_web),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _web(name: str) -> str:
    """The text of a file of the `web` folder."""
    return files("striate.report").joinpath("web", name).read_text(encoding="utf-8")

"""Settings of Sphinx: `make docs` builds the pages into build/docs, which need no network to be read."""

import re
from importlib.metadata import version as installed_version
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

project = "Striate"
author = "The Striate authors"
project_copyright = f"2026, {author}"
version = release = installed_version("striate")

extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]

html_math_renderer = "mathml"  # Sphinx's own fetches a program from another machine to draw each formula
html_static_path = ["static"]
html_css_files = ["formulas.css"]

html_theme = "furo"
html_title = "Striate"
html_copy_source = False
html_show_sphinx = False
# The report's colors (src/striate/report/web/report.css).
html_theme_options = {
    "light_css_variables": {
        "font-stack": 'Seravek, "Segoe UI", "Noto Sans", Cantarell, Ubuntu, "DejaVu Sans", sans-serif',
        "color-background-primary": "#fbfaf8",
        "color-background-secondary": "#f1efeb",
        "color-foreground-primary": "#17181a",
        "color-brand-primary": "#b4632a",
        "color-brand-content": "#b4632a",
        "color-brand-visited": "#b4632a",
    },
    "dark_css_variables": {
        "color-background-primary": "#131416",
        "color-background-secondary": "#1c1e21",
        "color-foreground-primary": "#e9e7e2",
        "color-brand-primary": "#e0935a",
        "color-brand-content": "#e0935a",
        "color-brand-visited": "#e0935a",
    },
}


def to_mathml(tex: str, *, block: bool) -> str:
    """A formula as MathML, which browsers draw themselves."""
    tex = re.sub(r"(\\bar ?\w)(?=_)", r"{\1{}}", tex.strip())  # else the index of a letter with a bar stands below it
    return tex2mathml(tex, as_block=block).replace("<mo>'</mo>", "<mi>′</mi>")  # a mark of the letter, no operation


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(f'<span class="math">{to_mathml(node.astext(), block=False)}</span>')
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(writer.starttag(node, "div", CLASS="math"))
    writer.body.append(f"{to_mathml(node.astext(), block=True)}</div>\n")
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Register what draws the formulas."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))

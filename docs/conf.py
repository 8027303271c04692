"""Settings of Sphinx: `make docs` builds the pages into build/docs."""

from importlib.metadata import version as installed_version

project = "Striate"
author = "The Striate authors"
project_copyright = f"2026, {author}"
version = release = installed_version("striate")

extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]

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

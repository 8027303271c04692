"""The colors of paper and words, light and dark, that all pictures with words share."""

from striate.errors import ConfigError

__all__ = ["RGB", "THEMES", "theme_colors"]

RGB = tuple[int, int, int]

THEMES: dict[str, dict[str, RGB]] = {
    "light": {
        "paper": (251, 250, 248),
        "ink": (23, 24, 26),
        "quiet": (92, 93, 97),
        "line": (222, 219, 213),
        "pad": (241, 239, 235),
        "accent": (180, 99, 42),
    },
    "dark": {
        "paper": (19, 20, 22),
        "ink": (233, 231, 226),
        "quiet": (163, 160, 153),
        "line": (46, 48, 52),
        "pad": (28, 30, 33),
        "accent": (224, 147, 90),
    },
}


def theme_colors(theme: str) -> dict[str, RGB]:
    """The colors of a theme: `paper`, `ink`, `quiet` words, `line`, `pad` (behind padding), `accent`.

    Raises:
        ConfigError: It is neither `light` nor `dark`.

    >>> theme_colors("dark")["paper"]
    (19, 20, 22)
    """
    if theme not in THEMES:
        raise ConfigError(f"theme must be 'light' or 'dark', got {theme!r}.")
    return THEMES[theme]

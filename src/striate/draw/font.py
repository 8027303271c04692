"""The typeface of words in pictures: DejaVu Sans, which matplotlib carries.

The font inside Pillow has no minus sign, no × and no brackets of floors: a scale from −1 to 1 would begin with a box.
"""

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

__all__ = ["load_font"]


@lru_cache(maxsize=32)
def load_font(size_px: float) -> ImageFont.FreeTypeFont:
    """The typeface at a size in pixels."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size_px)

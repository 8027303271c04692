"""Draw the sheet of a folder that `striate invert` wrote as JPEG.

Run: `python docs/images/render_inversion.py striate-out/chelsea-efficientnet_lite0-inversion docs/images/inversion.jpg`
"""

import sys
from pathlib import Path

from striate import draw
from striate.insight import InversionSheet


def main(folder: str, out: str) -> None:
    Path(out).write_bytes(draw.encode_jpeg(InversionSheet.load(folder).draw(), quality=86))


if __name__ == "__main__":
    main(*sys.argv[1:])

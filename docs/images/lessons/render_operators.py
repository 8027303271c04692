"""Draw the pictures of the lessons on matrices, transposed convolution and filters.

Run: `python docs/images/lessons/render_operators.py` (rewrites the files beside this one).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from striate import ops
from striate.data import read_image
from striate.draw import Tile, colorize, draw_matrix, draw_sheet, encode_jpeg, encode_png, enlarge
from striate.recipes.filters import FiltersConfig, run

FOLDER = Path(__file__).parent
PHOTO = FOLDER.parent / "still-life.jpg"


def matrix() -> NDArray[np.uint8]:
    weight = torch.tensor([[[[1.0, 2, 1], [-1, 3, -1], [-2, -3, -2]]]])
    found = ops.convolution_matrix(weight, (6, 6), padding=1)
    return draw_matrix(found.to_dense().numpy(), row_block=6, column_block=6, largest_cell_px=20)


def matrix_groups() -> NDArray[np.uint8]:
    weight = torch.tensor([[[1.0, 2, 1], [-1, 3, -1], [-2, -3, -2]]])[None] * torch.tensor(
        [1.0, -1, 0.5, -0.7]
    ).reshape(4, 1, 1, 1)
    found = ops.convolution_matrix(weight, (4, 4), padding=1, groups=4)
    return draw_matrix(found.to_dense().numpy(), row_block=16, column_block=16, largest_cell_px=11)


def checkerboard() -> NDArray[np.uint8]:
    tiles = []
    for size in (3, 4):
        counts = ops.transposed_convolution(torch.ones(1, 1, 8, 8), torch.ones(1, 1, size, size), stride=2)
        picture = np.full((18, 18, 3), (251, 250, 248), np.uint8)
        colored = colorize(counts[0, 0].numpy(), limits=(0.0, 4.0))
        picture[: colored.shape[0], : colored.shape[1]] = colored
        tiles.append(Tile(enlarge(picture, 20), f"f = {size}, s = 2", "1, 2 or 4 filters" if size == 3 else "4 inside"))
    return draw_sheet(tiles, columns=2)


def filters() -> NDArray[np.uint8]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        *_, done = run(FiltersConfig(photo=PHOTO, max_side=680, out=Path(folder)))
        return read_image(done.files["sheet"])


PICTURES: dict[str, Callable[[], NDArray[np.uint8]]] = {
    "checkerboard.png": checkerboard,
    "filters.jpg": filters,
    "matrix.png": matrix,
    "matrix-groups.png": matrix_groups,
}


def main() -> None:
    for name, draw in PICTURES.items():
        picture = draw()
        (FOLDER / name).write_bytes(encode_png(picture) if name.endswith("png") else encode_jpeg(picture, quality=76))
        print(name, Image.open(FOLDER / name).size, (FOLDER / name).stat().st_size)


if __name__ == "__main__":
    main()

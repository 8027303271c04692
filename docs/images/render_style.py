"""The pictures of `docs/guide/style.md`: two paintings made by code, and the still life in their styles.

    python docs/images/render_style.py FOLDER

writes `strokes.png`, `tiles.png` and the sheet `style.jpg`. Takes about three minutes on two cores, with the weights
`vgg16_features.hed_bsds500` (`striate weights fetch vgg16_features.hed_bsds500`).
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import striate
from striate.data import read_image
from striate.draw import encode_jpeg, encode_png
from striate.dreams import style_transfer

SIDE = 384
PHOTO = Path(__file__).parent / "still-life.jpg"


def strokes(seed: int = 0) -> NDArray[np.uint8]:
    """Thick strokes of a brush that follow a swirl."""
    rng = np.random.default_rng(seed)
    big = Image.new("RGB", (2 * SIDE, 2 * SIDE), (24, 40, 92))
    pen = ImageDraw.Draw(big)
    palette = [(28, 62, 140), (52, 104, 176), (120, 168, 204), (236, 200, 84), (244, 232, 180), (18, 28, 70)]
    for number in range(3600):
        x, y = rng.uniform(0, 2 * SIDE, 2)
        angle = 2.2 * np.sin(x / 130) + 1.8 * np.cos(y / 110) + rng.normal(0, 0.12)
        length, width = rng.uniform(26, 60), int(rng.integers(5, 12))
        color = np.array(palette[int(rng.choice(6, p=[0.3, 0.25, 0.17, 0.12, 0.06, 0.1]))]) + rng.normal(0, 9, 3)
        points = []
        for _ in range(6):
            points.append((x, y))
            x, y = x + length / 5 * np.cos(angle), y + length / 5 * np.sin(angle)
            angle += 0.12 * np.sin(number)
        pen.line(points, fill=tuple(int(v) for v in np.clip(color, 0, 255)), width=width, joint="curve")
    return np.asarray(big.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def tiles(seed: int = 1) -> NDArray[np.uint8]:
    """A mosaic: cells around random points, each of one warm color, with dark joints."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, SIDE, (620, 2))
    y, x = np.mgrid[:SIDE, :SIDE]
    from scipy.spatial import cKDTree

    distance, nearest = cKDTree(points).query(np.stack([y.ravel(), x.ravel()], 1), k=2)
    palette = np.array([(190, 70, 44), (226, 148, 60), (240, 208, 140), (120, 44, 40), (60, 96, 92), (212, 104, 72)])
    colors = palette[rng.integers(0, 6, len(points))] + rng.normal(0, 10, (len(points), 3))
    picture = colors[nearest[:, 0]].reshape(SIDE, SIDE, 3)
    picture[(distance[:, 1] - distance[:, 0]).reshape(SIDE, SIDE) < 1.6] = (34, 26, 24)
    return np.clip(picture, 0, 255).astype(np.uint8)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    network = striate.load("vgg16_features.hed_bsds500")
    photo = read_image(PHOTO)
    paintings = {"strokes": strokes(), "tiles": tiles()}
    for name, painting in paintings.items():
        (folder / f"{name}.png").write_bytes(encode_png(painting))
    settings: dict[str, dict[str, Any]] = {
        "L-BFGS": {},
        "Adam": {"optimizer": "adam"},
        "colors kept": {"keep_colors": "luminance"},
        "Wasserstein": {"loss": "wasserstein"},
    }
    shown = []
    for name, painting in paintings.items():
        row = [np.asarray(Image.fromarray(painting).resize((240, 240), Image.Resampling.LANCZOS))]
        for title, more in settings.items():
            result = style_transfer(network, photo, painting, **{"size": 224, "scales": 2, "steps": 50, **more})
            print(name, title, f"{result.seconds:.0f} s", {k: round(v, 4) for k, v in list(result.losses.items())[:3]})
            (folder / f"{name}-{title}.png").write_bytes(encode_png(result.pixels))
            row.append(result.pixels)
        shown.append((name, row))
    rows = []
    for name, row in shown:
        height = row[1].shape[0]
        style = np.asarray(Image.fromarray(paintings[name]).resize((height, height), Image.Resampling.LANCZOS))
        gap = np.full((height, 8, 3), 251, np.uint8)
        parts = [style, *row[1:]]
        rows.append(np.concatenate([x for part in parts for x in (part, gap)][:-1], 1))
        rows.append(np.full((8, rows[0].shape[1], 3), 251, np.uint8))
    (folder / "style.jpg").write_bytes(encode_jpeg(np.concatenate(rows[:-1]), quality=85))


if __name__ == "__main__":
    main()

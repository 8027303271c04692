"""Draw `neighbors.jpg` (maps of one photo, and what one of them cuts out) and `sanity-check.jpg` (maps that forget).

Run: `python docs/images/render_neighbors.py docs/images/still-life.jpg docs/images`
"""

import sys
from pathlib import Path

import numpy as np

import striate
from striate import draw, insight
from striate.data import read_image


def neighbors(network: striate.Network, photo: str) -> np.ndarray:
    seen = np.asarray(network.preprocessing.view(read_image(photo)).pixels)
    parts = insight.integrated_gradients(network, photo).heatmap("sum").values
    cam, cut = insight.grad_cam(network, photo), insight.grabcut(network, photo)
    better = insight.grabcut(network, photo, heatmap=cam)

    def map_of(values: np.ndarray, *, signed: bool = False) -> np.ndarray:
        limits = draw.limits_of(values, signed=signed, percentile=99.5)
        return draw.colorize(values[0], colormap=draw.SIGNED if signed else draw.UNSIGNED, limits=limits)

    tiles = [
        draw.Tile(seen, "what the network saw"),
        draw.Tile(map_of(insight.saliency(network, photo).values), "saliency"),
        draw.Tile(map_of(insight.smooth_grad(network, photo).saliency().values), "smooth_grad, 25 samples"),
        draw.Tile(map_of(parts, signed=True), "integrated_gradients"),
        draw.Tile(cam.draw(seen[None])[0], "grad_cam"),
        draw.Tile(insight.guided_grad_cam(network, photo).draw()[0], "guided_grad_cam"),
        draw.Tile(cut.draw()[0], "grabcut, from saliency"),
        draw.Tile(better.draw()[0], "grabcut, from grad_cam"),
    ]
    return draw.draw_sheet(tiles, columns=4)


def sanity(network: striate.Network, photo: str) -> np.ndarray:
    sheets = []
    for method in (insight.saliency, insight.grad_cam, insight.guided_backprop):
        check = insight.randomization(network, photo, method, steps=4)
        names = [f"{method.__name__}: trained", *(f"random down to {layer}" for layer in check.layers)]
        sheets += [
            draw.Tile(draw.colorize(one, limits=(0.0, 1.0)), name)
            for one, name in zip(check.maps[:, 0], names, strict=True)
        ]
    return draw.draw_sheet(sheets, columns=5)


def main(photo: str, folder: str) -> None:
    network = striate.load("efficientnet_lite0")
    for name, picture in (("neighbors", neighbors(network, photo)), ("sanity-check", sanity(network, photo))):
        (Path(folder) / f"{name}.jpg").write_bytes(draw.encode_jpeg(picture, quality=88))


if __name__ == "__main__":
    main(*sys.argv[1:])

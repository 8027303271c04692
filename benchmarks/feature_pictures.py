"""Do pictures made for units excite them more than natural ones do?

    python benchmarks/feature_pictures.py --network squeezenet1_1 --layers features.5,features.9 --units 8
    python benchmarks/feature_pictures.py --natural FOLDER …        (more natural pictures than the ones at hand)

For random units of each layer: the largest activation in the finished picture (no transform), and the largest in 1,000
natural patches of the same size, cut at random places and scales out of the photos that scikit-image and scikit-learn
carry, and out of the pictures of a folder. One line a layer, one JSON file a network; `--out` also keeps the pictures.
"""

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_sample_images

import striate
from striate.data import find_images, read_image
from striate.insight import feature_pictures

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


def patches(count: int, side: int, folder: Path | None, seed: int) -> torch.Tensor:
    """`count` squares of random scale and place, `count 3 side side`; a third of them out of the folder."""
    from skimage import data

    rng = np.random.default_rng(seed)
    photos = [getattr(data, name)()[..., :3] for name in PHOTOS] + load_sample_images().images
    files = list(find_images([folder])) if folder is not None else []
    chosen = [files[i] for i in rng.permutation(len(files))[: count // 3]]
    squares = []
    for number in range(count):
        photo = read_image(chosen[number]) if number < len(chosen) else photos[rng.integers(len(photos))]
        h, w = photo.shape[:2]
        cut = min(h, w) if number < len(chosen) else int(rng.integers(min(64, h, w), min(h, w) + 1))
        y, x = int(rng.integers(h - cut + 1)), int(rng.integers(w - cut + 1))
        square = torch.from_numpy(np.array(photo[y : y + cut, x : x + cut])).permute(2, 0, 1)[None].float() / 255
        squares.append(
            torch.nn.functional.interpolate(square, (side, side), mode="bilinear", antialias=True).clamp(0, 1)
        )
    return torch.cat(squares)


def natural_best(network: striate.Network, x: torch.Tensor, layers: list[str]) -> dict[str, torch.Tensor]:
    """For each layer the largest activation of every channel in any patch at any place."""
    best: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for batch in (x[i : i + 20] for i in range(0, len(x), 20)):
            for layer, a in striate.probe.capture(
                network.module, network.preprocessing.normalize(batch), layers
            ).items():
                peak = a.flatten(2).amax(2).amax(0)
                best[layer] = peak if layer not in best else torch.maximum(best[layer], peak)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--layers", required=True, type=lambda text: text.split(","))
    parser.add_argument("--units", type=int, default=8, help="random units a layer")
    parser.add_argument("--method", default="fourier")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=256)
    parser.add_argument("--patches", type=int, default=1000)
    parser.add_argument("--natural", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for the pictures (npz)")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()

    network = striate.load(given.network)
    x = patches(given.patches, given.size, given.natural, given.seed)
    best = natural_best(network, x, given.layers)
    for layer in given.layers:
        alive = torch.nonzero(best[layer] > 0).flatten().numpy()  # a unit that 1,000 patches never excite is reported
        rng = np.random.default_rng(given.seed)
        units = sorted(rng.choice(len(best[layer]), min(given.units, len(best[layer])), replace=False).tolist())
        made = feature_pictures(
            network,
            [f"{layer}:{unit}" for unit in units],
            method=given.method,
            size=given.size,
            steps=given.steps,
            seed=given.seed,
        )
        natural = best[layer][units].numpy()
        ratios = made.activations / np.where(natural > 0, natural, np.nan)
        row = {
            "layer": layer,
            "units": units,
            "activations": np.round(made.activations, 4).tolist(),
            "natural_best": np.round(natural.astype(float), 4).tolist(),
            "share_above_natural": float((made.activations > natural).mean()),
            "median_ratio": None if np.isnan(ratios).all() else float(np.nanmedian(ratios)),
            "not_excited": [made.targets[i] for i in np.flatnonzero(~made.excited)],
            "silent_for_patches": int(len(best[layer]) - len(alive)),
            "seconds_a_picture": made.seconds / len(units),
            "contrast": np.round(made.values.std((1, 2, 3)).astype(float), 3).tolist(),
        }
        print(
            f"{given.network} {layer}: {row['share_above_natural']:.0%} of {len(units)} above the best of "
            f"{given.patches} patches, median ratio {row['median_ratio']:.2f}, "
            f"{row['seconds_a_picture']:.1f} s a picture",
            flush=True,
        )
        if given.out is not None:
            given.out.mkdir(parents=True, exist_ok=True)
            made.save(given.out / f"{network.name}-{layer}-{given.method}.npz")
        given.results.mkdir(exist_ok=True)
        keep(given.results / f"feature_pictures-{network.name}-{given.method}.json", given, row)


def keep(path: Path, given: argparse.Namespace, row: dict[str, Any]) -> None:
    """Put one layer's row into the network's file; rows made with other settings are dropped."""
    facts = {
        "network": given.network,
        "method": given.method,
        "size": given.size,
        "steps": given.steps,
        "patches": given.patches,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    before = json.loads(path.read_text()) if path.exists() else {"layers": []}
    kept = before.pop("layers")
    kept = kept if before == facts else []
    rows = [old for old in kept if old["layer"] != row["layer"]] + [row]
    path.write_text(json.dumps({**facts, "layers": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

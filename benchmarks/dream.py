"""DeepDream beside the textbook script: the same network, layer, octaves, steps and rolls, one run.

    python benchmarks/dream.py                                   (EfficientNet-Lite0, 1024 px)
    python benchmarks/dream.py --network vgg16_features.hed_bsds500 --size 1024 --steps 1

The textbook: a hook on the layer, the whole network forward in eager float32 as torch lays it out (n c h w), half the
sum of squares, `.backward()`, which also computes the gradients of the weights. Ours: folded, channels-last, up to the
layer, to the pixels alone; then the same in bfloat16. Each round paints whole pictures, one after the other in turn;
the medians are compared. Likeness is between the pictures after all octaves, from the same rolls. Dreams amplify
rounding from step to step, so the textbook is also compared with itself, on a photo changed by a millionth.
"""

import argparse
import json
import platform
import resource
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

import striate
from striate.dreams import Dreamer
from striate.dreams.dream import _mix
from striate.dreams.dream_photo import photo_tensor
from striate.dreams.octaves import octave_sizes, resample
from striate.runtime import reuse_freed_memory


def textbook(network: striate.Network, layer: str, photo: Tensor, settings: dict[str, Any]) -> Tensor:
    """The usual script, with our rolls."""
    module: nn.Module = network.module
    kept: list[Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(lambda _m, _i, output: kept.append(output))
    sizes = octave_sizes(*photo.shape[2:], octaves=settings["octaves"], scale=settings["scale"])
    detail = torch.zeros_like(photo[:, :, :1, :1])
    for octave, size in enumerate(sizes):
        base = resample(photo, size)
        x = (base + resample(detail, size)).clamp(0, 1)
        for step in range(settings["steps"]):
            jitter = settings["jitter"]
            generator = torch.Generator().manual_seed(_mix(settings["seed"] * 1_000_003 * 64 + octave, step))
            shift = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
            leaf = x.roll(shift, (2, 3)).requires_grad_(True)
            kept.clear()
            module(network.preprocessing.normalize(leaf))
            module.zero_grad()
            (0.5 * kept[0].square().sum()).backward()
            gradient = leaf.grad.roll([-s for s in shift], (2, 3))
            x = (x + settings["strength"] / 255 * gradient / gradient.abs().mean()).clamp(0, 1)
        detail = x - base
    handle.remove()
    module.zero_grad()
    return x


def ours(dreamer: Dreamer, photo: Tensor) -> Tensor:
    painting = dreamer.paint(photo)
    for _ in painting.run():
        pass
    return painting.picture()


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * (a - b).double().square().mean().clamp(min=1e-20).log10())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--layer")
    parser.add_argument("--photo", type=Path, default=Path(__file__).parents[1] / "docs/images/still-life.jpg")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--octaves", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-weight-gradients", action="store_true", help="a textbook that froze the weights")
    parser.add_argument("--keep-freed-memory", action="store_true", help="for both sides, as the command line does")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.keep_freed_memory:
        reuse_freed_memory()
    settings = {"octaves": args.octaves, "scale": 1.4, "steps": args.steps, "strength": 1.5, "jitter": 32, "seed": 0}
    network = striate.load(args.network)
    network.module.to(memory_format=torch.contiguous_format)
    for parameter in network.module.parameters():
        parameter.requires_grad_(not args.no_weight_gradients)
    dreamers = {
        name: Dreamer(network, target=args.layer, precision=name, **settings) for name in ("float32", "bfloat16")
    }
    layer = dreamers["float32"].goals[0].layer
    photo = photo_tensor(dreamers["float32"].whole, args.photo, size=args.size)
    runs = {
        "textbook": lambda: textbook(network, layer, photo, settings),
        "float32": lambda: ours(dreamers["float32"], photo),
        "bfloat16": lambda: ours(dreamers["bfloat16"], photo),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    pictures: dict[str, Tensor] = {}
    for _ in range(args.rounds):
        for name, paint in runs.items():
            began = perf_counter()
            pictures[name] = paint()
            seconds[name].append(perf_counter() - began)
    pictures["textbook, changed by 1e-6"] = textbook(network, layer, (photo + 1e-6).clamp(0, 1), settings)
    times = {name: median(values) for name, values in seconds.items()}
    result = {
        "network": args.network,
        "layer": layer,
        "pixels": list(photo.shape[2:]),
        **settings,
        "weight_gradients": not args.no_weight_gradients,
        "freed_memory_kept": args.keep_freed_memory,
        "seconds": {name: [round(s, 2) for s in values] for name, values in seconds.items()},
        "times_faster": {name: round(times["textbook"] / times[name], 2) for name in ("float32", "bfloat16")},
        "psnr_db": {
            name: round(psnr(pictures[name], pictures["textbook"]), 1) for name in pictures if name != "textbook"
        },
        "painted_db": round(psnr(photo, pictures["textbook"]), 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    print(json.dumps(result, indent=2))
    if args.out is not None:
        args.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()

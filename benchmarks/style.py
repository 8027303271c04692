"""Neural style beside PyTorch's tutorial: the same network, layers, weights, pictures and loss, one run.

    python benchmarks/style.py --size 256
    python benchmarks/style.py --size 512 --closures 60     (short: the tutorial's time for 300 is then extrapolated)

The tutorial's loop as published: loss modules in a Sequential that ends with the last of them, weights frozen, L-BFGS
with its defaults, the picture clamped in every closure. Ours: the same objective from coarse to fine, in bfloat16
where the processor has it. Losses are evaluated in float32 by one function, of pictures clamped to [0, 1]; that does
not count in the times. "Reached" is the first time at which our loss is at or below the tutorial's last one; "lowest"
asks the same of its lowest: its L-BFGS has no line search and sometimes leaves a good picture.
"""

import argparse
import json
import platform
import resource
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

import striate
from striate.data import read_image
from striate.dreams.style_pictures import resize
from striate.dreams.style_run import StyleTransfer

STYLE_LAYERS, CONTENT_LAYERS = (1, 2, 3, 4, 5), (4,)


def gram(x: Tensor) -> Tensor:
    a, b, c, d = x.size()
    features = x.view(a * b, c * d)
    return torch.mm(features, features.t()).div(a * b * c * d)


class ContentLoss(nn.Module):
    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.target, self.loss = target.detach(), torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        self.loss = F.mse_loss(x, self.target)
        return x


class StyleLoss(nn.Module):
    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.target, self.loss = gram(target).detach(), torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        self.loss = F.mse_loss(gram(x), self.target)
        return x


class Normalize(nn.Module):
    def __init__(self, network: striate.Network) -> None:
        super().__init__()
        self.prepare = network.preprocessing.normalize

    def forward(self, x: Tensor) -> Tensor:
        return self.prepare(x)


def tutorial_model(network: striate.Network, content: Tensor, style: Tensor) -> tuple[nn.Module, list[Any], list[Any]]:
    model, number = nn.Sequential(Normalize(network)), 0
    styles: list[Any] = []
    contents: list[Any] = []
    for part in network.module.features:
        layer = nn.ReLU(inplace=False) if isinstance(part, nn.ReLU) else part
        model.append(layer)
        if isinstance(part, nn.Conv2d):
            number += 1
            with torch.no_grad():
                if number in CONTENT_LAYERS:
                    contents.append(ContentLoss(model(content)))
                    model.append(contents[-1])
                if number in STYLE_LAYERS:
                    styles.append(StyleLoss(model(style)))
                    model.append(styles[-1])
        if number == max(STYLE_LAYERS):
            break
    return model.eval().requires_grad_(False), styles, contents


def run_tutorial(network: striate.Network, content: Tensor, style: Tensor, closures: int, weights: tuple[float, float]):
    began = perf_counter()
    model, styles, contents = tutorial_model(network, content, style)
    picture = content.clone().contiguous().requires_grad_(True)
    optimizer = torch.optim.LBFGS([picture])
    done, snapshots = 0, []

    def closure() -> Tensor:
        nonlocal done
        with torch.no_grad():
            picture.clamp_(0, 1)
        optimizer.zero_grad()
        model(picture)
        loss = weights[1] * sum(s.loss for s in styles) + weights[0] * sum(c.loss for c in contents)
        loss.backward()
        done += 1
        return loss

    while done < closures:
        optimizer.step(closure)
        snapshots.append((done, perf_counter() - began, picture.detach().clamp(0, 1).clone()))
    return snapshots


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="vgg16_features.hed_bsds500")
    parser.add_argument("--content", type=Path)
    parser.add_argument("--style", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--closures", type=int, default=300, help="of the tutorial")
    parser.add_argument("--style-weight", type=float, default=1e6)
    parser.add_argument("--content-weight", type=float, default=1.0)
    parser.add_argument("--steps", type=lambda text: [int(n) for n in text.split(",")], default=[60, 60, 60])
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--every", type=int, default=5, help="our loss is looked at every so many steps")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network = striate.load(args.network)
    from skimage import data

    content, style = (
        torch.from_numpy(read_image(path) if path else default[..., :3].copy()).permute(2, 0, 1)[None].float() / 255
        for path, default in ((args.content, data.chelsea()), (args.style, data.immunohistochemistry()))
    )
    size = (args.size, args.size)
    content, style = (resize(x[..., : min(x.shape[2:]), : min(x.shape[2:])], size) for x in (content, style))
    weights = (args.content_weight, args.style_weight)
    model, styles, contents = tutorial_model(network, content, style)

    def exact(picture: Tensor) -> float:
        with torch.no_grad():
            model(picture.clamp(0, 1).contiguous())
            return float(weights[1] * sum(s.loss for s in styles) + weights[0] * sum(c.loss for c in contents))

    began = perf_counter()
    transfer = StyleTransfer(
        network,
        content,
        style,
        preset="tutorial",
        content_weight=weights[0],
        style_weight=weights[1] * len(STYLE_LAYERS),
        size=args.size,
        scales=len(args.steps),
        steps=args.steps,
        precision=args.precision,
    )
    ours: list[tuple[int, float, float]] = []
    used, mark = 0.0, began
    pictures = []
    for step in transfer.run():
        last = step.number == step.total
        if step.scale == step.scales - 1 and (last or step.number % args.every == 0):
            used += perf_counter() - mark
            picture = transfer.picture()
            ours.append((step.evaluations, used, exact(picture)))
            pictures = [picture]
            mark = perf_counter()
    peak_ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    theirs = run_tutorial(network, content, style, args.closures, weights)
    done, seconds, picture = theirs[-1]
    final = exact(picture)
    at_300 = seconds * 300 / done
    reached = next((t for _, t, loss in ours if loss <= final), None)
    lowest, lowest_at = min((exact(x), t) for _, t, x in theirs)
    below = next((t for _, t, loss in ours if loss <= lowest), None)
    found = {
        "network": args.network,
        "size": args.size,
        "weights": weights,
        "tutorial": {
            "closures": done,
            "seconds": round(seconds, 2),
            "seconds_for_300": round(at_300, 2),
            "loss": final,
            "curve": [(n, round(t, 2), exact(x)) for n, t, x in theirs],
        },
        "striate": {
            "precision": transfer.settings()["precision"],
            "steps": args.steps,
            "curve": [(n, round(t, 2), loss) for n, t, loss in ours],
            "loss": ours[-1][2],
            "reached_after_seconds": None if reached is None else round(reached, 2),
        },
        "ratio": None if reached is None else round(reached / seconds, 3),
        "lowest": {
            "loss": lowest,
            "tutorial_seconds": round(lowest_at, 2),
            "striate_seconds": None if below is None else round(below, 2),
            "ratio": None if below is None else round(below / lowest_at, 3),
        },
        "start_loss": exact(content),
        "peak_mb": {
            "after_ours": round(peak_ours),
            "at_the_end": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        },
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "python": platform.python_version(), "machine": platform.machine()},
    }
    print(json.dumps(found, indent=1))
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / f"style-{args.size}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        both = torch.cat([pictures[0], picture], 3)[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(np.ascontiguousarray(both)).save(args.out / f"style-{args.size}.png")


if __name__ == "__main__":
    main()

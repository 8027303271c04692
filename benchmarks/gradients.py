"""Maps of several classes and units of one picture: one forward pass for all, beside captum's one after the other.

    python benchmarks/gradients.py [--networks squeezenet1_1 resnet18 …] [--classes 5] [--rounds 3]

Both sides take the same eager module with its memory as it was made, in turn, round by round, so that other load on
the machine meets both alike; ratios are of medians. The maps are compared in the same run. captum's rules know
`nn.ReLU` alone: on a network with ReLU6 (efficientnet_lite0) its guided map is the plain gradient, and `off` says so.

The units are a row of channels of a layer in the middle, each at the middle of its map: whole pictures by captum, cut
to the receptive field here.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import captum
import captum.attr as attr
import numpy as np
import torch
from torch import Tensor, nn

from striate.insight import deconvnet, guided_backprop, input_gradient
from striate.models import create_model, find_entry
from striate.probe import capture

METHODS = {
    "plain gradient": (input_gradient, attr.Saliency, {"abs": False}),
    "guided back-propagation": (guided_backprop, attr.GuidedBackprop, {}),
    "deconvnet": (deconvnet, attr.Deconvolution, {}),
}
# A convolution in the middle, for the units.
MIDDLE = {"squeezenet1_1": "features.6.squeeze", "resnet18": "layer2.0.conv1", "vgg16": "features.14"}


def compare(ours: Callable[[], np.ndarray], theirs: Callable[[], np.ndarray], rounds: int) -> str:
    """Medians of both, their ratio, and how far the maps lie apart."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        answers = []
        for side, run in zip(seconds, (ours, theirs), strict=True):
            began = time.perf_counter()
            answers.append(run())
            if turn:  # the first is the warm-up
                side.append(time.perf_counter() - began)
    mine, other = (statistics.median(side) for side in seconds)
    off = np.abs(answers[0] - answers[1]).max() / np.abs(answers[1]).max()
    return f"{mine:8.3f} s {other:8.3f} s {other / mine:6.2f}×   off {off:.0e}"


def classes(net: nn.Module, x: Tensor, count: int, rounds: int) -> None:
    """`count` classes by every method."""
    wanted = list(range(count))
    for name, (method, captums, settings) in METHODS.items():

        def theirs(captums: Callable[[nn.Module], attr.Attribution] = captums, settings: dict = settings) -> np.ndarray:
            rows = [captums(net).attribute(x.clone(), target=k, **settings).detach() for k in wanted]
            return torch.cat(rows).numpy()

        line = compare(lambda method=method: method(net, x, target=wanted).values, theirs, rounds)
        print(f"  {f'{count} classes, {name}':<42}{line}", flush=True)


def units(net: nn.Module, x: Tensor, layer: str, count: int, rounds: int) -> None:
    """`count` units of a layer by guided back-propagation."""
    with torch.no_grad():
        height, width = capture(net, x, [layer])[layer].shape[2:]
    y, c = height // 2, width // 2
    addresses = [f"{layer}:{k}@{y},{c}" for k in range(count)]
    x0, y0, x1, y1 = guided_backprop(net, x, target=addresses[:1], crop=True).boxes[0]

    def theirs() -> np.ndarray:
        method = attr.NeuronGuidedBackprop(net, net.get_submodule(layer))
        rows = [method.attribute(x.clone(), neuron_selector=(k, y, c)).detach() for k in range(count)]
        return torch.cat(rows).numpy()[:, :, y0:y1, x0:x1]

    line = compare(lambda: guided_backprop(net, x, target=addresses, crop=True).values, theirs, rounds)
    print(f"  {f'{count} units of {layer}, {y1 - y0} × {x1 - x0} px':<42}{line}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["squeezenet1_1", "resnet18", "vgg16", "efficientnet_lite0"])
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--units", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        f"one picture, float32, torch {torch.__version__}, captum {captum.__version__}, "
        f"{torch.get_num_threads()} threads, median of {chosen.rounds} rounds\n"
        f"{'':44}{'striate':>10} {'captum':>10} {'ratio':>7}"
    )
    for name in chosen.networks:
        torch.manual_seed(0)
        net = create_model(name).eval()
        x = torch.randn(1, *find_entry(name).input_size)
        print(f"{name}, {' × '.join(map(str, x.shape[1:]))}")
        classes(net, x, chosen.classes, chosen.rounds)
        if name in MIDDLE:
            units(net, x, MIDDLE[name], chosen.units, chosen.rounds)


if __name__ == "__main__":
    main()

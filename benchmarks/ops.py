"""What the checks of `striate.ops` cost beside torch's own functions: the same job, in turn, in one run.

    python benchmarks/ops.py [--rounds 40]

Sizes are those of one picture in the middle of a ResNet; answers are compared in the same run; 1.00 is torch's time.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from striate import ops


def jobs() -> dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]]:
    x, w = torch.randn(1, 64, 56, 56), torch.randn(64, 64, 3, 3)
    depthwise, point = torch.randn(64, 1, 3, 3), torch.randn(64, 64)
    small, up = torch.randn(1, 64, 28, 28), torch.randn(64, 32, 4, 4)
    tiny, little = torch.randn(1, 8, 7, 7), torch.randn(8, 8, 3, 3)
    return {
        "cross_correlation 3×3": (lambda: ops.cross_correlation(x, w, padding=1), lambda: F.conv2d(x, w, padding=1)),
        "cross_correlation 3×3, tiny map": (
            lambda: ops.cross_correlation(tiny, little, padding=1),
            lambda: F.conv2d(tiny, little, padding=1),
        ),
        "depthwise_convolution 3×3": (
            lambda: ops.depthwise_convolution(x, depthwise, padding=1),
            lambda: F.conv2d(x, depthwise, padding=1, groups=64),
        ),
        "pointwise_convolution": (
            lambda: ops.pointwise_convolution(x, point),
            lambda: F.conv2d(x, point[:, :, None, None]),
        ),
        "transposed_convolution 4×4, stride 2": (
            lambda: ops.transposed_convolution(small, up, stride=2, padding=1),
            lambda: F.conv_transpose2d(small, up, stride=2, padding=1),
        ),
        "max_pool 3×3, stride 2": (
            lambda: ops.max_pool(x, 3, stride=2, padding=1),
            lambda: F.max_pool2d(x, 3, 2, 1),
        ),
        "average_pool 2×2": (lambda: ops.average_pool(x, 2), lambda: F.avg_pool2d(x, 2)),
        "local_response_norm 5": (lambda: ops.local_response_norm(x, 5), lambda: F.local_response_norm(x, 5)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float32, {platform.machine()}")
    print(f"{'':40}{'ours ms':>9}{'torch ms':>10}{'ratio':>8}")
    for name, (ours, theirs) in jobs().items():
        if not torch.allclose(ours(), theirs(), atol=1e-4):
            raise SystemExit(f"{name}: the answers differ.")
        times: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(rounds):
            for mine in (True, False) if turn % 2 else (False, True):
                began = time.perf_counter()
                for _ in range(5):
                    (ours if mine else theirs)()
                times[mine].append((time.perf_counter() - began) / 5)
        a, b = statistics.median(times[True]) * 1e3, statistics.median(times[False]) * 1e3
        print(f"{name:40}{a:9.3f}{b:10.3f}{a / b:8.2f}")


if __name__ == "__main__":
    main()

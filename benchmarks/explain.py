"""How long `striate explain` takes: as a command, from a cold start, and part by part in one process.

    python benchmarks/explain.py PHOTO [--network efficientnet_lite0] [--repeats 3]

The command is what a person waits for. The parts are medians over the repeats, with the network loaded once.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def measure(action: Callable[[], Any], *, repeats: int) -> tuple[float, Any]:
    """Median seconds over the repeats, and the last result."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = action()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), result


def measure_command(photo: Path, network: str, out: Path) -> float:
    """Seconds of the whole command in a process of its own, as a person would run it."""
    command = [sys.executable, "-m", "striate", "explain", str(photo), "--network", network, "--out", str(out)]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def measure_parts(photo: Path, network_name: str, folder: Path, *, repeats: int) -> dict[str, float]:
    """Seconds of each part, in the order in which the recipe does them."""
    parts: dict[str, float] = {}
    began = time.perf_counter()
    import torch

    parts["import torch"] = time.perf_counter() - began
    began = time.perf_counter()
    from striate.data import read_image
    from striate.insight import Explanation, kernels, occlusion, saliency, stage_activations
    from striate.models import load
    from striate.recipes.explain import ExplainConfig, explain
    from striate.report import build_report

    parts["import striate"] = time.perf_counter() - began
    began = time.perf_counter()
    network = load(network_name)
    network.module.to(memory_format=torch.channels_last)
    parts["load the network"] = time.perf_counter() - began

    def timed(name: str, action: Callable[[], Any]) -> Any:
        parts[name], result = measure(action, repeats=repeats)
        return result

    image = timed("read the photo", lambda: read_image(photo))
    timed("preprocess", lambda: network.preprocess(image))
    answers = timed("classify", lambda: network.classify(image)[0])
    target = answers[0].index
    summary = timed("layer table", network.summary)
    timed("first kernels", lambda: kernels(network))
    timed("activations", lambda: stage_activations(network, image, top=12, stages=summary.stages))
    timed("saliency", lambda: saliency(network, image, target=target))
    timed("occlusion", lambda: occlusion(network, image, target=target))
    config = ExplainConfig(photo=photo, network=network_name, out=folder)
    explanation: Explanation | None = None

    def whole() -> Explanation:
        steps = explain(network, image, config)
        while True:
            try:
                next(steps)
            except StopIteration as finished:
                result: Explanation = finished.value
                return result

    explanation = timed("explain, all of it", whole)
    timed("save the data", lambda: explanation.save(folder))
    page = timed("draw the page", lambda: build_report(explanation))
    parts["page, MB"] = len(page.encode()) / 1e6
    return parts


def describe_machine() -> dict[str, Any]:
    """What the numbers belong to."""
    import torch

    import striate

    return {
        "striate": striate.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "precision": "float32",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        command, _ = measure(
            lambda: measure_command(arguments.photo, arguments.network, out / "command"), repeats=arguments.repeats
        )
        parts = measure_parts(arguments.photo, arguments.network, out / "parts", repeats=arguments.repeats)
    run = {
        "photo": arguments.photo.name,
        "network": arguments.network,
        "medians of": arguments.repeats,
        "load before": load,
    }
    report = {"machine": {**describe_machine(), **run}, "command_s": command, "parts_s": parts}
    if arguments.json:
        print(json.dumps(report, indent=2))
        return
    for name, fact in report["machine"].items():
        print(f"{name:20} {fact}")
    print(f"\n{'the whole command':20} {command:7.2f} s")
    for name, seconds in parts.items():
        print(f"{name:20} {seconds:7.3f}{'' if name.endswith('MB') else ' s'}")


if __name__ == "__main__":
    main()

"""The speed story of R-CNN, Fast R-CNN, Faster R-CNN and YOLO, measured: VGG-16, 600 px, five photos, 2,000 proposals.

    OMP_NUM_THREADS=2 python benchmarks/detection_speed.py | tee benchmarks/results/detection_speed.txt
    python benchmarks/detection_speed.py --pictures 1 --proposals 200 --crops 4 --rounds 1 --factors random   (a try)

Seconds a picture, from pixels to boxes, float32, one picture at a time, selective search left out and told beside it.
Weights are fresh: time does not depend on them, so nothing is said about what is found. Every round asks all detectors
about a picture one after the other, so that a busy moment hits all of them; medians over pictures and rounds, and
ratios of the times of one picture in one round, of which the median counts, too.

R-CNN sends 2,000 crops through VGG-16: some ten minutes of one core a picture. By default it is asked about `--crops`
of the proposals, drawn evenly, in the batches that it always uses, on every picture, and the time is scaled:

    seconds = (seconds without any proposal) + N / crops · (what the crops took)

`--full K` asks it about all N on the first K pictures, and says how far the scaled time is from that.

It must reach: Fast R-CNN at least 50 times faster than R-CNN, 100 times with truncated SVD (ranks 1024 and 256); Faster
R-CNN with its own proposals faster than selective search and Fast R-CNN together; YOLO fastest. Two quiet cores need
about ten minutes; on a machine that others use, `--clock processor` counts the work instead of the waiting.
"""

import argparse
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter, process_time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import striate
from striate.data import Labels, Preprocessing
from striate.detection import compress
from striate.detection.finding import detect
from striate.detection.proposals import ProposalSettings, propose
from striate.detection.rcnn import RCNN
from striate.models import Network
from striate.models.build import build
from striate.models.catalogue import find_entry
from striate.runtime import reuse_freed_memory

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]

CLASSES = 20
RANKS = (1024, 256)
PAPER = ("rcnn_vgg16", "fast_rcnn_vgg16", "fast_rcnn_vgg16 + SVD", "faster_rcnn_vgg16", "yolo_v1")
LIGHT = ("rcnn", "fast_rcnn", "faster_rcnn", "yolo")


@dataclass
class Row:
    """A detector and the seconds that it took, by picture and round."""

    name: str
    network: Network
    seconds: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Over all pictures and rounds."""
        return statistics.median(self.seconds.values())


def photos(count: int, shorter: int) -> list[tuple[str, Pixels]]:
    """Photos that scikit-learn and scikit-image carry, else built-in scenes, with a shorter side of so many pixels."""
    found: list[tuple[str, Pixels]] = []
    try:
        from sklearn.datasets import load_sample_images

        names = ("china", "flower")
        found += [(name, pixels) for name, pixels in zip(names, load_sample_images().images, strict=True)]
        from skimage import data

        found += [(name, getattr(data, name)()[..., :3]) for name in ("astronaut", "coffee", "chelsea")]
    except ImportError:
        from striate.data.scene_settings import SceneSettings
        from striate.data.scenes import build_scenes

        scenes = build_scenes(count, settings=SceneSettings(size=(shorter, shorter * 4 // 3)))
        found += [(f"scene {number}", scenes.pixels(number)) for number in range(count)]
    return [(name, resized(pixels, shorter)) for name, pixels in found[:count]]


def resized(pixels: Pixels, shorter: int) -> Pixels:
    """With bilinear interpolation, so that every detector is given the same photo."""
    from PIL import Image

    h, w = pixels.shape[:2]
    scale = shorter / min(h, w)
    return np.asarray(Image.fromarray(pixels).resize((round(w * scale), round(h * scale)), Image.Resampling.BILINEAR))


def regions(pixels: Pixels, count: int) -> tuple[Boxes, str, float]:
    """So many proposals, how they were found, and the seconds of selective search's fast mode."""
    begun = now()
    boxes = propose(pixels, ProposalSettings(mode="fast", max_boxes=count))
    seconds = now() - begun
    if len(boxes) >= count:
        return boxes, "fast", seconds
    return propose(pixels, ProposalSettings(mode="quality", max_boxes=count)), "quality, for fast has fewer", seconds


def fresh(name: str) -> Network:
    """A detector of the catalogue with fresh weights."""
    entry = find_entry(name)
    torch.manual_seed(0)
    module = build(entry, num_classes=CLASSES, options={"weights": None} if "backbone" in entry.options else {})
    size = (entry.input_size[1], entry.input_size[2])
    preprocessing = Preprocessing(input_size=size, resize=None, fit=entry.fit)
    return Network(name, module.eval(), preprocessing, Labels(tuple(f"class {k}" for k in range(CLASSES))))


def factored(network: Network, how: str) -> Network:
    """The same detector, whose full layers are two thin ones each."""
    if how == "exact":
        twin = compress(network.module, fc6_rank=RANKS[0], fc7_rank=RANKS[1])
    else:  # of any numbers: the time is the same
        twin = compress_anyhow(network.module)
    return Network(f"{network.name} + SVD", twin.eval(), network.preprocessing, network.labels)


def compress_anyhow(module: nn.Module) -> nn.Module:
    """Layers of the right shapes, without a decomposition."""
    import copy

    memo: dict[int, object] = {id(tensor): tensor for tensor in module.parameters()}
    twin = copy.deepcopy(module, memo)
    head = twin.roi_heads.box_head
    for name, rank in zip(("fc6", "fc7"), RANKS, strict=True):
        layer = getattr(head, name)
        thin = nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features)
        setattr(head, name, nn.Sequential(*thin))
    return twin


CLOCKS = {"wall": perf_counter, "processor": process_time}


class Clock:
    """What is read: wall time, or processor time of all threads, for a machine that others use at the same time."""

    name = "wall"


def now() -> float:
    """Seconds on the chosen clock."""
    return CLOCKS[Clock.name]()


def timed(work: Callable[[], object]) -> float:
    """Seconds on the chosen clock."""
    begun = now()
    work()
    return now() - begun


def ask(row: Row, pixels: Pixels, boxes: Boxes, crops: int) -> float:
    """Seconds of one picture; of R-CNN scaled from some of its crops, or of all where `crops` is 0."""
    network = row.network
    if not network.module.takes_proposals:
        return timed(lambda: detect(network, pixels, score=0.05))
    if not isinstance(network.module, RCNN) or not crops or crops >= len(boxes):
        return timed(lambda: detect(network, pixels, score=0.05, proposals=[boxes]))
    some = boxes[np.linspace(0, len(boxes) - 1, crops).round().astype(int)]
    base = timed(lambda: detect(network, pixels, score=0.05, proposals=[boxes[:0]]))
    return base + (timed(lambda: detect(network, pixels, score=0.05, proposals=[some])) - base) * len(boxes) / crops


def warm(rows: Sequence[Row], pixels: Pixels, boxes: Boxes) -> None:
    """What is made once (compiled kernels, folded copies, reserved memory) is no picture's time."""
    for row in rows:
        ask(row, pixels, boxes[: 2 if isinstance(row.network.module, RCNN) else len(boxes)], 0)


def ratios(slow: Row, fast: Row) -> list[float]:
    """How many times faster, by picture and round."""
    return [slow.seconds[key] / fast.seconds[key] for key in slow.seconds]


def parts(row: Row, pixels: Pixels, boxes: Boxes) -> str:
    """Where Fast R-CNN's time goes: one look at one picture, convolutions and regions apart."""
    module, found = row.network.module, []
    handles = []
    for name in ("backbone", "roi_heads.box_roi_pool", "roi_heads.box_head", "roi_heads.box_predictor"):
        begun: list[float] = []
        child = module.get_submodule(name)
        handles.append(child.register_forward_pre_hook(lambda *_, begun=begun: begun.append(now())))
        handles.append(
            child.register_forward_hook(
                lambda *_, begun=begun, name=name: found.append((name.split(".")[-1], now() - begun[-1]))
            )
        )
    whole = ask(row, pixels, boxes, 0)
    for handle in handles:
        handle.remove()
    rest = whole - sum(seconds for _, seconds in found)
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in [*found, ("the rest", rest)])


def measure(
    rows: Sequence[Row],
    pictures: Sequence[tuple[str, Pixels]],
    proposals: Sequence[Boxes],
    *,
    rounds: int,
    crops: int,
) -> None:
    """Every detector about every picture, in turn."""
    warm(rows, pictures[0][1], proposals[0])
    for number in range(rounds):
        for place, (name, pixels) in enumerate(pictures):
            for row in rows:
                row.seconds[place, number] = ask(row, pixels, proposals[place], crops)
            said = ", ".join(f"{row.name} {row.seconds[place, number]:.2f}" for row in rows)
            print(f"  round {number + 1}, {name}: {said} s; load {os.getloadavg()[0]:.1f}", flush=True)


def show(rows: Sequence[Row], slow: Row, searches: Sequence[float], what: str) -> None:
    """The table of a family."""
    search = statistics.median(searches)
    print(f"\n| {what} | s a picture | with its proposals | times faster than {slow.name} |\n|---|---|---|---|")
    for row in rows:
        whole = row.median + (search if row.network.module.takes_proposals else 0.0)
        times = ratios(slow, row)
        spread = "" if row is slow else f" ({min(times):.3g} to {max(times):.3g})"
        print(f"| {row.name} | {row.median:.3f} | {whole:.3f} | {statistics.median(times):.3g}{spread} |")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5)
    parser.add_argument("--shorter", type=int, default=600, help="shorter side of the photos")
    parser.add_argument("--proposals", type=int, default=2000)
    parser.add_argument("--crops", type=int, default=96, help="of R-CNN's, a picture and round")
    parser.add_argument("--full", type=int, default=0, metavar="K", help="pictures on which R-CNN sees all its crops")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--factors", choices=("exact", "random"), default="exact", help="of the truncated SVD")
    parser.add_argument("--light", action=argparse.BooleanOptionalAction, default=True, help="small networks, too")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="processor: for a busy machine")
    given = parser.parse_args()
    Clock.name = given.clock
    torch.set_num_threads(given.threads)
    reuse_freed_memory()
    print(
        f"# striate {striate.__version__}, torch {torch.__version__}, python {platform.python_version()}, "
        f"{platform.machine()}; {given.threads} threads, float32, fresh weights, {given.clock} time; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    pictures = photos(given.pictures, given.shorter)
    proposals, searches = [], []
    for name, pixels in pictures:
        boxes, mode, seconds = regions(pixels, given.proposals)
        proposals.append(boxes)
        searches.append(seconds)
        size = f"{pixels.shape[0]}×{pixels.shape[1]} px"
        print(f"# {name}, {size}: {len(boxes):,} proposals (selective search, {mode}); fast mode takes {seconds:.2f} s")
    print(f"# selective search, fast mode, searched at 500 px: median {statistics.median(searches):.2f} s a picture")
    print(
        f"# R-CNN's seconds are those of {given.crops} of its crops on every picture, scaled to all N: in full it was "
        f"asked on {given.full} of {len(pictures)} pictures",
        flush=True,
    )
    networks = {name: fresh(name) for name in PAPER if not name.endswith("SVD")}
    begun = perf_counter()
    networks["fast_rcnn_vgg16 + SVD"] = factored(networks["fast_rcnn_vgg16"], given.factors)
    print(f"# truncated SVD, ranks {RANKS[0]} and {RANKS[1]} ({given.factors}): {perf_counter() - begun:.1f} s, once")
    rows = [Row(name, networks[name]) for name in PAPER]
    measure(rows, pictures, proposals, rounds=given.rounds, crops=given.crops)
    by_name = {row.name: row for row in rows}
    for name in PAPER[1:3]:
        distinct = len(networks[name].module.roi_heads.box_roi_pool.read_once(torch.from_numpy(proposals[0]))[0])
        where = parts(by_name[name], pictures[0][1], proposals[0])
        print(f"# {name} on {pictures[0][0]}, {distinct:,} distinct of {len(proposals[0]):,} regions: {where}")
    for place in range(min(given.full, len(pictures))):
        slow = by_name["rcnn_vgg16"]
        scaled = statistics.median(slow.seconds[place, number] for number in range(given.rounds))
        whole = ask(slow, pictures[place][1], proposals[place], 0)
        print(f"# R-CNN in full on {pictures[place][0]}: {whole:.1f} s; scaled {scaled:.1f} s ({scaled / whole:.3f})")
    count = f"{statistics.median(map(len, proposals)):,.0f}"
    show(rows, by_name["rcnn_vgg16"], searches, f"VGG-16, N = {count}, shorter side {given.shorter} px (YOLO: 448×448)")
    judge(by_name, searches)
    if given.light:
        light = [Row(name, fresh(name)) for name in LIGHT]
        measure(light, pictures, proposals, rounds=given.rounds, crops=max(given.crops, 256))
        show(light, light[0], searches, f"EfficientNet-Lite0, N = {count}, 320×320 px, crops of 128 px; no bound")


def judge(rows: dict[str, Row], searches: Sequence[float]) -> None:
    """What had to be reached."""
    slow, plain, svd, faster, yolo = (rows[name] for name in PAPER)
    search = statistics.median(searches)
    for name, row, bound in (("Fast R-CNN", plain, 50), ("Fast R-CNN with truncated SVD", svd, 100)):
        times = statistics.median(ratios(slow, row))
        verdict = "reached" if times >= bound else "MISSED"
        print(f"{verdict}: {name} {times:.0f} times faster than R-CNN (at least {bound})")
    ok = faster.median < search + min(plain.median, svd.median)
    print(
        f"{'reached' if ok else 'MISSED'}: Faster R-CNN {faster.median:.2f} s with its proposals; Fast R-CNN "
        f"{plain.median:.2f} s (with SVD {svd.median:.2f} s) and {search:.2f} s of selective search"
    )
    fastest = min(rows.values(), key=lambda row: row.median)
    print(f"{'reached' if fastest is yolo else 'MISSED'}: YOLO is fastest, {yolo.median:.2f} s", flush=True)


if __name__ == "__main__":
    main()

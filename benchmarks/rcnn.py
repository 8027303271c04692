"""What proposals and R-CNN cost, and how good proposals are, on scenes that need no download.

    python benchmarks/rcnn.py proposals [--pictures 20]
    python benchmarks/rcnn.py regions [--backbones efficientnet_lite0,squeezenet1_1] [--regions 2000] [--crop 128]

Seconds of proposals are processor time of one thread, so that a busy machine does not count; those of regions are wall
time on `--threads`, and the load is printed beside them.
"""

import argparse
import os
import statistics
import time

import numpy as np
import torch

from striate.data.scene_settings import SceneSettings
from striate.data.scenes import build_scenes
from striate.detection.proposals import ProposalSettings, propose
from striate.detection.rcnn import build_rcnn
from striate.detection.recall import proposal_recall
from striate.runtime import reuse_freed_memory


def measure_proposals(pictures: int) -> None:
    """Time, number, recall and MABO by kind and size of picture."""
    print("| proposals | picture | s a picture | boxes | recall@.5 | @.7 | MABO |")
    print("|---|---|---|---|---|---|---|")
    for side in (320, 500):
        scenes = build_scenes(pictures, settings=SceneSettings(size=(side, side)), keep=True)
        rows = [(f"selective search, {mode}", ProposalSettings(mode=mode)) for mode in ("single", "fast")]
        rows += [("the first 300 of fast", ProposalSettings(max_boxes=300))]
        rows += [("sliding windows", ProposalSettings(source="sliding_windows"))]
        for name, settings in rows:
            seconds, boxes = [], []
            for index in range(pictures):
                pixels = scenes.pixels(index)
                begun = time.thread_time()
                boxes.append(propose(pixels, settings))
                seconds.append(time.thread_time() - begun)
            scores = proposal_recall(boxes, scenes.truth, thresholds=(0.5, 0.7))
            print(
                f"| {name} | {side} × {side} | {statistics.median(seconds):.3f} | {scores.boxes:,.0f} | "
                f"{scores.recall[0.5]:.3f} | {scores.recall[0.7]:.3f} | {scores.mabo:.3f} |",
                flush=True,
            )


def measure_regions(backbones: list[str], regions: int, crop_px: int) -> None:
    """Seconds a picture of R-CNN without the search, by network."""
    print(f"{regions:,} regions of a picture of 320 × 320, crops of {crop_px} px, {torch.get_num_threads()} threads\n")
    print("| network | features | s a picture | regions a second | processor s a picture |")
    print("|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, 320, (regions, 2, 2)), axis=1)
    boxes = torch.from_numpy(np.concatenate([corners[:, 0], corners[:, 1]], axis=1).astype(np.float32))
    image = torch.randn(1, 3, 320, 320, generator=torch.Generator().manual_seed(0))
    for backbone in backbones:
        side = 227 if backbone.startswith("alexnet") else crop_px
        detector = build_rcnn(num_classes=20, backbone=backbone, crop_px=side).eval()
        with torch.inference_mode():
            detector(image, [(320, 320)], proposals=[boxes[:50]], score_threshold=0.0)  # folds the network
            begun, used = time.perf_counter(), time.process_time()
            detector(image, [(320, 320)], proposals=[boxes], score_threshold=0.0)
            seconds, used = time.perf_counter() - begun, time.process_time() - used
        label = f"{backbone}, {side} px"
        facts = f"{detector.network.features} | {seconds:.2f} | {regions / seconds:,.0f} | {used:.2f}"
        print(f"| {label} | {facts} |", flush=True)
    print(f"\nload: {os.getloadavg()[0]:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["proposals", "regions"])
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--backbones", default="efficientnet_lite0,squeezenet1_1,resnet18,alexnet")
    parser.add_argument("--regions", type=int, default=2000)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.what == "proposals":
        measure_proposals(given.pictures)
    else:
        reuse_freed_memory()
        measure_regions(given.backbones.split(","), given.regions, given.crop)


if __name__ == "__main__":
    main()

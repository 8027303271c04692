"""Small labeled pictures, a small network, and run folders, for the tests of evaluation and comparison."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from striate.data import Labels, Preprocessing
from striate.data.image_set import ImageSet
from striate.data.stores import ArrayStore
from striate.models import Network, create_model
from striate.training.predictions import Predictions
from striate.training.run_folder import RunFolder
from striate.weights.native import NativeMetadata, save_native

CLASSES = ("dark", "light", "middle")


def shades(count: int = 30, *, side: int = 28, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Gray pictures, uint8 `n h w`, and which of `CLASSES` each is."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    middle = np.array([40, 215, 128])[labels]
    return np.clip(middle[:, None, None] + rng.normal(0, 12, (count, side, side)), 0, 255).astype(np.uint8), labels


def image_set(count: int = 30, *, classes: tuple[str, ...] = CLASSES, side: int = 28) -> ImageSet:
    """The same as a set."""
    images, labels = shades(count, side=side)
    return ImageSet(classes, labels.astype(np.int64), ArrayStore(images, "shades.npz"), Path("shades.npz"), "npz")


def network(classes: tuple[str, ...] = CLASSES, *, name: str = "lenet5_relu") -> Network:
    """A network with random weights that takes 28 × 28 gray pictures."""
    torch.manual_seed(0)
    preprocessing = Preprocessing(input_size=(32, 32), resize=28, channels="L", mean=(0.5,), std=(0.3,))
    module = create_model(name, num_classes=len(classes), in_channels=1).eval()
    return Network(name, module, preprocessing, Labels(classes))


def class_folders(root: Path, count: int = 12) -> Path:
    """The pictures as class folders below `root`, with a `val` part of the same."""
    images, labels = shades(count)
    for part in ("train", "val"):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = root / part / CLASSES[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number:03d}.png")
    return root


def predictions(
    count: int = 40, *, classes: tuple[str, ...] = CLASSES, right: float = 0.8, seed: int = 0
) -> Predictions:
    """Answers of which about `right` are right."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(classes)
    answers = np.where(rng.random(count) < right, labels, (labels + 1) % len(classes))
    logits = rng.normal(size=(count, len(classes)))
    logits[np.arange(count), answers] += 4
    return Predictions(logits, labels, tuple(f"{i:03d}.png" for i in range(count)), classes, {"network": "lenet5_relu"})


def run_folder(
    path: Path, *, data: Path | None = None, answers: Predictions | None = None, epochs: int = 3, lr: float = 0.1
) -> RunFolder:
    """A finished run as the loop leaves it, its weights random."""
    run = RunFolder(path)
    net = network()
    run.write_config({"model": "lenet5_relu", "data": str(data or "gone"), "epochs": epochs, "lr": lr, "seed": 0})
    run.write_environment({"versions": {"striate": "0"}})
    names = [f"val/{CLASSES[i % 3]}/{i:03d}.png" for i in range(12)]
    run.write_data({"classes": list(CLASSES), "validation_pictures": names})
    run.write_metrics(
        {
            "epoch": n,
            "lr": lr / n,
            "train_loss": 1 / n,
            "train_top1": 1 - 0.5 / n,
            "val_loss": 1.1 / n,
            "val_top1": 1 - 0.6 / n,
            "val_top5": 1.0,
            "seconds": 30.0 * n,
            "images_per_s": 100.0,
        }
        for n in range(1, epochs + 1)
    )
    run.write_status(state="finished", epoch=epochs, epochs=epochs, best_epoch=epochs, best_score=0.8, message="")
    save_native(
        run.best,
        net.module.state_dict(),
        metadata=NativeMetadata("lenet5_relu", "lenet5_relu", "trained", net.preprocessing, net.labels),
    )
    if answers is not None:
        answers.save(run.predictions)
    return run

"""What processes of the distributed tests do; started as `python -m tests.training.jobs JOB OUT {json}`, see `gang`."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.data import Labels, Preprocessing
from striate.data.augment.recipes import build_augmentation
from striate.data.image_set import ImageSet
from striate.data.stores import ArrayStore
from striate.training.loop import Trainer
from striate.training.predictions import Predictions
from striate.training.run_folder import RunFolder
from striate.training.settings import TrainSettings
from striate.training.task import Task
from striate.training.world import join_world, leave_world

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 120


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """That of a process of a gang: one thread, no launcher but ours."""
    launchers = ("SLURM_", "TORCHELASTIC_", "MASTER_", "RANK", "WORLD_SIZE", "LOCAL_", "GROUP_", "ROLE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(launchers)}
    return kept | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT)} | more


def gang(job: str, out: Path, *, size: int = 2, **arguments: Any) -> list[dict[str, Any]]:
    """Run a job in several processes; what each has saved. A process that hangs is ended, and the test fails."""
    out.mkdir(parents=True, exist_ok=True)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(size)}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.jobs", job, str(out), json.dumps(arguments)],
            env=environment(**place, RANK=str(rank), LOCAL_RANK=str(rank)),
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        said = [process.communicate(timeout=TIMEOUT)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0] * size, "\n".join(said)
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(size)]


def pictures(count: int, *, seed: int = 0, side: int = 12, classes: int = 3) -> ImageSet:
    """Noise with a stripe whose place is the class: something can be learned."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % classes
    pixels = generator.integers(0, 120, (count, side, side, 3), dtype=np.uint8)
    for picture, label in zip(pixels, labels.tolist(), strict=True):
        picture[label * 4 : label * 4 + 4] += 100
    names = tuple(f"class {label}" for label in range(classes))
    return ImageSet(names, labels, ArrayStore(pixels, f"noise{seed}"), Path("noise"), "npz")


def network(name: str, *, classes: int = 3, dropout: float = 0.0) -> nn.Module:
    """A small network: `plain`, `normalized`, `vgg` (large classifier), or one of the catalogue."""
    torch.manual_seed(1)
    if name == "plain":
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 36, classes)
        )
    if name == "vgg":
        return nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Flatten(),
            nn.Sequential(nn.Linear(6 * 36, 50), nn.ReLU(), nn.Dropout(dropout), nn.Linear(50, 41), nn.ReLU()),
            nn.Linear(41, classes),
        )
    if name == "normalized":
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(24, 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Linear(8, classes),
        )
    from striate.models import create_model

    return create_model(name, num_classes=classes)


def build_task(
    model: str, *, train: int, validation: int, augment: str = "none", broken: tuple[int, ...] = (), side: int = 12
) -> Task:
    """A network and pictures to learn from."""
    preprocessing = Preprocessing(input_size=(side, side), resize=side, mean=(0.4,) * 3, std=(0.2,) * 3)
    learned = pictures(train)
    if broken:
        learned = _break(learned, broken)
    module = network(model)
    last = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)][-1]
    return Task(
        module=module,
        preprocessing=preprocessing,
        labels=Labels(learned.classes),
        train=learned,
        validation=pictures(validation, seed=1) if validation else None,
        augmentation=build_augmentation(augment, preprocessing),
        classifier=(last,),
    )


def _break(images: ImageSet, broken: tuple[int, ...]) -> ImageSet:
    from striate.errors import DataError

    class Partly(ArrayStore):
        def read(self, index: int) -> Any:
            if index in broken:
                raise DataError(f"picture {index} is torn.")
            return super().read(index)

    store = Partly(np.stack([images.pixels(i) for i in range(len(images))]), "partly")
    return ImageSet(images.classes, images.labels, store, images.source, images.kind)


def fit(folder: Path, *, model: str, task: dict[str, Any], resume: bool = False, **settings: Any) -> dict[str, Any]:
    """Train in this process's world; final weights, metrics, predictions, and what was told."""
    world, device = join_world("cpu")
    run = RunFolder(folder)
    saved: dict[str, dict[str, Tensor]] = {}

    def save(path: Path, state: dict[str, Tensor]) -> None:
        saved[path.name] = {name: value.detach().clone() for name, value in state.items()}

    trainer = Trainer(
        build_task(model, **{name: tuple(value) if isinstance(value, list) else value for name, value in task.items()}),
        TrainSettings(**{"workers": 0, "warmup_epochs": 0.0, "lr": 0.05} | settings),
        run,
        save_weights=save,
        device=device,
        world=world,
    )
    if world.is_main:
        folder.mkdir(parents=True, exist_ok=True)
    events = [type(event).__name__ for event in trainer.run(resume=resume)]
    rows = [{k: v for k, v in row.items() if k not in {"seconds", "images_per_s"}} for row in trainer.progress.rows]
    result: dict[str, Any] = {"saved": saved, "rows": rows, "events": events, "skipped": trainer.progress.skipped}
    if run.predictions.exists():
        answered = Predictions.load(run.predictions)
        result |= {"logits": torch.from_numpy(answered.logits), "names": list(answered.names)}
    return result


def train(out: Path, *, cases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Several trainings, one after another."""
    return {name: fit(out / name, **case) for name, case in cases.items()}


JOBS: dict[str, Callable[..., Any]] = {"train": train}


def main() -> None:
    """Do a job, and save what it gives."""
    torch.set_num_threads(1)
    job, out, arguments = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    try:
        result = JOBS[job](out, **arguments)
        torch.save(result, out / f"{os.environ['RANK']}.pt")
    finally:
        leave_world()


if __name__ == "__main__":
    main()

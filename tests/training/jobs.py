"""What processes of the distributed tests do; started as `python -m tests.training.jobs JOB OUT {json}`, see `gang`."""

import copy
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data import Labels, Preprocessing
from striate.data.augment.recipes import build_augmentation
from striate.data.image_set import ImageSet
from striate.data.stores import ArrayStore
from striate.draw import encode_png
from striate.errors import ConfigError, StriateError
from striate.models import create_model
from striate.training.classification import ClassificationTask
from striate.training.launch import failing_together, is_told_by_another
from striate.training.loop import Trainer
from striate.training.order import epoch_batches, share_of
from striate.training.predictions import Predictions
from striate.training.run_folder import RunFolder
from striate.training.settings import TrainSettings
from striate.training.sync_batch_norm import synchronize_batch_norm
from striate.training.world import World, join_world, leave_world

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


def gang(job: str, out: Path, *, size: int = 2, launcher: str = "torchrun", **arguments: Any) -> list[dict[str, Any]]:
    """Run a job in several processes; what each has saved. A process that hangs is ended, and the test fails."""
    out.mkdir(parents=True, exist_ok=True)
    port = free_port()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.jobs", job, str(out), json.dumps(arguments)],
            env=environment(**_place(launcher, rank, size, port)),
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


def _place(launcher: str, rank: int, size: int, port: int) -> dict[str, str]:
    master = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if launcher == "slurm":
        return master | {"SLURM_PROCID": str(rank), "SLURM_NTASKS": str(size), "SLURM_LOCALID": "0"}
    return master | {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}


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
    return create_model(name, num_classes=classes)


def build_task(
    model: str, *, train: int, validation: int, augment: str = "none", broken: tuple[int, ...] = (), side: int = 12
) -> ClassificationTask:
    """A network and pictures to learn from."""
    preprocessing = Preprocessing(input_size=(side, side), resize=side, mean=(0.4,) * 3, std=(0.2,) * 3)
    learned = pictures(train)
    measured = pictures(validation, seed=1) if validation else None
    if broken:
        learned = _break(learned, broken)
        measured = None if measured is None else _break(measured, (2,))
    module = network(model)
    last = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)][-1]
    return ClassificationTask(
        module=module,
        preprocessing=preprocessing,
        labels=Labels(learned.classes),
        train=learned,
        validation=measured,
        augmentation=build_augmentation(augment, preprocessing),
        classifier=(last,),
    )


@dataclass(frozen=True, eq=False)
class Torn:
    """Pictures as PNG files in memory, some of them cut off."""

    files: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """A number that lasts."""
        return f"{index}.png"

    where = name

    def read(self, index: int) -> bytes:
        """The bytes of the file."""
        return self.files[index]

    def subset(self, indices: NDArray[np.int64]) -> "Torn":
        """Some of them."""
        return Torn(tuple(self.files[i] for i in indices.tolist()))


def _break(images: ImageSet, broken: tuple[int, ...]) -> ImageSet:
    files = [encode_png(images.pixels(index)) for index in range(len(images))]
    store = Torn(tuple(data[:60] if index in broken else data for index, data in enumerate(files)))
    return ImageSet(images.classes, images.labels, store, images.source, "folder")


def fit(
    folder: Path, *, model: str, task: dict[str, Any], resume: bool = False, stop: int = 0, **settings: Any
) -> dict[str, Any]:
    """Train in this process's world, up to a step; final weights, metrics, predictions, and what was told."""
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
    should_stop = lambda: bool(stop) and world.is_main and trainer.progress.step >= stop - 1  # noqa: E731
    events = [type(event).__name__ for event in trainer.run(resume=resume, should_stop=should_stop)]
    rows = [{k: v for k, v in row.items() if k not in {"seconds", "images_per_s"}} for row in trainer.progress.rows]
    result: dict[str, Any] = {"saved": saved, "rows": rows, "events": events, "skipped": trainer.progress.skipped}
    if run.predictions.exists():
        answered = Predictions.load(run.predictions)
        result |= {"logits": torch.from_numpy(answered.logits), "names": list(answered.names)}
    return result


def train(out: Path, *, cases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Several trainings, one after another."""
    return {name: fit(out / name, **case) for name, case in cases.items()}


def fit_boxes(
    folder: Path,
    *,
    kind: str,
    norm: bool = False,
    policy: str = "flip",
    validation: int = 5,
    broken: bool = False,
    settings: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train a detector in this process's world; weights, metrics, and the boxes found on the validation pictures."""
    from striate.detection.box_predictions import BoxPredictions
    from tests.detection.shapes import shape_set
    from tests.detection.small import box_task, box_trainer

    world, _ = join_world("cpu")
    learned = shape_set(12, side=96)
    if broken:  # all that the second of two processes gets of the first batch
        torn = share_of(epoch_batches(12, 4, seed=0, epoch=0), rank=1, size=2)
        learned = replace(learned, store=_break(learned.pictures, tuple(next(torn).tolist())).store)
    task = box_task(kind, norm=norm, policy=policy, train=learned, validation=shape_set(validation, side=96, seed=1))
    given: dict[str, Any] = {"precision": "float64", "ema": 0.9} | (settings or {})
    trainer = box_trainer(folder, task, world=world, **given)
    for _ in trainer.run():
        pass
    world.wait()
    answered = BoxPredictions.load(folder / "predictions.npz")
    rows = [{k: v for k, v in row.items() if k not in {"seconds", "images_per_s"}} for row in trainer.progress.rows]
    return {
        "weights": {name: value.clone() for name, value in trainer.learner.kept_state().items()},
        "rows": rows,
        "names": list(answered.names),
        "boxes": torch.from_numpy(answered.boxes),
        "skipped": trainer.progress.skipped,
    }


def boxes(out: Path, *, cases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Several trainings of detectors, one after another."""
    return {name: fit_boxes(out / name, **case) for name, case in cases.items()}


def normalize(out: Path) -> dict[str, float]:
    """The largest differences between joint batch normalization and torch's own on the whole batch, by case."""
    del out
    world, _ = join_world("cpu")
    shapes = {1: (7, 4), 2: (7, 4, 3, 5), 3: (7, 4, 2, 3, 2)}
    layers = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
    cases: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
        "one axis": (1, {}, {}),
        "pictures": (2, {}, {}),
        "volumes": (3, {}, {}),
        "all on one process": (2, {}, {"split": 7}),
        "no weights": (2, {"affine": False}, {}),
        "no statistics": (2, {"track_running_stats": False}, {}),
        "mean of all batches": (2, {"momentum": None}, {}),
        "channels last": (2, {}, {"layout": torch.channels_last}),
        "float32": (2, {}, {"dtype": torch.float32}),
        "far from zero": (2, {}, {"shift": 1e4}),
        "bfloat16": (2, {}, {"dtype": torch.bfloat16}),
    }
    return {
        name: _compare(world, layers[axes], shapes[axes], options, **how)
        for name, (axes, options, how) in cases.items()
    }


def _compare(
    world: World,
    layer: type[nn.Module],
    shape: tuple[int, ...],
    options: dict[str, Any],
    *,
    split: int = 4,
    layout: torch.memory_format = torch.contiguous_format,
    dtype: torch.dtype = torch.float64,
    shift: float = 0.0,
) -> float:
    generator = torch.Generator().manual_seed(3)
    kept = torch.float32 if dtype == torch.bfloat16 else dtype
    plain = layer(shape[1], **options).to(kept)
    if plain.affine:
        nn.init.uniform_(plain.weight, 0.5, 2, generator=generator)
        nn.init.uniform_(plain.bias, generator=generator)
    joint = copy.deepcopy(plain)
    synchronize_batch_norm(joint)
    mine = slice(0, split) if world.is_main else slice(split, None)
    worst = 0.0
    for _ in range(2):
        whole = (torch.randn(shape, generator=generator, dtype=torch.float64) * 3 + shift).to(dtype)
        above = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        part = whole[mine].contiguous(memory_format=layout).requires_grad_()
        whole.requires_grad_()
        plain.zero_grad()
        joint.zero_grad()
        wanted, got = plain(whole), joint(part)
        assert got.dtype == wanted.dtype
        if len(part):
            assert got.is_contiguous(memory_format=layout)
        wanted.backward(above)
        got.backward(above[mine])
        assert whole.grad is not None
        assert part.grad is not None
        pairs = [(got, wanted[mine]), (part.grad, whole.grad[mine])]
        for name, weight in joint.named_parameters():
            assert weight.grad is not None
            dist.all_reduce(weight.grad)
            pairs.append((weight.grad, plain.get_parameter(name).grad))
        pairs += [(value, plain.state_dict()[name]) for name, value in joint.state_dict().items()]
        worst = max([worst, *(float((a.double() - b.double()).abs().max()) for a, b in pairs if a.numel())])
    return worst


def talk(out: Path) -> dict[str, Any]:
    """What the processes of a world tell each other."""
    del out
    world, _ = join_world("cpu")
    rank = world.rank
    heard: dict[str, Any] = {"rank": rank, "size": world.size, "main": world.is_main}
    heard["sum"] = world.sum(rank + 0.5, 2)
    heard["uneven"] = world.gather(torch.arange(3 * rank * 2).view(-1, 2))
    heard["nothing"] = world.gather(torch.zeros(0, 4))
    heard["words"] = world.words(f"ü\udc80 {rank}")[0] == "ü\udc80 0"
    heard["agree"] = world.agree("yes" if rank == 0 else "no")
    given = {
        "scalar": torch.tensor(3 + rank),
        "half": torch.full((2, 3), 1.5 + rank, dtype=torch.bfloat16),
        "flag": torch.tensor([rank == 0, True]),
        "empty": torch.zeros(0, 3),
        "transposed": torch.arange(6.0).view(2, 3).t() + rank,
    }
    heard["shared"] = world.share(given if rank == 0 else {})
    world.check_same("nothing", {"a": 1})
    try:
        world.check_same("their data", {"a": rank})
    except ConfigError as error:
        heard["differ"] = str(error)
    try:
        with failing_together(size=world.size):
            if rank == 0:
                raise ConfigError("the disk is full")
            time.sleep(1)
            raise RuntimeError("Connection closed by peer [127.0.0.1]:1")
    except StriateError as error:
        heard["failure"] = [type(error).__name__, str(error), is_told_by_another(str(error))]
    world.wait()
    return heard


JOBS: dict[str, Callable[..., Any]] = {"train": train, "boxes": boxes, "normalize": normalize, "talk": talk}


def main() -> None:
    """Do a job, and save what it gives."""
    torch.set_num_threads(1)
    job, out, arguments = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    try:
        result = JOBS[job](out, **arguments)
        rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID"))
        torch.save(result, out / f"{rank}.pt")
    finally:
        leave_world()


if __name__ == "__main__":
    main()

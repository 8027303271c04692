"""`striate train DATA`: the plan, one progress bar, a line an epoch, and where the weights are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from cyclopts import Parameter

from striate.cli.console import ANSWER, ProgressLine, print_json, print_next, print_note, print_result
from striate.cli.errors import Exit
from striate.cli.processes import is_speaker
from striate.cli.stopping import stoppable
from striate.cli.train_flags import TrainFlags, given_flags
from striate.cli.train_screen import TrainScreen
from striate.cli.words import command, score_words
from striate.data.files import printable
from striate.errors import ConfigError, DataError, UnknownNameError, nearest
from striate.recipes.train_config import TrainConfig

if TYPE_CHECKING:
    from striate.training.run_folder import RunFolder

__all__ = ["train"]


def train(
    data: Annotated[Path | None, Parameter(show_default=False)] = None,
    /,
    *,
    models: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    backbone: str | None = None,
    resume: Path | None = None,
    config: Path | None = None,
    dry_run: bool = False,
    find_lr: bool = False,
    json: bool = False,
    settings: Annotated[TrainFlags | None, Parameter(name="*")] = None,
) -> int:
    """Learn classes from labeled pictures: a folder of class folders, a CSV, MNIST's files, npz or tar shards.

    From pictures with boxes (VOC, COCO, YOLO) a detector learns: --model faster_rcnn, or another of striate models
    --task detect. --models rcnn,fast_rcnn,faster_rcnn,yolo trains several, one after another, to be compared; the same
    command again goes on where it was.

    The weights go into runs/classify/NAME or runs/detect/NAME, and every other verb takes that folder as its network.
    Ctrl-C writes a checkpoint and says how to go on. With several processes: torchrun --nproc-per-node 2 -m striate
    train …

    Args:
        data: The pictures.
        models: Several networks instead of one, with commas or spaces between; each gets its own run.
        backbone: Of a detector: the network that computes its features.
        resume: Go on with this run, in its folder and with its settings.
        config: Take the settings of this YAML file, such as a run's config.yaml; options that are given win.
        dry_run: Say the plan, and do nothing.
        find_lr: Train nothing, but try learning rates on a copy of the network for a hundred steps, and suggest one.
        json: Print one JSON document at the end.
        settings: Everything else.
    """
    flags = given_flags(settings)
    if models is not None:
        if resume is not None or find_lr or "model" in flags:
            other = "--resume" if resume is not None else "--find-lr" if find_lr else "--model"
            raise ConfigError(f"--models and {other} do not go together; to go on, repeat the command as it was.")
        from striate.cli.train_many import train_many

        given = _given(data, resume=None, config=config, flags=flags)
        words = [word for name, value in flags.items() for word in _as_option(name, value)]
        if config is not None:
            words = ["--config", str(config), *words]
        return train_many(models, given=given, backbone=backbone, words=words, dry_run=dry_run, json=json)
    if backbone is not None:
        flags["model"] = _on_backbone(flags.get("model"), backbone)
    given = _given(data, resume=resume, config=config, flags=flags)
    if find_lr:
        if resume is not None or dry_run:
            raise ConfigError("--find-lr comes before a training; leave --resume and --dry-run out.")
        return _find_rate(given, flags=flags, config=config, json=json)
    from striate.recipes import train as recipe  # imports torch
    from striate.runtime import reuse_freed_memory
    from striate.training.events import Started
    from striate.training.run_folder import RunFolder

    reuse_freed_memory()
    folder = None if resume is None else RunFolder(resume)
    if folder is not None:
        given = {**recipe.same_run(folder), **given}
        if recipe.is_finished(folder):
            return _say_finished(folder, data=str(given["data"]), json=json)
    if dry_run:
        return _show_plan_only(given, folder=folder, json=json)
    screen = TrainScreen()
    with stoppable() as stop, screen:
        for event in recipe.run(given, resume=folder is not None, folder=folder, should_stop=stop.is_asked):
            screen.show(event)
            stop.waits_for_a_step |= isinstance(event, Started)
    return screen.finish(json=json)


def _on_backbone(model: str | None, backbone: str) -> str:
    from striate.recipes.train_many import with_backbone

    if model is None:
        raise ConfigError("--backbone is for detectors; give --model faster_rcnn, or another, too.")
    return with_backbone(model, backbone)


def _given(data: Path | None, *, resume: Path | None, config: Path | None, flags: dict[str, Any]) -> dict[str, Any]:
    if resume is not None:
        if data is not None or config is not None:
            raise ConfigError("--resume takes data and settings from its run; leave DATA and --config out.")
        allowed = {"workers", "device", "checkpoint_minutes", "strategy"}
        if changed := sorted(set(flags) - allowed):
            flag = changed[0].replace("_", "-")
            raise ConfigError(
                f"--resume goes on with the settings of its run, '--{flag}' cannot change; only --workers, --device, "
                "--checkpoint-minutes and --strategy can."
            )
        return flags
    given: dict[str, Any] = {} if config is None else _read_config(config)
    given |= flags
    if data is not None:
        given["data"] = data
    if "data" not in given:
        raise ConfigError("'striate train' needs DATA, or --resume RUN. See 'striate train --help'.")
    return given


def _read_config(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{printable(path)}: no such file.") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{printable(path)}: no YAML ({' '.join(str(error).split())}).") from error
    except RecursionError:
        raise DataError(f"{printable(path)}: no settings (brackets in brackets without end).") from None
    if not isinstance(values, dict):
        raise DataError(f"{printable(path)}: must hold settings, one 'name: value' a line.")
    known = [*TrainConfig.model_fields, "striate"]
    if unknown := [name for name in values if name not in known]:
        raise UnknownNameError(f"{printable(path)}: no setting '{unknown[0]}'. {nearest(str(unknown[0]), known)}")
    # A new run needs a folder of its own; what the file leaves empty is as if it were not there.
    return {name: value for name, value in values.items() if name not in {"striate", "name"} and value is not None}


def _find_rate(given: dict[str, Any], *, flags: dict[str, Any], config: Path | None, json: bool) -> int:
    from striate.detection.proposals import ProposalProgress
    from striate.recipes import find_rate as recipe
    from striate.recipes.train_plan import TrainPlan
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    trying = recipe.run(given)
    with ProgressLine() as line:
        while True:
            try:
                event = next(trying)
            except StopIteration as done:
                found, path = done.value
                break
            if isinstance(event, TrainPlan):
                with line.aside():
                    for sentence in event.sentences():
                        print_note(sentence)
            elif isinstance(event, ProposalProgress):
                line.update("searching for proposals", event.done, event.total)
            else:
                detail = f"rate {event.rate:.1e}, loss {event.loss:.3f}"
                line.update("trying learning rates", event.step, event.steps, detail=detail)
    if json:
        curve = {"rates": found.rates.tolist(), "losses": found.losses.tolist(), "smoothed": found.smoothed.tolist()}
        print_json({"suggestion": found.suggestion, "plot": str(path), **curve})
        return Exit.OK
    if found.suggestion is None:
        print_result("No suggestion: the loss never fell. Look at the pictures and their labels, or take more a step.")
        print_result(f"Plot    {printable(path)}")
        return Exit.OK
    lowest = found.rates[int(found.smoothed.argmin())]
    print_result(f"Suggested learning rate: {found.suggestion:.2g}", style=ANSWER)
    print_result(f"There the loss falls fastest; it is lowest at {lowest:.2g}, and from there on it rises.")
    print_result(f"Plot    {printable(path)}")
    words = [word for name, value in flags.items() if name != "lr" for word in _as_option(name, value)]
    more: list[str | Path] = [] if config is None else ["--config", config]
    print_next(command("striate", "train", Path(given["data"]), *more, *words, "--lr", f"{found.suggestion:.2g}"))
    return Exit.OK


def _as_option(name: str, value: Any) -> list[str]:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", *(map(str, value) if isinstance(value, tuple | list) else [str(value)])]


def _say_finished(folder: "RunFolder", *, data: str, json: bool) -> int:
    """A finished run cannot be prolonged: its learning rate has come to its end."""
    if not is_speaker():
        return Exit.OK
    from striate.recipes.train_data import say_many

    status = folder.status()
    if json:
        print_json({"run": str(folder.path), **status, "rows": folder.metrics(), "plan": None})
        return Exit.OK
    value, name = status.get("best_score"), str(status.get("score", "top1"))
    best = "" if value is None else f"; best {score_words(value, name)}"
    print_result(
        f"{printable(folder.path)} is finished: {say_many(status['epoch'], 'epoch')}{best}. Nothing was changed. To "
        "learn more, start a new run from its weights."
    )
    model = str(folder.config().get("model", "")).partition(".")[0]
    print_next(command("striate", "train", Path(data), "--model", model, "--weights", folder.path))
    return Exit.OK


def _show_plan_only(given: dict[str, Any], *, folder: "RunFolder | None", json: bool) -> int:
    from striate.recipes.train import plan_any
    from striate.recipes.train_plan import first_problems
    from striate.training.world import join_world, leave_world

    world, device = join_world(str(given.get("device", "auto")))
    try:
        plan = plan_any(given, world=world, device=device, folder=folder)
    finally:
        leave_world()
    if not world.is_main:
        return Exit.OK
    if json:
        print_json(plan.to_dict())
    else:
        for line in (*plan.sentences(), *first_problems(plan.data.problems)):
            print_result(line)
        print_result(f"Would go to {printable(plan.folder.path)}")
    return Exit.OK

"""Several networks learn from one data set, one after another, to be compared.

Each has its own plan, its own run folder and its own recipe; what is asked for besides holds for all. The same request
again goes on: every run keeps what it was asked for (`asked` in its `environment.json`), so those that are finished are
left as they are, and the one that was stopped goes on where it was. One that fails costs nothing but itself.
"""

import gc
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field

from striate.errors import ConfigError, DataError, StriateError, nearest
from striate.models.catalogue import catalogue, find_entry
from striate.recipes import train
from striate.recipes.train_config import TrainConfig, asked_for
from striate.recipes.train_plan import check_name, first_problems, usual_name
from striate.training.events import Stopped
from striate.training.run_folder import RunFolder
from striate.training.world import join_world, leave_world

__all__ = [
    "ManyDone",
    "ManyPlan",
    "Member",
    "MemberEnded",
    "MemberStarted",
    "TrainManyConfig",
    "run",
    "with_backbone",
]

_OF_A_SITTING = ("workers", "device", "checkpoint_minutes", "strategy")

State: TypeAlias = Literal["new", "begun", "finished", "failed", "stopped"]


class TrainManyConfig(BaseModel):
    """Which networks learn, and from what.

    Attributes:
        models: Names of `striate models`, each once: only detectors, or only networks that name pictures.
        given: Settings of `TrainConfig` for all of them, by name; `data` is among them. A `name` stands before the name
            of each network.
        backbone: Of detectors: the network that computes features, the same for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = Field(min_length=1, max_length=12)
    given: dict[str, Any]
    backbone: str | None = None


@dataclass(frozen=True)
class Member:
    """One network of several.

    Attributes:
        model: Its name.
        folder: Its run.
        state: `new`, `begun` (it goes on) or `finished` before; in the end `finished`, `failed` or `stopped`.
        seconds: What its training will take, proposals left out; 0 where nothing is left to do.
        sentences: Its plan for people; empty where nothing is left to do.
        plan: The same as JSON values.
        error: Why it failed.
    """

    model: str
    folder: RunFolder
    state: State
    seconds: float = 0.0
    sentences: tuple[str, ...] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)
    error: Exception | None = None


@dataclass(frozen=True)
class ManyPlan:
    """All of them, before the first begins."""

    members: tuple[Member, ...]
    task: str

    @property
    def seconds(self) -> float:
        """What is left to do, in all."""
        return sum(member.seconds for member in self.members)


@dataclass(frozen=True)
class MemberStarted:
    """The events of this one come next.

    Attributes:
        member: Which.
        number: Its place, from 1.
        count: Of all.
    """

    member: Member
    number: int
    count: int


@dataclass(frozen=True)
class MemberEnded:
    """One of them has finished, failed, or was stopped."""

    member: Member


@dataclass(frozen=True)
class ManyDone:
    """The end.

    Attributes:
        members: All of them, as they are now; one that was never begun is still `new`.
        task: `detect` or `classify`.
        stopped: Whether somebody asked to stop.
    """

    members: tuple[Member, ...]
    task: str
    stopped: bool

    @property
    def finished(self) -> tuple[Member, ...]:
        """Those that can be compared."""
        return tuple(member for member in self.members if member.state == "finished")


def run(
    config: TrainManyConfig, *, should_stop: Callable[[], bool] = lambda: False, only_plan: bool = False
) -> Iterator[object]:
    """Train all: a `ManyPlan`; for each that is not finished `MemberStarted`, its events, `MemberEnded`; `ManyDone`.

    Args:
        config: Which, and from what.
        should_stop: Asked after every step and before each of them.
        only_plan: Yield the plan alone.

    Raises:
        ConfigError: Networks that do not belong together, or settings that do not suit one of them: before any begins.
        StriateError: The data or a network does not work: before any begins.
    """
    models, task = _checked_models(config)
    plan = ManyPlan(tuple(_planned(config, model, task) for model in models), task)
    yield plan
    if only_plan:
        return
    members = list(plan.members)
    stopped = False
    for place, member in enumerate(members):
        if member.state == "finished":
            continue
        if stopped := should_stop():
            break
        yield MemberStarted(member, place + 1, len(members))
        members[place] = yield from _trained(config, member, should_stop)
        yield MemberEnded(members[place])
        gc.collect()  # of the network that has learned, before the next is built
        if stopped := members[place].state == "stopped":
            break
    yield ManyDone(tuple(members), task, stopped)


def with_backbone(model: str, backbone: str | None) -> str:
    """The detector of the same kind on another backbone, by its name in the catalogue.

    Raises:
        ConfigError: If it has no backbone, or none is known on this one.
        UnknownNameError: If there is no such network.

    >>> with_backbone("faster_rcnn", "squeezenet1_1"), with_backbone("rcnn", "efficientnet_lite0")
    ('faster_rcnn_squeezenet1_1', 'rcnn')
    """
    entry = find_entry(model.partition(".")[0])
    if backbone is None:
        return model
    if entry.task != "detect" or "backbone" not in entry.options:
        raise ConfigError(f"'{model}' has no backbone to choose; leave --backbone out.")
    alike = {
        name: str(other.options["backbone"])
        for name, other in catalogue().items()
        if (name == entry.name or name.startswith(f"{entry.name}_")) and "backbone" in other.options
    }
    names = [name for name, other in alike.items() if other == backbone]
    if not names:
        known = sorted(set(alike.values()))
        raise ConfigError(
            f"There is no '{entry.name}' on backbone '{backbone}'. {nearest(backbone, known)} It is made on "
            f"{', '.join(known)}; detection.build_… builds it on others."
        )
    return next((name for name in (entry.name, f"{entry.name}_{backbone}") if name in names), names[0])


def _checked_models(config: TrainManyConfig) -> tuple[tuple[str, ...], str]:
    models = tuple(with_backbone(model, config.backbone) for model in config.models)
    if doubled := next((model for place, model in enumerate(models) if model in models[:place]), None):
        raise ConfigError(f"models: '{doubled}' is there twice; give each network once.")
    tasks = {
        model: "detect" if find_entry(model.partition(".")[0]).task == "detect" else "classify" for model in models
    }
    finds = [model for model, task in tasks.items() if task == "detect"]
    names = [model for model, task in tasks.items() if task != "detect"]
    if finds and names:
        raise ConfigError(
            f"models: '{names[0]}' names whole pictures and '{finds[0]}' finds boxes; they do not learn from the same "
            "data. Give one kind."
        )
    return models, "detect" if finds else "classify"


def _planned(config: TrainManyConfig, model: str, task: str) -> Member:
    try:
        folder, state = _place(config, model, task)
        if state == "finished":
            return Member(model, folder, state)
        given = _settings(config, model, folder, state)
        world, device = join_world(str(given.get("device", "auto")))
        try:
            if world.size > 1:
                raise ConfigError("Several networks are trained by one process; with torchrun give one --model.")
            plan = train.plan_any(given, world=world, device=device, folder=folder)
        finally:
            leave_world()
    except DataError:
        raise
    except StriateError as error:
        raise type(error)(f"{model}: {error} Nothing has been trained yet.") from error
    sentences = (*plan.sentences(), *first_problems(plan.data.problems))
    done = 0.0
    if state == "begun":
        status = folder.status() if (folder.path / "status.json").exists() else {}
        done = min(float(status.get("epoch") or 0) / max(plan.config.epochs, 1), 1.0)
    return Member(model, folder, state, (1 - done) * plan.estimate.seconds, sentences, plan.to_dict())


def _place(config: TrainManyConfig, model: str, task: str) -> tuple[RunFolder, State]:
    """The run of this network: the one that was asked for alike, or a new one."""
    given = {**config.given, "model": model}
    settings, asked = TrainConfig(**given), asked_for(given)
    name = settings.name
    check_name(settings)
    base = usual_name(settings) if name is None else f"{name}-{model.partition('.')[0]}"
    for number in range(1, 10_000):
        folder = RunFolder(settings.root / task / (base if number == 1 else f"{base}-{number}"))
        if not folder.path.exists():
            return folder, "new"
        if folder.exists() and _asked(folder) == asked:
            return folder, "finished" if train.is_finished(folder) else "begun"
        if name is not None:
            raise ConfigError(
                f"'{folder.path}' was asked for with other settings; choose another --name, or repeat the command as "
                "it was."
            )
    raise ConfigError(f"There are too many runs named '{base}' already; give a --name.")


def _asked(folder: RunFolder) -> object:
    try:
        return folder.environment().get("asked")
    except DataError:
        return None


def _settings(config: TrainManyConfig, model: str, folder: RunFolder, state: State) -> dict[str, Any]:
    if state == "begun":
        now = {name: value for name, value in config.given.items() if name in _OF_A_SITTING}
        return {**train.same_run(folder), **now}
    return {**{name: value for name, value in config.given.items() if name != "name"}, "model": model}


def _trained(
    config: TrainManyConfig, member: Member, should_stop: Callable[[], bool]
) -> Generator[object, None, Member]:
    state: State = "finished"
    begun = member.state == "begun"
    try:
        given = _settings(config, member.model, member.folder, member.state)
        events = train.run(given, resume=begun, folder=member.folder, should_stop=should_stop)
        with closing(cast("Generator[object, None, None]", events)) as open_events:
            for event in open_events:
                state = "stopped" if isinstance(event, Stopped) else state
                yield event
    except Exception as error:  # noqa: BLE001 - whatever it was, the others have their turn; nothing is swallowed
        return Member(member.model, member.folder, "failed", error=error)
    return Member(member.model, member.folder, state)

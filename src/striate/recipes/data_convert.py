"""Labeled pictures from one layout to another, divided on the way if that is asked for."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from striate.data.convert import Layout, check_target, convert_sets
from striate.data.opening import open_data
from striate.recipes.data_check import describe_sets
from striate.recipes.data_split import Division, divide
from striate.recipes.events import Done, Event, Plan, Progress

__all__ = ["DataConvertConfig", "run"]


class DataConvertConfig(Division):
    """Which pictures, and into what.

    Attributes:
        path: What `open_data` takes.
        to: The layout.
        out: Where it goes; `NAME-LAYOUT` in the current folder by default.
    """

    path: Path
    to: Layout = Field()
    out: Path | None = None

    @property
    def target(self) -> Path:
        """The folder, or for npz the file, that is written."""
        name = self.path.absolute().name
        return self.out or Path(f"{Path(name).stem}.npz" if self.to == "npz" else f"{Path(name).stem}-{self.to}")


def run(config: DataConvertConfig) -> Iterator[Event]:
    """Convert a set: yields a `Plan`, `Progress`, then `Done` with what could not be kept.

    Raises:
        ConfigError: If the shares or the pattern cannot be.
        DataError: If it cannot be read or written; nothing is left behind then.
    """
    sets = open_data(config.path)
    check_target(config.target, config.path)
    sets = divide(sets, config)
    yield Plan(f"Convert {describe_sets(sets)}, to {config.to}.")
    converting = convert_sets(sets, config.target, config.to)
    step = max(1, sum(map(len, sets.values())) // 400)
    while True:
        try:
            done, total = next(converting)
        except StopIteration as stop:
            problems = stop.value
            break
        if done % step == 0:
            yield Progress("Writing pictures", done, total)
    yield Done(problems, config.target, {"data": config.target})

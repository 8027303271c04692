"""What a training run is asked for, and what "auto" becomes: all of it ends up in the run's `config.yaml`."""

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from striate.errors import UnknownNameError, nearest
from striate.training.settings import TrainSettings

__all__ = ["TrainConfig", "asked_for", "find_preset", "presets", "usual_policy"]

# What may differ from one sitting of a run to the next: it says where and how fast, not what is learned.
_OF_THE_SITTING = {"name", "root", "workers", "device", "checkpoint_minutes", "strategy"}


class TrainConfig(TrainSettings):
    """A training run: data, network, and the settings of the loop.

    Attributes:
        data: Folder, CSV, idx, npz or tar shards.
        model: A name of `striate models`.
        weights: Where to start: `auto` (trained weights that are already here, else none), `none`, a tag, a weights
            file or a run.
        recipe: A table of `train_presets.toml`: `fine-tune`, `few`, `scratch`, `digits`, `digits-1998`, or `auto`.
        name: Of the run; by default model and data.
        root: Folder of all runs.
        val: Share of the training pictures to validate on, where the data has no `val` of its own.
        split_seed: Decides which pictures are set aside: the same for all seeds of training, so that runs compare.
        size: Side of what the network sees, in pixels; by default that of the weights, or what suits the pictures.
        channels: `RGB`, `L` (gray), or `auto`: gray where all pictures are and the weights start afresh.
        augment: A name of `striate.data.augment.recipes.POLICIES`, or `auto`.
        mixup: Strength of mixup (Zhang et al. 2017), 0 for none.
        cutmix: Strength of CutMix (Yun et al. 2019), 0 for none.
        erasing: Chance of random erasing (Zhong et al. 2017); by default that of the policy.
        flip: Whether pictures may be mirrored: not where left and right mean something; by default that of the policy.
        max_megapixels: Larger pictures are left out.
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
    """

    data: Path
    model: str = "efficientnet_lite0"
    weights: str = "auto"
    recipe: str = "auto"
    name: str | None = None
    root: Path = Path("runs")
    val: float = Field(default=0.1, ge=0, lt=1)
    split_seed: int = Field(default=0, ge=0, lt=2**63)
    size: int | None = Field(default=None, ge=1, le=4096)
    channels: Literal["auto", "RGB", "L"] = "auto"
    augment: str = "auto"
    mixup: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    cutmix: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    erasing: float | None = Field(default=None, ge=0, le=1)
    flip: bool | None = None
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    def settings(self) -> TrainSettings:
        """The settings of the loop alone."""
        return TrainSettings(**{name: getattr(self, name) for name in TrainSettings.model_fields})


def asked_for(given: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody asked for, as JSON values: two runs that were asked for alike learn the same.

    Args:
        given: Settings by name; `data` is among them. Those that were left open are not.

    Raises:
        pydantic.ValidationError: If a value is outside its rule.

    >>> asked_for({"data": "/photos", "model": "resnet18", "workers": 4})
    {'data': '/photos', 'model': 'resnet18'}
    """
    config = TrainConfig(**given)
    values: dict[str, Any] = config.model_dump(mode="json", include=set(given) - _OF_THE_SITTING)
    values["data"] = str(config.data.resolve())
    if "weights" in values and Path(config.weights).exists():
        values["weights"] = str(Path(config.weights).resolve())
    return values


def usual_policy(*, side: int, fine_tuning: bool) -> str:
    """The augmentation where neither a recipe nor a person names one.

    Args:
        side: Of what the network sees, in pixels.
        fine_tuning: Whether the weights were trained before: gentler then.
    """
    return "small" if side <= 64 else "light" if fine_tuning else "imagenet"


@cache
def presets() -> Mapping[str, Mapping[str, Any]]:
    """Every table of starting points by its name."""
    return tomllib.loads(files("striate.recipes").joinpath("train_presets.toml").read_text(encoding="utf-8"))


def find_preset(
    recipe: str, *, model: str, fine_tuning: bool, pictures: int, task: str = "classify"
) -> tuple[str, dict[str, Any]]:
    """The name and the values of a table: the one asked for, or the one that suits.

    Args:
        recipe: A name, or `auto`.
        model: The network: some have a table of their own.
        fine_tuning: Whether the weights were trained before.
        pictures: To learn from: of few, only the classifier learns.
        task: `classify` or `detect`: each has tables of its own.

    Raises:
        UnknownNameError: If there is no such table.

    >>> find_preset("auto", model="resnet18", fine_tuning=True, pictures=25)[0]
    'few'
    """
    tables = {name: table for name, table in presets().items() if table.get("task", "classify") == task}
    if recipe == "auto" and task == "detect":
        suits = (name for name, table in tables.items() if any(fnmatch(model, like) for like in table["models"]))
        recipe = next(suits, next(iter(tables)))
    elif recipe == "auto":
        own = (name for name, table in tables.items() if model in table.get("models", ()))
        trained = "few" if pictures <= tables["few"]["at_most"] else "fine-tune"
        recipe = next(own, trained if fine_tuning else "scratch")
    if recipe not in tables:
        raise UnknownNameError(f"No recipe named '{recipe}'. {nearest(recipe, ['auto', *tables])}")
    return recipe, {name: value for name, value in tables[recipe].items() if name in TrainConfig.model_fields}

"""Training: from labeled pictures to weights that can be trusted, and what is said about them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.training.comparison import Comparison, Contender, compare
    from striate.training.evaluation import Evaluation
    from striate.training.loop import Trainer
    from striate.training.predicting import predict_set
    from striate.training.predictions import Predictions
    from striate.training.run_folder import RunFolder, find_runs
    from striate.training.settings import TrainSettings

__all__ = [
    "Comparison",
    "Contender",
    "Evaluation",
    "Predictions",
    "RunFolder",
    "TrainSettings",
    "Trainer",
    "compare",
    "find_runs",
    "predict_set",
]

_FROM = {
    "Comparison": "comparison",
    "Contender": "comparison",
    "Evaluation": "evaluation",
    "Predictions": "predictions",
    "RunFolder": "run_folder",
    "TrainSettings": "settings",
    "Trainer": "loop",
    "compare": "comparison",
    "find_runs": "run_folder",
    "predict_set": "predicting",
}


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(f"striate.training.{_FROM[name]}"), name)
    raise AttributeError(f"module 'striate.training' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

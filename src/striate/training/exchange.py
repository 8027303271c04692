"""What processes that train together tell each other beside gradients: problems of pictures, and a checkpoint."""

import json
from pathlib import Path

from striate.data.problem import Problem
from striate.training.checkpoint import Checkpoint, newest_checkpoint
from striate.training.world import World

__all__ = ["every_problem", "shared_checkpoint"]


def every_problem(problems: tuple[Problem, ...], *, world: World) -> tuple[Problem, ...]:
    """The problems that any process has found, on every process, in the order of the processes."""
    if world.size == 1:
        return problems
    said = world.words(json.dumps([problem.to_dict() for problem in problems]))
    return tuple(Problem(**fields) for word in said for fields in json.loads(word))


def shared_checkpoint(folder: Path, *, world: World) -> tuple[Checkpoint | None, tuple[str, ...]]:
    """The newest whole checkpoint as process 0 finds it, on every process, and what is wrong with newer ones.

    Nobody else looks into the folder: another machine may not see it, or not yet see its newest file.
    """
    found, problems = newest_checkpoint(folder) if world.is_main else (None, ())
    if world.size == 1:
        return found, problems
    facts = None if found is None else {"facts": found.facts, "path": str(found.path)}
    said = json.loads(world.agree(json.dumps([facts, problems])))
    problems = tuple(said[1])
    if said[0] is None:
        return None, problems
    tensors = world.share({} if found is None else found.tensors)
    return Checkpoint(tensors, said[0]["facts"], Path(said[0]["path"])), problems

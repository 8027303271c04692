"""A module as a straight list of tensor operations, for any number of pictures.

Locality is a property of operators, not of modules: functional code, in-place activations and modules that are used
twice all end in the same few operators of torch's ATen library. So the module runs once on fake tensors (shapes without
numbers) while every operation is written down, writes into memory are rewritten as new values, and what does not depend
on the picture is computed once and kept as a constant.

A trace fixes the batch: `x.view(2, 512)`. The module is therefore traced with two and with three pictures, and a number
that is 2 m in one trace and 3 m in the other is m for each picture.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from striate.runtime.folding import duplicate

__all__ = ["Program", "Ref", "Scaled", "Step", "call", "references", "trace"]

_BATCHES = (2, 3)
# A trace of contiguous tensors says `view`; what runs here is channels-last, and `reshape` gives the same values.
_ANY_LAYOUT = {
    torch.ops.aten.view.default: torch.reshape,
    torch.ops.aten._unsafe_view.default: torch.reshape,
}
_BY_MEMORY = {torch.ops.aten.as_strided.default, torch.ops.aten.set_.source_Storage}
_SAME_VALUES = {
    torch.ops.aten.alias.default,
    torch.ops.aten.clone.default,
    torch.ops.aten.detach.default,
    torch.ops.aten.lift_fresh_copy.default,
    torch.ops.aten.contiguous.default,
}


@dataclass(frozen=True)
class Ref:
    """In a step's arguments: what the step of this number gave."""

    step: int


@dataclass(frozen=True)
class Scaled:
    """In a step's arguments: a whole number that is this much for each picture."""

    each: int


@dataclass
class Step:
    """One operation.

    Attributes:
        operator: What is called: one of torch's operators, or a function of `simplify`.
        args: Positional arguments, with `Ref` for tensors of earlier steps and plain tensors for constants.
        kwargs: Named arguments, likewise.
        shape: Shape of the output with `batch` pictures; empty where the output is no single tensor.
        batched: Whether the first axis of the output counts pictures.
    """

    operator: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: tuple[int, ...]
    batched: bool

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width, the last two axes."""
        return self.shape[-2], self.shape[-1]


@dataclass
class Program:
    """All steps in order; step 0 is the picture.

    Attributes:
        steps: By number; numbers may be missing where steps were merged.
        output: The number of the step whose output is the answer.
    """

    steps: dict[int, Step]
    output: int
    readers: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        """Drop the steps that nobody reads, and note who reads whom."""
        wanted, open_steps = {0, self.output}, [self.output]
        while open_steps:
            for source in references(self.steps[open_steps.pop()]):
                if source not in wanted:
                    wanted.add(source)
                    open_steps.append(source)
        self.steps = {number: step for number, step in self.steps.items() if number in wanted}
        self.readers = {number: [] for number in self.steps}
        for number, step in self.steps.items():
            for source in references(step):
                self.readers[source].append(number)


def references(step: Step) -> list[int]:
    """Numbers of the steps that this one reads, each once."""
    leaves = pytree.tree_leaves((step.args, step.kwargs))
    return list(dict.fromkeys(leaf.step for leaf in leaves if isinstance(leaf, Ref)))


def call(step: Step, values: Callable[[int], Any], *, pictures: int) -> Any:
    """Run one step on whole maps: `values` gives what a step gave."""

    def resolve(leaf: Any) -> Any:
        if isinstance(leaf, Ref):
            return values(leaf.step)
        return leaf.each * pictures if isinstance(leaf, Scaled) else leaf

    args, kwargs = pytree.tree_map(resolve, (step.args, step.kwargs))
    return step.operator(*args, **kwargs)


def trace(module: nn.Module, x: Tensor) -> Program | None:
    """The program of a module in evaluation mode, or None where there is none.

    There is none for a module that decides by the values of the picture, draws random numbers, normalizes with
    statistics of the batch, reads memory by its layout, or gives no single tensor.

    Args:
        module: Any module; it is left as it was.
        x: A batch `n c h w` that it takes; only its shape and type matter.
    """
    twin = duplicate(module)
    for part in twin.modules():
        part.training = False
    graphs = []
    for n in _BATCHES:
        example = torch.empty((n, *x.shape[1:]), dtype=x.dtype, device=x.device)
        try:
            graphs.append(_graph(twin, example))
        except Exception:  # noqa: BLE001 - whatever stops it, the module itself is still there to be run
            return None
    return _program(*graphs)


def _graph(module: nn.Module, example: Tensor) -> fx.GraphModule:
    from torch.fx.experimental.proxy_tensor import make_fx  # a second to import, and few need it

    without_writing = torch.func.functionalize(module, remove="mutations")
    quiet: AbstractContextManager[object] = (
        torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()
    )
    with quiet, torch.no_grad():
        return make_fx(without_writing, tracing_mode="fake", _allow_non_fake_inputs=True)(example)


def _program(two: fx.GraphModule, three: fx.GraphModule) -> Program | None:
    pairs = list(zip(two.graph.nodes, three.graph.nodes, strict=False))
    if len(pairs) != len(two.graph.nodes) or len(pairs) != len(three.graph.nodes):
        return None
    steps: dict[int, Step] = {}
    known: dict[fx.Node, Any] = {}  # a Ref, a constant, or what an operation on constants gave
    for a, b in pairs:
        if a.op != b.op or (a.op != "get_attr" and a.target != b.target):
            return None
        if a.op == "placeholder":
            known[a] = Ref(len(steps))
            steps[len(steps)] = Step(lambda x: x, (), {}, tuple(a.meta["val"].shape), batched=True)
        elif a.op == "get_attr":
            constant, again = getattr(two, a.target), getattr(three, b.target)
            if constant is not again and not (constant.shape == again.shape and torch.equal(constant, again)):
                return None
            known[a] = constant.detach()
        elif a.op == "output":
            out = a.args[0]
            if not isinstance(out, fx.Node) or not isinstance(known[out], Ref):
                return None
            return Program(steps, known[out].step)
        elif not _add(a, b, steps, known):
            return None
    return None


def _add(a: fx.Node, b: fx.Node, steps: dict[int, Step], known: dict[fx.Node, Any]) -> bool:
    """Write down one operation; False if it has no place in a program."""
    operator = a.target
    if operator in _BY_MEMORY or torch.Tag.nondeterministic_seeded in getattr(operator, "tags", ()):
        return False
    mine, mine_spec = pytree.tree_flatten((a.args, dict(a.kwargs)))
    theirs, their_spec = pytree.tree_flatten((b.args, dict(b.kwargs)))
    if mine_spec != their_spec:
        return False
    leaves = []
    for one, other in zip(mine, theirs, strict=True):
        if isinstance(one, fx.Node):
            leaves.append(known[one])
        elif one == other or (one != one and other != other):  # noqa: PLR0124 - not a number is itself
            leaves.append(one)
        elif isinstance(one, int) and one % _BATCHES[0] == 0 and one // _BATCHES[0] * _BATCHES[1] == other:
            leaves.append(Scaled(one // _BATCHES[0]))
        else:
            return False
    args, kwargs = pytree.tree_unflatten(leaves, mine_spec)
    if operator in _SAME_VALUES:
        known[a] = args[0]
        return True
    operator = _ANY_LAYOUT.get(operator, operator)
    if not any(isinstance(leaf, Ref | Scaled) for leaf in leaves):
        known[a] = operator(*args, **kwargs)
        return True
    if isinstance(args[0] if args else None, tuple | list) and operator.__name__ == "getitem":  # of a constant list
        known[a] = operator(*args, **kwargs)
        return True
    value, value_again = a.meta.get("val"), b.meta.get("val")
    shape = tuple(value.shape) if isinstance(value, Tensor) else ()
    again = tuple(value_again.shape) if isinstance(value_again, Tensor) else ()
    batched = shape[:1] == _BATCHES[:1] and again[:1] == _BATCHES[1:] and shape[1:] == again[1:]
    known[a] = Ref(len(steps))
    steps[len(steps)] = Step(operator, tuple(args), kwargs, shape, batched)
    return True

"""A module as a straight list of tensor operations, for any number of pictures.

Locality is a property of operators, not of modules: functional code, in-place activations and modules that are used
twice all end in the same few operators of torch's ATen library. So the module runs once on fake tensors (shapes without
numbers) while every operation is written down, writes into memory are rewritten as new values, and what does not depend
on the picture is computed once and kept as a constant.

A trace fixes the batch: `x.view(2, 512)`. The module is therefore traced with 1009 pictures (fake ones cost nothing),
and an argument that is a multiple of this prime counts pictures. Should a network have a number like that of its own,
its program would answer something else than the network, which is checked before it is used.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from striate.runtime.folding import duplicate

__all__ = ["Program", "Ref", "Scaled", "Step", "call", "references", "trace"]

_PICTURES = 1009
# A trace of contiguous tensors says `view`; what runs here is channels-last, and `reshape` gives the same values.
_ANY_LAYOUT: dict[Any, Any] = {
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
        shape: Shape of the output, with 1009 pictures; empty where the output is no single tensor.
        batched: Whether the first axis of the output counts pictures.
    """

    operator: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: tuple[int, ...]
    batched: bool

    @cached_property
    def sources(self) -> tuple[int, ...]:
        """Numbers of the steps that it reads, each once."""
        leaves = pytree.tree_leaves((self.args, self.kwargs))
        return tuple(dict.fromkeys(leaf.step for leaf in leaves if isinstance(leaf, Ref)))

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


def references(step: Step) -> tuple[int, ...]:
    """Numbers of the steps that this one reads, each once."""
    return step.sources


def call(step: Step, values: Callable[[int], Any], *, pictures: int) -> Any:
    """Run one step on whole maps: `values` gives what a step gave."""

    def resolve(leaf: Any) -> Any:
        if isinstance(leaf, Ref):
            return values(leaf.step)
        if isinstance(leaf, Scaled):
            return leaf.each * pictures
        return [resolve(part) for part in leaf] if isinstance(leaf, list | tuple) else leaf

    return step.operator(*map(resolve, step.args), **{name: resolve(leaf) for name, leaf in step.kwargs.items()})


def trace(module: nn.Module, x: Tensor) -> Program | None:
    """The program of a module in evaluation mode, or None where there is none.

    There is none for a module that decides by the values of the picture, draws random numbers, normalizes with
    statistics of the batch, reads memory by its layout, or gives no single tensor.

    Args:
        module: Any module; it is left as it was.
        x: A batch `n c h w` that it takes; only its shape and type matter.
    """
    twin = duplicate(module)
    for part in list(twin.modules()):
        part.training = False
        for name, child in part._modules.items():
            if type(child) is nn.BatchNorm2d and child.running_mean is not None and child.running_var is not None:
                part._modules[name] = _Scaled(child)
    try:
        return _program(_graph(twin, x))
    except Exception:  # noqa: BLE001 - whatever stops it, the module itself is still there to be run
        return None


class _Scaled(nn.Module):
    """What a normalization is at inference; torch needs 7 ms to find the shapes of a real one."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        mean, variance, neutral = norm.running_mean, norm.running_var, torch.ones(())
        if mean is None or variance is None:
            raise AssertionError("a normalization by statistics of the batch has no fixed scale")
        scale = (norm.weight if norm.affine else neutral.to(mean)) / (variance + norm.eps).sqrt()
        shift = (norm.bias if norm.affine else 0) - mean * scale
        self.scale, self.shift = (t.detach().view(1, -1, 1, 1) for t in (scale, shift))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x, self.scale)


def _graph(module: nn.Module, x: Tensor) -> fx.GraphModule:
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx

    without_writing = torch.func.functionalize(module, remove="mutations")
    with torch.inference_mode(False), torch.no_grad():
        with FakeTensorMode(allow_non_fake_inputs=True):
            pictures = torch.empty((_PICTURES, *x.shape[1:]), dtype=x.dtype, device=x.device)
            module(pictures)  # refuses `x.numpy()`, which the rewriting below would let read memory that is not there
        # Outside of the mode: `make_fx` takes it from the tensor, and then whatever asks for values is refused.
        traced: fx.GraphModule = make_fx(without_writing, tracing_mode="fake", _allow_non_fake_inputs=True)(pictures)
    return traced


def _program(graph: fx.GraphModule) -> Program | None:
    steps: dict[int, Step] = {}
    known: dict[fx.Node, Any] = {}  # a Ref, a constant, or what an operation on constants gave
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            known[node] = Ref(len(steps))
            steps[len(steps)] = Step(_picture, (), {}, tuple(node.meta["val"].shape), batched=True)
        elif node.op == "get_attr":
            known[node] = getattr(graph, str(node.target)).detach()
        elif node.op == "output":
            out = node.args[0]
            if not isinstance(out, fx.Node) or not isinstance(known[out], Ref):
                return None
            return Program(steps, known[out].step)
        elif not _add(node, steps, known):
            return None
    return None


def _picture(x: Tensor) -> Tensor:
    return x


def _add(node: fx.Node, steps: dict[int, Step], known: dict[fx.Node, Any]) -> bool:
    """Write down one operation; False if it has no place in a program."""
    operator: Any = node.target
    if operator in _BY_MEMORY or torch.Tag.nondeterministic_seeded in getattr(operator, "tags", ()):
        return False

    def of(leaf: Any) -> Any:
        if isinstance(leaf, fx.Node):
            return known[leaf]
        return Scaled(leaf // _PICTURES) if type(leaf) is int and leaf and leaf % _PICTURES == 0 else leaf

    args, kwargs = pytree.tree_map(of, (list(node.args), dict(node.kwargs)))
    if operator in _SAME_VALUES:
        known[node] = args[0]
        return True
    operator = _ANY_LAYOUT.get(operator, operator)
    if not any(isinstance(leaf, Ref | Scaled) for leaf in pytree.tree_leaves((args, kwargs))):
        known[node] = operator(*args, **kwargs)
        return True
    value = node.meta.get("val")
    shape = tuple(value.shape) if isinstance(value, Tensor) else ()
    known[node] = Ref(len(steps))
    steps[len(steps)] = Step(operator, tuple(args), kwargs, shape, batched=shape[:1] == (_PICTURES,))
    return True

"""What is noted of every tensor operation of a pass: the field of its units, where it comes from, what it costs.

An operator-level dispatch mode sees every operation, also functional ones, so that nothing depends on how a network is
written. Each tensor carries two notes while it is alive: the receptive field of its units, and which layers it came
from.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakIdKeyDictionary

from striate.arithmetic import Field, merge_fields
from striate.probe.details import describe
from striate.probe.fields import everywhere, field_after
from striate.probe.summary import LayerRow

__all__ = ["Call", "Watcher", "tensors_in"]


class Call:
    """One module call while it runs.

    Args:
        address: The module's path, with `#2` for its second call.
        module: The module.
        depth: Calls that it runs inside of, itself counted.
    """

    def __init__(self, address: str, module: nn.Module, depth: int) -> None:
        self.address = address
        self.module = module
        self.depth = depth
        self.leaf = True
        self.input_shape: tuple[int, ...] = ()
        self.output_shape: tuple[int, ...] = ()
        self.parameters = 0
        self.macs = 0
        self.field: Field | None = None
        self.sources: frozenset[int] = frozenset()
        self.takes: int | None = None


class Watcher(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own classes are untyped
    """Notes fields, origins and costs of every operation, and hands them to the module call that is running.

    Attributes:
        calls: Every module call, in the order of their beginnings.
        open: Places in `calls` of those that are running, the innermost last.
        macs: Of all operations.
        makers: Which call gave a tensor.
        readers: Who read the output of a call.
        operations: How many there were.
        fields: The receptive field of a tensor's units.
        origins: The calls that a tensor came from.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self.open: list[int] = []
        self.macs = 0
        self.makers: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self.readers: dict[int, set[tuple[str, int]]] = {}
        self.operations = 0
        self.fields: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self.origins: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation and note what it does."""
        kwargs = kwargs or {}
        self.operations += 1
        for tensor in tensors_in((args, kwargs)):
            self.read(tensor)
        out = func(*args, **kwargs)
        for tensor in tensors_in(out):
            if tensor in self.makers:  # written over in place: no longer what the layer gave
                del self.makers[tensor]
        inputs = [t for t in tensors_in((args, kwargs)) if t in self.fields]
        macs = _macs(func, args, kwargs, out)
        self.macs += macs
        if self.open:
            self.calls[self.open[-1]].macs += macs
        if inputs:
            origin = frozenset().union(*(self.origins[t] for t in inputs))
            for tensor in tensors_in(out):
                field = field_after(func, args, kwargs, [(t, self.fields[t]) for t in inputs], tensor)
                self.fields[tensor] = field
                self.origins[tensor] = origin
                if func._schema.is_mutable and tensor._base is not None:  # a part of it was written
                    self.spill(tensor._base, field, origin)
        return out

    def spill(self, base: Tensor, field: Field, origin: frozenset[int]) -> None:
        """What was written into a part of `base` may be anywhere in it."""
        before = [self.fields[base]] if base in self.fields else []
        self.fields[base] = merge_fields([everywhere(f, base) for f in (*before, field)])
        self.origins[base] = origin | (self.origins[base] if base in self.origins else frozenset())  # noqa: SIM401

    def read(self, tensor: Tensor) -> None:
        """Note who reads a layer's output: the layer that is running, or one functional operation between layers."""
        if tensor in self.makers:
            call = self.open[-1] if self.open else -1
            inside = call >= 0 and self.calls[call].leaf
            self.readers.setdefault(self.makers[tensor], set()).add(
                ("call", call) if inside else ("operation", self.operations)
            )

    def finish(self) -> tuple[LayerRow, ...]:
        """The calls as rows, with inclusive sums."""
        total_parameters = [call.parameters for call in self.calls]
        total_macs = [call.macs for call in self.calls]
        for index in reversed(range(len(self.calls))):
            parent = self._parent(index)
            if parent is not None:
                total_parameters[parent] += total_parameters[index]
                total_macs[parent] += total_macs[index]
        return tuple(
            LayerRow(
                address=call.address,
                kind=type(call.module).__name__,
                detail=describe(call.module),
                depth=call.depth,
                leaf=call.leaf,
                input_shape=call.input_shape,
                output_shape=call.output_shape,
                parameters=call.parameters,
                macs=call.macs,
                total_parameters=total_parameters[index],
                total_macs=total_macs[index],
                field=call.field,
                sources=tuple(sorted(call.sources)),
                follows=self._only_reader_of(call.takes, index),
            )
            for index, call in enumerate(self.calls)
        )

    def _only_reader_of(self, row: int | None, index: int) -> int | None:
        return row if row is not None and self.readers.get(row) == {("call", index)} else None

    def _parent(self, index: int) -> int | None:
        depth = self.calls[index].depth
        return next((i for i in range(index - 1, -1, -1) if self.calls[i].depth < depth), None)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor among arguments or results, however they are nested."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)


def _macs(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    formula = flop_registry.get(func._overloadpacket)
    return 0 if formula is None else int(formula(*args, **kwargs, out_val=out)) // 2

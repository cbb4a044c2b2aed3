"""Initial weights for many seeds, without building a network for each.

Building one costs half a millisecond, nearly all of it Python's; its draws cost microseconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

DEFAULTS = (("device", torch.device("cpu")), ("pin_memory", False))


class CannotRedraw(Exception):
    """A network whose building is more than a fixed list of operations on whole tensors."""


@dataclass(frozen=True)
class _Slot:
    """A tensor of the tape, by number."""

    number: int


@dataclass
class _Tape(TorchDispatchMode):
    """Every operation that torch carries out while this is on, by the memory it works on.

    By memory and not by tensor: a parameter is another object than what it was made from.
    """

    steps: list[tuple[Any, tuple[Any, ...], dict[str, Any], int]] = field(default_factory=list)
    slots: dict[int, int] = field(default_factory=dict)
    kept: list[Tensor] = field(default_factory=list)  # so that no memory is given away again

    def __post_init__(self) -> None:
        super().__init__()

    def record(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """A mode's `__torch_dispatch__`."""
        nested = [v for a in args if isinstance(a, list | tuple) for v in a]
        if any(isinstance(v, Tensor) for v in (*nested, *(kwargs or {}).values())):
            raise CannotRedraw(f"{func} takes tensors in a list")  # whose place would be lost
        given = tuple(_Slot(self.slot(a)) if isinstance(a, Tensor) else a for a in args)
        found = func(*args, **(kwargs or {}))
        if not isinstance(found, Tensor):
            raise CannotRedraw(f"{func} reads numbers")  # which what comes next may depend on
        self.steps.append((func, given, dict(kwargs or {}), self.slot(found, is_new=True)))
        return found

    def slot(self, values: Tensor, is_new: bool = False) -> int:
        memory = values.untyped_storage()
        if not values.is_contiguous() or memory.nbytes() != values.nbytes:
            raise CannotRedraw("it works on parts of a tensor")
        if memory._cdata not in self.slots:
            if not is_new:
                raise CannotRedraw("it reads a tensor that was there before")
            self.slots[memory._cdata] = len(self.kept)
            self.kept.append(values)
        return self.slots[memory._cdata]


# Not in the class's body, where torch would wrap it in a call of its compiler, whose import takes
# as long as a sweep of a thousand runs.
_Tape.__torch_dispatch__ = _Tape.record  # type: ignore[method-assign]


class Redraw:
    """A network's builder as the list of what it draws from torch's global stream.

    build: draws and returns the network, whatever the stream.
    Raises CannotRedraw where the list would not be the whole truth.
    """

    def __init__(self, build: Callable[[], nn.Module]) -> None:
        tape = _Tape()
        with tape:
            net = build()
        self.empty: dict[int, Tensor] = {}
        self.steps = []
        for func, given, kwargs, place in tape.steps:
            if func is torch.ops.aten.empty.memory_format:
                self.empty[place] = tape.kept[place]
            else:
                self.steps.append((_quick(func, kwargs), given, place))
        self.count = len(tape.kept)
        try:
            self.places = {
                name: tape.slots[p.untyped_storage()._cdata] for name, p in net.named_parameters()
            }
        except KeyError:
            raise CannotRedraw("a parameter was there before") from None

    def draw(self, begin: Callable[[int], object], count: int) -> dict[str, Tensor]:
        """The parameters of so many networks, (count, *shape), by name.

        begin: puts the stream to where the network of that number begins to draw.
        """
        whole = {place: like.new_empty(count, *like.shape) for place, like in self.empty.items()}
        rows = {place: values.unbind() for place, values in whole.items()}
        made: dict[int, list[Tensor]] = {p: [] for p in self.places.values() if p not in whole}
        slots: list[Any] = [None] * self.count
        with torch.no_grad():
            for i in range(count):
                begin(i)
                for place, several in rows.items():
                    slots[place] = several[i]
                for call, given, place in self.steps:
                    args = [slots[a.number] if type(a) is _Slot else a for a in given]
                    slots[place] = call(*args)
                for place, several in made.items():
                    several.append(slots[place])
        whole |= {place: torch.stack(several) for place, several in made.items()}
        return {name: whole[place] for name, place in self.places.items()}


def _quick(func: Any, kwargs: dict[str, Any]) -> Callable[..., Tensor]:
    """The same operation by torch's own binding, which takes a third of the time, if it has one."""
    name = func.overloadpacket.__name__
    more = {k: v for k, v in kwargs.items() if (k, v) not in DEFAULTS}
    call = getattr(torch.Tensor, name, None) or getattr(torch, name, None) or func
    return partial(call, **more) if more else call

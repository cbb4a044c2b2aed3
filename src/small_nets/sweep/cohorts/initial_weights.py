"""Draws the initial weights of many seeds without building a network for each.

Building a network takes half a millisecond, nearly all of it in Python. The random draws alone
take microseconds.
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
    """Building the network is more than a fixed list of operations on whole tensors."""


@dataclass(frozen=True)
class _Slot:
    """Stands for a tensor of the tape, by its number."""

    number: int


@dataclass
class _Tape(TorchDispatchMode):
    """Records every operation of torch within the block.

    A tensor is known by its memory, not by its object: a parameter is another object than the
    tensor that it was made from.
    """

    steps: list[tuple[Any, tuple[Any, ...], dict[str, Any], int]] = field(default_factory=list)
    slots: dict[int, int] = field(default_factory=dict)
    kept: list[Tensor] = field(default_factory=list)  # keeps the memory from being reused

    def __post_init__(self) -> None:
        super().__init__()

    def record(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Carry out an operation and record it: this is the mode's `__torch_dispatch__`."""
        nested = [v for a in args if isinstance(a, list | tuple) for v in a]
        if any(isinstance(v, Tensor) for v in (*nested, *(kwargs or {}).values())):
            raise CannotRedraw(f"{func} takes tensors in a list")  # the tape has no place for them
        given = tuple(_Slot(self.slot(a)) if isinstance(a, Tensor) else a for a in args)
        found = func(*args, **(kwargs or {}))
        if not isinstance(found, Tensor):
            raise CannotRedraw(f"{func} reads numbers")  # later operations may depend on them
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


# Set outside the class's body: inside, torch would wrap it in a call of its compiler, and
# importing that takes as long as a sweep of a thousand runs.
_Tape.__torch_dispatch__ = _Tape.record  # type: ignore[method-assign]


class Redraw:
    """Repeats the random draws of a network's builder, without building the network again.

    build: returns the network, drawing from torch's global generator. Raises CannotRedraw where
    its recorded operations would not give the same weights.
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
        """Name -> the parameter in `count` networks, (count, *shape).

        begin: sets the generator to where network i begins to draw, i from 0.
        """
        kept = set(self.places.values())
        # What is drawn and dropped, such as another net before this one, needs room only once.
        whole = {
            place: like.new_empty(count if place in kept else 1, *like.shape)
            for place, like in self.empty.items()
        }
        rows = {
            place: values.unbind() if place in kept else [values[0]] * count
            for place, values in whole.items()
        }
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
    """The operation by torch's own binding where it has one: that takes a third of the time."""
    name = func.overloadpacket.__name__
    more = {k: v for k, v in kwargs.items() if (k, v) not in DEFAULTS}
    call = getattr(torch.Tensor, name, None) or getattr(torch, name, None) or func
    return partial(call, **more) if more else call

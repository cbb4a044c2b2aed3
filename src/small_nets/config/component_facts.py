"""What a component is, and the facts about it that others need. Without torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

NEEDED = object()  # marks a key without a default

Takes = Mapping[str, Any]  # key -> default, or NEEDED
Extent = tuple[int, int, int | None]  # rows, inputs, outputs (None without a target)
Task = Literal["regression", "binary", "classes"]  # what a network learns
# What a loss or a metric compares with the targets: numbers of any size; probabilities, with
# targets from 0 to 1; logits, with a target column for each class and rows that sum to 1; or the
# class that is right.
Compares = Literal["numbers", "probabilities", "logits", "classes"]


@dataclass(frozen=True)
class Component:
    """where: the dotted path of the code. takes: the keys of its section with their defaults,
    without what the program itself passes, such as shapes.
    """

    where: str
    takes: Takes


@dataclass(frozen=True)
class Source(Component):
    """is_drawn: whether each seed draws other rows, or a function that tells it from its settings.
    extent: computes the size from its settings. beside: the settings that stand beside its section,
    as keys of the data section; the file of this name in conf/data states them.
    """

    is_drawn: bool | Callable[[Takes], bool]
    extent: Callable[[Takes], Extent] | None
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network(Component):
    """told: the shapes that the program passes to it. has_one_output: whether it always has one."""

    told: tuple[Literal["inputs", "outputs"], ...]
    has_one_output: bool


@dataclass(frozen=True)
class Loss(Component):
    """task: what is learned with it. compares: what its prediction has to be."""

    task: Task
    compares: Compares


@dataclass(frozen=True)
class Optimizer(Component):
    """rule: the name of its pure update rule in RULES; None where it has none. with_momentum: the
    rule where its section has a momentum.
    """

    rule: str | None
    with_momentum: str | None = None


@dataclass(frozen=True)
class Metric:
    where: str
    compares: Compares
    is_better_high: bool


@dataclass(frozen=True)
class Activation:
    """formula: the name of what it computes, also by hand. is_probability: whether its values lie
    from 0 to 1. is_of_layers: whether layers may have it; otherwise only a single neuron may.
    """

    where: str
    formula: str
    is_probability: bool
    is_of_layers: bool

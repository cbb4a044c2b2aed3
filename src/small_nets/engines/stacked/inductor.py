"""One step of all members as a single C++ function, by TorchInductor."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from small_nets.engines.stacked.trace import record

# A part is one thread's, and many train at the same time: torch's own threads meet at the end
# of every loop, which costs such small loops more than a second core gives. Only the C++ wrapper
# lets go of Python's lock while it computes.
OPTIONS = {"cpp.threads": 1, "cpp_wrapper": True}


def compile_step(step: Callable[..., Any], example: tuple[Any, ...]) -> Callable[..., Any]:
    """The same function, compiled for tensors of the example's shapes.

    step: (tensor or None or dict of tensors, …) -> the same kinds of things, dicts with keys in
    the example's order. Numbers in a dict are compiled in.

    Not torch.compile: its guards are checked at every call, which takes 100 µs, as long as
    a step of some hundred small nets; and after eight shapes it goes on eager without a word.
    """
    from torch._inductor import compile  # half a second, which most sweeps need not wait for

    shapes: list[Any] = []

    def on_tensors(*tensors: Tensor) -> list[Tensor]:
        found = step(*_unflatten(list(tensors), example))
        shapes.append(found)
        return _tensors(found)

    tensors = _tensors(example)
    graph = record(on_tensors, tensors, fake=True)
    options = OPTIONS if tensors[0].device.type == "cpu" else None
    function: Any = compile(graph, [*tensors], options=options)

    def compiled(*arguments: Any) -> tuple[Any, ...]:
        return _unflatten(list(function(*_tensors(arguments))), shapes[0])

    return compiled


def _tensors(values: tuple[Any, ...]) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, dict):
            found += [v for v in value.values() if isinstance(v, Tensor)]
        elif value is not None:
            found.append(value)
    return found


def _unflatten(tensors: list[Tensor], like: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tensors in the places that `like` has for them."""
    given = iter(tensors)

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fill(v) for name, v in value.items()}
        return next(given) if isinstance(value, Tensor) else value

    return tuple(fill(value) for value in like)

"""Compiles a step of all members to a single C++ function by TorchInductor."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from small_nets.engines.stacked.trace import record

# One thread for each part, because parts train at the same time. torch's own threads wait for one
# another after every loop, which costs these small loops more than a second core gains. The C++
# wrapper is needed because only it releases Python's lock while it computes.
OPTIONS = {"cpp.threads": 1, "cpp_wrapper": True}


def compile_step(step: Callable[..., Any], example: tuple[Any, ...]) -> Callable[..., Any]:
    """Compile a function for tensors with the shapes of an example.

    step: takes and returns tensors, None, and dicts of tensors. example: its arguments. Dicts must
    have their keys in the example's order. Numbers in a dict become constants.

    torch.compile is not used. It checks guards at every call, which takes 100 µs, as long as a
    step of some hundred small nets. After eight shapes it silently stops compiling.
    """
    from torch._inductor import compile  # the import takes half a second, and few sweeps need it

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
    """All tensors in a tuple, those in dicts included."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, dict):
            found += [v for v in value.values() if isinstance(v, Tensor)]
        elif value is not None:
            found.append(value)
    return found


def _unflatten(tensors: list[Tensor], like: tuple[Any, ...]) -> tuple[Any, ...]:
    """The reverse of `_tensors`: put tensors in the places where `like` has some."""
    given = iter(tensors)

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fill(v) for name, v in value.items()}
        return next(given) if isinstance(value, Tensor) else value

    return tuple(fill(value) for value in like)

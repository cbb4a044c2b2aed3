"""Initial weights by name."""

from collections.abc import Callable
from pkgutil import resolve_name

from torch import Tensor, nn

from small_nets.config.components import INITIALISERS

# "default" keeps what torch draws when a Linear is built: uniform within ±1/sqrt(inputs).
INITS: dict[str, Callable[[Tensor], Tensor] | None] = {
    name: None if where is None else resolve_name(where) for name, where in INITIALISERS.items()
}


def initialise(net: nn.Module, init: str) -> None:
    """Redraw the weights of every Linear, in the order of the layers, and set its bias to 0.

    "default" keeps weights and biases as torch drew them.
    """
    draw = INITS[init]
    if draw is None:
        return
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            draw(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

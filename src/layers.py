"""What stands in a network: its layers, their parameters, and what flows between them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """A layer without children: its name, what it is, its parameters' shapes, its output.

    output: (rows, features) for the rows it was shown.
    """

    name: str
    kind: str
    shapes: dict[str, tuple[int, ...]]
    output: Tensor


def _kind(layer: nn.Module) -> str:
    if isinstance(layer, nn.Linear):
        return f"Linear({layer.in_features}, {layer.out_features})"
    return type(layer).__name__


def look(net: nn.Module, input: Tensor) -> list[Layer]:
    """The layers in the order in which `input` (rows, features) runs through them."""
    found: list[Layer] = []
    names = {module: name for name, module in net.named_modules()}

    def note(layer: nn.Module, _: object, output: Tensor) -> None:
        shapes = {n: tuple(p.shape) for n, p in layer.named_parameters(recurse=False)}
        found.append(Layer(names[layer] or "neuron", _kind(layer), shapes, output))

    layers = [module for module in names if not list(module.children())]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            net(input)
    finally:
        for handle in handles:
            handle.remove()
    return found

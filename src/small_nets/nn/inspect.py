"""Looks into a network: its layers, their parameters and their outputs."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """A layer without children.

    kind: such as Linear(1, 5). shapes: parameter -> shape. output: (rows, features), for the input
    that it was given.
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
    """The layers in the order in which they process `input`, (rows, features)."""
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


@dataclass(frozen=True)
class Halves:
    """A net in two halves: its hidden layers, and its output layer with what follows.

    hidden: name -> layer; together (rows, features) -> (rows, hidden units). It may be empty.
    output: (rows, hidden units) -> (rows, outputs). Its first layer is the net's last Linear.
    """

    hidden: dict[str, nn.Module]
    output: nn.Sequential

    @property
    def output_linear(self) -> nn.Linear:
        """The net's last Linear."""
        found = self.output[0]
        assert isinstance(found, nn.Linear), "a net is halved in front of a Linear"
        return found

    def activations(self, input: Tensor) -> dict[str, Tensor]:
        """Name -> output (rows, units) of each hidden layer, for input (rows, features).

        It is called at every logged point, so it uses one pass and no hooks.
        """
        found, x = {}, input
        with torch.no_grad():
            for name, layer in self.hidden.items():
                found[name] = x = layer(x)
        return found


def halve(net: nn.Module) -> Halves | None:
    """Cut a net in front of its last Linear; None for a net that is not a sequence of layers."""
    if not isinstance(net, nn.Sequential):
        return None
    layers = list(net.named_children())
    linear = [i for i, (_, layer) in enumerate(layers) if isinstance(layer, nn.Linear)]
    if not linear:
        return None
    return Halves(
        dict(layers[: linear[-1]]), nn.Sequential(*[layer for _, layer in layers[linear[-1] :]])
    )


def blocks(halves: Halves) -> list[tuple[str, nn.Linear, nn.Sequential]]:
    """The hidden blocks, each a Linear with the activation behind it.

    Returns for each the Linear's name, the Linear, and all layers from the net's input to the end
    of the block.
    """
    found: list[tuple[str, nn.Linear, nn.Sequential]] = []
    layers = list(halves.hidden.items())
    starts = [i for i, (_, layer) in enumerate(layers) if isinstance(layer, nn.Linear)]
    for start, end in pairwise([*starts, len(layers)]):
        name, linear = layers[start]
        assert isinstance(linear, nn.Linear), "a block starts with its Linear"
        found.append((name, linear, nn.Sequential(*[layer for _, layer in layers[:end]])))
    return found

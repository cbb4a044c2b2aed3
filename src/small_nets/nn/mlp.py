"""Multilayer perceptrons, given by their hidden widths or layer by layer."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from small_nets.config.draw_order import drawn_before
from small_nets.nn.activations import MODULES
from small_nets.nn.initialisers import initialise


def mlp(
    *,
    inputs: int,
    outputs: int,
    width: int | Sequence[int] | None,
    activation: str = "tanh",
    output_activation: str = "identity",
    bias: bool = True,
    init: str = "default",
    draw_order: Sequence[int | Sequence[int] | None] | None = None,
) -> nn.Sequential:
    """A net (rows, inputs) -> (rows, outputs) with hidden layers of the given widths.

    width: None for no hidden layer, an int for one, a sequence for several. Layers are called
    hidden_linear, hidden_activation, output_linear, output_activation. Several hidden layers are
    numbered from 1. An identity output activation is left out.

    draw_order: the widths of nets, this one among them, that draw their weights one after the other
    from torch's global generator. Those before this one are drawn, and dropped. They are like it in
    all but their widths. None where this net is drawn alone.
    """
    for earlier in drawn_before(width, draw_order):
        mlp(
            inputs=inputs, outputs=outputs, width=earlier, activation=activation,
            output_activation=output_activation, bias=bias, init=init,
        )  # fmt: skip
    widths = [] if width is None else [width] if isinstance(width, int) else list(width)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    before = inputs
    for number, hidden in enumerate(widths, start=1):
        suffix = "" if len(widths) == 1 else str(number)
        layers[f"hidden_linear{suffix}"] = nn.Linear(before, hidden, bias=bias)
        layers[f"hidden_activation{suffix}"] = MODULES[activation]()
        before = hidden
    layers["output_linear"] = nn.Linear(before, outputs, bias=bias)
    if output_activation != "identity":
        layers["output_activation"] = MODULES[output_activation]()
    net = nn.Sequential(layers)
    initialise(net, init)
    return net


def layers(
    *,
    layers: Sequence[Sequence[int]],
    activation: str = "sigmoid",
    output_activation: str = "identity",
    bias: bool = True,
    init: str = "default",
) -> nn.Sequential:
    """A net with a Linear for each pair (inputs, outputs): linear1, activation1, linear2, …

    Raises ValueError where a layer's outputs are not the inputs of the next one.
    """
    for number, (left, right) in enumerate(pairwise(layers), start=1):
        if left[1] != right[0]:
            raise ValueError(
                f"layer linear{number} {list(left)} gives {left[1]} values, but layer "
                f"linear{number + 1} {list(right)} takes {right[0]}.\n"
                f"Fix: linear{number + 1} as [{left[1]},{right[1]}]"
            )
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (inputs, outputs) in enumerate(layers, start=1):
        parts[f"linear{number}"] = nn.Linear(inputs, outputs, bias=bias)
        if number < len(layers):
            parts[f"activation{number}"] = MODULES[activation]()
        elif output_activation != "identity":
            parts["output_activation"] = MODULES[output_activation]()
    net = nn.Sequential(parts)
    initialise(net, init)
    return net


class SideBySide(nn.Module):
    """Separate Linear layers, each on its own columns of the input.

    (rows, sum of inputs) -> (rows, sum of outputs). The first layer takes the first columns, and
    so on. Outputs are joined in the same order.
    """

    def __init__(self, *, layers: Sequence[Sequence[int]]) -> None:
        super().__init__()
        for number, (inputs, outputs) in enumerate(layers, start=1):
            self.add_module(f"linear{number}", nn.Linear(inputs, outputs))
        self.sizes = [int(inputs) for inputs, _ in layers]

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.sizes, dim=-1)
        return torch.cat(
            [layer(part) for layer, part in zip(self.children(), parts, strict=True)], dim=-1
        )

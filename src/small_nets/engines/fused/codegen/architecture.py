"""What a kernel is generated for: the layers of a network, the loss, and what fills the lanes."""

from dataclasses import dataclass
from functools import cached_property

from torch import nn

from small_nets.config.components import ACTIVATIONS
from small_nets.engines.unsupported import CannotFuse
from small_nets.nn.activation_formulas import FORMULAS
from small_nets.nn.activations import MODULES
from small_nets.nn.losses import RowForm
from small_nets.nn.neurons import BareLine, WeightedSum

SMALL = 192  # a network of at most so many numbers becomes straight-line code
ROWS = 32  # with so many rows a step, rows fill the lanes; with fewer, models do

# Module -> the formula that a kernel has for it. Versions by hand have the same formula.
KNOWN = {
    module: ACTIVATIONS[name].formula
    for name, module in MODULES.items()
    if ACTIVATIONS[name].formula in (*FORMULAS, "softmax")
}


@dataclass(frozen=True)
class Layer:
    """activation(W x + b): (inputs,) -> (outputs,)."""

    inputs: int
    outputs: int
    bias: bool
    activation: str = "identity"

    @property
    def numbers(self) -> int:
        """The number of weights and biases. They are stored weights first, row by row."""
        return self.outputs * (self.inputs + self.bias)


@dataclass(frozen=True)
class Architecture:
    """The architecture of a kernel.

    size: bytes of a number. rows_in_lanes: whether the lanes hold rows of one model; otherwise
    they hold models. clips: whether gradients are clipped. accuracy: whether it is measured.
    weighted: whether a row's target has its weight behind it.
    """

    layers: tuple[Layer, ...]
    loss: RowForm
    size: int
    rows_in_lanes: bool
    clips: bool = False
    accuracy: bool = False
    weighted: bool = False

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """The place where each layer's numbers begin."""
        sums = [0]
        for layer in self.layers:
            sums.append(sums[-1] + layer.numbers)
        return tuple(sums[:-1])

    @property
    def numbers(self) -> int:
        """The number of weights and biases of the network."""
        return sum(layer.numbers for layer in self.layers)

    @property
    def is_small(self) -> bool:
        """Whether the kernel is straight-line code."""
        return self.numbers <= SMALL

    @property
    def inputs(self) -> int:
        """The network's inputs."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """The network's outputs."""
        return self.layers[-1].outputs

    @property
    def targets(self) -> int:
        """The numbers of a row's target, with its weight."""
        return self.outputs + self.weighted


def read(net: nn.Module) -> tuple[Layer, ...]:
    """The layers of a network. Raises CannotFuse for one that kernels cannot compute."""
    found: list[Layer] = []
    for module in _flat(net):
        if isinstance(module, nn.Linear):
            found.append(Layer(module.in_features, module.out_features, module.bias is not None))
        elif isinstance(module, BareLine):
            found.append(Layer(1, 1, True))
        elif isinstance(module, WeightedSum):
            found.append(Layer(len(module.w), 1, True))
        elif type(module) not in KNOWN:
            raise CannotFuse(f"{type(module).__name__} has no form in the fused kernels")
        elif not found:
            raise CannotFuse("its activation comes before a linear layer")
        else:
            last, name = found[-1], KNOWN[type(module)]
            if last.activation != "identity" and name != "identity":
                raise CannotFuse("two activations follow one another")
            name = last.activation if name == "identity" else name
            found[-1] = Layer(last.inputs, last.outputs, last.bias, name)
    if not found:
        raise CannotFuse("it has no linear layer")
    if any(layer.activation == "softmax" for layer in found[:-1]):
        raise CannotFuse("softmax in front of another layer")
    if not all(p.requires_grad for p in net.parameters()):
        raise CannotFuse("some of its parameters are fixed")
    return tuple(found)


def _flat(net: nn.Module) -> list[nn.Module]:
    if type(net).forward is nn.Sequential.forward:
        return [module for child in net.children() for module in _flat(child)]
    return [net]

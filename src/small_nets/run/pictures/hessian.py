"""The curvature of a loss at a point, and what it says of the learning rate."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from small_nets.data.prepared import Split
from small_nets.nn.losses import Loss

MULTIPLES = (0.25, 0.5, 0.75, 1.0)
BEYOND = 1.05  # times the largest stable rate 2 / λmax
STEPS = 400


def hessian(net: nn.Module, loss: Loss, split: Split) -> Tensor:
    """The Hessian of the loss over a split at the network's parameters, shape (n, n), float64.

    n: the number of trainable parameters, in the order of `named_parameters`.
    """
    assert split.target is not None, "a loss needs a target"
    free = {name: p for name, p in net.named_parameters() if p.requires_grad}
    output, target = of_parameters(net, free, split.input), split.target.double()
    point = torch.cat([p.detach().double().flatten() for p in free.values()])
    # Reverse over reverse: the hand-written cross-entropy has no forward-mode derivative.
    return torch.func.jacrev(torch.func.jacrev(lambda flat: loss(output(flat), target)))(point)


def of_parameters(
    net: nn.Module, free: Mapping[str, Tensor], input: Tensor
) -> Callable[[Tensor], Tensor]:
    """What the net gives for these rows as a function of some of its parameters, all in float64.

    free: those it is a function of, in a row of all their numbers, (n,).
    """
    sizes = [p.numel() for p in free.values()]
    everything = [*net.named_parameters(), *net.named_buffers()]
    fixed = {name: p.detach().double() for name, p in everything if name not in free}
    rows = input.double()

    def output(flat: Tensor) -> Tensor:
        parts = zip(flat.split(sizes), free.items(), strict=True)
        named = {name: part.view(p.shape) for part, (name, p) in parts}
        return functional_call(net, named | fixed, (rows,))

    return output


@dataclass(frozen=True)
class Curvature:
    """Extreme eigenvalues of a Hessian, and the rate that is best for the worst direction.

    best_lr: η* = 2 / (λmin + λmax), which minimises max over λ of |1 - ηλ| (Polyak, 1964).
    max_lr: 2 / λmax, above which gradient descent on the quadratic diverges.
    """

    eigenvalues: Tensor

    @property
    def smallest(self) -> float:
        return self.eigenvalues.min().item()

    @property
    def largest(self) -> float:
        return self.eigenvalues.max().item()

    @property
    def is_convex(self) -> bool:
        """Whether every direction curves upwards; if not, no rate is best."""
        return self.smallest > 1e-9 * abs(self.largest)

    @property
    def best_lr(self) -> float:
        return 2 / (self.smallest + self.largest)

    @property
    def max_lr(self) -> float:
        return 2 / self.largest

    def contraction(self, lr: float) -> float:
        """max over λ of |1 - lr · λ|: the factor that the worst direction shrinks by a step."""
        return (1 - lr * self.eigenvalues).abs().max().item()


def curvature(net: nn.Module, loss: Loss, split: Split) -> Curvature:
    """The curvature of the loss over a split at the network's present parameters."""
    return Curvature(torch.linalg.eigvalsh(hessian(net, loss, split)))


@dataclass(frozen=True)
class Descent:
    """Gradient descent on ½ wᵀAw at one rate.

    multiple: lr / η*. rate: the measured long-run factor of |w| a step. norms: |w| after
    0, 1, 2, … steps, relative to the start.
    """

    multiple: float
    lr: float
    contraction: float
    rate: float
    norms: list[float]

    @property
    def diverges(self) -> bool:
        return self.rate > 1


def descend(matrix: Tensor, start: Tensor, lr: float, steps: int = STEPS) -> list[float]:
    """log(|w| / |start|) after 0 … steps steps of w - lr A w, in float64.

    matrix: A, shape (n, n). start: shape (n,). Logarithms, and w scaled to length 1 after each
    step, since 400 steps pass the range of floats. -inf once w is 0.
    """
    w, logs = start.double() / start.double().norm(), [0.0]
    for _ in range(steps):
        w = w - lr * (matrix @ w)
        length = w.norm().item()
        logs.append(logs[-1] + math.log(length) if length > 0 else -math.inf)
        w = w / length if length > 0 else w
    return logs


def compare_rates(matrix: Tensor, multiples: Sequence[float] = MULTIPLES) -> list[Descent]:
    """Gradient descent at multiples of η*, and just beyond the largest stable rate.

    The start has a component along every eigenvector, without which a direction would never
    be seen; the long-run rate is the geometric mean over the second half of the steps.
    """
    found = Curvature(torch.linalg.eigvalsh(matrix))
    start = torch.linalg.eigh(matrix).eigenvectors.sum(dim=1)
    rates = [m * found.best_lr for m in multiples] + [BEYOND * found.max_lr]
    result = []
    for lr in rates:
        logs = descend(matrix, start, lr)
        half = len(logs) // 2
        ended = logs[-1] == -math.inf
        rate = 0.0 if ended else math.exp((logs[-1] - logs[half]) / (len(logs) - 1 - half))
        norms = [math.exp(max(min(value, 700.0), -700.0)) for value in logs]
        result.append(Descent(lr / found.best_lr, lr, found.contraction(lr), rate, norms))
    return result

"""The sharpness of members along training: the largest eigenvalue of each one's Hessian.

It is that of the training loss over the whole split (Cohen, Kaur, Li, Kolter, Talwalkar: Gradient
Descent on Neural Networks Typically Occurs at the Edge of Stability, 2021). The relative sharpness
is its ratio to the bound above which the steps of the optimizer grow, 2/η of gradient descent.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from small_nets.engines.cohort import Cohort

SHARPNESS, RELATIVE = "train/sharpness", "train/relative_sharpness"
NUMBERS = 2**24  # of the derivatives of hidden units that are held at a time


def largest_eigenvalues(
    net: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], parameters: Mapping[str, Tensor],
    input: Tensor, target: Tensor,
) -> Tensor:  # fmt: skip
    """λmax of the Hessian of each member's loss, (members,), float64.

    parameters: name -> (members, *shape). input, target: (members, rows, columns). Computed in
    float64 from the whole Hessian. Infinite where the Hessian is not finite.
    """
    shapes = {name: p.shape[1:] for name, p in parameters.items()}
    sizes = [shape.numel() for shape in shapes.values()]
    flat = torch.cat([p.double().flatten(1) for p in parameters.values()], 1)
    buffers = {name: b.double() for name, b in net.named_buffers()}

    def value(point: Tensor, x: Tensor, y: Tensor) -> Tensor:
        parts = zip(point.split(sizes), shapes.items(), strict=True)
        named = {name: part.view(shape) for part, (name, shape) in parts}
        return loss(functional_call(net, named | buffers, (x,)), y)

    # Reverse over reverse: the hand-written cross-entropy has no forward-mode derivative.
    second = torch.func.jacrev(torch.func.jacrev(value))
    units = sum(shape[0] if len(shape) else 1 for shape in shapes.values())
    size = max(1, NUMBERS // (flat.shape[1] * units * input.shape[1]))
    found = torch.vmap(second, chunk_size=size)(flat, input.double(), target.double())
    known = torch.isfinite(found).flatten(1).all(dim=1)
    found = torch.where(known[:, None, None], found, torch.zeros_like(found))
    largest = torch.linalg.eigvalsh(found)[:, -1]
    return torch.where(known, largest, torch.inf)


def names_along(cohort: Cohort) -> list[str]:
    """The names of what `along` gives."""
    if not cohort.has_sharpness:
        return []
    return [SHARPNESS] if cohort.stability is None else [SHARPNESS, RELATIVE]


def along(cohort: Cohort, parameters: Mapping[str, Tensor], step: int | Tensor) -> list[Tensor]:
    """What is measured of the curvature at a logged point, each (members,), float64.

    parameters: name -> (members, *shape). step: of all members, or of each.
    """
    if not cohort.has_sharpness:
        return []
    rows = cohort.train
    found = largest_eigenvalues(
        cohort.net, cohort.loss_of_rows, parameters, rows.input, rows.target
    )
    if cohort.stability is None:
        return [found]
    schedule = cohort.schedule
    if schedule is None:
        factor: float | Tensor = 1.0
    elif isinstance(step, Tensor):
        factor = torch.tensor([schedule(max(int(s), 0)) for s in step], dtype=torch.float64)
    else:
        factor = schedule(step)
    return [found, found * cohort.stability.to(found) * factor]

"""The sharpness of members along training: the largest eigenvalue of each one's Hessian.

It is that of the training loss over the whole split (Cohen, Kaur, Li, Kolter, Talwalkar: Gradient
Descent on Neural Networks Typically Occurs at the Edge of Stability, 2021). The relative sharpness
is its ratio to the bound above which the steps of the optimizer grow, 2/η of gradient descent.
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from small_nets.engines.cohort import Cohort

SHARPNESS, RELATIVE = "train/sharpness", "train/relative_sharpness"
NUMBERS = 2**19  # of the derivatives of units that are held at a time: they should stay in a cache
MEMBERS = 16  # at most at a time
SECONDS = 1e-8  # for the derivative of one unit by one parameter, for one row
LEAST = 2e-4  # seconds of a member's eigenvalue


def largest_eigenvalues(
    net: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], parameters: Mapping[str, Tensor],
    input: Tensor, target: Tensor,
) -> Tensor:  # fmt: skip
    """λmax of the Hessian of each member's loss, (members,), float64.

    parameters: name -> (members, *shape). input, target: (members, rows, columns). Computed in
    float64 from the whole Hessian. Infinite where the Hessian is not finite. A member's number is
    the same to the bit whatever the others are: so many at a time as its shapes say, the last ones
    repeated where they are too few, since a product of matrices may add up in another order where
    there are fewer of them.
    """
    shapes = {name: p.shape[1:] for name, p in parameters.items()}
    sizes = [shape.numel() for shape in shapes.values()]
    flat = torch.cat([p.double().flatten(1) for p in parameters.values()], 1)
    buffers = {name: b.double() for name, b in net.named_buffers()}

    def value(point: Tensor, x: Tensor, y: Tensor) -> Tensor:
        parts = zip(point.split(sizes), shapes.items(), strict=True)
        named = {name: part.view(shape) for part, (name, shape) in parts}
        return loss(functional_call(net, named | buffers, (x,)), y)

    at_once, columns = _sizes(_units(shapes.values()) * input.shape[1], flat.shape[1])
    # Reverse over reverse: the hand-written cross-entropy has no forward-mode derivative.
    second = torch.vmap(torch.func.jacrev(torch.func.grad(value), chunk_size=columns))
    count = len(flat)
    places = torch.arange(-(-count // at_once) * at_once, device=flat.device).clamp(max=count - 1)
    x, y = input.double(), target.double()
    found = torch.cat([second(flat[i], x[i], y[i]) for i in places.split(at_once)])[:count]
    known = torch.isfinite(found).flatten(1).all(dim=1)
    found = torch.where(known[:, None, None], found, torch.zeros_like(found))
    # One by one: where matrices of an odd size follow each other in memory, LAPACK adds up in an
    # order that depends on where one begins.
    largest = torch.stack([torch.linalg.eigvalsh(hessian)[-1] for hessian in found])
    return torch.where(known, largest, torch.inf)


def _units(shapes: Iterable[torch.Size]) -> int:
    """The units of a net whose parameters have these shapes, a bias counted as well."""
    return sum(shape[0] if len(shape) else 1 for shape in shapes)


def _sizes(numbers: int, parameters: int) -> tuple[int, int]:
    """How many members, and how many columns of their Hessians, are computed at a time.

    numbers: those of the units' values for all rows.
    """
    members = NUMBERS // (numbers * parameters)
    return min(max(members, 1), MEMBERS), min(max(NUMBERS // numbers, 1), parameters)


def seconds_along(member: Cohort) -> float:
    """Estimate the seconds that one member's sharpness takes, from its shapes alone, on one core.

    0 where none is measured.
    """
    if not member.has_sharpness:
        return 0.0
    shapes = [p.shape[1:] for p in member.parameters.values()]
    parameters = sum(shape.numel() for shape in shapes)
    points = member.epochs // member.log_every + 2
    return points * (LEAST + SECONDS * parameters * _units(shapes) * member.train.count)


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

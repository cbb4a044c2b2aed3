"""Where the rows of an example come from: pure functions to float32 tensors in raw units.

A source that draws random numbers draws them from torch's global stream, which
`src.build` has seeded just before; the model's initial weights come from the same
stream directly afterwards.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from src.data.columns import read_columns
from src.data.file import digest as digest_of
from src.data.task import Task
from src.errors import InputError


@dataclass(frozen=True)
class Table:
    """The rows of an example.

    input: shape (rows, features), raw units.
    target: shape (rows, outputs), raw units, or None for an example that is only evaluated.
    task: "regression", "binary" (targets 0 and 1), or "classes" (one-hot targets).
    """

    input: Tensor
    target: Tensor | None = None
    task: Task = "regression"


def _matrix(values: Sequence[Sequence[float]], name: str) -> Tensor:
    widths = {len(row) for row in values}
    if len(widths) != 1:
        raise ValueError(f"the rows of {name} have different lengths: {sorted(widths)}")
    return torch.tensor(values, dtype=torch.float32)


def rows(
    inputs: Sequence[Sequence[float]],
    targets: Sequence[Sequence[float]] | None = None,
    task: Task = "regression",
) -> Table:
    """The rows as the config lists them.

    Raises ValueError where rows differ in length, or inputs and targets in number.
    """
    if targets is None:
        return Table(_matrix(inputs, "inputs"), None, task)
    if len(inputs) != len(targets):
        raise ValueError(f"{len(inputs)} rows of inputs, but {len(targets)} rows of targets")
    return Table(_matrix(inputs, "inputs"), _matrix(targets, "targets"), task)


GATES = {"and": (1, 0, 0, 0), "or": (1, 1, 1, 0), "xor": (0, 1, 1, 0)}


def gate(kind: str) -> Table:
    """The truth table of a logic gate, inputs always in the order (1,1) (1,0) (0,1) (0,0)."""
    if kind not in GATES:
        raise ValueError(f"data.source.kind={kind}: the gates are {', '.join(GATES)}")
    inputs = [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
    return rows(inputs, [(float(y),) for y in GATES[kind]], "binary")


def sine(points: int = 3000, end: float = 100.0) -> Table:
    """y = 3 sin(0.01 x) cos(0.1 x) on `points` values of x evenly spaced over [0, end].

    Computed in float64 and rounded once, so that the float32 values are the nearest ones.
    """
    x = torch.linspace(0.0, end, points, dtype=torch.float64)[:, None]
    y = 3 * torch.sin(0.01 * x) * torch.cos(0.1 * x)
    return Table(x.float(), y.float())


def normal(rows: int, features: int, targets: Sequence[Sequence[float]] | None = None) -> Table:
    """Standard normal inputs of shape (rows, features) from torch's global stream."""
    drawn = torch.randn(rows, features)
    if targets is not None and len(targets) != rows:
        raise ValueError(f"{rows} rows of inputs, but {len(targets)} rows of targets")
    return Table(drawn, None if targets is None else _matrix(targets, "targets"))


def quadratic(eigenvalues: Sequence[float]) -> Table:
    """Rows whose mean squared error under a linear neuron without bias is ½ wᵀAw.

    With n rows x_i = sqrt(n λ_i / 2) e_i and target 0, the mean of (wᵀx_i)² is
    ½ Σ λ_i w_i²: a quadratic whose Hessian A has exactly the given eigenvalues.
    """
    if not eigenvalues or min(eigenvalues) <= 0:
        raise ValueError(f"eigenvalues must be positive numbers, not {list(eigenvalues)}")
    n = len(eigenvalues)
    scales = torch.tensor([math.sqrt(n * value / 2) for value in eigenvalues])
    return Table(torch.diag(scales), torch.zeros(n, 1))


def table(
    path: str,
    inputs: Sequence[str],
    target: str,
    task: Task,
    digest: str,
    dtype: torch.dtype = torch.float32,
) -> Table:
    """Columns of a CSV or Parquet file; the classes of a classification are sorted.

    digest: of the file's content when the run was configured. dtype: of the tensors, since a
    file holds more digits than float32. Raises InputError where the file is not what it was.
    """
    if digest_of(Path(path)) != digest:
        raise InputError(
            f"{path} has changed since this run was made: its content was {digest}.\n"
            "Fix: the table of then, or a new run; a prediction with --inputs needs no table"
        )
    found = read_columns(path, inputs, target, task)
    input = torch.from_numpy(found.inputs).to(dtype)
    codes = torch.from_numpy(found.target)
    if found.classes is None or task == "binary":
        return Table(input, codes.to(dtype)[:, None], task)
    return Table(input, torch.eye(len(found.classes), dtype=dtype)[codes.long()], task)

"""The sources of an example's rows: pure functions that return tensors in raw units.

Numbers that are typed, or read from a file, are float64. An example that is defined in float32
has float32.

A source draws random numbers from torch's global generator, which `small_nets.run.build.build`
seeds just before. The model's initial weights are drawn from the same generator directly
afterwards.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from small_nets.config.component_facts import Task
from small_nets.config.errors import InputError
from small_nets.data.missing_values import Missing
from small_nets.data.table_columns import read_columns
from small_nets.data.table_file import digest as digest_of


@dataclass(frozen=True)
class Table:
    """The rows of an example, in raw units, float32 or float64.

    input: (rows, features). target: (rows, outputs), or None for an example that is only
    evaluated. task: "regression", "binary" (targets 0 and 1) or "classes" (one-hot targets). test:
    rows of the same kind that a source brings for the test at the end; None: data.test_fraction
    decides.
    """

    input: Tensor
    target: Tensor | None = None
    task: Task = "regression"
    test: "Table | None" = None


def dtype_of(precision: int) -> torch.dtype:
    """The dtype for a precision of 32 or 64 bits."""
    return {32: torch.float32, 64: torch.float64}[precision]


def _matrix(
    values: Sequence[Sequence[float]], name: str, dtype: torch.dtype = torch.float64
) -> Tensor:
    widths = {len(row) for row in values}
    if len(widths) != 1:
        raise ValueError(f"the rows of {name} have different lengths: {sorted(widths)}")
    return torch.tensor(values, dtype=dtype)


def rows(
    inputs: Sequence[Sequence[float]],
    targets: Sequence[Sequence[float]] | None = None,
    task: Task = "regression",
    precision: int = 64,
) -> Table:
    """Rows that the config lists.

    precision: 32 rounds them to float32, for an example that was published with float32 tensors.
    Raises ValueError where rows differ in length, or inputs and targets differ in number.
    """
    dtype = dtype_of(precision)
    if targets is None:
        return Table(_matrix(inputs, "inputs", dtype), None, task)
    if len(inputs) != len(targets):
        raise ValueError(f"{len(inputs)} rows of inputs, but {len(targets)} rows of targets")
    return Table(_matrix(inputs, "inputs", dtype), _matrix(targets, "targets", dtype), task)


GATES = {"and": (1, 0, 0, 0), "or": (1, 1, 1, 0), "xor": (0, 1, 1, 0)}


def gate(kind: str) -> Table:
    """The truth table of a logic gate, with inputs in the order (1,1) (1,0) (0,1) (0,0).

    kind: and, or, xor. Raises ValueError for another one.
    """
    if kind not in GATES:
        raise ValueError(f"data.source.kind={kind}: the gates are {', '.join(GATES)}")
    inputs = [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
    return rows(inputs, [(float(y),) for y in GATES[kind]], "binary")


def sine(points: int = 3000, end: float = 100.0) -> Table:
    """y = 3 sin(0.01 x) cos(0.1 x) at `points` values of x, evenly spaced over [0, end].

    It is computed in float64 and then rounded to the nearest float32.
    """
    x = torch.linspace(0.0, end, points, dtype=torch.float64)[:, None]
    y = 3 * torch.sin(0.01 * x) * torch.cos(0.1 * x)
    return Table(x.float(), y.float())


def normal(rows: int, features: int, targets: Sequence[Sequence[float]] | None = None) -> Table:
    """Standard normal inputs, (rows, features), from torch's global generator.

    Raises ValueError where the number of targets differs from that of rows.
    """
    drawn = torch.randn(rows, features)
    if targets is not None and len(targets) != rows:
        raise ValueError(f"{rows} rows of inputs, but {len(targets)} rows of targets")
    return Table(drawn, None if targets is None else _matrix(targets, "targets"))


def quadratic(eigenvalues: Sequence[float]) -> Table:
    """Rows for which a linear neuron without bias has the mean squared error ½ wᵀAw.

    With n rows x_i = sqrt(n λ_i / 2) e_i and target 0, the mean of (wᵀx_i)² is ½ Σ λ_i w_i². Its
    Hessian A has exactly the given eigenvalues. Raises ValueError where one is not positive.
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
    missing: Missing = "refuse",
    separator: str | None = None,
) -> Table:
    """Columns of a CSV or Parquet file, float64. Texts are one-hot, classes are sorted.

    digest: of the file's content when the run was configured. Raises InputError where the content
    has changed since.
    """
    if digest_of(Path(path)) != digest:
        raise InputError(
            f"{path} has changed since this run was made: its content was {digest}.\n"
            "Fix: the table as it was, or a new run; a prediction with --inputs needs no table"
        )
    found = read_columns(path, inputs, target, task, missing=missing, separator=separator)
    input, codes = torch.from_numpy(found.inputs), torch.from_numpy(found.target)
    if found.classes is None or task == "binary":
        return Table(input, codes.reshape(len(codes), -1), task)  # (rows,), or (rows, targets)
    one_hot = torch.eye(len(found.classes), dtype=torch.float64)[codes.long()]
    return Table(input, one_hot, task)

"""A source whose target is a formula that the user types: `data=formula data.formula='abs(x)'`."""

import ast
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from small_nets.config.errors import InputError
from small_nets.config.formula import Formula, is_even, parse
from small_nets.data.sources import Table

Array = NDArray[np.float64]
CONSTANTS = {"pi": np.pi, "e": np.e}
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
    ast.Pow: np.power, ast.UAdd: np.positive, ast.USub: np.negative,
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
}  # fmt: skip


def _step(x: Array) -> Array:
    return np.heaviside(x, 0.0)  # 0 at 0, as the activation of this name


def _sigmoid(x: Array) -> Array:
    # 1 / (1 + e^-x), which overflows in no direction and keeps its digits near 0.
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1 + small)


def _relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs, "sign": np.sign, "step": _step, "floor": np.floor, "sqrt": np.sqrt,
    "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "sigmoid": _sigmoid, "relu": _relu,
    "min": lambda *parts: reduce(np.minimum, parts),
    "max": lambda *parts: reduce(np.maximum, parts),
}  # fmt: skip


def values_of(formula: Formula, x: Array) -> Array:
    """The formula at inputs x (rows, inputs), in float64: (rows,). NaN and infinity stay.

    A comparison is 1 where it holds, and else 0; in a row of them, where all hold.
    """
    columns = {"x": x[:, 0]} | {f"x{i + 1}": x[:, i] for i in range(x.shape[1])}
    with np.errstate(all="ignore"):
        found = _value(formula.tree, columns | CONSTANTS)
    return np.broadcast_to(np.asarray(found, dtype=np.float64), x.shape[:1])


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value):
            return np.float64(value)  # type: ignore[arg-type]
        case ast.Name(name):
            return names[name]
        case ast.UnaryOp(op, operand):
            return OPERATORS[type(op)](_value(operand, names))
        case ast.BinOp(left, op, right):
            return OPERATORS[type(op)](_value(left, names), _value(right, names))
        case ast.Compare(first, ops, others):
            values = [_value(part, names) for part in (first, *others)]
            pairs = zip(ops, values, values[1:], strict=False)
            held = [OPERATORS[type(op)](a, b) for op, a, b in pairs]
            # What is no number is neither more nor less than another: it stays none.
            is_none = reduce(np.logical_or, map(np.isnan, values))
            return np.where(is_none, np.nan, reduce(np.logical_and, held))
        case ast.Call(ast.Name(name), arguments):
            return FUNCTIONS[name](*(_value(part, names) for part in arguments))
    raise TypeError(f"{ast.dump(node)} is not in a checked formula")


def grid(points: int, low: float, high: float, inputs: int) -> Array:
    """Evenly spaced rows over [low, high], both ends in: (points, inputs), as many on each axis.

    Raises InputError where `points` is no power of so many inputs.
    """
    side = round(points ** (1 / inputs))
    if side**inputs != points or side < 2:
        sides = max(int(points ** (1 / inputs)), 2)
        raise InputError(
            f"data.points={points} with data.spacing=even makes no grid over {inputs} inputs, "
            f"which has as many points along each.\nFix: data.points={sides**inputs}, "
            f"data.points={(sides + 1) ** inputs}, or data.spacing=uniform"
        )
    place = np.arange(side, dtype=np.float64)
    axis = (low * place[::-1] + high * place) / (side - 1)  # around 0 symmetric to the last bit
    axis[[0, -1]] = low, high
    axes = np.meshgrid(*[axis] * inputs, indexing="ij")
    return np.stack(axes, axis=-1).reshape(points, inputs)


def check_formula(data: Mapping[str, Any]) -> None:
    """Raises InputError where data=formula asks for rows that there are not.

    data: a checked config's data section. What is drawn is checked when it is drawn.
    """
    low, high = data["low"], data["high"]
    if not low < high:
        raise InputError(
            f"data.low={low:g} data.high={high:g}: the range is empty.\n"
            "Fix: data.low below data.high"
        )
    if is_even(data):
        _finite(data["formula"], grid(data["points"], low, high, parse(data["formula"]).inputs))


def formula(
    formula: str,
    points: int = 400,
    low: float = -1.0,
    high: float = 1.0,
    spacing: str | None = None,
    noise: float = 0.0,
) -> Table:
    """y = formula + noise at `points` rows of inputs between low and high, in float64.

    spacing: "even", with both ends, over several inputs a grid; "uniform" draws each number of a
    row. None: even for one input, else uniform. noise: the standard deviation of the normal noise
    on the target. First the inputs are drawn, then the noise. Raises InputError where the formula
    is not a finite number.
    """
    read = parse(formula)
    if is_even({"formula": formula, "spacing": spacing}):
        x = grid(points, low, high, read.inputs)
    else:
        drawn = torch.rand(points, read.inputs, dtype=torch.float64).numpy()
        x = low + (high - low) * drawn
    y = torch.tensor(_finite(formula, x))[:, None]
    if noise:
        y = y + noise * torch.randn(points, 1, dtype=torch.float64)
    return Table(torch.from_numpy(x), y)


def _finite(text: str, x: Array) -> Array:
    """The formula at x (rows, inputs). Raises InputError for the first row without a value."""
    read = parse(text)
    found = values_of(read, x)
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong):
        row, value = x[wrong[0]], found[wrong[0]]
        names = ["x"] if read.inputs == 1 else [f"x{i + 1}" for i in range(read.inputs)]
        at = ", ".join(f"{name}={v:.6g}" for name, v in zip(names, row, strict=True))
        what = "not a number" if np.isnan(value) else f"{'-' if value < 0 else ''}infinite"
        more = f" ({len(wrong):,} of {len(x):,} points)" if len(wrong) > 1 else ""
        raise InputError(
            f"data.formula='{read.text}' is {what} at {at}{more}.\nFix: data.low and data.high "
            "where it is a finite number"
        )
    return found

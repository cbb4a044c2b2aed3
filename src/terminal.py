"""The terminal: its console, its tables, and numbers as they are shown there."""

import math
from typing import Any

from rich.console import Console
from rich.table import Table

FEW_NUMBERS = 10


def new_console() -> Console:
    """To stdout. Where that is no terminal, wide enough that no table is folded."""
    # No markup: a setting such as [mse, bce] would be read as a style.
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=120)


def numbers(values: Any, limit: int = FEW_NUMBERS, form: str = ".4f") -> str:
    """Nested numbers on one line."""
    flat = flatten(values)
    shown = "  ".join(number(v, form) for v in flat[:limit])
    return shown + (f"  … ({len(flat)} numbers)" if len(flat) > limit else "")


def number(value: float | None, form: str = ".4f") -> str:
    """Four decimals by default: what a reader compares with a published figure."""
    if value is None or not math.isfinite(value):
        return "not finite"
    return format(value, form if abs(value) < 1e6 else ".4g")


def flatten(values: Any) -> list[Any]:
    """The numbers of nested lists, in order."""
    if not isinstance(values, list | tuple):
        return [values]
    return [x for item in values for x in flatten(item)]


def new_table(*columns: str, numbers: bool = False) -> Table:
    """A table without lines. numbers: all columns but the first are ranged right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, column in enumerate(columns):
        justify = "right" if numbers and i else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=numbers or i == 0)
    return table


def print_titled(console: Console, title: str, table: Table) -> None:
    """A table below its title."""
    # Not rich's own title, which it folds to the table's width.
    console.print(title, style="bold", soft_wrap=True)
    console.print(table)
    console.print()

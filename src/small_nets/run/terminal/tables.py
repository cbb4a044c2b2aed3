"""The terminal: its console, its tables, and numbers as they are shown there."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from small_nets.system.printable import printable

FEW_NUMBERS = 10  # in a cell
FEWEST = 3  # of which none is left out


class PlainConsole(Console):
    """Shows texts as they are: no markup in them, and no control character.

    A setting such as [mse, bce] would be read as a style, and a name with an escape sequence would
    move the cursor.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        # Where every text and every cell passes, before its width is measured.
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        # What came here without passing there: the texts of bars.
        for segment in super().render(renderable, options):
            is_ours = segment.control is None
            yield segment._replace(text=printable(segment.text)) if is_ours else segment


def new_console() -> Console:
    """To stdout. Where that is no terminal, wide enough that no table is folded."""
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=120)


def warn(console: Console, text: str) -> None:
    """Print a text that must not be overlooked."""
    console.print(text, style="bold red", soft_wrap=True, markup=False)


def numbers(values: Any, limit: int = FEW_NUMBERS, form: str = ".4f") -> str:
    """Nested numbers on one line."""
    flat = flatten(values)
    limit = max(limit, len(flat)) if len(flat) <= FEWEST else limit
    shown = "  ".join(number(v, form) for v in flat[:limit])
    return shown + (f"  … ({len(flat)} numbers)" if len(flat) > limit else "")


def number(value: float | None, form: str = ".4f") -> str:
    """A number as text. Four decimals by default: as in published figures."""
    if value is None or not math.isfinite(value):
        return "not finite"
    return format(value, form if abs(value) < 1e6 else ".10g")


def flatten(values: Any) -> list[Any]:
    """The numbers of nested lists, in order."""
    if not isinstance(values, list | tuple):
        return [values]
    return [x for item in values for x in flatten(item)]


def new_table(*columns: str, numbers: bool = False) -> Table:
    """A table without lines. numbers: all columns but the first are ranged right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if numbers and i else "left", overflow="fold")
    return table


def natural_width(console: Console, table: Table) -> int:
    """The columns of the terminal that a table takes where nothing in it is folded."""
    wide = console.options.update(width=100_000)
    return Measurement.get(console, wide, table).maximum


def fitting(console: Console, make: Callable[[int], Table], most: int = FEW_NUMBERS) -> Table:
    """The table with as many numbers in a cell as the terminal has room for, and `most` at most."""
    for limit in range(most, 1, -1):
        table = make(limit)
        if natural_width(console, table) <= console.width:
            return table
    return make(1)


def print_table(console: Console, table: Table) -> None:
    """Print a table. No cell is cut, no number broken: texts and headings are folded between words.

    A line may be longer than the terminal's, where even so there is no room.
    """
    if natural_width(console, table) > console.width:
        for column in table.columns:
            cells = [str(cell).split() for cell in column.cells]
            # "0.1 to 0.2" stays on one line; a sentence need not.
            parts = [" ".join(c) for c in cells if len(c) <= 3] if column.justify == "right" else []
            words = [word for c in cells for word in c] + str(column.header).split()
            widest = max(map(cell_len, parts + words), default=1)
            column.min_width = min(widest, console.width // 2)
    console.print(table, crop=False)


def print_metrics(
    console: Console, title: str, metrics: Mapping[str, float], baseline: Mapping[str, float],
    units: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Print metrics below a title, each beside the constant predictor's where that has one.

    units: what a metric is measured in, where there is something to say.
    """
    known = {name: unit for name, unit in (units or {}).items() if name in metrics}
    table = new_table("metric", "value", "constant predictor", *(["unit"] if known else []))
    for name, value in metrics.items():
        base = baseline.get(name)
        cells = [name, f"{value:.6g}", "" if base is None else f"{base:.6g}"]
        table.add_row(*cells, *([known.get(name, "")] if known else []))
    print_titled(console, title, table)


def print_titled(console: Console, title: str, table: Table) -> None:
    """Print a table below its title."""
    # Not rich's own title, which it folds to the table's width.
    console.print(title, style="bold", soft_wrap=True)
    print_table(console, table)
    console.print()

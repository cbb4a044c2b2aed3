"""Up to which width are the fused kernels faster than BLAS? `python -m tests.benchmarks.wide`

µs per step and model of both engines, in turn, for ever wider nets. `LARGE` of
`small_nets.engines.stacked.cost`, by which a
sweep chooses, is about where they would cross.
"""

from rich.console import Console
from rich.table import Table

from small_nets.engines.stacked.cost import LARGE
from tests.benchmarks.cases import CORES, Case
from tests.benchmarks.sweep import figures, in_turn
from tests.benchmarks.ways import fused, stacked

WORK = 4e9  # multiplications of a measurement, about


def case(width: int, rows: int) -> Case:
    """Two hidden layers on so many rows of the sine."""
    models = 16 * CORES
    steps = max(1, int(WORK / (3 * rows * width * width * models)))
    overrides = (
        "+experiment=sine", f"model.width=[{width},{width}]", f"data.source.points={rows}",
        "data.val_fraction=0",
    )  # fmt: skip
    return Case(f"[{width},{width}], {rows} rows", overrides, models, steps, steps)


def main() -> None:
    table = Table(title=f"µs per step and model, {CORES} cores; a product of {LARGE:.0e} is large")
    for column in ("net", "largest product", "fused", "stacked", "stacked / fused"):
        table.add_column(column, justify="right")
    for rows in (100, 400, 1600):
        for width in (128, 256, 384, 512, 768):
            one = case(width, rows)
            found = in_turn({"fused": fused(one), "stacked": stacked(one, False)})
            times = [figures(found[name] * 1e6) for name in ("fused", "stacked")]
            ratio = figures(found["stacked"] / found["fused"])
            table.add_row(one.name, f"{rows * width * width:.1e}", *times, ratio)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()

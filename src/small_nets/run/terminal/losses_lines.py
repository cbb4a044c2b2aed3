"""The lines with the losses while a run trains. The first one is that of epoch 0, untrained."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from small_nets.run.spec import Run


def losses_line(epoch: int, metrics: Mapping[str, float]) -> str:
    """One line with the losses of an epoch."""
    shown = "   ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    return f"epoch {epoch:>7}   {shown}"


def line_every(run: Run, console: Console) -> int:
    """How many epochs apart the lines are: `print_every`, or else a tenth of the run, rounded up.

    0 for the first line only: in a terminal a bar shows the others.
    """
    return run.print_every or (0 if console.is_terminal else max(-(-run.last_epoch // 10), 1))


def print_line(console: Console, epoch: int, metrics: Mapping[str, float]) -> None:
    """Print the line of an epoch."""
    console.print(losses_line(epoch, metrics), highlight=False, soft_wrap=True)


def print_lines(run: Run, curves: Mapping[str, Sequence[float]], console: Console) -> None:
    """Print the lines of a run that an engine has trained, whose losses are known afterwards.

    curves: "step" and each metric -> a value for each logged point.
    """
    every = line_every(run, console)
    for i, step in enumerate(curves["step"]):
        epoch, rest = divmod(int(step), run.data.steps_per_epoch)
        if epoch == 0 or (every and not rest and epoch % every == 0):
            found = {name: values[i] for name, values in curves.items() if name != "step"}
            print_line(console, epoch, found)
    console.print()

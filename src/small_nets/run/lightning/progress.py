"""What a run shows while it trains."""

import time

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from small_nets.run.evaluate import evaluate
from small_nets.run.lightning.logged_points import LoggedPoints
from small_nets.run.spec import Run

INTERVAL = 0.1  # seconds between two refreshes of the bar


def losses_line(epoch: int, metrics: dict[str, float]) -> str:
    """One line with the losses of an epoch."""
    shown = "   ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    return f"epoch {epoch:>7}   {shown}"


class ShowProgress(pl.Callback):
    """A bar in a terminal, and lines with the losses.

    Lines every `run.print_every` epochs; where there is no terminal, by default every tenth
    of the run. The bar is redrawn here and not by rich's thread, which would take the
    interpreter away from training.
    """

    def __init__(self, run: Run, points: LoggedPoints, console: Console) -> None:
        self.run = run
        self.points = points
        self.console = console
        tenth = max(run.last_epoch // 10, 1)
        self.every = run.print_every or (0 if console.is_terminal else tenth)
        self.bar: Progress | None = None
        self.drawn = 0.0
        self.has_lines = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.console.is_terminal:
            self.bar = Progress(
                TextColumn("epoch {task.completed}/{task.total}"),
                BarColumn(),
                TextColumn("{task.fields[loss]}"),
                TimeRemainingColumn(),
                console=self.console,
                auto_refresh=False,
                transient=True,
            )
            self.bar.add_task("fit", total=self.run.last_epoch, loss="")
            self.bar.start()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if self.every and epoch % self.every == 0:
            metrics = evaluate(self.run.net, self.run.loss, self.run.data)
            self.console.print(losses_line(epoch, metrics), highlight=False)
            self.has_lines = True
        if self.bar is not None and time.monotonic() - self.drawn > INTERVAL:
            self.drawn = time.monotonic()
            last = {name: v[-1] for name, v in self.points.curves.items() if name.endswith("loss")}
            text = "  ".join(f"{name} {value:.4g}" for name, value in last.items())
            self.bar.update(self.bar.task_ids[0], completed=epoch, loss=text)
            self.bar.refresh()

    def close(self) -> None:
        """Take the bar away, however the run ended, and end the lines."""
        if self.has_lines:
            self.console.print()
        if self.bar is not None:
            self.bar.stop()

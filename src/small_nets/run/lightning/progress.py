"""What a run shows while it trains."""

import time

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from small_nets.run.evaluate import evaluate
from small_nets.run.lightning.logged_points import LoggedPoints
from small_nets.run.spec import Run
from small_nets.run.terminal.losses_lines import line_every, print_line

INTERVAL = 0.1  # seconds between two refreshes of the bar


class ShowProgress(pl.Callback):
    """A bar in a terminal, and lines with the losses.

    The first line is of the epoch where training begins: 0, or that of the checkpoint. Then lines
    every `run.print_every` epochs; where there is no terminal, by default every tenth of the run.
    The bar is redrawn here and not by rich's thread, which would take the
    interpreter away from training.
    """

    def __init__(self, run: Run, points: LoggedPoints, console: Console) -> None:
        self.run = run
        self.points = points
        self.console = console
        self.every = line_every(run, console)
        self.bar: Progress | None = None
        self.drawn = 0.0
        self.has_lines = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._print(trainer.current_epoch)
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
            self._print(epoch)
        if self.bar is not None and time.monotonic() - self.drawn > INTERVAL:
            self.drawn = time.monotonic()
            last = {name: v[-1] for name, v in self.points.curves.items() if name.endswith("loss")}
            text = "  ".join(f"{name} {value:.4g}" for name, value in last.items())
            self.bar.update(self.bar.task_ids[0], completed=epoch, loss=text)
            self.bar.refresh()

    def _print(self, epoch: int) -> None:
        print_line(self.console, epoch, evaluate(self.run.net, self.run.loss, self.run.data))
        self.has_lines = True

    def close(self) -> None:
        """Take the bar away, however the run ended, and end the lines."""
        if self.has_lines:
            self.console.print()
        if self.bar is not None:
            self.bar.stop()

"""The logged points of a run, and what follows from them: early stopping, interruption."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from src.evaluate import Metrics, evaluate, gradients, is_finite
from src.layers import halve
from src.module import Diverged, Watcher
from src.run import Run
from src.tensorboard import TensorBoard
from src.trajectory import Recorder
from src.watchers.histograms import ROWS, histograms

# What a checkpoint keeps, beside the path.
STATE = ("curves", "epochs_done", "best", "best_loss", "best_step", "mark", "since_mark")


class LoggedPoints(Watcher):
    """Evaluates both splits at step 0, every `log_every` epochs, and at the end.

    Not Lightning's validation loop: for eleven rows that loop costs twenty times the
    evaluation, and it knows no point 0.

    run: what is run. logger: where points go.
    interrupted: asked at the end of each epoch; True stops there.
    """

    def __init__(
        self,
        run: Run,
        logger: TensorBoard | None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.run = run
        self.logger = logger
        self.interrupted = interrupted
        self.curves: dict[str, list[float]] = {"step": []}
        self.epochs_done = 0
        self.best: dict[str, Tensor] | None = None
        self.best_loss = math.inf
        self.best_step: int | None = None
        self.mark = math.inf  # the loss that patience is counted from
        self.since_mark = 0
        self.was_interrupted = False
        self.recorder = Recorder(run.net)
        self.halves = halve(run.net)

    def on_start(self, trainer: pl.Trainer) -> None:
        if not self.curves["step"]:
            self.record(0)

    def on_epoch_end(self, trainer: pl.Trainer) -> None:
        self.epochs_done += 1
        if self.epochs_done % self.run.log_every == 0:
            self.record(trainer.global_step)
            stop = self.run.early_stop
            if stop is not None and self.since_mark >= stop.patience:
                trainer.should_stop = True
        if self.epochs_done == self.run.until:
            trainer.should_stop = True
        if self.interrupted():
            self.was_interrupted = self.epochs_done < self.run.last_epoch
            trainer.should_stop = True

    def record(self, step: int) -> None:
        """Add the point of the present parameters. Raises Diverged where it is not finite."""
        net = self.run.net
        metrics = evaluate(net, self.run.loss, self.run.data)
        self.curves["step"].append(step)
        for name, value in metrics.items():
            self.curves.setdefault(name, []).append(value)
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        if self.logger is not None:
            self.logger.log_metrics(finite, step)
        if len(finite) < len(metrics) or not is_finite(net):
            raise Diverged(step)
        self.recorder.record(step)
        if self.logger is not None and self.run.histograms:
            found = gradients(net, self.run.loss, self.run.data.train)
            rows = self.run.data.train.input[:ROWS]
            hidden = {} if self.halves is None else self.halves.activations(rows)
            self.logger.log_summary(histograms(net, found, hidden), step)
        self._remember_best(metrics)

    def _remember_best(self, metrics: Metrics) -> None:
        stop = self.run.early_stop
        if stop is None or not metrics:
            return
        loss = metrics.get("val/loss", metrics["train/loss"])
        if loss < self.best_loss:
            self.best_loss, self.best_step = loss, int(self.curves["step"][-1])
            state = self.run.net.state_dict()
            self.best = {name: value.detach().clone() for name, value in state.items()}
        if loss < self.mark - stop.min_delta:
            self.mark, self.since_mark = loss, 0
        else:
            self.since_mark += 1

    def to_checkpoint(self) -> dict[str, Any]:
        about = {"run_config": self.run.config, "path": self.recorder.to_checkpoint()}
        return about | {name: getattr(self, name) for name in STATE}

    def from_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        for name in STATE:
            setattr(self, name, checkpoint[name])
        self.recorder.from_checkpoint(checkpoint.get("path"))

"""The logged points of a run, and what follows from them: early stopping, interruption."""

import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from small_nets.nn.early_stopping import Standing, losses_in
from small_nets.nn.inspect import halve
from small_nets.run.evaluate import Metrics, evaluate, gradients, is_finite
from small_nets.run.lightning.histograms import ROWS, histograms
from small_nets.run.lightning.module import Diverged
from small_nets.run.logged_metrics import sharpness
from small_nets.run.outputs.event_files import TensorBoard
from small_nets.run.outputs.trajectory import Recorder
from small_nets.run.spec import Run

# What a checkpoint keeps, beside the path.
STATE = ("curves", "epochs_done", "best")


class LoggedPoints(pl.Callback):
    """Evaluates both splits at step 0, every `log_every` epochs, and at the end.

    Not Lightning's validation loop: for eleven rows that loop costs twenty times the
    evaluation, and it knows no point 0. Each point reaches the trainer's `callback_metrics`,
    by which other callbacks go, and all its loggers.

    run: what is run. logger: where histograms go, and the point of a run without a trainer.
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
        self.standing = Standing(None, math.inf, math.inf, 0)
        self.was_interrupted = self.stopped_early = False
        self.recorder = Recorder(run.net)
        self.halves = halve(run.net)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.curves["step"]:
            self.record(0, trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.epochs_done += 1
        if self.epochs_done % self.run.log_every == 0:
            self.record(trainer.global_step, trainer)
            stop = self.run.early_stop
            if stop is not None and stop.ends(self.standing):
                self.stopped_early = self.epochs_done < self.run.max_epochs
                trainer.should_stop = True
        if self.epochs_done == self.run.until:
            trainer.should_stop = True
        if self.interrupted():
            self.was_interrupted = self.epochs_done < self.run.last_epoch
            trainer.should_stop = True

    def record(self, step: int, trainer: pl.Trainer | None = None) -> None:
        """Add the point of the present parameters. Raises Diverged where it is not finite."""
        net = self.run.net
        losses = evaluate(net, self.run.loss, self.run.data)
        metrics = losses | sharpness(self.run, step)
        self.curves["step"].append(step)
        for name, value in metrics.items():
            self.curves.setdefault(name, []).append(value)
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        if trainer is not None:
            trainer.callback_metrics.update({n: torch.tensor(v) for n, v in metrics.items()})
        loggers = [self.logger] if trainer is None else trainer.loggers
        for logger in loggers:
            if logger is not None:
                logger.log_metrics(finite, step)
        if not finite.keys() >= losses.keys() or not is_finite(net):
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
        step, loss = int(self.curves["step"][-1]), metrics[losses_in(metrics)[0]]
        self.standing, is_best = stop.after(self.standing, step, loss)
        if is_best:
            state = self.run.net.state_dict()
            self.best = {name: value.detach().clone() for name, value in state.items()}

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint |= {"run_config": self.run.config, "path": self.recorder.to_checkpoint()}
        checkpoint |= {name: getattr(self, name) for name in STATE} | self.standing._asdict()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        for name in STATE:
            setattr(self, name, checkpoint[name])
        self.standing = Standing(*(checkpoint[name] for name in Standing._fields))
        self.recorder.from_checkpoint(checkpoint.get("path"))

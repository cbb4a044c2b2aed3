"""The LightningModule that wraps the example networks: hooks and the step, no mathematics.

Nothing is logged in `training_step`: what is logged are the losses of whole splits. In a run of
ours `logged_points` evaluates them every few epochs; under a Trainer of one's own, they are logged
where it validates.
"""

import math
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from small_nets.data.sources import dtype_of
from small_nets.run.build.build import build_net, loss_of, make_optimizer, make_schedule, mean_of
from small_nets.run.build.targets import refuse_foreign_targets
from small_nets.run.evaluate import evaluate
from small_nets.run.lightning.datamodule import ExampleData
from small_nets.run.spec import Run

Batch = tuple[Tensor, Tensor]


class Diverged(Exception):
    """A loss or a parameter stopped being finite with the parameters after `step` steps."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss is not finite after {step} steps")
        self.step = step


class Example(pl.LightningModule):
    """A network, its loss, its optimizer and its schedule: the one module of all examples.

    `Example.of(run)` has those of a built run. `Example.load_from_checkpoint(path)` builds them
    from the config that the checkpoint holds: by the allow-list of `run.build.targets` alone, so
    a checkpoint that a stranger sent imports nothing.

    Optimization is manual: the step stands in the open, as the bare-tensor examples want it,
    and does not pass Lightning's closures, strategy and precision plugins, which have nothing
    to do for such nets and make a fit on eleven rows half as long again.

    config: a checked, resolved config. inputs: features of a row. outputs: columns of the target,
    None without. steps: of the whole run, which schedules may end with. target_mean: of the
    training split, (outputs,), from which classes are weighed. run: has the parts built already.
    Raises InputError for a config that names what is not on the allow-list.
    """

    def __init__(
        self,
        config: dict[str, Any],
        inputs: int,
        outputs: int | None,
        steps: int,
        target_mean: Sequence[float] | None = None,
        run: Run | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore="run")
        self.automatic_optimization = False
        self.clip: float | None = config["trainer"]["gradient_clip_val"]
        if run is not None:
            self.net, self.loss, self.schedule = run.net, run.loss, run.schedule
            self.make_optimizer = run.make_optimizer
            return
        refuse_foreign_targets(config)
        mean = None if target_mean is None else torch.tensor(target_mean, dtype=torch.float64)
        self.net = build_net(config["model"], inputs, outputs).to(dtype_of(config["precision"]))
        self.loss = loss_of(config, mean)
        self.make_optimizer = make_optimizer(config["optimizer"])
        self.schedule = make_schedule(config["scheduler"], steps)

    @classmethod
    def of(cls, run: Run) -> "Example":
        """The module that trains the run's own network."""
        table, mean = run.data.table, mean_of(run.data.train.target)
        outputs = None if table.target is None else table.target.shape[1]
        means = None if mean is None else mean.tolist()
        return cls(run.config, table.input.shape[1], outputs, run.steps, means, run)

    def __setattr__(self, name: str, value: object) -> None:
        # Lightning notes the running hook's name on the module some thirty times a batch, and
        # nn.Module takes microseconds to find out that a text is no parameter: without this
        # a fit of `temperature_mlp` takes 15 % longer.
        if name in self.__dict__ and (value is None or type(value) is str):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        loss = self.loss(self.net(batch[0]), batch[1])
        # Before the update, so that the weights that gave the loss are the ones kept.
        if not math.isfinite(loss.item()):
            raise Diverged(self.trainer.global_step)
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Optimizer), "one optimizer"
        optimizer.zero_grad()
        loss.backward()
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        steps = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        steps.increment_ready()
        optimizer.step()
        steps.increment_completed()
        if self.schedule is not None:
            scheduler = self.lr_schedulers()
            assert isinstance(scheduler, LambdaLR), "one schedule"
            scheduler.step()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._log_loss("val/loss", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._log_loss("test/loss", batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """(rows, outputs), as the net gives them; `Prepared.from_network` has them in raw units."""
        return self.net(batch[0])

    def _log_loss(self, name: str, batch: Batch) -> None:
        self.log(name, self.loss(self.net(batch[0]), batch[1]), batch_size=len(batch[0]))

    def on_validation_epoch_end(self) -> None:
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            self._log_training_split()

    def on_train_epoch_end(self) -> None:
        # Lightning does not validate where nothing was held out; in our own runs it never does.
        if self.trainer.limit_val_batches and not sum(self.trainer.num_val_batches):
            self._log_training_split()

    def _log_training_split(self) -> None:
        """Log `train/loss` of the whole split, where the data is ours."""
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, ExampleData):
            losses = evaluate(self.net, self.loss, data.prepared)
            self.log("train/loss", losses["train/loss"])

    def configure_optimizers(self):  # type: ignore[override]
        optimizer = self.make_optimizer(self.net.parameters())
        if self.schedule is None:
            return optimizer
        scheduler = LambdaLR(optimizer, self.schedule)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

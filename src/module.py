"""The LightningModule that wraps the example networks: hooks and the step, no mathematics.

Nothing is logged in `training_step`: a logged point holds the losses of whole splits, which
`src.watchers.points` evaluates every few epochs.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning.pytorch as pl
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from src.losses import Loss

Batch = tuple[Tensor, Tensor]


class Diverged(Exception):
    """A loss or a parameter stopped being finite with the parameters after `step` steps."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss is not finite after {step} steps")
        self.step = step


class Watcher:
    """Something that looks on as a run trains; each method does nothing unless it is defined.

    Called by the module's own hooks. As a Lightning Callback it would be called at fifteen
    points of every batch, which makes a fit of eleven rows a quarter slower for each one.
    """

    def on_start(self, trainer: pl.Trainer) -> None:
        """Before the first step."""

    def on_epoch_end(self, trainer: pl.Trainer) -> None:
        """After the last step of an epoch."""

    def to_checkpoint(self) -> dict[str, Any]:
        """What a continued run needs to know."""
        return {}

    def from_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Take up what `to_checkpoint` wrote."""


class Example(pl.LightningModule):
    """A network, its loss, its optimizer and its schedule: the one module of all examples.

    Optimization is manual: the step stands in the open, as the bare-tensor examples want it,
    and does not pass Lightning's closures, strategy and precision plugins, which have nothing
    to do for such nets and double the time of a fit on eleven rows.

    net: (rows, features) -> (rows, outputs), in normalised units.
    make_optimizer: parameters -> optimizer. schedule: step -> factor of the learning rate.
    clip: the largest norm of the whole gradient, None for no limit.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Loss,
        make_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Callable[[int], float] | None = None,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = net
        self.loss = loss
        self.make_optimizer = make_optimizer
        self.schedule = schedule
        self.clip = clip
        self.watchers: list[Watcher] = []

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
        """For `Trainer.validate`; our own runs evaluate both splits at the logged points."""
        self.log("val/loss", self.loss(self.net(batch[0]), batch[1]), batch_size=len(batch[0]))

    def on_train_start(self) -> None:
        for watcher in self.watchers:
            watcher.on_start(self.trainer)

    def on_train_epoch_end(self) -> None:
        for watcher in self.watchers:
            watcher.on_epoch_end(self.trainer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for watcher in self.watchers:
            checkpoint |= watcher.to_checkpoint()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for watcher in self.watchers:
            watcher.from_checkpoint(checkpoint)

    def configure_optimizers(self):  # type: ignore[override]
        optimizer = self.make_optimizer(self.net.parameters())
        if self.schedule is None:
            return optimizer
        scheduler = LambdaLR(optimizer, self.schedule)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

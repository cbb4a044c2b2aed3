"""The LightningModules that wrap the example networks: hooks and logging, no mathematics.

Nothing is logged in `training_step`: a logged point holds the losses of whole splits, which
`src.callbacks.points` evaluates every few epochs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

import lightning.pytorch as pl
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


class Diverged(Exception):
    """A loss or a parameter stopped being finite with the parameters after `step` steps."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss is not finite after {step} steps")
        self.step = step


class Example(pl.LightningModule, ABC):
    """A network, its loss, its optimizer and its schedule.

    net: (rows, features) -> (rows, outputs), in normalised units.
    make_optimizer: parameters -> optimizer. schedule: step -> factor of the learning rate.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Loss,
        make_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Callable[[int], float] | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.loss = loss
        self.make_optimizer = make_optimizer
        self.schedule = schedule

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

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None: ...

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """For `Trainer.validate`; our own runs evaluate both splits at the logged points."""
        self.log("val/loss", self.loss(self.net(batch[0]), batch[1]), batch_size=len(batch[0]))

    def on_before_backward(self, loss: Tensor) -> None:
        # Before the update, so that the weights that gave the loss are the ones kept.
        if not math.isfinite(loss.item()):
            raise Diverged(self.trainer.global_step)

    def configure_optimizers(self):  # type: ignore[override]
        optimizer = self.make_optimizer(self.net.parameters())
        if self.schedule is None:
            return optimizer
        scheduler = LambdaLR(optimizer, self.schedule)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


class LayerExample(Example):
    """Most examples: Lightning calls backward and the optimizer."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.loss(self.net(batch[0]), batch[1])


class BareTensorExample(Example):
    """The neurons of bare tensors: forward, backward and update in the open.

    clip: the largest norm of the gradient, None for no limit; Lightning does not clip under
    manual optimization.
    """

    def __init__(self, *args, clip: float | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.automatic_optimization = False
        self.clip = clip

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        loss = self.loss(self.net(batch[0]), batch[1])
        optimizer.zero_grad()
        self.manual_backward(loss)
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        optimizer.step()
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, LambdaLR):
            scheduler.step()

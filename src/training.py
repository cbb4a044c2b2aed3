"""A built run through Lightning, and how it ended."""

import logging
import warnings
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.environments import LightningEnvironment
from rich.console import Console

from src.data.module import ExampleData
from src.evaluate import evaluate
from src.interrupt import interruption
from src.module import Diverged, Example
from src.result import Ending, Status
from src.run import Run
from src.tensorboard import TensorBoard
from src.watchers.points import LoggedPoints
from src.watchers.progress import ShowProgress

# Lightning says at every fit which accelerators it did not find, and gives tips.
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def for_lightning(run: Run) -> tuple[Example, ExampleData]:
    """The run as Lightning has it."""
    module = Example(run.net, run.loss, run.make_optimizer, run.schedule, run.clip)
    return module, ExampleData.of(run.data)


def train_by_lightning(
    run: Run, logger: TensorBoard | None, directory: Path, console: Console
) -> Ending:
    """Train with Lightning; leaves its checkpoint in the directory."""
    before = torch.get_num_threads()
    torch.set_num_threads(run.threads)
    try:
        status, points = _train(run, logger, directory, console)
    finally:
        torch.set_num_threads(before)
    kept = points.best_step if status != "diverged" else None
    if points.best is not None and kept is not None:
        run.net.load_state_dict(points.best)
    path = points.recorder.trajectory()
    return Ending(status, points.epochs_done, points.curves, kept, logged=True, path=path)


def _train(
    run: Run, logger: TensorBoard | None, directory: Path, console: Console
) -> tuple[Status, LoggedPoints]:
    """Status and points of the run; leaves its checkpoint."""
    checkpoint = directory / "checkpoint.ckpt"
    module, data = for_lightning(run)
    run = replace(run, data=data)  # of which the splits move to the trainer's device, and back
    with interruption(lambda text: console.print(text)) as interrupted:
        points = LoggedPoints(run, logger, interrupted)
        progress = ShowProgress(run, points, console)
        try:
            if run.max_epochs == 0:
                points.record(0)
                return "completed", points
            module.watchers = [points, progress]
            trainer = _trainer(run, logger, directory)
            _fit_where_the_net_is(module, data, trainer, run.ckpt)
            # Before the last point, which a continued run would not have where it stands.
            trainer.save_checkpoint(checkpoint)
            if points.curves["step"][-1] != trainer.global_step:
                points.record(trainer.global_step)
        except Diverged as error:
            checkpoint.unlink(missing_ok=True)
            if points.curves["step"][-1] != error.step:
                points.curves["step"].append(error.step)
                for name, value in evaluate(run.net, run.loss, run.data).items():
                    points.curves.setdefault(name, []).append(value)
            return "diverged", points
        finally:
            progress.close()
    if points.was_interrupted:
        return "interrupted", points
    return ("stopped" if points.epochs_done == run.until else "completed"), points


def _fit_where_the_net_is(
    module: Example, data: ExampleData, trainer: pl.Trainer, ckpt: Path | None
) -> None:
    """Fit with the splits on the trainer's device; all is back on the CPU afterwards."""
    data.to(trainer.strategy.root_device)
    try:
        with warnings.catch_warnings():
            # torch deprecates what Lightning 2.6 calls; nothing a user could do about it.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*")
            # On a cluster's machine Lightning advises srun at every fit.
            warnings.filterwarnings("ignore", message=".*`srun` command is available")
            trainer.fit(module, datamodule=data, ckpt_path=ckpt, weights_only=True)
    finally:
        module.cpu()
        data.to(torch.device("cpu"))


class LightningBoard(TensorBoardLogger):
    """A run's TensorBoard as Lightning's logger, for callbacks that log by themselves."""

    def __init__(self, board: TensorBoard) -> None:
        super().__init__(save_dir=board.directory, name="", version="", default_hp_metric=False)
        self._experiment = board.experiment

    def save(self) -> None:
        """Nothing beside the events: Lightning would add an empty hparams.yaml."""

    def finalize(self, status: str) -> None:
        """Flushes. Lightning ends its logger with the fit, and a second file would begin."""
        self.experiment.flush()


def _trainer(run: Run, logger: TensorBoard | None, directory: Path) -> pl.Trainer:
    return pl.Trainer(
        accelerator=run.accelerator,
        devices=1,
        plugins=[LightningEnvironment()],  # else, within a SLURM job, Lightning takes over signals
        max_epochs=run.max_epochs,
        logger=False if logger is None else LightningBoard(logger),
        default_root_dir=directory,
        # Both splits are evaluated by LoggedPoints, checkpoints are written at the end.
        limit_val_batches=0,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        log_every_n_steps=0,  # 1 would flush the logger at every step
    )

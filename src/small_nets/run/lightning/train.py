"""A built run through Lightning, and how it ended."""

import io
import logging
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.plugins.io import TorchCheckpointIO
from rich.console import Console

from small_nets.run.lightning.datamodule import ExampleData
from small_nets.run.lightning.logged_points import LoggedPoints
from small_nets.run.lightning.module import Diverged, Example
from small_nets.run.lightning.progress import ShowProgress
from small_nets.run.logged_metrics import logged_metrics
from small_nets.run.outputs.event_files import TensorBoard
from small_nets.run.outputs.result import Ending, Status
from small_nets.run.spec import Run
from small_nets.system.atomic_file import write_whole
from small_nets.system.signals import interruption


def train_by_lightning(
    run: Run, logger: TensorBoard | None, directory: Path, console: Console,
    data: ExampleData | None = None,
) -> Ending:  # fmt: skip
    """Train with Lightning; leaves its checkpoint in the directory.

    data: the run's data in batches of another kind than its own.
    """
    data = ExampleData(lambda: run.data) if data is None else data
    before = torch.get_num_threads()
    torch.set_num_threads(run.threads)
    # Lightning says at every fit which accelerators it did not find, and gives tips.
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(max(level, logging.WARNING))
    try:
        status, points = _train(run, data, logger, directory, console)
    finally:
        log.setLevel(level)
        torch.set_num_threads(before)
    if points.best is not None:
        run.net.load_state_dict(points.best)
    return Ending(
        status, points.epochs_done, points.curves, points.standing.best_step, points.stopped_early,
        logged=True, path=points.recorder.trajectory(),
    )  # fmt: skip


def _train(
    run: Run, data: ExampleData, logger: TensorBoard | None, directory: Path, console: Console
) -> tuple[Status, LoggedPoints]:
    """Train, write the checkpoint; the status of the run and its logged points."""
    checkpoint = directory / "checkpoint.ckpt"
    with interruption(lambda text: console.print(text)) as interrupted:
        points = LoggedPoints(run, logger, interrupted)
        progress = ShowProgress(run, points, console)
        try:
            if run.max_epochs == 0:
                points.record(0)
                return "completed", points
            trainer = _trainer(run, [points, progress], logger, directory)
            # Its handler would end a run by an exception that is a SystemExit, with code 0.
            trainer._signal_connector.register_signal_handlers = lambda: None
            _fit_where_the_net_is(run, data, trainer)
            # Before the last point, which a continued run would not have where it stands.
            trainer.save_checkpoint(checkpoint)
            if points.curves["step"][-1] != trainer.global_step:
                points.record(trainer.global_step, trainer)
        except Diverged as error:
            checkpoint.unlink(missing_ok=True)
            if points.curves["step"][-1] != error.step:
                points.curves["step"].append(error.step)
                for name, value in logged_metrics(run, error.step).items():
                    points.curves.setdefault(name, []).append(value)
            return "diverged", points
        finally:
            progress.close()
    if points.was_interrupted:
        return "interrupted", points
    return ("stopped" if points.epochs_done == run.until else "completed"), points


def _fit_where_the_net_is(run: Run, data: ExampleData, trainer: pl.Trainer) -> None:
    """Fit with the splits on the trainer's device; all is back on the CPU afterwards."""
    run.data.to(trainer.strategy.root_device)
    try:
        with warnings.catch_warnings():
            # torch deprecates what Lightning 2.6 calls; nothing a user could do about it.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*")
            # On a cluster's machine Lightning advises srun at every fit.
            warnings.filterwarnings("ignore", message=".*`srun` command is available")
            trainer.fit(Example.of(run), data, ckpt_path=run.ckpt, weights_only=True)
    finally:
        run.net.cpu()
        run.data.to(torch.device("cpu"))


class LightningBoard(TensorBoardLogger):
    """A run's TensorBoard as Lightning's logger, for callbacks that log by themselves."""

    def __init__(self, board: TensorBoard) -> None:
        super().__init__(save_dir=board.directory, name="", version="", default_hp_metric=False)
        self._experiment = board.experiment

    def log_hyperparams(self, *arguments: Any, **settings: Any) -> None:
        """Do nothing: they are logged with the run's end, whose metrics stand beside them."""

    def save(self) -> None:
        """Do nothing beside the events: Lightning would add an empty hparams.yaml."""

    def finalize(self, status: str) -> None:
        """Flushes. Lightning ends its logger with the fit, and a second file would begin."""
        self.experiment.flush()


class WholeCheckpoint(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, synced. Raises OSError."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getvalue())


def _trainer(
    run: Run, callbacks: list[pl.Callback], logger: TensorBoard | None, directory: Path
) -> pl.Trainer:
    return pl.Trainer(
        accelerator=run.accelerator,
        devices=1,
        # The first of them, for within a SLURM job Lightning would take over signals.
        plugins=[LightningEnvironment(), WholeCheckpoint()],
        max_epochs=run.max_epochs,
        callbacks=callbacks,
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

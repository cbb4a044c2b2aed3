"""One run through Lightning: a built run in, its result and its directory out. Knows no Hydra."""

import logging
import math
import time
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import yaml
from rich.console import Console

from src.console import show_curvature, show_end, show_rates
from src.curvature import compare_rates, curvature, hessian
from src.draw import draw_fit, save_png
from src.evaluate import baseline, evaluate, more_metrics
from src.interrupt import interruption
from src.module import Diverged
from src.outcome import parameters, predictions
from src.pictures.loss import loss_figure
from src.pictures.rates import rates_figure
from src.result import NO_NUMBER, Result, Status, git_state, run_id, versions
from src.run import Run
from src.tensorboard import TensorBoard
from src.watchers.points import LoggedPoints
from src.watchers.progress import ShowProgress
from src.weights import save_weights

# Lightning says at every fit which accelerators it did not find, and gives tips.
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def fit(run: Run, directory: Path, console: Console, started: float | None = None) -> Result:
    """Train (or only evaluate), and leave the run directory as `src.result` describes it.

    directory: an existing directory of this run's own. started: time.perf_counter() when the
    command began, for `seconds.total`. Raises OSError where the directory cannot be written.
    """
    started = time.perf_counter() if started is None else started
    torch.set_num_threads(run.threads)
    logger = TensorBoard(directory) if run.tensorboard else None
    began = time.perf_counter()
    status, points = _train(run, logger, directory, console)
    seconds = time.perf_counter() - began
    net = run.module.net.eval()
    kept = points.best_step if status != "diverged" else None
    if points.best is not None and kept is not None:
        net.load_state_dict(points.best)
    metrics = _final_metrics(run, points, status)
    figures = {} if status == "diverged" else _analyse(run, console, metrics)
    result = Result(
        experiment=run.name,
        seed=run.seed,
        status=status,
        epochs=points.epochs_done,
        steps=int(points.curves["step"][-1]),
        metrics=metrics,
        baseline=baseline(run.module.loss, run.data),
        predictions=predictions(run),
        parameters=parameters(run),
        curves=points.curves,
        config=run.config,
        run_id=run_id(run.config),
        seconds={"fit": seconds, "total": 0.0},
        versions=versions(),
        git=git_state(),
    )
    save_weights(directory / "weights.safetensors", net, run.data)
    result.write(directory)  # before the pictures, and again with the time they took
    figures |= _figures(run, result, kept)
    for name, figure in figures.items():
        png, width, height = save_png(figure, directory / f"{name}.png")
        if logger is not None:
            logger.log_png(f"figures/{name}", png, width, height, result.steps)
    if logger is not None:
        _log_settings(logger, run, result)
    result.seconds["total"] = time.perf_counter() - started
    result.write(directory)
    show_end(console, run, result, directory, kept)
    return result


def _train(
    run: Run, logger: TensorBoard | None, directory: Path, console: Console
) -> tuple[Status, LoggedPoints]:
    """Status and points of the run; leaves its checkpoint."""
    checkpoint = directory / "checkpoint.ckpt"
    with interruption(lambda text: console.print(text)) as interrupted:
        points = LoggedPoints(run, logger, interrupted)
        progress = ShowProgress(run, points, console)
        try:
            if run.max_epochs == 0:
                points.record(0)
                return "completed", points
            run.module.watchers = [points, progress]
            trainer = _trainer(run, logger, directory)
            _fit_where_the_net_is(run, trainer)
            # Before the last point, which a continued run would not have where it stands.
            trainer.save_checkpoint(checkpoint)
            if points.curves["step"][-1] != trainer.global_step:
                points.record(trainer.global_step)
        except Diverged as error:
            checkpoint.unlink(missing_ok=True)
            if points.curves["step"][-1] != error.step:
                points.curves["step"].append(error.step)
                for name, value in evaluate(run.module.net, run.module.loss, run.data).items():
                    points.curves.setdefault(name, []).append(value)
            return "diverged", points
        finally:
            progress.close()
    return ("interrupted" if points.was_interrupted else "completed"), points


def _fit_where_the_net_is(run: Run, trainer: pl.Trainer) -> None:
    """Fit with the splits on the trainer's device; all is back on the CPU afterwards."""
    run.data.to(trainer.strategy.root_device)
    try:
        with warnings.catch_warnings():
            # torch deprecates what Lightning 2.6 calls; nothing a user could do about it.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*")
            trainer.fit(run.module, datamodule=run.data, ckpt_path=run.ckpt, weights_only=True)
    finally:
        run.module.cpu()
        run.data.to(torch.device("cpu"))


def _trainer(run: Run, logger: TensorBoard | None, directory: Path) -> pl.Trainer:
    return pl.Trainer(
        accelerator=run.accelerator,
        devices=1,
        max_epochs=run.max_epochs,
        logger=logger or False,
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


def _final_metrics(run: Run, points: LoggedPoints, status: Status) -> dict[str, float]:
    """The last point's values; with early stopping, those of the weights that were kept."""
    if points.best is not None and status != "diverged":
        metrics = evaluate(run.module.net, run.module.loss, run.data)
    else:
        metrics = {name: v[-1] for name, v in points.curves.items() if name != "step"}
    return metrics | more_metrics(run.module.net, run.data.train, run.metrics)


def _analyse(run: Run, console: Console, metrics: dict[str, float]) -> dict[str, Any]:
    """Adds the curvature's numbers to the metrics; the figures it draws."""
    if run.analysis is None or run.data.train.target is None:
        return {}
    net, loss, train = run.module.net, run.module.loss, run.data.train
    found = curvature(net, loss, train)
    metrics |= {"hessian/lambda_min": found.smallest, "hessian/lambda_max": found.largest}
    show_curvature(console, found, run.config["optimizer"]["lr"])
    if not found.is_convex:
        return {}
    metrics["hessian/optimal_lr"] = found.best_lr
    if run.analysis != "optimal_lr":
        return {}
    rates = compare_rates(hessian(net, loss, train))
    for rate in rates:
        metrics[f"contraction/{rate.multiple:.3g}"] = rate.contraction
        metrics[f"measured/{rate.multiple:.3g}"] = rate.rate
    show_rates(console, rates)
    lines = [(r.multiple, r.lr, r.contraction) for r in rates]
    figure = rates_figure(found.eigenvalues.tolist(), lines, [r.norms for r in rates])
    return {"optimal_lr": figure}


def _figures(run: Run, result: Result, kept: int | None) -> dict[str, Any]:
    title = f"{run.name}, seed {run.seed}"
    if result.status != "completed":
        title += f": {result.status} at step {result.steps}"
    figures = {"fit": draw_fit(run, title)}
    if len(result.curves["step"]) > 1:
        figures["loss"] = loss_figure(result.curves, result.baseline, title, kept)
    return figures


def _log_settings(logger: TensorBoard, run: Run, result: Result) -> None:
    """The config as text, and the settings and how it ended for the HParams tab."""
    text = yaml.safe_dump(run.config, sort_keys=False)
    logger.experiment.add_text("config", f"```yaml\n{text}\n```", 0)
    logger.log_settings(_flat_settings(run.config))
    logger.log_end(result.status == "completed")
    # Those of the kept weights, where early stopping kept others than the last.
    kept = {f"kept/{n}": v for n, v in result.metrics.items() if v != result.curves.get(n, [v])[-1]}
    more = {name: v for name, v in result.metrics.items() if name not in result.curves}
    finite = {name: value for name, value in (more | kept).items() if math.isfinite(value)}
    logger.log_metrics(finite, result.steps)
    logger.close()


def _flat_settings(config: dict[str, Any]) -> dict[str, Any]:
    """What a reader compares runs by: plain values, each part by the name of what it is."""
    flat: dict[str, Any] = {name: config[name] for name in ("seed", "precision")}
    for group in ("model", "loss", "optimizer", "scheduler", "trainer", "data"):
        for key, value in config[group].items():
            if key == "_target_":
                flat[group] = str(value).rpartition(".")[2]
            elif f"{group}.{key}" in NO_NUMBER:
                continue
            elif isinstance(value, bool | int | float | str):
                flat[f"{group}.{key}"] = value
            elif isinstance(value, list) and len(str(value)) < 30:
                flat[f"{group}.{key}"] = str(value)
    return flat


def final_loss(result: Result) -> float | None:
    """What a sweeper minimises: val/loss, or train/loss without a validation split."""
    return result.metrics.get("val/loss", result.metrics.get("train/loss"))

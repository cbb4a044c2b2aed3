"""One run: a built run in, its result and its directory out. Knows no Hydra."""

import copy
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from src.complete import completed
from src.console import show_curvature, show_end, show_rates
from src.curvature import compare_rates, curvature, hessian
from src.draw import draw_fit, save_png
from src.draw_classes import draw_confusion, tells_classes
from src.evaluate import baseline, evaluate, more_metrics, regression_metrics
from src.events import log_end, log_session
from src.lessons import Lesson, draw_lessons, walk_again
from src.moments import log_slider
from src.outcome import parameters, predictions
from src.pictures.loss import loss_figure
from src.pictures.rates import rates_figure
from src.result import Ending, Result, git_state, run_id, versions
from src.run import Run
from src.tensorboard import TensorBoard
from src.weights import save_weights

Train = Callable[[Run, TensorBoard | None, Path, Console], Ending]


def fit(
    run: Run,
    directory: Path,
    console: Console,
    started: float | None = None,
    train: Train | None = None,
    is_session: bool = True,
) -> Result:
    """Train (or only evaluate), and leave the run directory as `src.result` describes it.

    directory: an existing directory of this run's own. started: time.perf_counter() when the
    command began, for `seconds.total`. train: what trains it, Lightning unless told otherwise.
    is_session: whether TensorBoard's HParams tab is to list it.
    Raises OSError where the directory cannot be written.
    """
    started = time.perf_counter() if started is None else started
    torch.set_num_threads(run.threads)
    logger = TensorBoard(directory) if run.tensorboard else None
    # An engine leaves no path of its training, which most pictures need.
    untrained = copy.deepcopy(run) if run.all_pictures and train is not None else None
    if train is None:
        from src.training import train_by_lightning as train  # engines need no Lightning
    began = time.perf_counter()
    ending = train(run, logger, directory, console)
    seconds = time.perf_counter() - began
    result, figures = conclude(run, ending, seconds, console)
    if logger is not None and not ending.logged:
        logger.log_curves(ending.curves)
    about = completed(run.config["data"])
    save_weights(directory / "weights.safetensors", run.net, run.data, about)
    if ending.path is not None:
        ending.path.save(directory / "path.safetensors")
    result.write(directory)  # before the pictures, and again with the time they took
    figures |= _figures(run, result, ending.kept)
    for name, figure in figures.items():
        png, width, height = save_png(figure, directory / f"{name}.png")
        if logger is not None:
            if name == "fit" and ending.path is not None:
                # In front of the last one: TensorBoard takes a smaller step for a restart.
                log_slider(logger, figure, run, ending.path, result.steps, ending.curves)
            logger.log_png(f"figures/{name}", png, width, height, result.steps)
    if run.all_pictures:
        diverged = ending.status == "diverged"
        step = result.steps if ending.kept is None else ending.kept
        lesson = Lesson(run, run, ending.path, ending.curves, step, diverged)
        if untrained is not None:
            lesson = walk_again(run, untrained, console)
        draw_lessons(lesson, directory, console, logger)
    if logger is not None:
        log_end(logger, run, result)
        if is_session:
            log_session(logger, run, result)
        logger.close()
    result.seconds["total"] = time.perf_counter() - started
    result.write(directory)
    show_end(console, run, result, directory, ending.kept)
    return result


def conclude(
    run: Run, ending: Ending, seconds: float, console: Console
) -> tuple[Result, dict[str, Any]]:
    """The result of a run whose net is trained, and the pictures that its analysis drew."""
    run.net.eval()
    metrics = _final_metrics(run, ending)
    metrics |= of_table(run, metrics)
    constant = baseline(run.loss, run.data)
    figures = {} if ending.status == "diverged" else analyse(run, console, metrics)
    result = Result(
        experiment=run.name,
        seed=run.seed,
        status=ending.status,
        epochs=ending.epochs,
        steps=int(ending.curves["step"][-1]),
        metrics=metrics,
        baseline=constant | {n: v for n, v in of_table(run, constant).items() if "rmse" in n},
        predictions=predictions(run),
        parameters=parameters(run),
        curves=ending.curves,
        config=run.config,
        run_id=run_id(run.config),
        seconds={"fit": seconds, "total": seconds},
        versions=versions(),
        git=git_state(),
    )
    return result, figures


def _final_metrics(run: Run, ending: Ending) -> dict[str, float]:
    """The last point's values; with early stopping, those of the parameters that were kept."""
    if ending.kept is not None:
        metrics = evaluate(run.net, run.loss, run.data)
    else:
        metrics = {name: v[-1] for name, v in ending.curves.items() if name != "step"}
    return metrics | more_metrics(run.net, run.data.train, run.metrics)


def of_table(run: Run, losses: Mapping[str, float]) -> dict[str, float]:
    """R² and RMSE where the user's own numbers are learned."""
    normaliser = run.data.target_normaliser
    if not run.labels.is_table or run.data.table.task != "regression" or normaliser is None:
        return {}
    targets = {name: s.target for name, s in run.data.splits.items() if s.target is not None}
    return regression_metrics(losses, targets, normaliser)


def analyse(run: Run, console: Console, metrics: dict[str, float]) -> dict[str, Any]:
    """Adds the curvature's numbers to the metrics; the figures it draws."""
    if run.analysis is None or run.data.train.target is None:
        return {}
    net, loss, train = run.net, run.loss, run.data.train
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
    if tells_classes(run):
        figures["confusion"] = draw_confusion(run, title)
    if len(result.curves["step"]) > 1:
        figures["loss"] = loss_figure(result.curves, result.baseline, title, kept)
    return figures


def final_loss(result: Result) -> float | None:
    """What a sweeper minimises: val/loss, or train/loss without a validation split."""
    return result.metrics.get("val/loss", result.metrics.get("train/loss"))

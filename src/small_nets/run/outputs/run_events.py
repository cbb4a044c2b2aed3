"""What a finished run tells TensorBoard, beside its curves and pictures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from small_nets.config.schema import kind_of, show
from small_nets.nn.early_stopping import losses_in
from small_nets.run.outputs.event_files import TensorBoard
from small_nets.run.outputs.hparams import loss_charts, session
from small_nets.run.outputs.identity import NO_NUMBER, digest, numbers_of
from small_nets.run.outputs.result import Result
from small_nets.run.spec import Run

SEEDS = ("seed", "data.split_seed", "data.fold")


def log_end(logger: TensorBoard, run: Run, result: Result) -> None:
    """The config as text, the layout of the losses, and the numbers that have no curve."""
    text = yaml.safe_dump(run.config, sort_keys=False)
    logger.experiment.add_text("config", f"```yaml\n{text}\n```", 0)
    logger.log_summary(loss_charts(run.data.is_target_normalised), 0)
    # Those of the kept weights, where early stopping kept others than the last.
    kept = {f"kept/{n}": v for n, v in result.metrics.items() if v != result.curves.get(n, [v])[-1]}
    more = {name: v for name, v in result.metrics.items() if name not in result.curves}
    found = more | kept | best_metrics(result.curves)
    logger.log_metrics({n: v for n, v in found.items() if math.isfinite(v)}, result.steps)


def best_metrics(curves: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The metrics where val/loss (train/loss without one) was least, as `best/NAME`."""
    which = next(iter(losses_in(curves)), None)
    finite = [i for i, v in enumerate(curves[which]) if math.isfinite(v)] if which else []
    if which is None or not finite:
        return {}
    place = min(finite, key=lambda i: curves[which][i])
    return {f"best/{name}": v[place] for name, v in curves.items() if name != "step"}


def log_session(logger: TensorBoard, run: Run, result: Result) -> None:
    """The run for the HParams tab, in one group with those that differ only by their seeds.

    One that diverged stands apart: it would otherwise enter their averages, with the last finite
    loss before its end.
    """
    completed = result.status == "completed"
    data = run.config["data"] | {"split_seed": None, "fold": None}
    rest = numbers_of(run.config | {"data": data, "seed": None})
    group = f"{run.name} {digest(rest)}" + ("" if completed else f" {result.status}")
    settings = {"experiment": run.name} | _flat_settings(run.config)
    logger.log_summary(session(group, settings, completed), 0)


def _flat_settings(config: dict[str, Any]) -> dict[str, Any]:
    """What a reader compares runs by: plain values, each part by the name of what it is."""
    flat: dict[str, Any] = {"precision": config["precision"]}
    for group in ("model", "loss", "optimizer", "scheduler", "trainer", "data"):
        for key, value in config[group].items():
            where = f"{group}.{key}"
            if key == "_target_":
                flat[group] = value
            elif where in (*NO_NUMBER, *SEEDS) or isinstance(value, dict):
                continue
            elif kind_of(where) != "text":
                flat[where] = value
            elif isinstance(value, str) or (value is not None and len(show(value)) < 30):
                flat[where] = show(value)  # of a key of several kinds every value is a text
    return {key: value for key, value in flat.items() if value is not None}

"""The command: use a trained network. Predictions in raw units, from a run's directory."""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from src.complete import is_table
from src.data.file import PARQUET
from src.directories import is_job, what_is
from src.errors import InputError, answered
from src.predict_inputs import parse_inputs

if TYPE_CHECKING:
    from torch import Tensor

    from src.weights import Weights


def _refuse_name(out: Path | None, is_table: bool) -> None:
    """Raises InputError for a file of a kind that cannot be written."""
    kinds = (".csv", *PARQUET) if is_table else (".csv",)
    if out is not None and out.suffix.lower() not in kinds:
        raise InputError(f"--out {out}: a file of another kind.\nAllowed: {' or '.join(kinds)}")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m src.predict",
        description="Predict with a trained network, in raw units.",
        epilog="example: python -m src.predict outputs/proportional/RUN --inputs '[[10.0]]'",
    )
    parser.add_argument("run", type=Path, help="a run's directory, below outputs/, or SWEEP/JOB")
    parser.add_argument(
        "--inputs",
        help="rows as JSON ('[[10.0]]'), or a CSV file (for a run on a table CSV or "
        "Parquet, columns by name); none: the validation rows",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="write a CSV file (for a run on a table also .parquet) instead of showing them",
    )
    return parser.parse_args(arguments)


def read_config(directory: Path) -> dict[str, Any]:
    """The resolved config of a run's own `.hydra/config.yaml`. Raises InputError."""
    path = directory / ".hydra" / "config.yaml"
    if not path.is_file():
        fix = "the directory that a run printed at its end, below outputs/"
        if (directory / "sweep.json").is_file():
            fix = f"one of its runs, by number: {directory}/0"
        raise InputError(
            f"{directory} {what_is(directory, 'a run')}: there is no {path.relative_to(directory)} "
            f"in it.\nFix: {fix}"
        )
    try:
        loaded = OmegaConf.load(path)
        if isinstance(loaded, DictConfig):
            loaded.pop("sweep", None)  # where it was stored, by a name that only a run resolves
        config = OmegaConf.to_container(loaded, resolve=True)
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a config: {str(error).splitlines()[0]}") from error
    needed = ("seed", "precision", "model", "data", "loss")
    missing = [key for key in needed if not isinstance(config, dict) or key not in config]
    if missing or not isinstance(config, dict):
        raise InputError(f"{path} is not the config of a run: it has no {', '.join(missing)}")
    return {str(key): value for key, value in config.items()}


def read_run(directory: Path) -> tuple[dict[str, Any], "Weights"]:
    """A run's config and weights, from its directory, or from its sweep's store for SWEEP/JOB.

    Raises InputError.
    """
    if is_job(directory) and not directory.exists():
        from src.sweep.stored import read_stored

        return read_stored(directory)
    config = read_config(directory)
    # torch only now: a wrong directory is answered at once.
    from src.targets import refuse_foreign_targets
    from src.weights import load_weights

    refuse_foreign_targets(config)
    weights = load_weights(directory / "weights.safetensors")
    config["data"] = config["data"] | (weights.table or {})
    return config, weights


def _diverged(directory: Path) -> bool:
    path = directory / "result.json"
    if path.is_file():
        try:
            return json.loads(path.read_text()).get("status") == "diverged"
        except (ValueError, AttributeError):
            return False  # the weights are whole all the same
    if not is_job(directory):
        return False
    from src.sweep.store import Store

    table = Store(directory.parent).read(columns=["job", "status"])
    return bool((table.filter(job=int(directory.name))["status"] == "diverged").any())


def forward(config: dict[str, Any], weights: "Weights", rows: "Tensor") -> "Tensor":
    """Raw inputs (rows, features) to raw outputs (rows, outputs). Raises InputError."""
    import torch

    from src.build import build_net
    from src.weights import fill

    net = build_net(config["model"], len(weights.input.shift), weights.outputs)
    dtype = torch.float64 if config["precision"] == 64 else torch.float32
    fill(net.to(dtype), weights.parameters)
    with torch.no_grad():
        output = net(weights.input.apply(rows.to(dtype)))
    return output if weights.target is None else weights.target.invert(output)


def predict(config: dict[str, Any], weights: "Weights", inputs: str | None) -> list[dict[str, Any]]:
    """{"input", "prediction", "target" or None} a row, raw units. Raises InputError."""
    import torch

    from src.build import build_data

    targets = None
    if is_table(config["data"]):
        from src.predict_table import asked_for

        asked = asked_for(config, inputs, None)
        rows, targets = asked.rows, asked.targets
    elif inputs is None:
        data = build_data(config)
        chosen = (data.val or data.train).rows
        rows = data.table.input[chosen]
        targets = None if data.table.target is None else data.table.target[chosen]
    else:
        given = parse_inputs(inputs, len(weights.input.shift))
        rows = torch.tensor(given, dtype=torch.float64)
    output = forward(config, weights, rows).tolist()
    known = [None] * len(output) if targets is None else targets.tolist()
    return [
        {"input": x, "prediction": y, "target": t}
        for x, y, t in zip(rows.tolist(), output, known, strict=True)
    ]


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    parts = [key for key in ("input", "prediction", "target") if rows[0][key] is not None]

    def header(key: str) -> list[str]:
        count = len(rows[0][key])
        return [key] if count == 1 else [f"{key}_{i}" for i in range(1, count + 1)]

    # "x": a file that is already there is never overwritten.
    with path.open("x", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([name for key in parts for name in header(key)])
        writer.writerows([value for key in parts for value in row[key]] for row in rows)


def _print(data: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    from src.answers import show_predictions
    from src.build import labels_of
    from src.terminal import new_console

    show_predictions(new_console(), labels_of(data), rows, limit=None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; bad input becomes one message on stderr and exit code 2."""
    options = _arguments(arguments)
    with answered():
        if options.out is not None and options.out.exists():
            raise InputError(f"--out {options.out} exists already.\nFix: another name")
        config, weights = read_run(options.run)
        _refuse_name(options.out, is_table(config["data"]))
        if _diverged(options.run):
            print("Warning: this run diverged, and its predictions mean nothing", file=sys.stderr)
        if options.out is None:
            _print(config["data"], predict(config, weights, options.inputs))
            return
        if is_table(config["data"]):
            from src.predict_table import write_table

            use = partial(forward, config, weights)
            count = write_table(config, options.inputs, options.out, use)
        else:
            rows = predict(config, weights, options.inputs)
            _write_csv(options.out, rows)
            count = len(rows)
        print(f"{count} predictions in {options.out}")


if __name__ == "__main__":
    main()

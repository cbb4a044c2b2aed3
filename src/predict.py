"""The command: use a trained network. Predictions in raw units, from a run's directory."""

import argparse
import csv
import io
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from src.errors import InputError

if TYPE_CHECKING:
    from src.weights import Weights

Rows = list[list[float]]


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m src.predict",
        description="Predict with a trained network, in raw units.",
        epilog="example: python -m src.predict outputs/proportional/RUN --inputs '[[10.0]]'",
    )
    parser.add_argument("run", type=Path, help="a run's directory, below outputs/, or SWEEP/JOB")
    parser.add_argument(
        "--inputs", help="rows as JSON ('[[10.0]]'), or a CSV file; none: the validation rows"
    )
    parser.add_argument("--out", type=Path, help="write a CSV file instead of a table")
    return parser.parse_args(arguments)


def parse_inputs(text: str, columns: int) -> Rows:
    """Rows of `columns` finite numbers, from JSON or from a CSV file with or without a header.

    Raises InputError, with the row that is wrong.
    """
    rows = _from_json(text) if text.lstrip().startswith("[") else _from_csv(Path(text))
    if not rows:
        raise InputError(
            f"--inputs {text} holds no row of numbers (numbers are separated by commas)"
        )
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != columns:
            found = f"has {len(row)} columns" if isinstance(row, list) else "is no list"
            raise InputError(
                f"--inputs: row {number} {found}, but the network takes {columns}.\n"
                f"Fix: rows like {json.dumps([[0.0] * columns])}"
            )
        for value in row:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value):
                raise InputError(f"--inputs: row {number} holds {value!r}, not a finite number")
    return rows


def _from_json(text: str) -> list[Any]:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(
            f"--inputs {text} is not JSON: {error}\nFix: rows in brackets, in quotes: '[[10.0]]'"
        ) from error


def _from_csv(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [(i, row) for i, row in enumerate(csv.reader(io.StringIO(text)), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"--inputs {path}: {reason}\nAllowed: rows as JSON ('[[10.0]]'), or a CSV file"
        ) from error

    def is_number(cell: str) -> bool:
        try:
            float(cell)
        except ValueError:
            return False
        return True

    if lines and not any(map(is_number, lines[0][1])):
        lines = lines[1:]  # a header: names, and no number among them
    for number, row in lines:
        for cell in row:
            if not is_number(cell):
                raise InputError(f"--inputs {path}: line {number} holds {cell!r}, not a number")
    return [[float(cell) for cell in row] for _, row in lines]


def read_config(directory: Path) -> dict[str, Any]:
    """The resolved config of a run's own `.hydra/config.yaml`. Raises InputError."""
    path = directory / ".hydra" / "config.yaml"
    if not path.is_file():
        what = "is not the directory of a run" if directory.is_dir() else "does not exist"
        is_sweep = (directory / "sweep.json").is_file()
        fix = f"\nFix: one of its runs, by number: {directory}/0" if is_sweep else ""
        raise InputError(
            f"{directory} {what}: there is no {path.relative_to(directory)} in it{fix}"
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
    is_job = directory.name.isdigit() and (directory.parent / "sweep.json").is_file()
    if is_job and not directory.exists():
        from src.sweep.stored import read_stored

        return read_stored(directory)
    config = read_config(directory)
    # torch only now: a wrong directory is answered at once.
    from src.build import refuse_foreign_targets
    from src.weights import load_weights

    refuse_foreign_targets(config)
    return config, load_weights(directory / "weights.safetensors")


def predict(config: dict[str, Any], weights: "Weights", inputs: str | None) -> list[dict[str, Any]]:
    """{"input", "prediction", "target" or None} a row, raw units. Raises InputError."""
    import torch

    from src.build import build_data, build_net

    columns = len(weights.input.shift)
    rows = None if inputs is None else parse_inputs(inputs, columns)
    targets: list[Any] = []
    if rows is None:
        data = build_data(config)
        chosen = (data.val or data.train).rows
        rows = data.table.input[chosen].tolist()
        targets = [] if data.table.target is None else data.table.target[chosen].tolist()
    net = build_net(config["model"], columns, weights.outputs)
    dtype = torch.float64 if config["precision"] == 64 else torch.float32
    try:
        net.to(dtype).load_state_dict(weights.parameters)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"the weights do not fit the config's network: {reason}") from error
    with torch.no_grad():
        output = net(weights.input.apply(torch.tensor(rows, dtype=dtype)))
    raw = output if weights.target is None else weights.target.invert(output)
    return [
        {"input": x, "prediction": y, "target": t}
        for x, y, t in zip(rows, raw.tolist(), targets or [None] * len(rows), strict=True)
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
    from src.console import new_console, show_predictions
    from src.run import Labels

    labels = Labels(
        data["input_name"], data["target_name"], data.get("unit"), data.get("classes"), None
    )
    show_predictions(new_console(), labels, rows, limit=None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; bad input becomes one message on stderr and exit code 2."""
    options = _arguments(arguments)
    try:
        if options.out is not None and options.out.exists():
            raise InputError(f"--out {options.out} exists already.\nFix: another name")
        config, weights = read_run(options.run)
        rows = predict(config, weights, options.inputs)
        if options.out is None:
            _print(config["data"], rows)
        else:
            _write_csv(options.out, rows)
            print(f"{len(rows)} predictions in {options.out}")
    except (InputError, OSError) as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        system = isinstance(error, OSError)
        print(f"Error: {error.filename}: {error.strerror}" if system else f"Error: {error}",
              file=sys.stderr)  # fmt: skip
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()

"""The command: use a trained network. Predictions in raw units, or the network for others."""

import argparse
import csv
import io
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from small_nets.config.components import is_table, loss_of_config
from small_nets.config.errors import InputError, answered
from small_nets.data.table_file import PARQUET
from small_nets.run.outputs.directory_kind import is_job
from small_nets.run.outputs.export import FORMS
from small_nets.run.outputs.saved_config import RESULT
from small_nets.run.outputs.stored_run import StoredRun
from small_nets.system.argument_parser import Parser
from small_nets.system.atomic_file import create_whole
from small_nets.system.command_names import command
from small_nets.system.printable import printable, take_any_text

LONG = 100  # rows: where they are scored, only some of more are shown; --out writes them all


def _refuse_place(out: Path) -> None:
    """Raises InputError where no new file can be."""
    if os.path.lexists(out):  # a link that leads nowhere, too
        raise InputError(f"--out {out} exists already.\nFix: another name")
    if not out.parent.is_dir():
        what = "is no folder" if os.path.lexists(out.parent) else "does not exist"
        raise InputError(f"--out {out}: {out.parent} {what}.\nFix: make it, or another name")


def _refuse_export(options: argparse.Namespace) -> None:
    """Raises InputError for an export that cannot be, before anything is read."""
    form, out = options.export, options.out
    suffix, needs = FORMS[form].suffix, FORMS[form].needs
    if options.inputs is not None:
        raise InputError(f"--export {form} and --inputs do not go together: it writes the network, "
                         "and predicts nothing.\nFix: one at a time")  # fmt: skip
    if out is None:
        raise InputError(f"--export {form} needs a file to write.\nFix: --out net{suffix}")
    if out.suffix.lower() != suffix:
        raise InputError(f"--out {out}: a file of another kind than --export {form} writes.\n"
                         f"Allowed: {suffix}")  # fmt: skip
    missing = [name for name in needs if find_spec(name) is None]
    if missing:
        raise InputError(f"--export {form} needs {' and '.join(missing)}, not installed here.\n"
                         f"Fix: pip install -c constraints.txt '.[{form}]'")  # fmt: skip


def _refuse_name(out: Path | None, is_table: bool) -> None:
    """Raises InputError for a file of a kind that cannot be written."""
    kinds = (".csv", *PARQUET) if is_table else (".csv",)
    if out is not None and out.suffix.lower() not in kinds:
        raise InputError(f"--out {out}: a file of another kind.\nAllowed: {' or '.join(kinds)}")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=command("predict"),
        description="Predict with a trained network, in raw units; or write it for other programs.",
        epilog=f"example: {command('predict')} outputs/proportional/RUN --inputs '[[10.0]]'",
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
    parser.add_argument(
        "--export", choices=FORMS,
        help="instead: write the network itself to --out, its normalisation included: rows of raw "
        "inputs to raw predictions, in float64. state_dict: its tensors by name, for torch.load "
        "(.pt); onnx: a model with the input 'input' and the output 'prediction' (.onnx; needs "
        "the extra onnx)",
    )  # fmt: skip
    return parser.parse_args(arguments)


def read_run(directory: Path) -> StoredRun:
    """A run, from its directory, or from its sweep's store for SWEEP/JOB. Raises InputError."""
    # Of a job's directory, result.json is the last file that is written.
    if is_job(directory) and not (directory / RESULT).exists():
        from small_nets.sweep.store.stored_run import read_stored

        return read_stored(directory)
    return StoredRun.read(directory)


def _warn(stored: StoredRun) -> None:
    try:
        if stored.is_diverged:
            print("Warning: this run diverged, and its predictions mean nothing", file=sys.stderr)
    except InputError as error:  # the weights are whole all the same
        text = f"Warning: whether the run diverged is not known: {error}"
        print(printable(text), file=sys.stderr)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    parts = [key for key in ("input", "prediction", "target") if rows[0][key] is not None]

    def header(key: str) -> list[str]:
        count = len(rows[0][key])
        return [key] if count == 1 else [f"{key}_{i}" for i in range(1, count + 1)]

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([name for key in parts for name in header(key)])
    writer.writerows([value for key in parts for value in row[key]] for row in rows)
    return text.getvalue()


def _export(options: argparse.Namespace, stored: StoredRun) -> None:
    """Write the network for other programs, and say what it takes and gives. Raises InputError."""
    from small_nets.run.build.build import labels_of

    create_whole(options.out, FORMS[options.export].content(stored.net))
    _warn(stored)
    inputs = labels_of(stored.config["data"]).of_inputs(len(stored.weights.input.shift))
    outputs = stored.weights.outputs
    text = f"{options.out}: (rows, {len(inputs)}) to (rows, {outputs}), raw units, float64"
    print(printable(f"{text}\ninputs: {', '.join(inputs)}"))


def _answer(options: argparse.Namespace, stored: StoredRun) -> None:
    """Predict, show or write it, and score it where the truth is known. Raises InputError."""
    from small_nets.run.build.build import labels_of
    from small_nets.run.outputs.training_range import far_outside
    from small_nets.run.prediction.request import answers, question
    from small_nets.run.prediction.score import score, show_score
    from small_nets.run.terminal.predictions import FEW_ROWS, show_predictions
    from small_nets.run.terminal.tables import new_console

    config, inputs, out = stored.config, options.inputs, options.out
    asked = question(stored, inputs, out)
    output = stored.output(asked.rows)
    predicted, labels, console = stored.net.to_raw(output), labels_of(config["data"]), new_console()
    found = None
    if asked.targets is not None:
        names = labels.of_targets(stored.weights.outputs)
        found = score(stored, output, asked.targets, names, asked.notes)
    if asked.table is not None and out is not None:
        from small_nets.run.prediction.table import write_table

        write_table(config["data"], asked.table, out, predicted)
    elif out is not None:
        create_whole(out, _csv(answers(asked, predicted)))
    _warn(stored)
    if inputs is not None:
        names = labels.of_inputs(asked.rows.shape[1])
        for note in far_outside(stored.weights.seen, asked.rows, names):
            print(printable(f"Warning: {note}"), file=sys.stderr)
    if out is None:
        limit = FEW_ROWS if found is not None and len(predicted) > LONG else None
        compares = loss_of_config(config).compares
        show_predictions(console, labels, answers(asked, predicted), limit, compares)
    else:
        print(printable(f"{len(predicted)} predictions in {out}"))
    if found is not None:
        show_score(console, found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; bad input becomes one message on stderr and exit code 2."""
    take_any_text()
    options = _arguments(arguments)
    with answered():
        if options.export is not None:
            _refuse_export(options)
        if options.out is not None:
            _refuse_place(options.out)
        stored = read_run(options.run)
        if options.export is not None:
            _export(options, stored)
            return
        _refuse_name(options.out, is_table(stored.config["data"]))
        _answer(options, stored)

"""What a config leaves open until its table is looked at, filled in before anything starts.

So that the stored config says what was done: a file's name says nothing of its content, and
the loss decides how the target is normalised.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from small_nets.config.components import Task, is_table, loss_of_config
from small_nets.config.data_schema import of_example
from small_nets.config.errors import InputError
from small_nets.config.schema import show
from small_nets.data.csv_separator import character
from small_nets.data.table_file import TableFile, digest, open_table

NAMED = 6  # input columns that a heading names


def complete(settings: dict[str, Any]) -> dict[str, Any]:
    """Checked settings, with what is null in their data section decided.

    A table is read for it, once for each content. Raises InputError for one that nothing can be
    learned from.
    """
    data = settings["data"]
    found = _of_table(data, loss_of_config(settings).task) if is_table(data) else of_example(data)
    return settings | {"data": data | found} if found else settings


# What a table decides, beside the names of its columns. Nobody sets these.
FILLED_IN = ("digest", "classes", "label_type", "categories", "dropped")
# What a prediction has to know of a table that is not there any more.
TRAVEL = ("inputs", "target", *FILLED_IN, "separator", "missing", "unseen", "input_name",
          "target_name", "normalize_target")  # fmt: skip


def is_resolved(key: str, typed: Any) -> bool:
    """Whether a table puts another value in the place of a typed one: the names in that of all."""
    return key == "data.separator" or (key == "data.inputs" and typed == "all")


def completed(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `complete` decided for a table, to travel with the weights; None for an example."""
    return {key: data[key] for key in TRAVEL} if is_table(data) else None


def _of_table(data: Mapping[str, Any], task: Task) -> dict[str, Any]:
    if data["classes"] is not None:
        raise InputError(
            f"data.classes={show(data['classes'])}: the classes of a table are found in its target "
            "column, and sorted.\nFix: without data.classes"
        )
    from small_nets.data.table_columns import read_columns  # numpy and polars, for a table only

    targets = names_of(data["target"])
    _refuse_twice("target", data["target"], targets)
    if len(targets) > 1 and task != "regression":
        raise InputError(
            f"data.target={show(data['target'])}: a classification has one target, whose labels "
            "are the classes.\nFix: one of them, or loss=mse"
        )
    file, separator = _open(Path(data["path"]), data["separator"])
    inputs = _inputs(file, data, targets)
    target = targets[0] if len(targets) == 1 else targets
    found = read_columns(
        data["path"], inputs, target, task, missing=data["missing"], separator=separator
    )
    shown = ", ".join(inputs[:NAMED]) + (", …" if len(inputs) > NAMED else "")
    open_ones = {
        "normalize_target": "standardize" if task == "regression" else "none",
        "input_name": shown,
        "target_name": ", ".join(targets),
    }
    return {key: value for key, value in open_ones.items() if data[key] is None} | {
        "inputs": inputs,
        "target": target,
        "separator": separator,
        "classes": None if found.classes is None else list(found.classes),
        "label_type": found.label_type,
        "categories": found.categories,
        "dropped": found.dropped,
        "digest": digest(Path(data["path"])),
    }


def _open(path: Path, typed: str | None) -> tuple[TableFile, str | None]:
    """The file, and the separator that it must be told: None where it would be found, too."""
    if typed is None:
        return open_table(path), None
    wanted = character(typed)
    told = open_table(path, wanted)
    try:
        return (told, None) if open_table(path).separator == wanted else (told, wanted)
    except InputError:  # several would do
        return told, wanted


def _inputs(file: TableFile, data: Mapping[str, Any], targets: list[str]) -> list[str]:
    """The input columns by name, where all but some may have been asked for."""
    given, drop = data["inputs"], [str(name) for name in data["drop"]]
    if given != "all":
        inputs = [str(name) for name in given]
        if drop and data["digest"] is None:  # else completed before: `all` has become names
            raise InputError(f"data.drop={show(drop)} takes columns out of data.inputs=all, and "
                             f"here they are named: {show(inputs)}.\n"
                             "Fix: data.inputs=all, or without data.drop")  # fmt: skip
        _refuse_twice("inputs", given, inputs)
        return inputs
    for name in drop:
        file.position(name)
        if name in targets:
            raise InputError(f"data.drop={show(drop)} names {name}, which is the target, and never "
                             "an input.\nFix: without it")  # fmt: skip
    # A column without a name is a data frame's index, or what a comma at the lines' ends leaves.
    inputs = [name for name in file.columns if name and name not in (*drop, *targets)]
    if not inputs:
        beside = "the target, and data.drop" if drop else "the target"
        raise InputError(f"data.inputs=all: {file.path} has no column beside {beside}.\n"
                         "Fix: a column that is left as an input")  # fmt: skip
    return inputs


def names_of(columns: Any) -> list[str]:
    """The names of one column, or of several."""
    return [str(name) for name in (columns if isinstance(columns, list | tuple) else [columns])]


def _refuse_twice(key: str, given: Any, names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"data.{key}={show(given)} has {twice} more than once.\nFix: once")

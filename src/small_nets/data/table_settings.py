"""Completes a config's data section, by reading its table, before anything starts.

So the stored config says what was done: a file's name says nothing of its content, and the loss
decides how the target is normalised.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from small_nets.config.component_facts import Task
from small_nets.config.components import is_table, loss_of_config
from small_nets.config.data_schema import of_example
from small_nets.config.errors import InputError
from small_nets.config.schema import show
from small_nets.data.csv_separator import character
from small_nets.data.table_file import TableFile, digest, open_table

NAMED = 6  # input columns that a title names


def complete(settings: dict[str, Any]) -> dict[str, Any]:
    """Fill in what is null in the data section of a checked config.

    A table is read for this, once for each content. Raises InputError for a table that cannot be
    learned from.
    """
    data = settings["data"]
    if data["source"].get("_target_") == "formula":
        from small_nets.data.formula import check_formula  # numpy and torch, for a formula only

        check_formula(data)
    found = _of_table(data, loss_of_config(settings).task) if is_table(data) else of_example(data)
    return settings | {"data": data | found} if found else settings


# Keys that only a table fills in.
FILLED_IN = ("digest", "classes", "label_type", "categories", "dropped")
# Keys that a prediction needs, which are stored with the weights: the table may be gone then.
TRAVEL = ("inputs", "target", *FILLED_IN, "separator", "missing", "unseen", "input_name",
          "target_name", "normalize_target")  # fmt: skip


def is_resolved(key: str, typed: Any) -> bool:
    """Whether a table replaces the typed value of a key, as names replace data.inputs=all."""
    return key == "data.separator" or (key == "data.inputs" and typed == "all")


def completed(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The keys of a table that are stored with the weights; None for an example.

    data: the data section that `complete` returned.
    """
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
    """The file, and the separator to store: None if it would also be found without being told."""
    if typed is None:
        return open_table(path), None
    wanted = character(typed)
    told = open_table(path, wanted)
    try:
        return (told, None) if open_table(path).separator == wanted else (told, wanted)
    except InputError:  # without being told, several separators would fit
        return told, wanted


def _inputs(file: TableFile, data: Mapping[str, Any], targets: list[str]) -> list[str]:
    """The names of the input columns, where data.inputs=all is replaced."""
    given, drop = data["inputs"], [str(name) for name in data["drop"]]
    if given != "all":
        inputs = [str(name) for name in given]
        if drop and data["digest"] is None:  # a completed config has names in place of `all`
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
    # A column without a name is a data frame's index, or comes from a comma at the end of lines.
    inputs = [name for name in file.columns if name and name not in (*drop, *targets)]
    if not inputs:
        beside = "the target and data.drop" if drop else "the target"
        raise InputError(f"data.inputs=all: {file.path} has no column besides {beside}.\n"
                         "Fix: a column that is left as an input")  # fmt: skip
    return inputs


def names_of(columns: Any) -> list[str]:
    """The names in a value of data.target, which is a name or a list of names."""
    return [str(name) for name in (columns if isinstance(columns, list | tuple) else [columns])]


def _refuse_twice(key: str, given: Any, names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"data.{key}={show(given)} has {twice} more than once.\nFix: once")

"""What a config leaves open until its table is looked at, filled in before anything starts.

So that the stored config says what was done: a file's name says nothing of its content, and
the loss decides how the target is normalised.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.data.file import digest
from src.data.task import task_of
from src.errors import InputError
from src.values import show

TABLE = "src.data.sources.table"
NAMED = 6  # input columns that a heading names


def is_table(data: Mapping[str, Any]) -> bool:
    """Whether a config's data section is a table of the user's own."""
    source = data.get("source")
    return isinstance(source, Mapping) and source.get("_target_") == TABLE


def complete(settings: dict[str, Any]) -> dict[str, Any]:
    """Checked settings, with what is null in their data section decided.

    A table is read for it, once for each content. Raises InputError for one that nothing can be
    learned from.
    """
    data = settings["data"]
    if is_table(data):
        found = _of_table(data, str(settings["loss"]["_target_"]))
    else:
        found = {"normalize_target": "none", "input_name": "input", "target_name": "target"}
        found = {key: value for key, value in found.items() if data[key] is None}
    return settings | {"data": data | found} if found else settings


def completed(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `complete` decided for a table, to travel with the weights; None for an example."""
    keys = ("inputs", "target", "digest", "classes", "input_name", "target_name")
    return {k: data[k] for k in (*keys, "normalize_target")} if is_table(data) else None


def _of_table(data: Mapping[str, Any], loss: str) -> dict[str, Any]:
    if data["classes"] is not None:
        raise InputError(
            f"data.classes={show(data['classes'])}: the classes of a table are found in its target "
            "column, and sorted.\nFix: without data.classes"
        )
    task = task_of(loss)
    inputs, target = [str(name) for name in data["inputs"]], str(data["target"])
    twice = next((name for name in inputs if inputs.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"data.inputs={show(inputs)} has {twice} more than once.\nFix: once")
    from src.data.columns import read_columns  # numpy and polars, where there is a table

    classes = read_columns(data["path"], inputs, target, task).classes
    shown = ", ".join(inputs[:NAMED]) + (", …" if len(inputs) > NAMED else "")
    open_ones = {
        "normalize_target": "standardize" if task == "regression" else "none",
        "input_name": shown,
        "target_name": target,
    }
    return {key: value for key, value in open_ones.items() if data[key] is None} | {
        "inputs": inputs,
        "target": target,
        "classes": None if classes is None else list(classes),
        "digest": digest(Path(data["path"])),
    }

"""Is a checkpoint one that this run can continue from? Asked before anything starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from src.cadence import log_every
from src.errors import InputError
from src.values import show

# What a continued run may change: how long it goes on, and what is shown of it.
FREE = {
    *("name", "description", "log_every", "print_every", "metrics", "analysis"),
    *("ckpt", "logger", "trainer.max_epochs", "engine", "sweep", "search"),
    "pictures",
    *("data.probe", "data.input_name", "data.target_name", "data.unit", "data.classes"),
    *("data.range", "data.path"),
}


def _flat(config: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        where = f"{path}.{key}" if path else str(key)
        if where in FREE:
            continue
        flat |= _flat(value, where) if isinstance(value, Mapping) else {where: value}
    return flat


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of ours as plain containers and tensors; code is never unpickled.

    Raises InputError, with the file and what is wrong with it.
    """
    if not path.is_file():
        what = "is a directory, not a file" if path.is_dir() else "does not exist"
        raise InputError(f"ckpt={path} {what}.\nFix: the checkpoint.ckpt of a run below outputs/")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"ckpt={path} cannot be read: {error.strerror}") from error
    except Exception as error:
        # torch raises a different class for each way in which bytes can be wrong.
        raise InputError(
            f"ckpt={path} is not a whole checkpoint: it is truncated, or a file of another kind.\n"
            "Fix: the checkpoint.ckpt of a run below outputs/"
        ) from error
    ours = isinstance(content, dict) and isinstance(content.get("run_config"), dict)
    if not ours or not isinstance(content.get("epochs_done"), int):
        raise InputError(f"ckpt={path} was not written by this program: it holds no run_config")
    return content


def check_checkpoint(path: Path, config: Mapping[str, Any]) -> None:
    """Raises InputError unless a run of `config` can go on from the checkpoint, to the bit."""
    content = read_checkpoint(path)
    then, now = _flat(content["run_config"]), _flat(config)
    changed = [key for key in sorted({*then, *now}) if then.get(key) != now.get(key)]
    if changed:
        lines = [f"  {key}: {show(then.get(key))} there, {show(now.get(key))} here"
                 for key in changed]  # fmt: skip
        if "data.digest" in changed:
            lines.append(f"data.digest: the content of {config['data']['path']} is not what it was")
        raise InputError(
            f"ckpt={path} belongs to a run with other settings, so going on from it would be "
            f"neither run:\n" + "\n".join(lines)
        )
    rhythms = (log_every(content["run_config"]), log_every(config))
    if config["early_stop"] is not None and rhythms[0] != rhythms[1]:
        raise InputError(
            f"ckpt={path} had a logged point every {rhythms[0]} epochs, and early stopping counts "
            f"them; this run would have one every {rhythms[1]}.\nFix: log_every={rhythms[0]}"
        )
    epochs, wanted = content["epochs_done"], config["trainer"]["max_epochs"]
    if wanted <= epochs:
        raise InputError(
            f"ckpt={path} stands at epoch {epochs}, and trainer.max_epochs={wanted} leaves "
            f"nothing to train.\nAllowed: more than {epochs}"
        )
    planned = content["run_config"]["trainer"]["max_epochs"]
    horizon = config["scheduler"].get("steps", 0)
    if horizon is None and planned != wanted:
        raise InputError(
            f"this schedule ends with the run, at epoch {planned} for ckpt={path}; with "
            f"trainer.max_epochs={wanted} it would have been another from the start.\n"
            f"Fix: trainer.max_epochs={planned}, or a run that set scheduler.steps"
        )

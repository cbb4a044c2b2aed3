"""Checks, before anything starts, whether a run can continue from a checkpoint."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from small_nets.config.conf_files import at, leaves
from small_nets.config.errors import InputError
from small_nets.config.logging_interval import log_every
from small_nets.config.overrides import SWEEP_ONLY
from small_nets.config.schema import show

# Keys that a continued run may change: how long it trains, and what is shown.
FREE = {
    *("name", "description", "log_every", "print_every", "metrics", "analysis"),
    *("ckpt", "logger", "trainer.max_epochs", "engine", "pictures", "print"),
    *SWEEP_ONLY,
    *("data.probe", "data.input_name", "data.target_name", "data.unit", "data.classes"),
    *("data.range", "data.path", "data.drop", "data.missing", "data.unseen"),
}
LINE = 200  # characters of a value in a message
# Key of a checkpoint -> the type of its value, besides the config.
KINDS: dict[str, type | tuple[type, ...]] = {
    "state_dict": dict, "optimizer_states": list, "lr_schedulers": list, "loops": dict,
    "global_step": int, "curves": dict, "best": (dict, type(None)), "path": (dict, type(None)),
}  # fmt: skip


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Key -> value, of the keys that a continued run may not change."""
    paths = [path for path in leaves(config) if not {path[0], ".".join(path)} & FREE]
    return {".".join(path): at(config, path) for path in paths}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint as plain containers and tensors, without unpickling code.

    Raises InputError with the file and what is wrong with it.
    """
    if not path.is_file():
        what = "is a directory, not a file" if path.is_dir() else "does not exist"
        raise InputError(f"ckpt={path} {what}.\nFix: the checkpoint.ckpt of a run below outputs/")
    try:
        _refuse_changed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"ckpt={path} cannot be read: {error.strerror}") from error
    except Exception as error:
        # torch raises many classes for wrong bytes.
        raise InputError(
            f"ckpt={path} is not a complete checkpoint: it is damaged, or a file of another kind.\n"
            "Fix: the checkpoint.ckpt of a run below outputs/"
        ) from error
    ours = isinstance(content, dict) and isinstance(content.get("run_config"), dict)
    if not ours or not isinstance(content.get("epochs_done"), int):
        raise InputError(f"ckpt={path} was not written by this program: it holds no run_config")
    wrong = [key for key, kind in KINDS.items() if not isinstance(content.get(key, ...), kind)]
    if wrong:
        raise InputError(f"ckpt={path} was not written by this program: its {wrong[0]} is wrong")
    return content


def _refuse_changed(path: Path) -> None:
    """Raises ValueError where a part of the file does not match its checksum.

    The file is a ZIP archive with a checksum for each part, which torch ignores.
    """
    with zipfile.ZipFile(path) as archive:
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
            raise ValueError("it is compressed, but torch does not compress")
        changed = archive.testzip()
    if changed is not None:
        raise ValueError(f"{changed} was changed")


def _refuse_other_net(path: Path, content: Mapping[str, Any], net: nn.Module) -> None:
    """Raises InputError where the parameters, or what the optimizer keeps of them, do not fit."""
    wanted = {f"net.{name}": values for name, values in net.state_dict().items()}
    found = content["state_dict"]
    if set(found) != set(wanted):
        raise InputError(f"ckpt={path} holds the parameters of another network than its config's")
    shapes = [tuple(p.shape) for p in net.parameters()]
    kept = [
        (f"the optimizer's {name}", values, shapes)
        for state in content["optimizer_states"] if isinstance(state, dict)
        for one in state.get("state", {}).values()
        for name, values in one.items() if isinstance(values, Tensor) and values.ndim
    ]  # fmt: skip
    mine = [(name, values, [tuple(wanted[name].shape)]) for name, values in found.items()]
    for name, values, allowed in (*mine, *kept):
        if not isinstance(values, Tensor) or tuple(values.shape) not in allowed:
            raise InputError(f"ckpt={path}: {name} has another shape than the network's")
        if name in wanted and values.dtype != wanted[name].dtype:
            raise InputError(f"ckpt={path}: {name} is {values.dtype}, and the network's is "
                             f"{wanted[name].dtype}")  # fmt: skip
        if not bool(values.isfinite().all()):
            raise InputError(f"ckpt={path}: {name} holds numbers that are not finite")


def check_checkpoint(path: Path, config: Mapping[str, Any], net: nn.Module) -> None:
    """Raises InputError unless a run of `config` can go on from the checkpoint, to the bit.

    net: the run's own, untrained.
    """
    content = read_checkpoint(path)
    then, now = _compared(content["run_config"]), _compared(config)
    changed = [key for key in sorted({*then, *now}) if then.get(key) != now.get(key)]
    if changed:
        lines = [f"  {key}: {show(then.get(key))[:LINE]} there, {show(now.get(key))[:LINE]} here"
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
    along = [c.get("analysis") == "sharpness" for c in (content["run_config"], config)]
    if along[0] != along[1]:
        fix = "analysis=sharpness" if along[0] else "without analysis=sharpness"
        raise InputError(f"ckpt={path}: analysis=sharpness measures every logged point, and those "
                         f"before epoch {content['epochs_done']} were logged "
                         f"{'with' if along[0] else 'without'} it.\nFix: {fix}")  # fmt: skip
    _refuse_other_net(path, content, net)
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

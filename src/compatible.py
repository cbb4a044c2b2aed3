"""Do the built parts fit together? Asked before training; everything refused is an InputError."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from src.data.module import ExampleData
from src.errors import InputError


def check_accelerator(name: str) -> None:
    """Raises InputError for a GPU that is not there."""
    if name == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise InputError(
            "trainer.accelerator=gpu, but torch finds no GPU here.\nFix: trainer.accelerator=cpu"
        )


def check_shapes(config: Mapping[str, Any], net: nn.Module, data: ExampleData) -> None:
    """The network takes the data, and the loss takes the network's output. Raises InputError."""
    source = data.train
    name = config["loss"]["_target_"].rpartition(".")[2]
    first = next((m for m in net.modules() if isinstance(m, nn.Linear)), None)
    try:
        with torch.no_grad():
            prediction = net(source.input)
    except (RuntimeError, ValueError) as error:
        takes = "another number" if first is None else str(first.in_features)
        raise InputError(
            f"the data has {source.input.shape[1]} input columns, but the network's first layer "
            f"takes {takes}.\n{str(error).splitlines()[0]}"
        ) from error
    target = source.target
    if target is None:
        if config["trainer"]["max_epochs"] > 0:
            raise InputError(
                f"trainer.max_epochs={config['trainer']['max_epochs']}, but this example has no "
                "target to learn.\nFix: trainer.max_epochs=0"
            )
        return
    shapes = f"the output has shape {tuple(prediction.shape)} and the target {tuple(target.shape)}"
    if prediction.shape != target.shape:
        raise InputError(f"{shapes}; they must be the same")
    if name.startswith("cross_entropy"):
        if not bool((target >= 0).all() and torch.allclose(target.sum(1), target.new_ones(1))):
            raise InputError(
                f"loss={name} takes targets that are class probabilities, one column a class, "
                f"each row summing to 1; this example's are not: {shapes}.\nFix: loss=mse, or "
                "loss=bce for a single column of 0 and 1"
            )
    elif name.startswith("bce") and not bool(((target >= 0) & (target <= 1)).all()):
        raise InputError(
            f"loss={name} takes targets between 0 and 1; this example's range from "
            f"{target.min():g} to {target.max():g} ({shapes}).\nFix: loss=mse"
        )
    if config["trainer"]["max_epochs"] > 0 and not any(p.requires_grad for p in net.parameters()):
        raise InputError(
            "this network's weights are fixed: there is nothing to train.\n"
            "Fix: trainer.max_epochs=0"
        )

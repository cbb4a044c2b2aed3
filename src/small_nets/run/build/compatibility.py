"""Checks, before training, whether data, network, loss and metrics fit together."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from small_nets.config.component_facts import Compares
from small_nets.config.components import METRICS, loss_of_config
from small_nets.config.errors import InputError
from small_nets.config.schema import show
from small_nets.data.normalisation import Normaliser
from small_nets.data.prepared import Prepared
from small_nets.data.rounding import extremes


def check_accelerator(name: str) -> None:
    """Raises InputError for a GPU that does not exist here."""
    if name == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise InputError(
            "trainer.accelerator=gpu, but torch finds no GPU here.\nFix: trainer.accelerator=cpu"
        )


MOST_CURVED = 2000  # parameters for which the Hessian, n x n in float64, is computed
MOST_ALONG = 200  # parameters for which that is done at every logged point


def check_shapes(config: Mapping[str, Any], net: nn.Module, data: Prepared) -> None:
    """Raises InputError where the network does not fit the data, or the loss its output."""
    split, epochs = data.train, config["trainer"]["max_epochs"]
    try:
        with torch.no_grad():
            prediction = net(split.input)
    except (RuntimeError, ValueError) as error:
        widths = [m.in_features for m in net.modules() if isinstance(m, nn.Linear)]
        raise InputError(
            f"the data has {split.input.shape[1]} input columns, but the network's first layer "
            f"takes {widths[0] if widths else 'another number'}.\n{str(error).splitlines()[0]}"
        ) from error
    _check_classes(config, data, prediction.shape[1])
    trainable = sum(p.numel() for p in net.parameters() if p.requires_grad)
    _check_analysis(config, split.target is not None, trainable)
    if split.target is None:
        for key, value, off in (
            ("trainer.max_epochs", epochs, 0),
            ("metrics", config["metrics"], []),
            ("data.normalize_target", config["data"]["normalize_target"], "none"),
        ):
            if value != off:
                raise InputError(
                    f"{key}={show(value)}, but this example has no target to learn or to compare "
                    f"with.\nFix: {key}={show(off)}"
                )
        return
    if prediction.shape != split.target.shape:
        raise InputError(
            f"the output has shape {tuple(prediction.shape)} and the target "
            f"{tuple(split.target.shape)}; they must be the same"
        )
    check_targets(config, data)
    if epochs > 0 and not trainable:
        raise InputError(
            "this network's weights are fixed: there is nothing to train.\n"
            "Fix: trainer.max_epochs=0"
        )


def check_targets(config: Mapping[str, Any], data: Prepared) -> None:
    """Raises InputError where the loss or a metric cannot take these targets."""
    target = data.train.target
    if target is None:
        return
    normaliser = data.target_normaliser
    moved = normaliser is not None and not normaliser.is_identity
    if moved and data.table.task != "regression":
        method = config["data"]["normalize_target"]
        raise InputError(
            f"data.normalize_target={method} would move the classes 0 and 1."
            "\nFix: data.normalize_target=none"
        )
    loss = f"loss={config['loss']['_target_']}"
    compared: dict[str, Compares] = {loss: loss_of_config(config).compares}
    compared |= {f"metrics={name}": METRICS[name].compares for name in config["metrics"]}
    for what, compares in compared.items():
        _check_target(what, compares, target, data.table.task)


def _check_classes(config: Mapping[str, Any], data: Prepared, outputs: int) -> None:
    """Raises InputError where data.classes does not fit the outputs. One output has two classes."""
    classes, wanted = config["data"]["classes"], 2 if outputs == 1 else outputs
    if classes is None:
        return
    numbers = data.table.target is not None and data.table.task == "regression"
    if numbers or len(classes) != wanted:
        reason = "these targets are numbers" if numbers else f"this network tells {wanted} apart"
        raise InputError(f"data.classes={show(classes)} names {len(classes)} classes, but {reason}")


def _check_target(what: str, compares: Compares, target: Tensor, task: str) -> None:
    shapes = f"shape {tuple(target.shape)}"
    if compares == "classes" and task == "regression":
        raise InputError(
            f"{what} counts right classes, but these targets are numbers.\n"
            "Fix: metrics=[mse]; data.source.task=binary (for a table loss=bce) where they are 0 "
            "and 1"
        )
    if compares == "logits":
        if not bool((target >= 0).all() and torch.allclose(target.sum(1), target.new_ones(1))):
            raise InputError(
                f"{what} takes targets that are class probabilities, one column a class, "
                f"each row summing to 1; this example's are not: {shapes}.\nFix: loss=mse, or "
                "loss=bce for a single column of 0 and 1"
            )
    elif compares == "probabilities" and not bool(((target >= 0) & (target <= 1)).all()):
        raise InputError(
            f"{what} takes targets between 0 and 1; this example's range from "
            f"{target.min():g} to {target.max():g} ({shapes}).\nFix: loss=mse"
        )


def _check_analysis(config: Mapping[str, Any], has_target: bool, trainable: int) -> None:
    name = config["analysis"]
    most = MOST_ALONG if name == "sharpness" else MOST_CURVED
    if name is not None and not (has_target and 0 < trainable <= most):
        fix = "a smaller net, or analysis=null" if trainable > most else "analysis=null"
        raise InputError(
            f"analysis={name} needs a target, and from 1 to {most} trainable parameters; "
            f"this run has {'a' if has_target else 'no'} target and {trainable:,} of them.\n"
            f"Fix: {fix}"
        )


def check_data_section(data: Mapping[str, Any], built: Prepared) -> None:
    """Raises InputError for keys of the data section that do not fit its rows."""
    table = built.table
    columns = table.input.shape[1]
    probe = data["probe"]
    if probe is not None and any(len(row) != columns for row in probe):
        raise InputError(
            f"data.probe={show(probe)} is not allowed.\nAllowed: rows of {columns} finite "
            "numbers, one for each input column"
        )
    if data["range"] is not None and columns != 1:
        raise InputError(f"data.range draws over one input, but there are {columns} columns")
    _check_rounding(data, built)
    if table.target is None or table.task == "regression":
        return
    binary = table.task == "binary"
    whole = bool(((table.target == 0) | (table.target == 1)).all())
    shaped = table.target.shape[1] == 1 if binary else bool((table.target.sum(dim=1) == 1).all())
    if not (whole and shaped):
        wanted = "one column of 0 and 1" if binary else "one 1 in each row, and else 0"
        raise InputError(f"data.source.task={table.task} takes targets of {wanted}")


def _check_rounding(data: Mapping[str, Any], built: Prepared) -> None:
    """Raises InputError where rounding to the net's dtype makes a column infinite or constant."""
    table = built.table
    columns = data.get("inputs")
    names = _numbered(data["input_name"], table.input.shape[1])
    if isinstance(columns, list) and len(columns) == len(names):
        names = list(map(repr, columns))
    _refuse_lost(built.input_normaliser, table.input, names, built.dtype, "normalize_input")
    if table.target is not None and built.target_normaliser is not None:
        names = _numbered(data["target_name"], table.target.shape[1])
        _refuse_lost(built.target_normaliser, table.target, names, built.dtype, "normalize_target")
    if data["probe"] is not None:
        given = torch.tensor(data["probe"], dtype=torch.float64)
        wrong = ~torch.isfinite(built.to_network(given)).all(dim=1)
        if bool(wrong.any()):
            row = data["probe"][int(wrong.nonzero()[0])]
            raise InputError(f"data.probe: {show(row)} is {_beyond(built.dtype)}")


def _numbered(name: str, count: int) -> list[str]:
    return [repr(name)] if count == 1 else [f"{name!r}, column {i + 1}" for i in range(count)]


def _beyond(dtype: torch.dtype) -> str:
    return f"beyond the numbers that {str(dtype).removeprefix('torch.')} holds"


def _refuse_lost(
    normaliser: Normaliser, values: Tensor, names: Sequence[str], dtype: torch.dtype, key: str
) -> None:
    """Raises InputError for the first column that rounding makes infinite or constant."""
    constant, infinite = extremes(normaliser, values, dtype)
    for lost, what in (
        (infinite, f"is {_beyond(dtype)}"),
        (
            constant,
            f"is one number in every row once it is rounded to {str(dtype).removeprefix('torch.')}",
        ),
    ):
        for i in lost.nonzero().flatten().tolist():
            low, high = values[:, i].min().item(), values[:, i].max().item()
            wider = " or precision=64" if dtype == torch.float32 else ""
            raise InputError(
                f"the {key.removeprefix('normalize_')} {names[i]}, from {low:.10g} to "
                f"{high:.10g}, {what}.\nFix: data.{key}=standardize{wider}"
            )

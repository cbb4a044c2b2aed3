"""Builds objects from a config. Nothing else does, and only what `targets` allows is built."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from small_nets.config.components import (
    NETWORKS,
    is_drawn,
    is_table,
    loss_of_config,
    source_settings,
)
from small_nets.config.errors import InputError
from small_nets.config.logging_interval import log_every
from small_nets.config.schema import show
from small_nets.data.division import HeldOut
from small_nets.data.feature_columns import feature_names
from small_nets.data.prepared import Prepared
from small_nets.data.sources import Table, dtype_of
from small_nets.nn.class_weights import class_weights
from small_nets.nn.early_stopping import EarlyStop
from small_nets.nn.losses import Loss
from small_nets.run.build.checkpoint import check_checkpoint
from small_nets.run.build.compatibility import check_accelerator, check_data_section, check_shapes
from small_nets.run.build.targets import call, settings_of, target_of
from small_nets.run.spec import Labels, Run


def build_net(model: Mapping[str, Any], inputs: int, outputs: int | None) -> nn.Module:
    """Build the network of a config's model section; torch's global generator draws its weights.

    inputs, outputs: columns of the data; outputs is None without a target. Raises InputError.
    """
    settings = dict(model)
    shape: dict[str, int] = {}
    wanted = NETWORKS[model["_target_"]].told
    if "inputs" in wanted:
        shape["inputs"] = inputs
    if "outputs" in wanted:
        known = settings.pop("outputs", None) or outputs
        if known is None:
            raise InputError(
                "model.outputs=null, but the data has no target to take the number of outputs "
                "from.\nFix: model.outputs=1"
            )
        shape["outputs"] = known
    return call(settings, "model", **shape)


@lru_cache(maxsize=64)
def _fixed_table(source: str) -> Table:
    return call(json.loads(source), "data.source")


def _source(config: Mapping[str, Any]) -> dict[str, Any]:
    """The source's settings. The task of a table is that of the loss."""
    data = config["data"]
    told = source_settings(data)
    return told | {"task": loss_of_config(config).task} if is_table(data) else told


def build_data(config: Mapping[str, Any]) -> Prepared:
    """Seed torch, build the source, split and normalise its rows. Raises InputError."""
    # This is the CPU's part of torch.manual_seed. The rest stores a formatted stack for a GPU that
    # may never be used, which takes half the time of building a member, and memory each time.
    torch.default_generator.manual_seed(config["seed"])
    source, drawn = _source(config), is_drawn(config["data"])
    table: Table = call(source, "data.source") if drawn else _fixed_table(json.dumps(source))
    return _split(config, table)


def _split(config: Mapping[str, Any], table: Table) -> Prepared:
    data = config["data"]
    names = (
        *("split_seed", "batch_size", "classes"),
        *("normalize_input", "normalize_target", "normalize_on"),
    )
    try:
        return Prepared(
            table,
            HeldOut(**{field.name: data[field.name] for field in fields(HeldOut)}),
            order_seed=config["seed"],
            dtype=dtype_of(config["precision"]),
            **{name: data[name] for name in names},
        )
    except ValueError as error:
        raise InputError(str(error)) from error


class _Reached(Exception):
    """An optimizer has checked its arguments, and reads its parameters now."""


def _no_parameters() -> Iterator[nn.Parameter]:
    """Parameters that stop an optimizer before torch imports its compiler for it."""
    raise _Reached
    yield


def make_optimizer(
    section: Mapping[str, Any],
) -> Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]:
    """The function parameters -> optimizer. Raises InputError for keys that do not go together."""
    settings = dict(section)
    if "betas" in settings:
        settings["betas"] = tuple(settings["betas"])
    with suppress(_Reached):
        call(settings, "optimizer", params=_no_parameters())
    return partial(target_of(section, "optimizer"), **settings_of(settings))


def make_schedule(section: Mapping[str, Any], steps: int) -> Callable[[int], float] | None:
    """The function step -> factor of the learning rate, for a run of `steps` steps, or None."""
    if section.get("_target_") is None:
        return None
    settings = settings_of(section)
    if "steps" in settings and settings["steps"] is None:
        settings["steps"] = max(steps, 1)
    return partial(target_of(section, "scheduler"), **settings)


def mean_of(target: Tensor | None) -> Tensor | None:
    """The mean of a training split's targets, (outputs,), float64. For classes: their shares."""
    return None if target is None else target.double().mean(dim=0)


def loss_of(config: Mapping[str, Any], mean: Tensor | None) -> Loss:
    """The loss with its class weights. mean: see `mean_of`. Raises InputError."""
    loss = target_of(config["loss"], "loss")
    assert isinstance(loss, Loss), "a row of the losses' table is one"
    return replace(loss, weights=class_weights_of(config, mean))


def class_weights_of(config: Mapping[str, Any], mean: Tensor | None) -> Tensor | None:
    """The weight of each class, (classes,), or None. mean: see `mean_of`. Raises InputError."""
    setting = config["loss"].get("class_weight")
    if setting is None:
        return None
    if mean is None or (loss_of_config(config).task == "binary" and len(mean) != 1):
        what = "has no target" if mean is None else f"has {len(mean)} outputs"
        raise InputError(f"loss.class_weight={show(setting)}, but this example {what}, and so no "
                         "classes to weigh.\nFix: loss.class_weight=null")  # fmt: skip
    return class_weights(setting, mean, config["data"]["classes"])


def labels_of(data: Mapping[str, Any]) -> Labels:
    """The names that a run's data section gives its columns."""
    shown = data["range"]
    names = Labels(
        data["input_name"],
        data["target_name"],
        data["unit"],
        data["classes"],
        None if shown is None else tuple(shown),
    )
    if not is_table(data):
        return names
    inputs, categories, targets = data["inputs"], data["categories"] or {}, data["target"]
    return replace(
        names,
        columns=feature_names(inputs, categories),
        inputs=inputs,
        categories=categories,
        targets=targets if isinstance(targets, list) else None,
    )


def build_start(config: Mapping[str, Any]) -> tuple[Prepared, nn.Module]:
    """Build the data and the untrained network of a run. Raises InputError.

    torch's global generator is seeded, and draws the source, then the network.
    """
    data = build_data(config)
    net = build_net_for(config, data)
    dtype = dtype_of(config["precision"])
    return data, net if dtype == torch.float32 else net.to(dtype)  # torch draws in float32


def build_net_for(config: Mapping[str, Any], data: Prepared) -> nn.Module:
    """Build the network for these data, in float32. Raises InputError."""
    target = data.table.target
    outputs = None if target is None else target.shape[1]
    if NETWORKS[config["model"]["_target_"]].has_one_output and outputs not in (None, 1):
        raise InputError(f"this neuron has one output, but the target has {outputs} columns")
    return build_net(config["model"], data.table.input.shape[1], outputs)


def build(config: dict[str, Any]) -> Run:
    """Build the run that a checked, resolved config describes. Raises InputError."""
    check_accelerator(config["trainer"]["accelerator"])
    trainer, data_config = config["trainer"], config["data"]
    data, net = build_start(config)
    check_shapes(config, net, data)
    check_data_section(data_config, data)
    steps = trainer["max_epochs"] * data.steps_per_epoch
    early_stop = config["early_stop"]
    ckpt = None if config["ckpt"] is None else Path(config["ckpt"])
    if ckpt is not None:
        check_checkpoint(ckpt, config, net)
    return Run(
        name=config["name"],
        seed=config["seed"],
        net=net,
        loss=loss_of(config, mean_of(data.train.target)),
        make_optimizer=make_optimizer(config["optimizer"]),
        schedule=make_schedule(config["scheduler"], steps),
        clip=trainer["gradient_clip_val"],
        data=data,
        config=config,
        max_epochs=trainer["max_epochs"],
        log_every=log_every(config),
        print_every=config["print_every"],
        accelerator=trainer["accelerator"],
        threads=trainer["threads"],
        early_stop=None if early_stop is None else EarlyStop(**early_stop),
        metrics=config["metrics"],
        analysis=config["analysis"],
        probe=data_config["probe"],
        labels=labels_of(data_config),
        tensorboard=config["logger"]["tensorboard"],
        histograms=config["logger"]["histograms"],
        print_all=config["print"] == "all",
        pictures=config["pictures"],
        ckpt=ckpt,
    )

"""Config -> objects: the only place that instantiates, and only what `src.targets` lists."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from src.cadence import log_every
from src.checkpoint import check_checkpoint
from src.compatible import check_accelerator, check_data_settings, check_shapes
from src.complete import is_table
from src.data.prepared import Prepared
from src.data.sources import Table
from src.data.task import task_of
from src.errors import InputError
from src.run import EarlyStop, Labels, Run
from src.targets import call, refuse_foreign_targets, settings_of, target_of

# Sources that draw from torch's global stream.
DRAWN = ("src.data.sources.normal", "src.data.shapes.circles", "src.data.shapes.moons")
DTYPES = {32: torch.float32, 64: torch.float64}
# What a network's builder is told about its data, beside its own config.
SHAPED = {"src.models.mlp.mlp": ("inputs", "outputs"), "src.models.neurons.BareNeuron": ("inputs",)}
ONE_OUTPUT = ("src.models.neurons.BareNeuron", "src.models.neurons.BareLine")


def build_net(model: Mapping[str, Any], inputs: int, outputs: int | None) -> nn.Module:
    """The network of a config's model section, drawn from torch's global stream."""
    settings = dict(model)
    shape: dict[str, int] = {}
    wanted = SHAPED.get(str(model.get("_target_")), ())
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
    section = json.loads(source)
    if "dtype" in section:
        section["dtype"] = DTYPES[section["dtype"]]
    return call(section, "data.source")


def _source(config: Mapping[str, Any]) -> dict[str, Any]:
    """The source's section; a table's settings stand beside it, and its task is the loss's."""
    data = config["data"]
    if not is_table(data):
        return data["source"]
    told = {key: data[key] for key in ("path", "inputs", "target", "digest")}
    task = task_of(config["loss"]["_target_"])
    return data["source"] | told | {"task": task, "dtype": config["precision"]}


def is_drawn(config: Mapping[str, Any]) -> bool:
    """Whether the source is another one for each seed."""
    return config["data"]["source"].get("_target_") in DRAWN


def build_data(config: Mapping[str, Any]) -> Prepared:
    """Seeds torch, builds the source, splits and normalises."""
    # torch.manual_seed's CPU part. The rest of it keeps a formatted stack for a GPU that may
    # never be there: half of the time that building a member takes, and memory each time.
    torch.default_generator.manual_seed(config["seed"])
    source, drawn = _source(config), is_drawn(config)
    table: Table = call(source, "data.source") if drawn else _fixed_table(json.dumps(source))
    return _split(config, table)


def _split(config: Mapping[str, Any], table: Table) -> Prepared:
    data = config["data"]
    names = (
        *("val_fraction", "split_seed", "shuffle", "batch_size"),
        *("normalize_input", "normalize_target", "normalize_on"),
    )
    try:
        return Prepared(
            table,
            order_seed=config["seed"],
            dtype=DTYPES[config["precision"]],
            **{name: data[name] for name in names},
        )
    except ValueError as error:
        raise InputError(str(error)) from error


class _Reached(Exception):
    """An optimizer has checked its settings, and turns to its parameters."""


def _no_parameters() -> Iterator[nn.Parameter]:
    """To try an optimizer's settings without making one, for which torch imports its compiler."""
    raise _Reached
    yield


def make_optimizer(
    section: Mapping[str, Any],
) -> Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]:
    """Parameters -> optimizer. Raises InputError where its settings do not go together."""
    settings = dict(section)
    if "betas" in settings:
        settings["betas"] = tuple(settings["betas"])
    with suppress(_Reached):
        call(settings, "optimizer", params=_no_parameters())
    return partial(target_of(section, "optimizer"), **settings_of(settings))


def make_schedule(section: Mapping[str, Any], steps: int) -> Callable[[int], float] | None:
    """Step -> factor of the learning rate, for a run of so many steps; None for no schedule."""
    if section.get("_target_") is None:
        return None
    settings = settings_of(section)
    if "steps" in settings and settings["steps"] is None:
        settings["steps"] = max(steps, 1)
    return partial(target_of(section, "scheduler"), **settings)


def labels_of(data: Mapping[str, Any]) -> Labels:
    """The names that a run's data section gives its columns."""
    shown = data["range"]
    return Labels(
        data["input_name"],
        data["target_name"],
        data["unit"],
        data["classes"],
        None if shown is None else tuple(shown),
        data["inputs"] if is_table(data) else None,
    )


def build_start(config: Mapping[str, Any]) -> tuple[Prepared, nn.Module]:
    """The data and the untrained network of a run.

    Draws from torch's global stream in this order: seed, source, network. Raises InputError.
    """
    data = build_data(config)
    net = build_net_for(config, data)
    dtype = DTYPES[config["precision"]]
    return data, net if dtype == torch.float32 else net.to(dtype)  # torch draws in float32


def build_net_for(config: Mapping[str, Any], data: Prepared) -> nn.Module:
    """The network for these rows, in float32. Raises InputError."""
    target = data.table.target
    outputs = None if target is None else target.shape[1]
    if config["model"]["_target_"] in ONE_OUTPUT and outputs not in (None, 1):
        raise InputError(f"this neuron has one output, but the target has {outputs} columns")
    return build_net(config["model"], data.table.input.shape[1], outputs)


def build(config: dict[str, Any]) -> Run:
    """The run that a checked, resolved config describes. Raises InputError."""
    refuse_foreign_targets(config)
    check_accelerator(config["trainer"]["accelerator"])
    trainer, data_config = config["trainer"], config["data"]
    data, net = build_start(config)
    check_shapes(config, net, data)
    check_data_settings(data_config, data)
    steps = trainer["max_epochs"] * data.steps_per_epoch
    early_stop = config["early_stop"]
    ckpt = None if config["ckpt"] is None else Path(config["ckpt"])
    if ckpt is not None:
        check_checkpoint(ckpt, config)
    return Run(
        name=config["name"],
        seed=config["seed"],
        net=net,
        loss=target_of(config["loss"], "loss"),
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
        all_pictures=config.get("pictures") == "all",  # configs of earlier runs have no such key
        ckpt=ckpt,
    )

"""A cohort's start: each run built by `src.build` under its own seed, then stacked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from src.build import build_start, make_optimizer, make_schedule, target_of
from src.cadence import log_every
from src.compatible import check_data_settings, check_targets
from src.data.batches import epoch_orders
from src.data.module import ExampleData, Split
from src.data.normalise import Normaliser
from src.engines.cohort import Batching, Cohort, Rows, Stopping
from src.errors import InputError
from src.losses import METRICS, accuracy
from src.sweep.rules import find_rule, stack_settings

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Started:
    """The members that could be built, and the message of each that could not.

    places: the position in `configs` of each member of the cohort. input, target: the
    normalisers of each member, in the same order.
    """

    cohort: Cohort | None
    places: list[int]
    failed: dict[int, str]
    input: list[Normaliser]
    target: list[Normaliser]


def start(configs: Sequence[Config], device: str = "cpu") -> Started:
    """Build and stack runs that the plan has put into one cohort."""
    built: list[tuple[int, ExampleData, nn.Module]] = []
    failed: dict[int, str] = {}
    tried: set[str] = set()
    for place, config in enumerate(configs):
        try:
            data, net = build_start(config)
            check_targets(config, data)
            check_data_settings(config["data"], data)
            text = repr(config["optimizer"])
            if text not in tried:
                make_optimizer(config["optimizer"])
                tried.add(text)
        except InputError as error:
            failed[place] = str(error)
        else:
            built.append((place, data, net))
    if not built:
        return Started(None, [], failed, [], [])
    places = [place for place, _, _ in built]
    return Started(
        _stack([configs[p] for p in places], [d for _, d, _ in built], [n for *_, n in built],
               device),
        places,
        failed,
        [data.input_normaliser for _, data, _ in built],
        [data.target_normaliser for _, data, _ in built if data.target_normaliser is not None],
    )  # fmt: skip


def _stack(
    configs: Sequence[Config], datas: Sequence[ExampleData], nets: Sequence[nn.Module], device: str
) -> Cohort:
    config, data = configs[0], datas[0]
    rule = find_rule(config["optimizer"])
    assert rule is not None, "the plan sends unknown optimizers alone"
    states = [dict(net.named_parameters()) for net in nets]
    size, epochs = config["data"]["batch_size"], config["trainer"]["max_epochs"]
    clip = config["trainer"]["gradient_clip_val"]
    early = config["early_stop"]
    shuffled = data.shuffle and size is not None and size < len(data.train)
    seeds = [d.order_seed for d in datas]
    return Cohort(
        net=nets[0],
        loss=target_of(config["loss"], "loss"),
        parameters={
            name: torch.stack([state[name].detach() for state in states]).to(device)
            for name in states[0]
        },
        train=_rows([d.train for d in datas], device),
        validate=None if data.val is None else _rows([_held_out(d) for d in datas], device),
        rule=rule,
        settings={
            name: values.to(device)
            for name, values in stack_settings([c["optimizer"] for c in configs]).items()
        },
        epochs=epochs,
        log_every=log_every(config),
        batching=Batching(
            size, partial(epoch_orders, len(data.train), seeds) if shuffled else None
        ),
        clip=None if clip is None else _clips(configs, data.train.input).to(device),
        schedule=make_schedule(config["scheduler"], epochs * data.steps_per_epoch),
        stopping=None if early is None else Stopping(**early),
        measures={} if data.table.task == "regression" else {"accuracy": accuracy},
        finals={name: METRICS[name] for name in config["metrics"]},
    )


def _held_out(data: ExampleData) -> Split:
    assert data.val is not None, "all members hold out, or none"
    return data.val


def _clips(configs: Sequence[Config], like: Tensor) -> Tensor:
    return torch.tensor([c["trainer"]["gradient_clip_val"] for c in configs]).to(like)


def _rows(splits: Sequence[Split], device: str) -> Rows:
    targets = []
    for split in splits:
        assert split.target is not None, "the plan sends runs without a target alone"
        targets.append(split.target)
    return Rows(
        torch.stack([split.input for split in splits]).to(device),
        torch.stack(targets).to(device),
    )

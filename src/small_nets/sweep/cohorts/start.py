"""Starts a cohort: builds each run under its own seed, then stacks them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from small_nets.config.errors import InputError
from small_nets.data.batches import epoch_orders
from small_nets.data.normalisation import Normaliser
from small_nets.data.prepared import Split
from small_nets.engines.cohort import Batching, Cohort, Rows
from small_nets.nn.class_weights import with_weights
from small_nets.nn.metrics import accuracy
from small_nets.nn.rule_lookup import find_rule, stack_settings
from small_nets.run.build.build import build, make_optimizer
from small_nets.run.build.targets import metrics_of
from small_nets.run.spec import Run
from small_nets.run.stability import stability_of
from small_nets.sweep.cohorts.seed_batch import Member, key_without_seeds, start_one, start_seeds

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Started:
    """A cohort, and what could not be built.

    cohort: None where nothing could be built. places: the position in `configs` of each member.
    failed: position in `configs` -> message. input, target: the normalisers of each member, in
    the order of `places`. test: the test split of each, which no engine sees.
    """

    cohort: Cohort | None
    places: list[int]
    failed: dict[int, str]
    input: list[Normaliser]
    target: list[Normaliser]
    test: Rows | None = None


def start(configs: Sequence[Config], device: str = "cpu") -> Started:
    """Build and stack runs that the plan put into one cohort. device: where their tensors go."""
    failed: dict[int, str] = {}
    found = _members(configs, failed)
    places = sorted(found)
    if not places:
        return Started(None, [], failed, [], [])
    members = [found[place] for place in places]
    return Started(
        _stack([configs[p] for p in places], members, device),
        places,
        failed,
        [member.input for member in members],
        [member.target for member in members if member.target is not None],
        None if members[0].test is None else _rows([m.test for m in members], members, device),
    )


def _members(configs: Sequence[Config], failed: dict[int, str]) -> dict[int, Member]:
    """Position -> member. The message of each that cannot be built is added to `failed`."""
    tried: dict[str, str | None] = {}
    families: dict[tuple[Any, ...], list[int]] = {}
    for place, config in enumerate(configs):
        message = _refused(config["optimizer"], tried)
        if message is None:
            families.setdefault(key_without_seeds(config), []).append(place)
        else:
            failed[place] = message
    found: dict[int, Member] = {}
    for places in families.values():
        together = start_seeds([configs[place] for place in places])
        if together is not None:
            found |= zip(places, together, strict=True)
            continue
        for place in places:
            try:
                found[place] = start_one(configs[place])
            except InputError as error:
                failed[place] = str(error)
    return found


def _refused(optimizer: Config, tried: dict[str, str | None]) -> str | None:
    """What is wrong with an optimizer's config, or None. tried: answers so far, by its text."""
    text = repr(optimizer)
    if text not in tried:
        try:
            make_optimizer(optimizer)
            tried[text] = None
        except InputError as error:
            tried[text] = str(error)
    return tried[text]


def _stack(configs: Sequence[Config], members: Sequence[Member], device: str) -> Cohort:
    config, run = configs[0], build(dict(configs[0]) | {"ckpt": None})
    rule = find_rule(config["optimizer"])
    assert rule is not None, "the plan sends unknown optimizers alone"
    size, train = config["data"]["batch_size"], run.data.train
    clip = config["trainer"]["gradient_clip_val"]
    shuffled = run.data.shuffle and size is not None and size < len(train)
    seeds = [c["seed"] for c in configs]
    return Cohort(
        net=run.net,
        loss=replace(run.loss, weights=None),  # each member's own stand behind its targets
        parameters={
            name: torch.stack([m.parameters[name] for m in members]).to(device)
            for name in members[0].parameters
        },
        train=_rows([m.train for m in members], members, device),
        validate=None if run.data.val is None else _rows([m.val for m in members], members, device),
        rule=rule,
        settings={
            name: values.to(device)
            for name, values in stack_settings([c["optimizer"] for c in configs]).items()
        },
        epochs=run.max_epochs,
        log_every=run.log_every,
        batching=Batching(size, partial(epoch_orders, len(train), seeds) if shuffled else None),
        clip=None
        if clip is None
        else torch.tensor([c["trainer"]["gradient_clip_val"] for c in configs])
        .to(train.input)
        .to(device),
        schedule=run.schedule,
        stopping=run.early_stop,
        measures={} if run.data.table.task == "regression" else {"accuracy": accuracy},
        finals=metrics_of(config["metrics"]),
        is_weighted=run.loss.weights is not None,
        has_sharpness=run.analysis == "sharpness",
        stability=_stability(configs, run),
    )


def _stability(configs: Sequence[Config], run: Run) -> Tensor | None:
    """One over the bound of each member's λmax, (members,), float64. run: of the first config."""
    if run.analysis != "sharpness":
        return None
    size, rows = run.data.batch_size, len(run.data.train)
    bounds = [stability_of(c, run.schedule, size is None or size >= rows) for c in configs]
    if not any(bounds):
        return None
    scales = [math.nan if bound is None else bound.scale for bound in bounds]
    return torch.tensor(scales, dtype=torch.float64)


def _rows(splits: Sequence[Split | None], members: Sequence[Member], device: str) -> Rows:
    inputs, targets = [], []
    for split, member in zip(splits, members, strict=True):
        assert split is not None, "all members hold out, or none"
        assert split.target is not None, "the plan sends runs without a target alone"
        inputs.append(split.input)
        weights = member.class_weights
        targets.append(split.target if weights is None else with_weights(split.target, weights))
    return Rows(torch.stack(inputs).to(device), torch.stack(targets).to(device))

"""Starts members that differ only in their seeds together, with the bits of one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from small_nets.config.components import METRICS, is_drawn, loss_of_config
from small_nets.config.errors import InputError
from small_nets.data.normalisation import Normaliser
from small_nets.data.prepared import Prepared, Split
from small_nets.data.prepared_members import prepare_many
from small_nets.data.sources import dtype_of
from small_nets.run.build.build import (
    build_data,
    build_net_for,
    build_start,
    class_weights_of,
    mean_of,
)
from small_nets.run.build.compatibility import check_data_section, check_targets
from small_nets.sweep.cohorts.initial_weights import CannotRedraw, Redraw

Config = Mapping[str, Any]
FEW = 4  # members; up to so many it is quicker to build each


@dataclass(frozen=True)
class Member:
    """What one run starts from.

    train, val, test: its normalised rows. input, target: its normalisers. parameters: name ->
    initial values. class_weights: (classes,); None where the loss has none.
    """

    train: Split
    val: Split | None
    test: Split | None
    input: Normaliser
    target: Normaliser | None
    parameters: Mapping[str, Tensor]
    class_weights: Tensor | None = None


def key_without_seeds(config: Config) -> tuple[Any, ...]:
    """A key that is equal for configs that differ only in their seeds.

    The model counts by its text: a swept one is copied for each job, and it is short. Other
    containers count by identity, because the jobs of a sweep share them. Equal containers that
    are not the same object count as different, which costs only time. Compare only keys of
    configs that exist at the same time.
    """
    data = (v for k, v in config["data"].items() if k != "split_seed")
    parts = [config["loss"], config["metrics"], config["precision"], *data]
    return repr(config["model"]), *(id(v) if isinstance(v, dict | list) else v for v in parts)


def start_one(config: Config) -> Member:
    """Build a run's start, and check its rows. Raises InputError."""
    data, net = build_start(config)
    _check(config, data)
    return _member(config, data, {name: p.detach() for name, p in net.named_parameters()})


def _check(config: Config, data: Prepared) -> None:
    check_targets(config, data)
    check_data_section(config["data"], data)


def _member(config: Config, data: Prepared, parameters: Mapping[str, Tensor]) -> Member:
    return Member(
        data.train, data.val, data.test, data.input_normaliser, data.target_normaliser, parameters,
        _class_weights(config, data.train.target),
    )  # fmt: skip


def _class_weights(config: Config, target: Tensor | None) -> Tensor | None:
    weighs = config["loss"].get("class_weight") is not None
    return class_weights_of(config, mean_of(target)) if weighs else None


def start_seeds(configs: Sequence[Config]) -> list[Member] | None:
    """Start configs with one `key_without_seeds`; None where each has to be built by itself."""
    first = configs[0]
    if len(configs) <= FEW:
        return None
    try:
        data = build_data(first)
        if not _all_pass(first, data):
            return None
        redraw = Redraw(lambda: build_net_for(first, data))
        last = start_one(configs[-1])
        drawn = is_drawn(first["data"])
        members = _drawn(configs, redraw) if drawn else _of_one_table(configs, data, redraw)
    except (InputError, ValueError, CannotRedraw):
        return None  # building them one by one gives each its own message
    return members if _same(members[-1], last) else None


def _all_pass(config: Config, data: Prepared) -> bool:
    """Whether checks of one member hold for all the others, whatever their splits.

    Raises InputError where the checks fail.
    """
    if is_drawn(config["data"]):
        return True  # each member draws its own rows, and is checked then
    check_data_section(config["data"], data)
    compared = {loss_of_config(config).compares, *(METRICS[n].compares for n in config["metrics"])}
    if data.table.task == "regression" and compared == {"numbers"}:
        return True
    if config["data"]["normalize_target"] != "none":
        return False
    check_targets(config, Prepared(data.table))  # all rows pass, and so do those of any split
    return True


def _drawn(configs: Sequence[Config], redraw: Redraw) -> list[Member]:
    datas: list[Prepared] = []

    def begin(i: int) -> None:
        datas.append(build_data(configs[i]))
        _check(configs[i], datas[i])

    parameters = redraw.draw(begin, len(configs))
    each = _each(parameters, configs[0])
    return [_member(*of) for of in zip(configs, datas, each, strict=True)]


def _of_one_table(configs: Sequence[Config], data: Prepared, redraw: Redraw) -> list[Member]:
    settings = configs[0]["data"]
    names = ("normalize_input", "normalize_target", "normalize_on")
    many = prepare_many(
        data, [c["data"]["split_seed"] for c in configs], **{name: settings[name] for name in names}
    )
    seeds = [config["seed"] for config in configs]
    stream = torch.default_generator
    parameters = redraw.draw(lambda i: stream.manual_seed(seeds[i]), len(configs))
    train = _splits(many.train)
    val, test = ([None] * len(train) if of is None else _splits(of)
                 for of in (many.val, many.test))  # fmt: skip
    return [
        Member(
            train[i], val[i], test[i], many.input[i],
            many.target[i] if many.target else None, p,
            _class_weights(configs[i], train[i].target),
        )
        for i, p in enumerate(_each(parameters, configs[0]))
    ]  # fmt: skip


def _splits(many: Split) -> list[Split]:
    """Cut a split of all members, (members, rows, …), into one for each."""
    targets = [None] * len(many) if many.target is None else many.target.unbind()
    return [Split(*of) for of in zip(many.input.unbind(), targets, many.rows.unbind(), strict=True)]


def _each(parameters: Mapping[str, Tensor], config: Config) -> list[dict[str, Tensor]]:
    dtype = dtype_of(config["precision"])
    several = zip(*(values.to(dtype).unbind() for values in parameters.values()), strict=True)
    return [dict(zip(parameters, values, strict=True)) for values in several]


def _same(one: Member, other: Member) -> bool:
    """Whether two members are equal to the bit.

    The fast way is compared with the slow one each time, not only in tests.
    """
    pairs = [(one.parameters[name], p) for name, p in other.parameters.items()]
    for a, b in ((one.train, other.train), (one.val, other.val), (one.test, other.test)):
        if a is not None and b is not None:
            pairs += [(a.rows, b.rows), (a.input, b.input)]
            pairs += [] if a.target is None or b.target is None else [(a.target, b.target)]
    return all(torch.equal(a, b) for a, b in pairs)

"""Counts the weights, rows and logged points of a config, and refuses absurdly large ones."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from small_nets.config.component_facts import Extent
from small_nets.config.components import SOURCES, source_settings
from small_nets.config.errors import InputError
from small_nets.config.logging_interval import log_every
from small_nets.config.schema import show

Config = Mapping[str, Any]
MOST_NUMBERS = 10**8  # weights of a net, or numbers of a built-in source; usual are some thousands
MOST_POINTS = 10**6  # logged points of a run
MOST_LAYERS = 1000


def extent(data: Config) -> Extent | None:
    """Rows, inputs and outputs, by a checked config's data section; None where it does not tell.

    A table's file has to be read to know them. A source may leave them to defaults.
    """
    source = SOURCES.get(data["source"].get("_target_"))
    try:
        told = None if source is None else source.extent
        return None if told is None else told(source_settings(data))
    except KeyError:
        return None


def training_rows(data: Config) -> int | None:
    """The number of rows that are not held out; None where the config does not tell."""
    found = extent(data)
    if found is None:
        return None
    rows, folds, fold = found[0], data["folds"], data["fold"] or 0
    left = rows - int(data["test_fraction"] * rows)
    if folds is None:
        return left - int(data["val_fraction"] * rows)
    return left - (left // folds + (fold < left % folds))


def check_sizes(config: Config) -> None:
    """Raises InputError for a net, a source or a curve that is absurdly large.

    config: a config whose values are allowed one by one.
    """
    _check_data(config["data"])
    _check_net(config)
    epochs, every = config["trainer"]["max_epochs"], log_every(config)
    if epochs // every > MOST_POINTS:
        raise InputError(
            f"log_every={every} logs {epochs // every:,} points in trainer.max_epochs={epochs}, "
            f"more than {MOST_POINTS:,}.\nFix: log_every={-(-epochs // 1000)}, or null"
        )


def _check_data(data: Config) -> None:
    found = extent(data)
    if found is None:
        return
    rows, inputs, outputs = found
    numbers = rows * (inputs + (outputs or 0))
    if numbers > MOST_NUMBERS:
        names = ("points", "rows", "features")
        source = data["source"]
        given = " ".join(f"data.source.{k}={source[k]}" for k in names if k in source)
        given = given or " ".join(f"data.{k}={data[k]}" for k in names if k in data)
        raise InputError(
            f"{given or 'data.source'} makes {numbers:,} numbers, more than {MOST_NUMBERS:,}.\n"
            "Fix: fewer rows"
        )


def _check_net(config: Config) -> None:
    model = config["model"]
    if "width" in model:
        _refuse_large("model.width=", model["width"], list(_pairs(config, model["width"])), model)
        for width in model.get("draw_order") or ():
            layers = list(_pairs(config, width))
            _refuse_large("in model.draw_order the width ", width, layers, model)
    elif "layers" in model:
        _refuse_large("model.layers=", model["layers"], model["layers"], {})


def _refuse_large(
    what: str, value: Any, layers: Sequence[Sequence[int]], model: Mapping[str, Any]
) -> None:
    """Raises InputError for a net with too many layers or weights. layers: inputs and outputs."""
    if len(layers) > MOST_LAYERS:
        raise InputError(
            f"{what.rstrip(' =')} has {len(layers):,} layers, more than {MOST_LAYERS:,}.\n"
            "Fix: fewer layers"
        )
    numbers = sum(before * after + after for before, after in layers)
    if numbers > MOST_NUMBERS:
        shown = f"{what}{show(value)}"
        if model.get("outputs") is not None:
            shown += f" model.outputs={model['outputs']}"
        raise InputError(
            f"{shown} is a net of {numbers:,} weights and biases, more than {MOST_NUMBERS:,}.\n"
            "Fix: a narrower net"
        )


def _pairs(config: Config, width: int | list[int] | None) -> Iterator[tuple[int, int]]:
    """The inputs and outputs of each layer of a multilayer perceptron of this width."""
    data, model = config["data"], config["model"]
    found = extent(data)
    columns = data.get("inputs")
    known = len(columns) if isinstance(columns, list) else 1
    _, inputs, outputs = (0, known, 1) if found is None else found
    widths = [] if width is None else width if isinstance(width, list) else [width]
    return pairwise([inputs, *widths, model.get("outputs") or outputs or 1])

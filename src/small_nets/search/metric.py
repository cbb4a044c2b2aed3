"""Finds the metrics that a search's runs will have, and the one that it optimises."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from small_nets.config.errors import InputError, unknown
from small_nets.config.folds import FOLD
from small_nets.config.success_rule import read_rule
from small_nets.config.test_metrics import refuse_test
from small_nets.nn.early_stopping import losses_in
from small_nets.run.build.build import build
from small_nets.run.known_metrics import check_success, metric_names
from small_nets.run.logged_metrics import logged_metrics
from small_nets.run.result_contents import baseline_of
from small_nets.run.spec import Run
from small_nets.search.conditional import ConditionalSpace
from small_nets.search.study import Settings
from small_nets.sweep.jobs.expand import Job

MOST = 20  # combinations of choices that are tried, to find one that can be built


def with_metric(
    settings: Mapping[str, Any], space: ConditionalSpace, expand: Callable[[Sequence[str]], Job]
) -> Settings:
    """Complete the section `search` with its metric: the typed one, else val/loss or train/loss.

    expand: overrides -> job. Raises InputError for a metric that the runs will not have, and where
    none of the first combinations of choices is a valid run.
    """
    run = _first_run(space, expand, settings["folds"] > 1)
    check_success(run)
    best = [f"best/{name}" for name in logged_metrics(run, 0)]
    found = metric_names(run)
    losses = losses_in(found)
    if not losses:
        raise InputError("There is nothing to search for: the runs have no target, so no loss.\n"
                         "Fix: an experiment that trains")  # fmt: skip
    name = settings["metric"] or losses[0]
    refuse_test(f"search.metric={name}", name)
    if name not in [*found, *best]:
        raise unknown(f"search.metric={name} is not a metric of these runs.", name, [*found, *best],
                      "The metrics are")  # fmt: skip
    constant = baseline_of(run).get(name.removeprefix("best/"), 0.0)  # 0 is the R² of a constant
    if settings["objective"] == "success":
        constant = 0.0
    rule = read_rule(run.config.get("success"))
    own = {key: value for key, value in settings.items() if not key.startswith("confirm")}
    return Settings(**{**own, "metric": name, "rule": rule, "baseline": constant})


def _first_run(
    space: ConditionalSpace, expand: Callable[[Sequence[str]], Job], has_folds: bool
) -> Run:
    """An untrained run in the middle of the space, with the first choices that go together."""
    first: InputError | None = None
    for typed in islice(_middles(space), MOST):
        job = expand([*typed, "seed=0", *([f"{FOLD}=0"] if has_folds else [])])
        try:
            if job.error is None:
                return build(job.settings())
            raise InputError(job.error)
        except InputError as error:
            first = first or error
    assert first is not None, "every space has a middle"
    raise first


def _middles(space: ConditionalSpace) -> Iterator[list[str]]:
    for chosen, others in space.branches():
        middle = {p.name: p.at(0 if p.kind == "choice" else 0.5) for p in others}
        yield space.overrides(chosen | middle)

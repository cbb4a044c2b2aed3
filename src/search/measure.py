"""What a search measures: the metrics that its runs will have, and which of them is the one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product

from src.build import build
from src.errors import InputError, unknown
from src.evaluate import baseline, evaluate, more_metrics
from src.fit import of_table
from src.run import Run
from src.search.present import Present
from src.search.space import Space
from src.search.trials import overrides
from src.sweep.expand import Job
from src.sweep.ranking import is_better_high

MOST = 20  # combinations of choices that are tried, to find one that can be built


@dataclass(frozen=True)
class Measure:
    """name: of the metric. high: whether more is better. baseline: of the constant predictor."""

    name: str
    high: bool
    baseline: float


def find_measure(
    asked: str | None, space: Space, present: Present, expand: Callable[[Sequence[str]], Job]
) -> Measure:
    """The metric that is asked for, or val/loss, or train/loss where a run holds nothing out.

    expand: overrides -> job. Raises InputError for a metric that the runs will not have, and
    where none of the first combinations of choices can be a run.
    """
    run = _first_run(space, present, expand)
    found = evaluate(run.net, run.loss, run.data)
    losses = [name for name in found if name.endswith("/loss")]
    best = [f"best/{name}" for name in found]
    found |= more_metrics(run.net, run.data.train, run.metrics) | of_table(run, found)
    if not losses:
        raise InputError("There is nothing to search for: the runs have no target, so no loss.\n"
                         "Fix: an experiment that trains")  # fmt: skip
    name = asked or ("val/loss" if "val/loss" in losses else "train/loss")
    if name not in [*found, *best]:
        raise unknown(f"search.metric={name} is no metric of these runs.", name, [*found, *best],
                      "The metrics are")  # fmt: skip
    constant = baseline(run.loss, run.data)
    constant |= of_table(run, constant)
    return Measure(name, is_better_high(name), constant.get(name.removeprefix("best/"), 0.0))


def _first_run(space: Space, present: Present, expand: Callable[[Sequence[str]], Job]) -> Run:
    """In the middle of the space, untrained; with the first choices that go together."""
    first: InputError | None = None
    for typed in islice(_middles(space, present), MOST):
        job = expand([*typed, "seed=0"])
        try:
            if job.error is None:
                return build(job.settings())
            raise InputError(job.error)
        except InputError as error:
            first = first or error
    assert first is not None, "every space has a middle"
    raise first


def _middles(space: Space, present: Present) -> Iterator[list[str]]:
    middle = {p.name: p.at(0 if p.kind == "choice" else 0.5) for p in space.parameters}
    for choices in product(*(g.choices for g in space.groups)):
        params = middle | dict(zip((g.name for g in space.groups), choices, strict=True))
        chosen = {g.name: params[g.name] for g in space.groups}
        there = {p.name for p in space.parameters if present.has(p.key, chosen)}
        yield overrides({k: v for k, v in params.items() if k in there}, space, present)

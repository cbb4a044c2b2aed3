"""Runs a race: trains more seeds of the settings that cannot be told from the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from small_nets.config.data_schema import LARGEST_SEED
from small_nets.config.errors import InputError
from small_nets.config.overrides import key_of
from small_nets.run.terminal.tables import warn
from small_nets.stats.intervals import FEWEST
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.grid import FOLD, IN_A_SETTING, SEEDS
from small_nets.sweep.planned import Planned
from small_nets.sweep.results.race import Race, Standing
from small_nets.sweep.results.ranking import Ranked, rank, standing
from small_nets.sweep.results.standard import metric_of
from small_nets.sweep.results.success import rules_of, with_success
from small_nets.sweep.session import Session

Overrides = Sequence[str]


def race_of(settings: Mapping[str, Any], lists: Sequence[Overrides], whole: bool) -> Race | None:
    """The race that `sweep.race` asks for; None where it does not.

    settings: of the section sweep. lists: the overrides of all jobs, which `whole` says they are.
    Raises InputError where a race cannot be run over them.
    """
    asked = settings["race"]
    if asked is None:
        return None
    shown = f"sweep.race={{until: {asked['until']:g}, most: {asked['most']}}}"
    if settings["halving"] is not None:
        raise InputError(f"{shown} and sweep.halving both decide which settings go on.\n"
                         "Fix: one of them")  # fmt: skip
    if not whole:
        raise InputError(f"{shown} compares all settings of a grid, and here they come in "
                         "batches.\nFix: without it")  # fmt: skip
    key, seeds = _seeds(shown, lists)
    if len(seeds) < FEWEST:
        raise InputError(
            f"{shown} begins with the seeds that are typed, and {len(seeds)} "
            f"{'is' if len(seeds) == 1 else 'are'} too few to tell settings apart.\n"
            f"Fix: '{key}=range(8)'"
        )
    if asked["most"] <= len(seeds):
        raise InputError(f"{shown} adds no seed to the {len(seeds)} that are typed.\n"
                         f"Fix: most: {4 * len(seeds)}")  # fmt: skip
    if seeds[-1] + asked["most"] > LARGEST_SEED:
        raise InputError(f"{shown} goes on with the seeds after {seeds[-1]}, and a seed is at most "
                         f"{LARGEST_SEED}.\nFix: '{key}=range(8)'")  # fmt: skip
    race = Race(asked["until"], asked["most"], len(seeds))
    runs = len(lists) // len(seeds) * race.most
    if runs > settings["max_runs"]:
        raise InputError(f"{shown} of this grid may train {runs:,} runs, more than sweep.max_runs="
                         f"{settings['max_runs']}.\nFix: sweep.max_runs={runs}")  # fmt: skip
    return race


def _seeds(shown: str, lists: Sequence[Overrides]) -> tuple[str, list[int]]:
    """The key that is the seed of the jobs, and its values in their order. Raises InputError."""
    values = {key: {o.partition("=")[2] for overrides in lists for o in overrides
                    if key_of(o) == key} for key in SEEDS}  # fmt: skip
    swept = [key for key in SEEDS if len(values[key]) > 1]
    if len(swept) > 1:
        raise InputError(f"{shown} adds seeds of one key, and this sweep has seed and "
                         "data.split_seed.\nFix: one of them")  # fmt: skip
    key = swept[0] if swept else SEEDS[0]
    return key, sorted(int(v) for v in values[key] if v.isdigit()) or [0]


def run_race(session: Session, planned: Planned, lists: Sequence[Overrides]) -> list[Job]:
    """Train what is left, look by look, after the first look is trained; the jobs that were added.

    planned: the jobs of the grid, of which `lists` are the overrides. Prints how the race goes.
    Raises InputError, Interrupted, Stop.
    """
    race, console = session.standard.race, session.console
    assert race is not None, "only where there is a race"
    key, typed = _seeds("", lists)
    seeds = [*typed, *range(typed[-1] + 1, typed[-1] + 1 + race.most)]
    groups = _groups(planned.jobs, lists)
    added: list[Job] = []
    for before, look in zip([0, *race.looks], race.looks, strict=False):
        if before:
            wanted = [_with(group.overrides, key, seed, fold) for group in groups
                      for seed in seeds[before:look] for fold in group.folds]  # fmt: skip
            console.print(f"\nRace: seeds {seeds[before]} to {seeds[look - 1]} of {len(groups)} "
                          "settings", style="bold", soft_wrap=True)  # fmt: skip
            more = session.plan(wanted, len(lists) + len(added), whole=False)
            if session.train(more):
                break
            added += more.jobs
        ranked, found = _stands(session)
        if found is None or found.seeds < look:
            warn(console, f"The race ends before its look at {look} seeds: {session.directory} "
                 "has settings of other commands without them")  # fmt: skip
            break
        # A race that goes on in its directory repeats the looks that it took before.
        left = [r for r, at in zip(ranked, found.told, strict=True) if at is None or at > look]
        console.print(f"Race, look at {look} seeds: {len(left)} of {len(ranked)} settings cannot "
                      "be told from the best", soft_wrap=True)  # fmt: skip
        if len(left) < 2:
            break
        jobs = {job for r in left for job in r.jobs}
        groups = [group for group in groups if group.job in jobs]
    return added


@dataclass
class _Group:
    """The jobs of one setting. overrides: of the first. job: its number. folds: of each seed."""

    overrides: Overrides
    job: int
    folds: list[str | None]


def _groups(jobs: Sequence[Job], lists: Sequence[Overrides]) -> list[_Group]:
    found: dict[tuple[str, ...], _Group] = {}
    for job, overrides in zip(jobs, lists, strict=True):
        setting = tuple(o for o in overrides if key_of(o) not in IN_A_SETTING)
        group = found.setdefault(setting, _Group(list(overrides), job.number, []))
        fold = next((o.partition("=")[2] for o in overrides if key_of(o) == FOLD), None)
        group.folds += [] if fold in group.folds else [fold]
    return list(found.values())


def _with(overrides: Overrides, key: str, seed: int, fold: str | None) -> list[str]:
    """The overrides under another seed, and of a fold."""
    values = {key: str(seed)} | ({} if fold is None else {FOLD: fold})
    return [f"{o.partition('=')[0]}={values[key_of(o)]}" if key_of(o) in values else o
            for o in overrides]  # fmt: skip


def _stands(session: Session) -> tuple[list[Ranked], Standing | None]:
    """The ranking of what is stored, and how the race stands; None without a metric."""
    store, table = session.store, session.store.read()
    metric = metric_of(table)
    if metric is None:
        return [], None
    rules = rules_of(store, table)
    standard = replace(session.standard, metric=metric, rule=rules.get(None))
    ranked = rank(with_success(store, table, rules), list(store.swept), standard)
    return ranked, standing(ranked, standard)

"""Trains the best settings of a sweep again, under fresh seeds, and says what they are worth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rich.console import Console

from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_lock import locked
from small_nets.run.outputs.result import git_state, versions
from small_nets.run.terminal.tables import new_table, print_table
from small_nets.sweep.cohorts.prepare import Means, prepare
from small_nets.sweep.confirmation.jobs import confirmation_jobs, fresh_seeds
from small_nets.sweep.executors.dispatch import execute
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.grid import SEEDS
from small_nets.sweep.jobs.plan import make_plan
from small_nets.sweep.results.ranking import Ranked, rank, setting_text
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.results.success import rules_of, with_success
from small_nets.sweep.results.tested import said_of_test
from small_nets.sweep.results.words import (
    interval_text,
    interval_title,
    said_of_best,
    worth_text,
)
from small_nets.sweep.store.columns import cell
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.progress import Bars, Notify, timed
from small_nets.system.command_names import command
from small_nets.system.shell_words import quote_path

FOLDER = "confirmation"  # a sweep of its own, in the sweep's directory
SUGGESTED_FROM = 20  # settings; with more, the first one is likely to be the luckiest


@dataclass(frozen=True)
class Confirmed:
    """A setting, as it was chosen and as it is under the fresh seeds."""

    chosen: Ranked
    confirmed: Ranked


def read_confirmed(store: Store, ranked: Sequence[Ranked], standard: Standard) -> list[Confirmed]:
    """What an earlier confirmation found, the best under the fresh seeds first.

    ranked: the sweep's settings. Raises InputError where its store is broken.
    """
    directory = store.directory / FOLDER
    if not (directory / "sweep.json").exists():
        return []
    other = Store(directory)
    table = other.read()
    if table.is_empty() or standard.metric not in table.columns:
        return []
    table = with_success(other, table, {None: standard.rule} if standard.rule else
                         rules_of(other, table))  # fmt: skip
    chosen = {_key(r): r for r in ranked}
    found = rank(table, list(other.swept), replace(standard, race=None))
    return [Confirmed(chosen[_key(r)], r) for r in found if _key(r) in chosen]


def known_confirmed(store: Store, ranked: Sequence[Ranked], standard: Standard) -> list[Confirmed]:
    """The same for a reader of the sweep, which a broken confirmation must not stop: it is said."""
    try:
        return read_confirmed(store, ranked, standard)
    except InputError as error:
        said = f"{store.directory / FOLDER} cannot be shown: {error}".partition("\n")[0]
        store.said += [] if said in store.said else [said]
        return []


def confirm(
    store: Store, ranked: Sequence[Ranked], standard: Standard, count: int, seeds: int,
    means: Means, console: Console, notify: Notify | None = None,
) -> None:  # fmt: skip
    """Train the first `count` settings under fresh seeds, and print both results side by side.

    ranked: the sweep's settings, best first. What was trained by an earlier confirmation is not
    trained again. The sweep's directory is locked by the caller. Raises InputError, Interrupted.
    """
    chosen = [r for r in ranked if r.n and not r.stopped][:count]
    if not chosen:
        return
    fresh = fresh_seeds(store, seeds)
    jobs = confirmation_jobs(store, store.read(), chosen, fresh)
    other = Store(store.directory / FOLDER)
    plan = make_plan(jobs, other.done())
    ready = prepare(plan, means)
    console.print(
        f"\nConfirmation: {len(chosen)} setting{'s' * (len(chosen) > 1)} under the {seeds} fresh "
        f"seeds {fresh[0]} to {fresh[-1]}", style="bold", soft_wrap=True,
    )  # fmt: skip
    with locked(other.directory):
        _begin(other, store, jobs, standard)
        with timed(other, plan.todo, console):
            execute(plan, ready, other, means, Bars(console, notify))
    wanted = {_key(r) for r in chosen}
    found = read_confirmed(store, ranked, standard)
    show_confirmed(console, store, [c for c in found if _key(c.chosen) in wanted], standard)


def _key(r: Ranked) -> tuple[tuple[str, object], ...]:
    """The setting as both stores have it, whatever the order of their keys."""
    return tuple(sorted(r.setting.items()))


def _begin(other: Store, store: Store, jobs: Sequence[Job], standard: Standard) -> None:
    """Write the confirmation's own sweep.json. other: its store, of the sweep in `store`."""
    about = store.about
    other.begin(
        about["experiments"], about["swept"], {job.run_id: job.number for job in jobs},
        command=about.get("command", ""), fixed=about.get("fixed", {}),
        date=datetime.now().astimezone().isoformat(timespec="seconds"), versions=versions(),
        git=git_state(), tables=about.get("tables", {}), **replace(standard, race=None).stored(),
    )  # fmt: skip


def show_confirmed(
    console: Console, store: Store, found: Sequence[Confirmed], standard: Standard
) -> None:
    """Print what the settings were chosen by and what they are worth, the best one first.

    store: the sweep's.
    """
    if not found:
        return
    fresh = [c.confirmed for c in found]
    interval = interval_title(fresh, standard)
    by = replace(standard, seeds=0).text
    console.print(f"Confirmed by {by} under fresh seeds", style="bold", soft_wrap=True)
    columns = [*found[0].chosen.setting, "when chosen", "n", "confirmed", interval, "success"]
    table = new_table(*columns, numbers=True)
    for c in found:
        r = c.confirmed
        table.add_row(
            *(cell(v) for v in c.chosen.setting.values()), worth_text(c.chosen.worth, ".4g"),
            str(r.n), worth_text(r.worth, ".4g"), interval_text(r.interval),
            "" if r.succeeded is None else f"{r.succeeded} of {r.n}",
        )  # fmt: skip
    print_table(console, table)
    console.print()
    for line in said_of_confirmed(store, found, standard):
        console.print(line, soft_wrap=True)
    for line in said_of_best(fresh, replace(standard, race=None)):
        console.print(line, soft_wrap=True)
    console.print()


def said_of_confirmed(store: Store, found: Sequence[Confirmed], standard: Standard) -> list[str]:
    """What became of the setting that was chosen first, which is the best now, and its test.

    store: the sweep's. found: the best under the fresh seeds first.
    """
    high = standard.is_high
    first = min(found, key=lambda c: -c.chosen.worth if high else c.chosen.worth)
    said = [f"Chosen as the best: {_both(first)}."]
    if found[0] is not first:
        said.append(f"The best under the fresh seeds: {_both(found[0])}.")
    other = Store(store.directory / FOLDER)
    return [*said, *said_of_test(other, other.read(), found[0].confirmed, standard)]


def _both(c: Confirmed) -> str:
    when, now = (worth_text(r.worth, ".4g") for r in (c.chosen, c.confirmed))
    return f"{setting_text(c.chosen.setting)}, {when} when chosen, {now} confirmed"


def suggest(console: Console, store: Store, ranked: Sequence[Ranked]) -> None:
    """Name the command that confirms the best, after a search and where many were compared."""
    is_search = "study" in store.about
    has_seeds = bool(set(store.swept) & set(SEEDS)) or is_search
    if has_seeds and (is_search or len(ranked) > SUGGESTED_FROM):
        console.print(f"confirm it:      {command('report')} {quote_path(store.directory)} "
                      "--confirm 5  (the best of many settings has been lucky)",
                      soft_wrap=True)  # fmt: skip

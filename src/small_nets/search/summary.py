"""What a search prints: how it goes on, and in the end the best settings."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from small_nets.run.terminal.tables import new_table, print_table
from small_nets.search.study import Search
from small_nets.system.command_names import command, command_words
from small_nets.system.shell_words import join, quote_path

FEW = 10


def best_first(trials: Sequence[FrozenTrial], high: bool) -> list[FrozenTrial]:
    """The trials with an objective, the best one first; of equals, the one asked first."""
    known = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    return sorted(known, key=lambda t: (-t.value if high else t.value, t.number))  # type: ignore


def show_space(console: Console, search: Search, unit: str = "") -> None:
    """What is searched, how, and for what; and how far it was.

    unit: what is said behind the objective.
    """
    settings = search.settings
    least = "greatest" if settings.high else "least"
    console.print(
        f"Search for the {least} {settings.standard.text}{unit}: {settings.trials:,} trials, "
        f"{settings.batch:,} at a time, by {settings.sampler}\n", style="bold", soft_wrap=True,
    )  # fmt: skip
    table = new_table("setting", "values", "")
    for p in search.space.parameters:
        some = p.name in search.space.conditional
        table.add_row(p.name, p.text, "with some choices" if some else "")
    print_table(console, table)
    if search.most < settings.trials:
        console.print(f"\nThe space has {search.most:,} settings: the search ends when all of "
                      "them are tried.", soft_wrap=True)  # fmt: skip
    told = sum(t.state.is_finished() for t in search.trials)
    if told:
        more = "" if _is_exhausted(search) else f" (search.trials={2 * told} goes on)"
        rest = f"{search.most - told:,} to go" if told < search.most else f"none to go{more}"
        console.print(f"\n{told:,} trials are there already, {rest}", soft_wrap=True)
    console.print()


def _is_exhausted(search: Search) -> bool:
    """Whether every setting of the space was asked."""
    return search.finite is not None and len(search.trials) >= search.finite.count


def show_progress(console: Console, search: Search) -> None:
    """One line after each batch."""
    told = [t for t in search.trials if t.state.is_finished()]
    best = best_first(told, search.settings.high)
    text = f"trials: {len(told):,} of {search.most:,}"
    if best:
        text += f", best so far {best[0].value:.6g}, trial {best[0].number}"
    console.print(text + "\n", style="bold", soft_wrap=True)


def show_best(console: Console, search: Search, unit: str = "") -> None:
    """The best settings, the command that repeats the first of them, and how to look at all."""
    settings, space = search.settings, search.space
    trials = search.trials
    best = best_first(trials, settings.high)
    pruned = [t for t in trials if t.state == TrialState.PRUNED]
    stopped = sum(t.last_step is not None for t in pruned)
    lost = len(pruned) - stopped
    failed = sum(t.state == TrialState.FAIL for t in trials)
    counts = [f"{len(trials):,} trials", f"{lost:,} without a finite objective" if lost else "",
              f"{stopped:,} stopped by halving" if stopped else "",
              f"{failed:,} failed" if failed else ""]  # fmt: skip
    console.print(f"\nSearch: {', '.join(filter(None, counts))}\n", style="bold", soft_wrap=True)
    if _is_exhausted(search):
        console.print("The space is exhausted: every setting of it was tried once.\n",
                      soft_wrap=True)  # fmt: skip
    if best:
        console.print(
            f"Best settings by {settings.standard.text}{unit}", style="bold", soft_wrap=True
        )
        table = new_table("trial", "objective", "diverged", "settings")
        for trial in best[:FEW]:
            found = trial.params
            typed = [f"{p.name}={p.typed(found[p.name])}" for p in space.parameters
                     if p.name in found]  # fmt: skip
            lost = trial.user_attrs["diverged"]
            table.add_row(str(trial.number), f"{trial.value:.6g}", str(lost or ""), " ".join(typed))
        print_table(console, table)
        console.print(f"\nbest run alone:      {command_of(best[0], settings.high)}",
                      soft_wrap=True)  # fmt: skip
    where = quote_path(search.path.parent)
    for what, how in (
        ("look at the trials:  ", f"{command('report')} {where}"),
        ("", f"optuna-dashboard {quote_path(search.path)}  (pip install optuna-dashboard)"),
    ):
        console.print(f"{what:21}{how}", soft_wrap=True)


def command_of(trial: FrozenTrial, high: bool) -> str:
    """The command that trains the trial's best run by itself."""
    values = trial.user_attrs["values"]
    known = [seed for seed, value in enumerate(values) if value is not None]
    best = (max if high else min)(known, key=lambda seed: values[seed])
    words = [*trial.user_attrs["overrides"], f"seed={best}"]
    return join([*command_words("train"), *words])

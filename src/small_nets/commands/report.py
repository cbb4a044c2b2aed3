"""The command: look at a sweep as one page, or at a run in pictures that teach."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from small_nets.commands.report_arguments import arguments_of
from small_nets.config.errors import InputError, answered, unknown
from small_nets.config.schema import FIELDS
from small_nets.config.success_rule import Rule, is_summary, read_rule
from small_nets.config.test_metrics import refuse_test
from small_nets.run.outputs.directory_kind import is_job, is_sweep, what_is
from small_nets.system.command_names import command
from small_nets.system.printable import printable, take_any_text
from small_nets.system.shell_words import quote_path

if TYPE_CHECKING:
    from polars import DataFrame
    from rich.console import Console

    from small_nets.sweep.results.ranking import Ranked
    from small_nets.sweep.results.standard import Standard
    from small_nets.sweep.store.store import Store

CONFIRM_SEEDS = 32  # as sweep.confirm_seeds is by default


def kind_of(directory: Path) -> str:
    """Which of "sweep" and "run" it is. Raises InputError where the directory holds neither."""
    if is_sweep(directory):
        return "sweep"
    if (directory / "result.json").is_file():
        return "run"
    if is_job(directory):
        sweep, job = directory.parent, directory.name
        raise InputError(
            f"{directory} does not exist: of a large sweep only the best runs have a directory.\n"
            f"Fix: {command('report')} {quote_path(sweep)} --tensorboard {job}, which writes it, "
            f"or --rerun {job}, which trains it once more"
        )
    raise InputError(
        f"{directory} {what_is(directory, 'a sweep or a run')}: there is no sweep.json and no "
        "result.json in it.\n"
        "Fix: the directory that a sweep or a run printed at its end, below outputs/"
    )


def report(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code. Raises InputError, OSError."""
    kind = kind_of(options.directory)
    words = ("rerun", "tensorboard", "metric", "format", "rank_by", "success", "confirm")
    given = [f"--{word.replace('_', '-')}" for word in words if getattr(options, word) is not None]
    if kind == "run" and given:
        raise InputError(f"{given[0]} is for a sweep, and {options.directory} is a single run")
    others = [word for word in given if word not in ("--metric", "--rank-by", "--success")]
    if len(others) > 1 and set(others) != {"--confirm", "--format"}:
        raise InputError(f"{' and '.join(others)} do not go together: one at a time")
    # Only now: a wrong directory is answered at once.
    from small_nets.run.terminal.tables import new_console

    console = new_console()
    if kind == "run":
        from small_nets.run.outputs.directory_lock import locked
        from small_nets.run.pictures.from_directory import teach

        with locked(options.directory, "", is_kept=False):  # the run may be under way
            written = teach(options.directory, console)
        for path in written:
            console.print(str(path), soft_wrap=True)
        if not written:
            console.print("none of the pictures that teach applies to this run")
        return 0
    return _of_sweep(options, console)


def _of_sweep(options: argparse.Namespace, console: "Console") -> int:
    from small_nets.run.terminal.tables import warn
    from small_nets.sweep.store.store import Store

    store = Store(options.directory)
    try:
        code = _look(options, store, console)
    except InputError as error:
        raise InputError("\n".join([str(error), *store.lost()])) from error
    for said in store.lost():
        warn(console, f"left out: {said}")
    if store.lost():
        text = "To train what is lost once more: the sweep's command again, with this sweep.dir"
        console.print(text, soft_wrap=True)
    return code


def _look(options: argparse.Namespace, store: "Store", console: "Console") -> int:
    table = store.read()
    if table.is_empty():
        raise InputError(f"{store.directory} holds no run yet.\nFix: repeat the sweep's command")
    if options.rerun is not None:
        from small_nets.sweep.results.rerun import rerun, row_of

        return 0 if rerun(store, row_of(table, options.rerun), console) else 1
    from small_nets.page.standard import standard_of
    from small_nets.sweep.results.standard import metric_of
    from small_nets.sweep.results.success import SUCCEEDED, rules_of, with_success

    by, rule = options.rank_by, read_rule(options.success)
    if by is not None and not is_summary(by):
        raise InputError(f"--rank-by {by} is not allowed.\nAllowed: {FIELDS['rank_by'].allowed}")
    if options.success is not None and rule is None:
        raise InputError(f"--success {options.success} is not allowed.\nAllowed: "
                         f"{FIELDS['success'].allowed}, as 'val/loss<0.001'")  # fmt: skip
    rules = rules_of(store, table) if rule is None else {None: rule}
    standard = standard_of(store, by, rules.get(None))
    metric = _metric(store, table, options.metric, standard.metric or None)
    # A race was run by the loss: what it decided is no verdict on another metric.
    is_of_race = metric == metric_of(table) and not (rule and standard.by == "success")
    standard = replace(standard, metric=metric, race=standard.race if is_of_race else None)
    if options.tensorboard is not None:
        from small_nets.sweep.results.rerun import chosen_jobs, write_events_of

        write_events_of(store, table, chosen_jobs(table, metric, options.tensorboard), console)
        return 0
    _refuse_rule(options.success, rule, table, store)
    table = with_success(store, table, rules)
    if standard.by == "success" and table[SUCCEEDED].is_null().all():
        raise InputError(f"settings cannot be ranked by success: the runs of {store.directory} "
                         f"have no {standard.rule_text}")  # fmt: skip
    if options.confirm is not None:
        _check_confirm(store, standard, options.confirm)
    ranked = _show(store, table, standard, options.confirm, console)
    _write(store, table, ranked, standard, options.format or "html")
    return 0


def _check_confirm(store: "Store", standard: "Standard", count: int) -> None:
    from small_nets.sweep.confirmation.jobs import refuse_without_seeds

    if count < 1:
        raise InputError(f"--confirm {count} is not allowed.\nAllowed: a whole number, 1 or more")
    keys = [*store.swept, *(["seed"] if standard.seeds else [])]  # a search sweeps them by itself
    refuse_without_seeds(keys, "--confirm")


def _refuse_rule(text: str | None, rule: Rule | None, table: "DataFrame", store: "Store") -> None:
    """Raises InputError for a rule of a metric that the runs do not have."""
    from small_nets.sweep.store.columns import choosing_metrics

    if rule is None:
        return
    refuse_test(f"--success {text}", rule.metric)
    known = choosing_metrics(table.columns, store.swept)
    if rule.among(known).metric not in known:
        raise unknown(f"--success {text}: {rule.metric} is not a metric of this sweep.",
                      rule.metric, known, "The metrics are")  # fmt: skip


def _metric(store: "Store", table: "DataFrame", asked: str | None, searched: str | None) -> str:
    """What the runs are compared by. searched: what a search was for."""
    from small_nets.page.contents import metrics_of
    from small_nets.sweep.results.standard import metric_of
    from small_nets.sweep.store.columns import choosing_metrics

    if asked:
        refuse_test(f"--metric {asked}", asked)
    if searched not in table.columns:
        searched = None
    if (found := asked or searched or metric_of(table)) is None:
        failed, why = table.filter(status="failed"), "none has a loss"
        if len(failed):
            why = f"{len(failed):,} of {len(table):,} failed; the first: {failed['message'][0]}"
        raise InputError(f"the runs of {store.directory} cannot be compared: {why}")
    known = metrics_of(table, store.swept)
    if asked and asked not in known:
        what = f"--metric {asked} is no metric of this sweep."
        if asked in choosing_metrics(table.columns, store.swept):
            what = f"--metric {asked} is the same for all runs: there is nothing to rank by."
        raise unknown(what, asked, known, "The metrics are")
    return found


def _show(
    store: "Store", table: "DataFrame", standard: "Standard", count: int | None,
    console: "Console",
) -> list["Ranked"]:  # fmt: skip
    """Print the ranking, and what is confirmed. count: settings to confirm; None for no more."""
    from small_nets.run.outputs.directory_lock import locked
    from small_nets.sweep.cohorts.prepare import find_means
    from small_nets.sweep.confirmation.confirm import confirm, known_confirmed, show_confirmed
    from small_nets.sweep.results.normalised import unit
    from small_nets.sweep.results.ranking import rank
    from small_nets.sweep.results.spread import said_of_runs
    from small_nets.sweep.results.summary import show_summary

    ranked = rank(table, list(store.swept), standard)
    show_summary(console, table, ranked, standard, unit(store, table, standard.metric))
    for line in said_of_runs(store, table, ranked, standard):
        console.print(line, soft_wrap=True)
    if count is None:
        show_confirmed(console, store, known_confirmed(store, ranked, standard), standard)
        return ranked
    means = find_means({"device": "cpu", "memory": None, "compile": None})
    with locked(store.directory, "", is_kept=False):
        confirm(store, ranked, standard, count, CONFIRM_SEEDS, means, console)
    return ranked


def _write(
    store: "Store", table: "DataFrame", ranked: list["Ranked"], standard: "Standard", form: str
) -> None:
    began = time.perf_counter()
    if form == "html":
        from small_nets.page.write import write_page

        written = [write_page(store, table, standard)]
    else:
        from small_nets.page.export import export

        written = export(store, table, ranked, standard, form)
    for path in written:
        print(printable(f"report: {path}  ({time.perf_counter() - began:.1f} s)"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; bad input becomes one message on stderr and exit code 2."""
    take_any_text()
    options = arguments_of(arguments)
    with answered():
        code = report(options)
    if code:
        raise SystemExit(code)

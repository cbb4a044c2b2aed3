"""The command: look at a sweep as one page, or at a run in pictures that teach."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from small_nets.config.errors import InputError, answered, unknown
from small_nets.run.outputs.directory_kind import is_job, is_sweep, what_is
from small_nets.system.argument_parser import Parser
from small_nets.system.command_names import command
from small_nets.system.printable import printable, take_any_text
from small_nets.system.shell_words import quote_path

if TYPE_CHECKING:
    from polars import DataFrame
    from rich.console import Console

    from small_nets.page.standard import Standard
    from small_nets.sweep.store.store import Store

FORMATS = ("html", "csv", "parquet", "md")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=command("report"),
        description="Look at a sweep: report.html in its directory, and the best settings here. "
        "Or at a run: more pictures of what it has learned, in its directory.",
        epilog=f"example: {command('report')} outputs/temperature_mlp/SWEEP",
    )
    parser.add_argument("directory", type=Path, help="of a sweep or a run, below outputs/")
    parser.add_argument(
        "--format", choices=FORMATS,
        help="html: report.html (default); csv or parquet: ranking.* and runs.*; md: report.md",
    )  # fmt: skip
    parser.add_argument(
        "--metric",
        help="rank by it; default: val/loss, or train/loss; of a search what it searched for",
    )
    parser.add_argument(
        "--tensorboard", metavar="RUNS",
        help="instead: event files for these runs: 37,42 or best:5 or worst:5",
    )  # fmt: skip
    parser.add_argument(
        "--rerun", metavar="RUN", type=int,
        help="instead: repeat this run alone, with everything logged, and compare",
    )  # fmt: skip
    return parser.parse_args(arguments)


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
    words = ("rerun", "tensorboard", "metric", "format")
    given = [f"--{word}" for word in words if getattr(options, word) is not None]
    if kind == "run" and given:
        raise InputError(f"{given[0]} is for a sweep, and {options.directory} is a single run")
    others = [word for word in given if word != "--metric"]
    if len(others) > 1:
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

    standard = standard_of(store)
    metric = _metric(store, table, options.metric, standard.metric)
    if options.tensorboard is not None:
        from small_nets.sweep.results.rerun import chosen_jobs, write_events_of

        write_events_of(store, table, chosen_jobs(table, metric, options.tensorboard), console)
        return 0
    _write(store, table, metric, standard, options.format or "html", console)
    return 0


def _metric(store: "Store", table: "DataFrame", asked: str | None, searched: str | None) -> str:
    """What the runs are compared by. searched: what a search was for."""
    from small_nets.page.contents import metrics_of
    from small_nets.sweep.results.ranking import metric_of
    from small_nets.sweep.store.columns import metric_columns

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
        if asked in metric_columns(table.columns, store.swept):
            what = f"--metric {asked} is the same for all runs: there is nothing to rank by."
        raise unknown(what, asked, known, "The metrics are")
    return found


def _write(
    store: "Store", table: "DataFrame", metric: str, standard: "Standard", form: str,
    console: "Console",
) -> None:  # fmt: skip
    from small_nets.sweep.results.normalised import unit
    from small_nets.sweep.results.ranking import rank, setting_text
    from small_nets.sweep.results.summary import show_summary

    began = time.perf_counter()
    ranked = standard.best_first(rank(table, list(store.swept), metric), metric)
    # The terminal ranks by the mean; a search may be for something else.
    show_summary(
        console, table, [] if standard.seeds else ranked, metric, unit(store, table, metric)
    )
    if standard.seeds and (worth := standard.worth(ranked[0], metric)) is not None:
        best = setting_text(ranked[0].setting)
        console.print(f"best {standard.text(metric)}: {worth:.6g}  {best}", soft_wrap=True)
    if form == "html":
        from small_nets.page.write import write_page

        written = [write_page(store, table, metric, standard)]
    else:
        from small_nets.page.export import export

        written = export(store, table, ranked, metric, form, standard.text(metric))
    for path in written:
        print(printable(f"report: {path}  ({time.perf_counter() - began:.1f} s)"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; bad input becomes one message on stderr and exit code 2."""
    take_any_text()
    options = _arguments(arguments)
    with answered():
        code = report(options)
    if code:
        raise SystemExit(code)

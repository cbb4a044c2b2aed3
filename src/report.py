"""The command: look at a sweep as one page, or at a run in pictures that teach."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from src.errors import InputError, unknown

FORMATS = ("html", "csv", "parquet", "md")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m src.report",
        description="Look at a sweep: report.html in its directory, and the ranking here.",
        epilog="example: python -m src.report outputs/temperature_mlp/SWEEP",
    )
    parser.add_argument("directory", type=Path, help="of a sweep, below outputs/")
    parser.add_argument(
        "--format", choices=FORMATS, default="html",
        help="html: report.html (default); csv or parquet: ranking.* and runs.*; md: report.md",
    )  # fmt: skip
    parser.add_argument("--metric", help="rank by it; default: val/loss, or train/loss")
    return parser.parse_args(arguments)


def refuse_no_sweep(directory: Path) -> None:
    """Raises InputError where the directory holds no sweep."""
    if (directory / "sweep.json").is_file():
        return
    what = "is not the directory of a sweep" if directory.is_dir() else "does not exist"
    raise InputError(
        f"{directory} {what}: there is no sweep.json in it.\n"
        "Fix: the directory that a sweep (-m) printed at its end, below outputs/"
    )


def report(options: argparse.Namespace) -> None:
    """Write what was asked for, print the ranking. Raises InputError, OSError."""
    refuse_no_sweep(options.directory)
    # Only now: a wrong directory is answered at once.
    from src.console import new_console
    from src.page.contents import metrics_of
    from src.sweep.ranking import metric_of, rank
    from src.sweep.show import show_summary
    from src.sweep.store import Store

    began = time.perf_counter()
    store = Store(options.directory)
    table = store.read()
    if table.is_empty():
        raise InputError(f"{store.directory} holds no run yet.\nFix: repeat the sweep's command")
    metric = options.metric or metric_of(table)
    if metric is None:
        failed = table.filter(status="failed")
        why = f"all failed; the first: {failed['message'][0]}" if len(failed) else "none has a loss"
        raise InputError(f"the runs of {store.directory} cannot be compared: {why}")
    known = metrics_of(table, store.swept)
    if metric not in known and options.metric:
        raise unknown(f"--metric {metric} is no metric of this sweep.", metric, known,
                      "The metrics are")  # fmt: skip
    ranked = rank(table, list(store.swept), metric)
    show_summary(new_console(), table, ranked, metric)
    if options.format == "html":
        from src.page.write import write_page

        written = [write_page(store, table, metric)]
    else:
        from src.page.export import export

        written = export(store, table, ranked, metric, options.format)
    for path in written:
        print(f"report: {path}  ({time.perf_counter() - began:.1f} s)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; bad input becomes one message on stderr and exit code 2."""
    options = _arguments(arguments)
    try:
        report(options)
    except (InputError, OSError) as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        system = isinstance(error, OSError)
        print(f"Error: {error.filename}: {error.strerror}" if system else f"Error: {error}",
              file=sys.stderr)  # fmt: skip
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()

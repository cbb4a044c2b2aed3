"""The arguments of the report's command."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from small_nets.system.argument_parser import Parser
from small_nets.system.command_names import command

FORMATS = ("html", "csv", "parquet", "md")


def arguments_of(arguments: Sequence[str] | None) -> argparse.Namespace:
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
        "--rank-by", metavar="HOW",
        help="median, mean, success or quantile:0.9 of the metric; default: as the sweep was",
    )  # fmt: skip
    parser.add_argument(
        "--success", metavar="RULE",
        help="when a run has succeeded, as 'val/loss<0.001'; default: as the sweep says",
    )  # fmt: skip
    parser.add_argument(
        "--confirm", metavar="N", type=int,
        help="train the N best settings again, each under 32 fresh seeds, and show both",
    )  # fmt: skip
    parser.add_argument(
        "--tensorboard", metavar="RUNS",
        help="instead: event files for these runs: 37,42 or best:5 or worst:5",
    )  # fmt: skip
    parser.add_argument(
        "--rerun", metavar="RUN", type=int,
        help="instead: repeat this run alone, with everything logged, and compare",
    )  # fmt: skip
    return parser.parse_args(arguments)

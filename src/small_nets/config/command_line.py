"""Arranges and checks the words of a command before Hydra reads them."""

import argparse
from collections.abc import Sequence

from hydra._internal.utils import get_args_parser

from small_nets.config.errors import InputError, nearest
from small_nets.config.override_repair import SMART, fix_of, is_allowed
from small_nets.config.overrides import key_of
from small_nets.config.schema import FIELDS
from small_nets.config.sections import GROUPS
from small_nets.config.unquoted_values import in_quotes
from small_nets.system.shell_words import quote

FILLED_IN = ("hydra.runtime", "hydra.overrides", "hydra.callbacks.check")


def arrange(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse a command, and return it with the options in front of the overrides.

    Hydra's own parser stops at an option between overrides. Raises InputError for an unknown
    option, SystemExit(2) where an option's value is missing or wrong.
    """
    parser = get_args_parser()
    parser.allow_abbrev = False  # --experiment must not abbreviate Hydra's --experimental-rerun
    options, rest = parser.parse_known_intermixed_args(list(words))
    unknown = [word for word in rest if word.startswith("-")]
    if unknown:
        raise _no_option(words, unknown[0], parser)
    if options.experimental_rerun is not None:
        raise InputError("--experimental-rerun would run what a pickle holds.\n"
                         "Fix: the overrides in .hydra/overrides.yaml of the run")  # fmt: skip
    options.overrides = list(map(in_quotes, options.overrides))
    overrides = list(options.overrides)
    front, left = [], list(overrides)
    for word in map(in_quotes, words):
        if left and word == left[0]:
            left.pop(0)
        elif word != "--":
            front.append(word)
    return options, [*front, *overrides]


def _no_option(words: Sequence[str], word: str, parser: argparse.ArgumentParser) -> InputError:
    name, equals, value = word.lstrip("-").translate(SMART).partition("=")
    after = list(words[words.index(word) + 1 :])
    if not equals and after and "=" not in after[0] and not after[0].startswith("-"):
        value = after[0]
    known = [*FIELDS, *GROUPS, "experiment"]
    name = name if name in known else name.replace("-", "_")
    options = [option for action in parser._actions for option in action.option_strings]
    sign = "+" if name == "experiment" else ""
    fix = f"{sign}{name}={value}" if value else None
    if name in known and fix is not None:
        fix = fix if is_allowed(fix) else fix_of(fix) or fix
        return InputError(
            f"{word} is not an option: a key is typed without dashes.\nFix: {quote(fix)}"
        )
    near = nearest(word, options) or nearest(name, known)
    return InputError(f"{word} is not an option.\nA key is typed as key=value: seed=3{near}")


def is_multirun(options: argparse.Namespace) -> bool:
    """Whether the command is a sweep or a search: it has `-m` or hydra.mode=MULTIRUN."""
    return options.multirun or "hydra.mode=MULTIRUN" in options.overrides


def refuse_nodes(overrides: Sequence[str]) -> None:
    """Raises InputError for an override of a node that Hydra or this program fills in."""
    for override in overrides:
        key = key_of(override)
        for node in FILLED_IN:
            if key == node or key.startswith(f"{node}.") or node.startswith(f"{key}."):
                raise InputError(
                    f"{override}: {node} is filled in by the program.\nFix: without it"
                )

"""The limits of each sampler: what it can search, and which package it needs."""

from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec

from small_nets.config.errors import InputError
from small_nets.search.space import Space
from small_nets.system.command_names import install_command


@dataclass(frozen=True)
class Limits:
    """What a sampler can do, and what it needs.

    choices: whether it can search a choice among names. conditions: whether it can search a
    parameter that only some trials have. sees_lost: whether it can be told that a trial had no
    finite objective; the other samplers take only numbers. fresh_seeds: whether its trials may be
    of different seeds. package: what it imports besides Optuna; extra: the extra that installs it.
    """

    choices: bool = True
    conditions: bool = True
    sees_lost: bool = True
    fresh_seeds: bool = True
    package: str | None = None
    extra: str = "search"


LIMITS = {
    "tpe": Limits(),
    "random": Limits(),
    "qmc": Limits(),
    # CMA-ES ranks the trials of a generation, which a batch of seeds would cut in two.
    "cmaes": Limits(
        choices=False, conditions=False, sees_lost=False, fresh_seeds=False, package="cmaes"
    ),
    "gp": Limits(conditions=False, sees_lost=False, package="scipy", extra="gp"),
}


def refuse_missing(sampler: str) -> None:
    """Raises InputError where a package that the sampler needs is not installed."""
    limits = LIMITS[sampler]
    for package, extra in (("optuna", "search"), (limits.package, limits.extra)):
        if package is not None and find_spec(package) is None:
            raise InputError(f"hydra/sweeper=search with search.sampler={sampler} needs {package}, "
                             f"which is not installed.\nFix: {install_command(extra)}"
                             )  # fmt: skip


def refuse_fresh_seeds(sampler: str) -> None:
    """Raises InputError where the sampler compares trials that need the same seeds."""
    if not LIMITS[sampler].fresh_seeds:
        able = [name for name, limits in LIMITS.items() if limits.fresh_seeds]
        raise InputError(f"search.fresh_seeds=true: search.sampler={sampler} ranks trials among "
                         "each other, and each batch would have other seeds.\n"
                         f"Fix: search.sampler={' or '.join(able)}, or search.fresh_seeds=false"
                         )  # fmt: skip


def refuse_space(sampler: str, space: Space, conditional: Collection[str]) -> None:
    """Raises InputError for a parameter that the sampler cannot take.

    conditional: the names of the parameters that only some trials have.
    """
    limits, what, able = LIMITS[sampler], "", []
    for parameter in space.parameters:
        if parameter.kind == "choice" and not limits.choices:
            what = f"{', '.join(parameter.choices)} are names, and it takes only numbers"
            able = [name for name, limits in LIMITS.items() if limits.choices]
        elif parameter.name in conditional and not limits.conditions:
            what = "only some of the choices have this key"
            able = [name for name, limits in LIMITS.items() if limits.conditions]
        if what:
            raise InputError(f"search.sampler={sampler} cannot search {parameter.name}: {what}.\n"
                             f"Fix: search.sampler={' or '.join(able)}")  # fmt: skip

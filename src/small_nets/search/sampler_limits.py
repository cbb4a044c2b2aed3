"""What each sampler can search, what it learns from, and what has to be installed for it."""

from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec

from small_nets.config.errors import InputError
from small_nets.search.space import Space

PIP = "pip install '.[search]'"


@dataclass(frozen=True)
class Limits:
    """choices, conditions: whether it takes parameters of that kind.

    sees_lost: whether a trial without a finite objective teaches it something; the others take
    only numbers. package: beside Optuna, and pip: what installs it.
    """

    choices: bool = True
    conditions: bool = True
    sees_lost: bool = True
    package: str | None = None
    pip: str = PIP


LIMITS = {
    "tpe": Limits(),
    "random": Limits(),
    "qmc": Limits(),
    "cmaes": Limits(choices=False, conditions=False, sees_lost=False, package="cmaes"),
    "gp": Limits(conditions=False, sees_lost=False, package="scipy", pip="pip install '.[gp]'"),
}


def refuse_missing(sampler: str) -> None:
    """Raises InputError where a package that the sampler needs is not installed."""
    limits = LIMITS[sampler]
    for package, pip in (("optuna", PIP), (limits.package, limits.pip)):
        if package is not None and find_spec(package) is None:
            raise InputError(f"hydra/sweeper=search with search.sampler={sampler} needs {package}, "
                             f"which is not installed.\nFix: {pip}")  # fmt: skip


def refuse_space(sampler: str, space: Space, conditional: Collection[str]) -> None:
    """Raises InputError for a parameter that the sampler cannot take.

    conditional: the names of the parameters that only some trials have.
    """
    limits, what, able = LIMITS[sampler], "", []
    for parameter in space.parameters:
        if parameter.kind == "choice" and not limits.choices:
            what = f"{', '.join(parameter.choices)} are choices, no numbers"
            able = [name for name, limits in LIMITS.items() if limits.choices]
        elif parameter.name in conditional and not limits.conditions:
            what = "only some of the choices have it"
            able = [name for name, limits in LIMITS.items() if limits.conditions]
        if what:
            raise InputError(f"search.sampler={sampler} cannot search {parameter.name}: {what}.\n"
                             f"Fix: search.sampler={' or '.join(able)}")  # fmt: skip

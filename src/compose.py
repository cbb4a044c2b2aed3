"""Overrides -> checked settings, without a command line: for notebooks, tests and benchmarks."""

from collections.abc import Mapping
from typing import Any

from hydra import compose, initialize_config_dir

from src import conf_files, resolvers
from src.check import check, without_hydra
from src.errors import InputError
from src.explain import explain


def compose_settings(*overrides: str) -> tuple[dict[str, Any], Mapping[str, str | None]]:
    """The settings that a command with these overrides would run, and the choice of each group.

    Raises InputError, as the command would print it.
    """
    resolvers.register()
    with initialize_config_dir(str(conf_files.CONF), version_base="1.3"):
        try:
            config = compose(conf_files.ROOT, list(overrides), return_hydra_config=True)
        except Exception as error:
            # Hydra raises plain ValueErrors too; what no override explains is a fault of ours.
            message = explain(error, overrides)
            if message is None:
                raise
            raise InputError(message) from error
    choices = config.hydra.runtime.choices
    return check(without_hydra(config), choices), choices

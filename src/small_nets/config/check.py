"""Checks a composed config: its keys, its values, and what they mean together. Without torch."""

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from small_nets.config import conf_files
from small_nets.config.components import ACTIVATIONS, METRICS, loss_of_config
from small_nets.config.conf_files import CONF
from small_nets.config.draw_order import check_draw_order
from small_nets.config.errors import InputError, unknown
from small_nets.config.folds import check_folds, let_folds_hold_out
from small_nets.config.overrides import key_of
from small_nets.config.replaced_choice import drop_replaced
from small_nets.config.schema import check_value
from small_nets.config.sections import (
    GROUPS,
    check_section,
    no_choice,
    refuse_hidden,
    removed,
    replaced,
    stated_at_root,
)
from small_nets.config.sizes import check_sizes
from small_nets.system.command_names import command


class Refused(BaseException):
    """Carries an InputError through Hydra, which turns a callback's Exception into a warning."""


def no_experiment(folders: Sequence[Path] = (CONF,)) -> InputError:
    """The error for a command that chooses neither an experiment nor data."""
    return InputError(
        "No experiment was chosen.\nThe experiments are:\n"
        f"{conf_files.list_experiments(folders)}\n"
        f"Fix: {command('train')} +experiment=sine, or data=table for a table of your own"
    )


def folders_of(hydra: DictConfig) -> list[Path]:
    """The folders of Hydra's search path, to which --config-dir adds one."""
    sources = [s for s in hydra.runtime.config_sources if s.schema == "file" and s.path]
    return [Path(s.path) for s in sources if Path(s.path).is_dir()] or [CONF]


def settle(config: DictConfig) -> list[str]:
    """Remove the keys of replaced choices from a composed config with its `hydra` node.

    Where folds hold the validation rows out, a choice's own fraction goes, too.

    Returns a message for each key that is removed.
    """
    hydra = config.hydra
    typed: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return settle_task(config, hydra.runtime.choices, list(map(str, typed)), folders_of(hydra))


def settle_task(
    task: DictConfig, choices: Mapping[str, str | None], typed: Sequence[str],
    folders: Sequence[Path],
) -> list[str]:  # fmt: skip
    """The same for a config without `hydra`. choices: group -> choice. typed: the overrides."""
    lines = drop_replaced(task, choices, typed, folders)
    let_folds_hold_out(task, map(key_of, typed))
    return lines


def unknown_in(section: str, key: str, known: Iterable[str]) -> InputError:
    """The error for a key that a section of the root config does not have. known: its keys."""
    return unknown(f"{section}.{key} does not exist.", key, known, f"The keys of {section} are")


def refuse_removed(config: Container[Any], folders: Sequence[Path]) -> None:
    """Raises InputError where a key is missing that every run needs."""
    for key in conf_files.root(folders):
        if key not in config:
            raise removed(key)


def check_config(
    config: Mapping[str, Any],
    choices: Mapping[str, str | None],
    folders: Sequence[Path] = (CONF,),
) -> None:
    """Check a resolved config. Raises InputError.

    choices: group -> choice. folders: the config folders, the first of which wins.
    """
    refuse_removed(config, folders)
    if config.get("data") is None and choices.get("data") is None:
        raise no_experiment(folders)
    conf_files.refuse_second_root(folders)
    for group in ("experiment", "sweep"):
        if choices.get(group) is not None:
            refuse_hidden(group, str(choices[group]), folders)
    expected = conf_files.root(folders)
    _check_root(config, expected, choices, folders)
    for key, default in expected.items():
        if isinstance(default, dict):
            check_keys(key, config[key], default, choices, folders)
        else:
            check_value(key, config[key])
    for group in GROUPS:
        check_section(group, config[group], choices, folders)
    check_combination(config)


def check_keys(
    section: str, found: Any, known: Mapping[str, Any], choices: Mapping[str, str | None],
    folders: Sequence[Path],
) -> None:  # fmt: skip
    """Check a section of the root config that is not a group, such as sweep. Raises InputError.

    known: key -> default.
    """
    if not isinstance(found, dict):
        raise replaced(section, found, known)
    for key, value in found.items():
        if key not in known:
            where = stated_at_root([section, key], choices, folders)
            raise InputError(f"{unknown_in(section, key, known)}{where}")
        check_value(f"{section}.{key}", value)
    for key in known:
        if key not in found:
            raise removed(f"{section}.{key}")


def _check_root(
    config: Mapping[str, Any],
    expected: Mapping[str, Any],
    choices: Mapping[str, str | None],
    folders: Sequence[Path],
) -> None:
    known = [*expected, *GROUPS]
    for key in config:
        if key not in known:
            where = stated_at_root([key], choices, folders)
            raise InputError(f"{unknown_root(key, known, choices, folders)}{where}")
    for group in GROUPS:
        chosen = choices.get(group)
        if chosen in (None, "base") or not isinstance(config.get(group), dict):
            raise no_choice(group, chosen, folders)


def unknown_root(
    path: str,
    known: Sequence[str],
    choices: Mapping[str, str | None],
    folders: Sequence[Path] = (CONF,),
) -> InputError:
    """The error for a path whose first word is neither a key of the root config nor a group."""
    return unknown(
        f"{path} does not exist.", path, known, "The keys and groups are",
        conf_files.paths(choices, folders),
    )  # fmt: skip


def check_combination(config: Mapping[str, Any]) -> None:
    """Raises InputError for values that are allowed one by one, but not together."""
    check_sizes(config)
    check_folds(config["data"])
    check_draw_order(config["model"])
    if config["logger"]["histograms"] and not config["logger"]["tensorboard"]:
        raise InputError("logger.histograms=true, but nothing is logged.\nFix: logger=tensorboard")
    if config["optimizer"].get("foreach") and config["optimizer"].get("fused"):
        raise InputError("optimizer.foreach and optimizer.fused are two ways of one update.\n"
                         "Fix: one of them")  # fmt: skip
    loss, compares = config["loss"]["_target_"], loss_of_config(config).compares
    model = config["model"]
    output = str(model.get("output_activation", model.get("activation", "identity")))
    activation = ACTIVATIONS[output]
    wanting = [f"loss={loss}"] if compares == "probabilities" else []
    wanting += [f"metrics=[{n}]" for n in config["metrics"]
                if METRICS[n].compares == "probabilities"]  # fmt: skip
    if wanting and not activation.is_probability:
        raise InputError(
            f"{wanting[0]} takes probabilities, but the output activation is {output}, "
            "whose values are not bounded to 0 and 1.\nFix: model.output_activation=sigmoid"
        )
    if compares == "logits" and activation.formula == "softmax":
        raise InputError(
            f"loss={loss} takes logits and applies softmax itself, but the output activation "
            f"is {output}: softmax twice.\nFix: model.output_activation=identity"
        )


def without_hydra(config: DictConfig) -> DictConfig:
    """A composed config without Hydra's node."""
    found = OmegaConf.masked_copy(config, [k for k in config if k != "hydra"])  # type: ignore
    OmegaConf.copy_cache(from_config=config, to_config=found)  # keeps ${stamp:} the same
    return found

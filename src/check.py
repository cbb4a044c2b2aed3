"""The composed config against what exists, before torch is imported and before any work."""

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src import conf_files
from src.complete import complete
from src.conf_files import CONF
from src.errors import InputError, unknown
from src.values import check_value, show

PROBABILITIES = ("sigmoid", "softmax", "naive_sigmoid", "step")
GROUPS = ("data", "model", "loss", "optimizer", "scheduler", "trainer", "logger", "executor")


class Refused(BaseException):
    """Carries an InputError through Hydra, which turns a callback's Exception into a warning."""


def no_experiment(folders: Sequence[Path] = (CONF,)) -> InputError:
    return InputError(
        "No experiment was chosen.\nThe experiments are:\n"
        f"{conf_files.list_experiments(folders)}\n"
        "Fix: python -m src.train +experiment=sine, or data=table for a table of your own"
    )


def folders_of(hydra: DictConfig) -> list[Path]:
    """The folders of Hydra's search path (--config-dir puts one in front or behind)."""
    sources = [s for s in hydra.runtime.config_sources if s.schema == "file" and s.path]
    return [Path(s.path) for s in sources if Path(s.path).is_dir()] or [CONF]


def check(
    config: DictConfig, choices: Mapping[str, str | None], folders: Sequence[Path] = (CONF,)
) -> dict[str, Any]:
    """Refuse a config with a key that does not exist, or a value that is not allowed.

    choices: group -> choice, as Hydra's runtime.choices gives them.
    Returns the config, resolved, as plain containers, and completed. Raises InputError.
    """
    refuse_removed(config, folders)
    settings = resolve(config)
    check_settings(settings, choices, folders)
    return complete(settings)


def unknown_in(section: str, key: str, known: Iterable[str]) -> InputError:
    """The error for a key that a section of the root config does not have."""
    return unknown(f"{section}.{key} does not exist.", key, known, f"The keys of {section} are")


def refuse_removed(config: Container[Any], folders: Sequence[Path]) -> None:
    """Raises InputError where a key that every run needs is not there."""
    for key in conf_files.root(folders):
        if key not in config:
            raise InputError(f"{key} was removed, but every run needs it.\nFix: without ~{key}")


def resolve(config: DictConfig) -> dict[str, Any]:
    """The config as plain containers, interpolations replaced. Raises InputError."""
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise InputError(str(error).splitlines()[0]) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def check_settings(
    settings: Mapping[str, Any],
    choices: Mapping[str, str | None],
    folders: Sequence[Path] = (CONF,),
) -> None:
    """The same for a config that is resolved already."""
    refuse_removed(settings, folders)
    if settings.get("data") is None and choices.get("data") is None:
        raise no_experiment(folders)
    expected = conf_files.root(folders)
    _check_root(settings, expected, choices, folders)
    for key, default in expected.items():
        if isinstance(default, dict):
            _check_keys(key, settings[key], default)
        else:
            check_value(key, settings[key])
    for group in GROUPS:
        _check_section(group, str(choices[group]), settings[group], choices, folders)
    check_combination(settings)


def _check_keys(section: str, found: Any, known: Mapping[str, Any]) -> None:
    """A section of the root config, such as sweep, that is no group."""
    if not isinstance(found, dict):
        raise InputError(f"{section}={show(found)} replaces a section with the keys "
                         f"{', '.join(known)}")  # fmt: skip
    for key, value in found.items():
        if key not in known:
            raise unknown_in(section, key, known)
        check_value(f"{section}.{key}", value)
    for key in known:
        if key not in found:
            raise InputError(f"{section}.{key} was removed, but it is needed.")


def _check_root(
    settings: Mapping[str, Any],
    expected: Mapping[str, Any],
    choices: Mapping[str, str | None],
    folders: Sequence[Path],
) -> None:
    known = [*expected, *GROUPS]
    for key in settings:
        if key not in known:
            raise unknown_root(key, [*known], choices, folders)
    for group in GROUPS:
        chosen = choices.get(group)
        if chosen in (None, "base") or not isinstance(settings.get(group), dict):
            names = conf_files.choices(group, folders)
            raise InputError(f"{group}={show(chosen)}: choose one of "
                             f"{', '.join(names)}.\nFix: {group}={names[0]}")  # fmt: skip


def unknown_root(
    path: str,
    known: Sequence[str],
    choices: Mapping[str, str | None],
    folders: Sequence[Path] = (CONF,),
) -> InputError:
    """The error for a path whose first word is neither a setting nor a group."""
    return unknown(
        f"{path} does not exist.", path, known, "The settings and groups are",
        conf_files.paths(choices, folders),
    )  # fmt: skip


def unknown_key(
    path: str,
    group: str,
    choice: str,
    known: Sequence[str],
    by_experiment: str | None = None,
    folders: Sequence[Path] = (CONF,),
) -> InputError:
    """The error for a key that a section does not have.

    by_experiment: the experiment whose file sets it, where it was not the command line.
    """
    word = path.rpartition(".")[2]
    if known:
        error = unknown(
            f"{path} does not exist for {group}={choice}.", word, known, f"The keys of {group} are"
        )
    else:
        error = InputError(f"{path} does not exist: {group}={choice} has no settings.")
    where = path.removeprefix(f"{group}.")
    others = [name for name in conf_files.choices(group, folders)
              if where in conf_files.section(group, name, folders)]  # fmt: skip
    if others:
        error = InputError(f"{error}\n{where} is a key of {group}={'|'.join(others)}")
    if by_experiment is not None:
        return InputError(f"{error}\nThe experiment {by_experiment} sets it. Fix: '~{path}'")
    return error


def _check_section(
    group: str,
    choice: str,
    section: Mapping[str, Any],
    choices: Mapping[str, str | None],
    folders: Sequence[Path],
) -> None:
    experiment = choices.get("experiment")
    file = conf_files.experiment(experiment, folders) if experiment else {}
    expected = conf_files.section(group, choice, folders)

    def walk(path: str, found: Mapping[str, Any], wanted: Mapping[str, Any], set_by: Any) -> None:
        names = [key for key in wanted if key != "_target_"]
        by = set_by if isinstance(set_by, dict) else {}
        for key, value in found.items():
            where = f"{path}.{key}"
            if key not in wanted:
                setter = experiment if key in by else None
                raise unknown_key(where, group, choice, names, setter, folders)
            if isinstance(wanted[key], dict):
                if not isinstance(value, dict):
                    raise InputError(f"{where}={show(value)} replaces a section with the keys "
                                     f"{', '.join(wanted[key])}")  # fmt: skip
                walk(where, value, wanted[key], by.get(key))
            elif key != "_target_":
                check_value(where, value, str(found.get("_target_", "")))
        for key in wanted:
            if key not in found:
                raise InputError(f"{path}.{key} was removed, but every run needs it.")

    walk(group, section, expected, file.get(group))


def check_combination(settings: Mapping[str, Any]) -> None:
    """Settings that are allowed one by one, but not together. Raises InputError."""
    if settings["logger"]["histograms"] and not settings["logger"]["tensorboard"]:
        raise InputError("logger.histograms=true, but nothing is logged.\nFix: logger=tensorboard")
    loss = str(settings["loss"]["_target_"]).rpartition(".")[2]
    model = settings["model"]
    output = str(model.get("output_activation", model.get("activation", "identity")))
    takes = f"loss={loss}" if loss.startswith("bce") else "metrics=[bce]"
    wants = loss.startswith("bce") or "bce" in settings["metrics"]
    if wants and output.removesuffix("_by_hand") not in PROBABILITIES:
        raise InputError(
            f"{takes} takes probabilities, but the output activation is {output}, "
            "whose values are not bounded to 0 and 1.\nFix: model.output_activation=sigmoid"
        )
    if loss.startswith("cross_entropy") and output.removesuffix("_by_hand") == "softmax":
        raise InputError(
            f"loss={loss} takes logits and applies softmax itself, but the output activation "
            f"is {output}: softmax twice.\nFix: model.output_activation=identity"
        )


def without_hydra(config: DictConfig) -> DictConfig:
    """The program's own part of a composed config."""
    found = OmegaConf.masked_copy(config, [k for k in config if k != "hydra"])  # type: ignore
    OmegaConf.copy_cache(from_config=config, to_config=found)  # the stamp of the sweep's directory
    return found


class CheckBeforeRun(Callback):
    """Hydra calls this before it makes the run directory: a refused run leaves nothing."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        try:
            folders = folders_of(config.hydra)
            check(without_hydra(config), config.hydra.runtime.choices, folders)
            refuse_used(Path(config.hydra.run.dir))
        except InputError as error:
            raise Refused(error) from error


def refuse_used(directory: Path) -> None:
    """Raises InputError where a run already lives in the directory."""
    for name in ("result.json", ".hydra"):
        if (directory / name).exists():
            raise InputError(
                f"hydra.run.dir={directory} already holds a run ({name}), which would be "
                "overwritten.\nFix: another directory, or none: each run gets one of its own"
            )

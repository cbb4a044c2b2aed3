"""The keys of cross-validation, and what they mean together. Without torch."""

from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from small_nets.config.errors import InputError

SHOWN = 5  # folds whose numbers a message lists
FOLDS, FOLD, FRACTION = "data.folds", "data.fold", "data.val_fraction"


def let_folds_hold_out(config: DictConfig, typed: Iterable[str]) -> None:
    """Take away a data choice's fraction for validation where folds hold the rows out.

    A fraction that was typed stays, and the check refuses it. typed: keys.
    """
    data = config.get("data")
    if isinstance(data, DictConfig) and data.get("folds") is not None and FRACTION not in typed:
        OmegaConf.update(config, FRACTION, 0.0)


def check_folds(data: Mapping[str, Any]) -> None:
    """Raises InputError for keys of cross-validation that do not go together."""
    folds, fold, fraction = data["folds"], data["fold"], data["val_fraction"]
    if folds is None:
        if fold is not None:
            raise InputError(f"{FOLD}={fold}, but {FOLDS}=null: there are no folds.\n"
                             f"Fix: {FOLDS}=5, or without {FOLD}")  # fmt: skip
        return
    if fraction != 0:
        raise InputError(
            f"{FOLDS}={folds} and {FRACTION}={fraction:g}: each fold is once the validation split, "
            f"so no other rows are held out for it.\nFix: one of them. ({FOLDS}=5 holds out a "
            "fifth; data.test_fraction goes with either)"
        )
    if fold is None:
        every = ",".join(map(str, range(folds))) if folds <= SHOWN else f"range({folds})"
        raise InputError(
            f"{FOLDS}={folds} trains {folds} runs, and this is one.\n"
            f"Fix: -m in front of the overrides (with Hydra's own sweeper also {FOLD}={every}), "
            f"or {FOLD}=0 for one of them"
        )
    if fold >= folds:
        raise InputError(f"{FOLD}={fold} is not allowed: {FOLDS}={folds} are numbered from 0.\n"
                         f"Allowed: 0 to {folds - 1}")  # fmt: skip

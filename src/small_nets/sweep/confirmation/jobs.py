"""The jobs of a confirmation: settings of a stored sweep, under seeds that nobody has seen.

A setting that was chosen among many by its runs has been lucky with their seeds. Its runs under
other seeds say what it is worth.
"""

import itertools
import shlex
from collections.abc import Sequence
from itertools import product

import polars as pl
from omegaconf import OmegaConf

from small_nets.config.conf_files import at
from small_nets.config.data_schema import LARGEST_SEED
from small_nets.config.errors import InputError
from small_nets.config.overrides import key_of
from small_nets.run.outputs.identity import numbers_of
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.family import Family
from small_nets.sweep.jobs.grid import FOLD, IN_A_SETTING, SEEDS
from small_nets.sweep.results.ranking import Ranked, of_setting
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.stored_run import checked_of

STEP = 1_000_000  # seeds of a confirmation begin at the first free multiple of it


def refuse_without_seeds(swept: Sequence[str], flag: str) -> None:
    """Raises InputError where nothing but the settings differs. flag: what was typed."""
    if not set(swept) & set(SEEDS):
        raise InputError(
            f"{flag} trains the best settings under fresh seeds, and this sweep has one seed: "
            "its spread over seeds is not known.\nFix: 'seed=range(20)' as well"
        )


def fresh_seeds(store: Store, count: int) -> range:
    """So many seeds that no run of the sweep has. Raises InputError where there are none left."""
    table = store.read([key for key in SEEDS if key in store.swept])
    typed = [seed for key in table.columns for seed in table[key].drop_nulls()]
    taken = {seed // STEP for seed in typed}
    block = next(b for b in itertools.count(1) if b not in taken)
    if count > STEP or (block + 1) * STEP > LARGEST_SEED:
        raise InputError(f"there are no {count} fresh seeds up to {LARGEST_SEED}.\n"
                         f"Fix: confirm_seeds=32")  # fmt: skip
    return range(block * STEP, block * STEP + count)


def confirmation_jobs(
    store: Store, table: pl.DataFrame, chosen: Sequence[Ranked], seeds: Sequence[int]
) -> list[Job]:
    """A job for each setting, seed and fold. table: the sweep's runs. Raises InputError."""
    jobs: list[Job] = []
    for setting in chosen:
        rows = table.filter(of_setting(setting) & (pl.col("status") != "failed"))
        family, overrides = _family(store, rows)
        folds = rows[FOLD].unique().sort().to_list() if FOLD in family.keys else [None]
        for seed, fold in product(seeds, folds):
            values = tuple(fold if key == FOLD else seed for key in family.keys)
            pairs = zip(family.keys, values, strict=True)
            typed = [*overrides, *(f"{key}={value}" for key, value in pairs if key != _FOLLOWS)]
            job = Job(len(jobs), typed, family, values)
            job.run_id = job.digest(job.settings(), numbers_of)
            jobs.append(job)
    return jobs


_FOLLOWS = "data.split_seed"  # typed only where it was


def _family(store: Store, rows: pl.DataFrame) -> tuple[Family, list[str]]:
    """What the runs of a setting share, the keys that are seeds varying, and its overrides."""
    found = store.configs(rows["run_id"].to_list())
    row = rows.row(0, named=True)
    config = checked_of(store, found, row["run_id"])
    swept = [key for key in SEEDS if key in store.swept]
    keys = swept or ["seed"]
    # A resolved config no longer says that the split follows the seed, as it does by default.
    follows = all(at(c, ("data", "split_seed")) == c.get("seed") for c, _ in found.values())
    if follows and _FOLLOWS not in (*store.swept, *store.about.get("fixed", {})):
        keys = ["seed", _FOLLOWS]
    keys += [FOLD] if FOLD in store.swept else []
    _, choices = found[row["run_id"]]
    config |= {"ckpt": None}
    family = Family(OmegaConf.create(config), config, dict(choices), tuple(keys), {})
    overrides = [o for o in shlex.split(row["overrides"]) if key_of(o) not in IN_A_SETTING]
    return family, overrides

"""What a run leaves behind, and how it ended."""

import hashlib
import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal

from small_nets.config.logging_interval import log_every
from small_nets.config.overrides import SWEEP_ONLY
from small_nets.config.sizes import training_rows
from small_nets.system.atomic_file import write_whole
from small_nets.system.command_names import PACKAGE
from small_nets.system.sealed_json import seal, unseal

if TYPE_CHECKING:
    from small_nets.run.outputs.trajectory import Trajectory  # this file is read without torch

# stopped: by a sweep's halving, at the end of an epoch.
Status = Literal["completed", "diverged", "interrupted", "stopped"]
MAX_PREDICTIONS = 1000
MAX_VALUES = 1000
# What cannot change a number: where things go, how they are shown, how far the run is continued.
NO_NUMBER = (
    *("name", "description", "ckpt", "logger", "engine", *SWEEP_ONLY),
    *("print_every", "print", "pictures"),
    *("data.input_name", "data.target_name", "data.unit", "data.classes", "data.range"),
    "data.path",  # of a table the content counts: data.digest
    "data.drop",  # data.inputs names what it leaves
    *("data.label_type", "data.categories", "data.dropped"),  # which say no more than it
    # Where a value is missing, a run that refuses it is none; what is unseen, no run has seen.
    *("data.missing", "data.unseen"),
)
# What a key of `numbers_of` is made from, beside the same key of the config.
READS = {
    "log_every": ("trainer.max_epochs",),
    "scheduler": ("trainer.max_epochs", "data.batch_size", "data.val_fraction", "data.source"),
}


class _End:
    """What an ending and a result tell alike."""

    status: Status
    kept: int | None

    @property
    def is_lost(self) -> bool:
        """Whether the parameters are what the run diverged to, and not the best before."""
        return self.status == "diverged" and self.kept is None


@dataclass(frozen=True)
class Ending(_End):
    """How training ended; the run's net holds the final parameters.

    epochs: those done. curves: "step" and each metric, one value a logged point; the last step
    is where training ended. kept: the step whose parameters early stopping kept, None for the
    last one. stopped_early: whether early stopping ended it before the last epoch. logged: whether
    the points have gone to the run's logger already. path: the parameters along training, None
    where nobody recorded them.
    """

    status: Status
    epochs: int
    curves: dict[str, list[float]]
    kept: int | None = None
    stopped_early: bool = False
    logged: bool = False
    path: "Trajectory | None" = None


@dataclass
class Result(_End):
    """The contract for every reader of a run. Losses are in normalised units.

    metrics: final values by name; baseline: the losses of the constant predictor, and for the
    numbers of a table its RMSE, which like R² is of raw units.
    predictions: {"input", "prediction", "target" or None} in raw units.
    parameters: name -> {"shape", "values" (None above 1,000 numbers), "gradient" (likewise)}.
    curves: "step" and each metric, one value a logged point. kept: the step whose parameters,
    metrics and predictions these are, where early stopping kept the best ones; else None. A run
    that diverged afterwards is `diverged` all the same. stopped_early: whether early stopping ended
    training before the last epoch. seconds: {"fit", "total"}.
    steps: optimizer steps done; of a diverged run, those after which a loss was not finite.
    """

    experiment: str
    seed: int
    status: Status
    epochs: int
    steps: int
    kept: int | None
    stopped_early: bool
    metrics: dict[str, float]
    baseline: dict[str, float]
    predictions: list[dict[str, Any]]
    parameters: dict[str, dict[str, Any]]
    curves: dict[str, list[float]]
    config: dict[str, Any]
    run_id: str
    seconds: dict[str, float]
    versions: dict[str, str]
    git: dict[str, Any] | None

    def write(self, directory: Path, sync: bool = True) -> None:
        """result.json, written whole, its digest first; sync: as `write_whole` has it.

        Numbers that are not finite become null, since JSON has no name for them.
        """
        text = seal(_finite(vars(self)), indent=1, allow_nan=False)
        write_whole(directory / "result.json", text, sync)


# The types that JSON gives each field of a result.
KINDS: dict[str, tuple[type, ...]] = {
    "experiment": (str,), "seed": (int,), "status": (str,), "epochs": (int,), "steps": (int,),
    "kept": (int, NoneType), "stopped_early": (bool,),
    "metrics": (dict,), "baseline": (dict,), "predictions": (list,),
    "parameters": (dict,), "curves": (dict,), "config": (dict,), "run_id": (str,),
    "seconds": (dict,), "versions": (dict,), "git": (dict, NoneType),
}  # fmt: skip


def read_result(path: Path) -> Result:
    """What `Result.write` wrote; what was not finite is NaN. Raises ValueError, OSError."""
    found = unseal(path.read_bytes())
    for key, kinds in KINDS.items():
        if type(found.get(key)) not in kinds:
            raise ValueError(f"its {key} is none that this program writes")
    curves = found["curves"].values()
    if not all(isinstance(c, list) and all(map(_is_value, c)) for c in curves):
        raise ValueError("its curves are no lists of numbers")
    if len({len(c) for c in curves}) != 1 or "step" not in found["curves"]:
        raise ValueError("its curves have different lengths")
    for key in ("metrics", "baseline"):
        if not all(map(_is_value, found[key].values())):
            raise ValueError(f"a value of its {key} is no number")
        found[key] = {name: _number(value) for name, value in found[key].items()}
    found["curves"] = {name: [_number(v) for v in c] for name, c in found["curves"].items()}
    return Result(**{key: found[key] for key in KINDS})


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _is_value(value: object) -> bool:
    return value is None or type(value) in (int, float)


# One encoder: json.dumps would make one at each call.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


def numbers_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that can change a number of the result.

    What null stands for is the same run when it is spelled out: the points that are logged, the
    steps of a schedule, a batch of all rows. Of a table the rows are not known here, so that
    there only the first is.
    """
    kept = {key: value for key, value in config.items() if key not in NO_NUMBER}
    kept["data"] = {k: v for k, v in config["data"].items() if f"data.{k}" not in NO_NUMBER}
    kept["log_every"] = log_every(config)
    rows, size = training_rows(config["data"]), config["data"]["batch_size"]
    if size is not None and size == rows:
        size = kept["data"]["batch_size"] = None
    batches = 1 if size is None else None if rows is None else -(-rows // size)
    if config["scheduler"].get("steps", 0) is None and batches is not None:
        steps = max(config["trainer"]["max_epochs"] * batches, 1)
        kept["scheduler"] = config["scheduler"] | {"steps": steps}
    return kept


def pair_text(key: str, value: Any) -> str:
    """One entry of a mapping in JSON, the same text for equal plain containers."""
    return f"{_encode(key)}:{_encode(value)}"


def digest(content: Any, known: Mapping[str, str] | None = None) -> str:
    """16 hexadecimal digits of a hash of plain containers.

    known: of a mapping, the `pair_text` of some of its keys, made before.
    """
    if known:
        texts = [known.get(key) or pair_text(key, content[key]) for key in sorted(content)]
        text = f"{{{','.join(texts)}}}"
    else:
        text = _encode(content)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_id(config: Mapping[str, Any]) -> str:
    """A hash of everything in a resolved config that can change a number of the result."""
    return digest(numbers_of(config))


@cache
def versions() -> dict[str, str]:
    """The versions that can change a number."""
    packages = ("torch", "lightning", "hydra-core", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


@cache
def git_state() -> dict[str, Any] | None:
    """The commit of this program and whether files differ from it; None outside a checkout."""
    # Where it is installed, a repository around the environment is another one.
    here = PACKAGE.parents[1]
    if not (here / ".git").exists():
        return None
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=here, env=environment, capture_output=True, text=True,
                timeout=5, check=False, start_new_session=True,  # Ctrl-C is not for it
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None  # no git here, or one that hangs: the result is worth more than its commit
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}

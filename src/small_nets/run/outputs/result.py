"""The result of a run: what result.json holds, with the versions that made it."""

import math
import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal

from small_nets.system.atomic_file import write_whole
from small_nets.system.command_names import PACKAGE
from small_nets.system.sealed_json import seal, unseal

if TYPE_CHECKING:
    from small_nets.run.outputs.trajectory import Trajectory  # not imported, as it needs torch

# "stopped" means by a sweep's halving, at the end of an epoch.
Status = Literal["completed", "diverged", "interrupted", "stopped"]
MAX_PREDICTIONS = 1000  # in result.json
MAX_VALUES = 1000  # of a parameter in result.json


class _End:
    """What an ending and a result have in common."""

    status: Status
    kept: int | None

    @property
    def is_lost(self) -> bool:
        """Whether the parameters are those of divergence, not the best ones before it."""
        return self.status == "diverged" and self.kept is None


@dataclass(frozen=True)
class Ending(_End):
    """How training ended. The run's net holds the final parameters.

    - epochs: how many were done
    - curves: "step" and each metric -> a value for each logged point; the last step is where
      training ended
    - kept: the step whose parameters early stopping kept; None for the last one
    - stopped_early: whether early stopping ended training before the last epoch
    - logged: whether the run's logger has the points already
    - path: the parameters along training; None where they were not recorded
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
    """What result.json holds, for every reader of a run. Losses are in normalised units.

    - steps: optimizer steps done; for a diverged run, up to the first loss that was not finite
    - kept: the step whose parameters, metrics and predictions these are, where early stopping kept
      the best ones; else None. A run that diverged later is `diverged`
    - stopped_early: whether early stopping ended training before the last epoch
    - metrics: name -> final value
    - baseline: the losses of the constant predictor; for a table of numbers also its RMSE, which
      like R² is in raw units
    - predictions: {"input", "prediction", "target" or None}, in raw units
    - parameters: name -> {"shape", "values", "gradient" of train/loss at these values, after step
      `kept` or else `steps`}; the last two are None above 1,000 numbers
    - curves: "step" and each metric -> a value for each logged point
    - seconds: {"fit", "total"}
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
        """Write result.json, with its digest first. sync: see `write_whole`. Raises OSError.

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
    """Read what `Result.write` wrote. null becomes NaN. Raises ValueError, OSError."""
    found = unseal(path.read_bytes())
    for key, kinds in KINDS.items():
        if type(found.get(key)) not in kinds:
            raise ValueError(f"its {key} is not in the form that this program writes")
    curves = found["curves"].values()
    if not all(isinstance(c, list) and all(map(_is_value, c)) for c in curves):
        raise ValueError("its curves are not lists of numbers")
    if len({len(c) for c in curves}) != 1 or "step" not in found["curves"]:
        raise ValueError("its curves have different lengths")
    for key in ("metrics", "baseline"):
        if not all(map(_is_value, found[key].values())):
            raise ValueError(f"a value of its {key} is not a number")
        found[key] = {name: _number(value) for name, value in found[key].items()}
    found["curves"] = {name: [_number(v) for v in c] for name, c in found["curves"].items()}
    return Result(**{key: found[key] for key in KINDS})


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _is_value(value: object) -> bool:
    return value is None or type(value) in (int, float)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


@cache
def versions() -> dict[str, str]:
    """The versions of Python and of the packages that can change a number."""
    packages = ("torch", "lightning", "hydra-core", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


@cache
def git_state() -> dict[str, Any] | None:
    """The commit of this program, and whether files differ from it; None outside a checkout."""
    # An installed package may lie inside another repository, which does not count.
    here = PACKAGE.parents[1]
    if not (here / ".git").exists():
        return None
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=here, env=environment, capture_output=True, text=True,
                timeout=5, check=False, start_new_session=True,  # so that Ctrl-C does not reach it
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None  # git is missing or hangs; a result without a commit is better than none
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}

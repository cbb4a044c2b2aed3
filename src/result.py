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
from typing import TYPE_CHECKING, Any, Literal

from src.overrides import SWEEP_ONLY

if TYPE_CHECKING:
    from src.trajectory import Trajectory  # this file is read without torch

# stopped: by a sweep's halving, at the end of an epoch.
Status = Literal["completed", "diverged", "interrupted", "stopped"]
MAX_PREDICTIONS = 1000
MAX_VALUES = 1000
# What cannot change a number: where things go, how they are shown, how far the run is continued.
NO_NUMBER = (
    *("name", "description", "print_every", "ckpt", "logger", "engine", "pictures", *SWEEP_ONLY),
    *("data.input_name", "data.target_name", "data.unit", "data.classes", "data.range"),
    "data.path",  # of a table the content counts: data.digest
)


@dataclass(frozen=True)
class Ending:
    """How training ended; the run's net holds the final parameters.

    epochs: those done. curves: "step" and each metric, one value a logged point; the last step
    is where training ended. kept: the step whose parameters early stopping kept, None for the
    last one. logged: whether the points have gone to the run's logger already. path: the
    parameters along training, None where nobody recorded them.
    """

    status: Status
    epochs: int
    curves: dict[str, list[float]]
    kept: int | None = None
    logged: bool = False
    path: "Trajectory | None" = None


@dataclass
class Result:
    """The contract for every reader of a run. Losses are in normalised units.

    metrics: final values by name; baseline: the losses of the constant predictor, and for the
    numbers of a table its RMSE, which like R² is of raw units.
    predictions: {"input", "prediction", "target" or None} in raw units.
    parameters: name -> {"shape", "values" (None above 1,000 numbers), "gradient" (likewise)}.
    curves: "step" and each metric, one value a logged point. seconds: {"fit", "total"}.
    steps: optimizer steps done; of a diverged run, those after which a loss was not finite.
    """

    experiment: str
    seed: int
    status: Status
    epochs: int
    steps: int
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

    def write(self, directory: Path) -> None:
        """result.json, written whole: to a temporary name, then renamed.

        Numbers that are not finite become null, since JSON has no name for them.
        """
        text = json.dumps(_finite(vars(self)), indent=1, allow_nan=False)
        temporary = directory / "result.json.tmp"
        temporary.write_text(text)
        temporary.replace(directory / "result.json")


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
    """The part of a resolved config that can change a number of the result."""
    kept = {key: value for key, value in config.items() if key not in NO_NUMBER}
    kept["data"] = {k: v for k, v in config["data"].items() if f"data.{k}" not in NO_NUMBER}
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
    here = Path(__file__).parent
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=here, env=environment, capture_output=True, text=True,
                timeout=5, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None  # no git here, or one that hangs: the result is worth more than its commit
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}

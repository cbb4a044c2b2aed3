"""A run that is over, read from its directory, or by its sweep from the store, for every reader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from small_nets.config.errors import InputError
from small_nets.config.stored_config import check_stored
from small_nets.run.outputs.result import Result, read_result
from small_nets.run.outputs.saved_config import RESULT, find_config, refuse_changed

if TYPE_CHECKING:
    # torch only where something is built: a wrong directory is answered at once.
    from torch import Tensor, nn

    from small_nets.run.outputs.raw_net import RawNet
    from small_nets.run.outputs.trajectory import Trajectory
    from small_nets.run.outputs.weights import Weights
    from small_nets.run.spec import Run


@dataclass(frozen=True)
class StoredRun:
    """What a run left. All of it is data, and is checked before anything is built from it.

    config: resolved, and checked like a typed one. tell: reads how the run ended, once that is
    asked for; None where nothing is left that says so. Raises InputError.
    """

    directory: Path
    config: dict[str, Any]
    weights: "Weights"
    tell: Callable[[], Result] | None

    @classmethod
    def read(cls, directory: Path) -> "StoredRun":
        """A run from its own directory, the result only later. Raises InputError."""
        found, place = find_config(directory)
        from small_nets.run.outputs.weights import load_weights

        weights = load_weights(directory / "weights.safetensors")
        if isinstance(found.get("data"), dict):
            found["data"] |= weights.table or {}
        config, path = check_stored(found, f"the config in {place}"), directory / RESULT
        return cls(directory, config, weights, partial(_result, path) if path.is_file() else None)

    @cached_property
    def result(self) -> Result:
        """How it ended. Raises InputError where nothing says so that can be believed."""
        return _result(self.directory / RESULT) if self.tell is None else self.tell()

    @property
    def is_diverged(self) -> bool:
        """Whether the weights are what it diverged to, and not the best before.

        False where nothing is left that says how it ended. Raises InputError, as `result` does.
        """
        return self.tell is not None and self.result.is_lost

    @cached_property
    def net(self) -> "RawNet":
        """The trained net between raw units, in eval mode. Raises InputError."""
        from small_nets.data.sources import dtype_of
        from small_nets.run.build.build import build_net
        from small_nets.run.outputs.raw_net import RawNet
        from small_nets.run.outputs.weights import fill

        weights, dtype = self.weights, dtype_of(self.config["precision"])
        net = build_net(self.config["model"], len(weights.input.shift), weights.outputs)
        fill(net.to(dtype), weights.parameters)
        refuse_changed(self.directory)
        return RawNet(net, weights.input, weights.target, dtype).eval()

    def output(self, rows: "Tensor") -> "Tensor":
        """Raw inputs (rows, features) to the net's outputs (rows, outputs), in normalised units.

        Raises InputError where a row is beyond the numbers that the net computes in.
        """
        import torch

        given = self.net.to_network(rows)
        wrong = ~given.isfinite().all(dim=1)
        if bool(wrong.any()):
            row = int(wrong.nonzero()[0])
            raise InputError(
                f"row {row + 1} holds {rows[row].tolist()}, beyond the numbers that "
                f"float{self.config['precision']} holds.\nFix: numbers like those it was "
                "trained on"
            )
        with torch.no_grad():
            return self.net.net(given)

    def predict(self, rows: "Tensor") -> "Tensor":
        """Raw inputs (rows, features) to raw predictions (rows, outputs), float64.

        Raises InputError, as `output` does.
        """
        return self.net.to_raw(self.output(rows))

    def run(self) -> "Run":
        """The whole run with its data, as its training left it. Raises InputError."""
        run = trained(self.config, self.weights.parameters)
        refuse_changed(self.directory)
        return run

    def path(self, net: "nn.Module") -> "Trajectory | None":
        """This net's parameters along training; None where the run left none. Raises InputError."""
        from small_nets.run.outputs.trajectory import load_trajectory

        stored = self.directory / "path.safetensors"
        return load_trajectory(stored, net) if stored.is_file() else None


def trained(config: Mapping[str, Any], parameters: "Mapping[str, Tensor]") -> "Run":
    """The run of a checked config as its training left it. Raises InputError."""
    from small_nets.run.build.build import build
    from small_nets.run.outputs.weights import fill

    run = build(dict(config) | {"ckpt": None})
    fill(run.net, parameters)
    run.net.eval()
    return run


def _result(path: Path) -> Result:
    try:
        return read_result(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not the result of a run: {error}\n"
            "Expected: the directory of a finished run, below outputs/"
        ) from error

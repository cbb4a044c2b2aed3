"""A finished run, read from its directory. A sweep's store returns its runs in the same form."""

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
    # torch is imported only to build something, so that a wrong directory is answered at once.
    from torch import Tensor, nn

    from small_nets.run.outputs.raw_net import RawNet
    from small_nets.run.outputs.trajectory import Trajectory
    from small_nets.run.outputs.weights import Weights
    from small_nets.run.spec import Run


@dataclass(frozen=True)
class StoredRun:
    """A finished run. Everything that was read is checked before anything is built from it.

    config: resolved, and checked as one that is typed. tell: reads the result when it is needed,
    and may raise InputError; None where there is no result.
    """

    directory: Path
    config: dict[str, Any]
    weights: "Weights"
    tell: Callable[[], Result] | None

    @classmethod
    def read(cls, directory: Path) -> "StoredRun":
        """Read a run from its own directory. The result is read later. Raises InputError."""
        found, place = find_config(directory)
        from small_nets.run.outputs.weights import load_weights

        weights = load_weights(directory / "weights.safetensors")
        if isinstance(found.get("data"), dict):
            found["data"] |= weights.table or {}
        config, path = check_stored(found, f"the config in {place}"), directory / RESULT
        return cls(directory, config, weights, partial(_result, path) if path.is_file() else None)

    @cached_property
    def result(self) -> Result:
        """The result. Raises InputError where it is missing or broken."""
        return _result(self.directory / RESULT) if self.tell is None else self.tell()

    @property
    def is_diverged(self) -> bool:
        """Whether the weights are those of divergence, not the best ones before it.

        False where there is no result. Raises InputError where the result is broken.
        """
        return self.tell is not None and self.result.is_lost

    @cached_property
    def net(self) -> "RawNet":
        """The trained net from raw inputs to raw predictions, in eval mode. Raises InputError."""
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
        """The net's outputs (rows, outputs), in normalised units, for raw rows (rows, features).

        Raises InputError where a row has numbers beyond the net's precision.
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
        """The predictions (rows, outputs), raw, float64, for raw rows (rows, features).

        Raises InputError, as `output` does.
        """
        return self.net.to_raw(self.output(rows))

    def run(self) -> "Run":
        """Build the run with its data and its trained net. Raises InputError."""
        run = trained(self.config, self.weights.parameters)
        refuse_changed(self.directory)
        return run

    def path(self, net: "nn.Module") -> "Trajectory | None":
        """The parameters of `net` along training; None where they were not stored.

        Raises InputError where the file is broken.
        """
        from small_nets.run.outputs.trajectory import load_trajectory

        stored = self.directory / "path.safetensors"
        return load_trajectory(stored, net) if stored.is_file() else None


def trained(config: Mapping[str, Any], parameters: "Mapping[str, Tensor]") -> "Run":
    """Build the run of a checked config with its trained parameters. Raises InputError."""
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

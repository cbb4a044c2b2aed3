"""TensorBoard's event files: of a run as it goes on, and files written at once."""

import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event  # type: ignore
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch.utils.tensorboard.writer import SummaryWriter

from small_nets.run.outputs.hparams import BEHIND, scalars, tag

# Time, machine, process and a count, as the writer names a file.
_NAME = re.compile(r"events\.out\.tfevents\.\d+\..+\.\d+\.\d+")


class TensorBoard:
    """One event file, directly in the run directory, begun by what is logged first.

    suffix: of the file's name. Older files of that suffix go.
    """

    def __init__(self, directory: Path, suffix: str = "") -> None:
        if suffix:
            remove_events(directory, suffix)
        self.directory, self.suffix = directory, suffix
        self._experiment: SummaryWriter | None = None

    @property
    def experiment(self) -> SummaryWriter:
        """torch's writer of the file."""
        if self._experiment is None:
            # A thread writes; with a short queue a run that is over would wait at each point.
            self._experiment = SummaryWriter(
                str(self.directory), max_queue=1000, filename_suffix=self.suffix
            )
        return self._experiment

    def close(self) -> None:
        """After the last picture; no file where nothing was logged."""
        if self._experiment is not None:
            self._experiment.close()

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """A point of each metric's curve."""
        for name, value in metrics.items():
            self.experiment.add_scalar(tag(name), value, step)

    def log_curves(self, curves: Mapping[str, Sequence[float]]) -> None:
        """All points of a run that is over: "step" and each metric; what is not finite is not."""
        for i, step in enumerate(curves["step"]):
            values = {
                name: curve[i]
                for name, curve in curves.items()
                if name != "step" and math.isfinite(curve[i])
            }
            self.log_summary(scalars(values), int(step))

    def log_png(self, name: str, png: bytes, width: int, height: int, step: int) -> None:
        """A picture as it lies on disk, drawn once."""
        image = Summary.Image(encoded_image_string=png, colorspace=4, width=width, height=height)
        value = Summary.Value(tag=f"{BEHIND} {name}", image=image)
        self.log_summary(Summary(value=[value]), step)

    def log_summary(self, summary: Summary, step: int) -> None:
        """A record as it stands."""
        self.experiment._get_file_writer().add_summary(summary, step)


def remove_events(directory: Path, suffix: str) -> None:
    """Remove the event files of a suffix, which only this program gives; not through a link."""
    for old in directory.glob(f"events.out.tfevents.*{suffix}"):
        if _NAME.fullmatch(old.name.removesuffix(suffix)) and not old.is_symlink():
            old.unlink()


def write_events(directory: Path, records: Iterable[tuple[int, Summary]], suffix: str) -> None:
    """An event file of its own with these (step, record), its name ending in the suffix.

    Older ones of that suffix go: TensorBoard would show both. Raises OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    remove_events(directory, suffix)
    writer = EventFileWriter(str(directory), filename_suffix=suffix)
    for step, summary in records:
        writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    writer.close()

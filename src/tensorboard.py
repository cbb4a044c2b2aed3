"""Lightning's TensorBoard logger, with HParams written as TensorBoard's plugin reads them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata  # type: ignore
from tensorboard.plugins.hparams import metadata, plugin_data_pb2


class TensorBoard(TensorBoardLogger):
    """One event file, directly in the run directory, and no `hp_metric = -1`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(save_dir=directory, name="", version="", default_hp_metric=False)

    def save(self) -> None:
        """Nothing beside the events: Lightning would add an empty hparams.yaml."""

    def finalize(self, status: str) -> None:
        """Flushes. Lightning ends its logger with the fit, and a second file would begin."""
        if self._experiment is not None:
            self.experiment.flush()

    def close(self) -> None:
        """After the last picture."""
        self.experiment.close()

    def log_curves(self, curves: Mapping[str, Sequence[float]]) -> None:
        """All points of a run that is over: "step" and each metric; what is not finite is not."""
        for i, step in enumerate(curves["step"]):
            values = [
                Summary.Value(tag=name, simple_value=curve[i])
                for name, curve in curves.items()
                if name != "step" and math.isfinite(curve[i])
            ]
            self.log_summary(Summary(value=values), int(step))

    def log_png(self, tag: str, png: bytes, width: int, height: int, step: int) -> None:
        """A picture as it lies on disk, drawn once."""
        image = Summary.Image(encoded_image_string=png, colorspace=4, width=width, height=height)
        self.log_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)

    def log_settings(self, settings: Mapping[str, Any]) -> None:
        """The settings of this run, for the HParams tab; its metrics are the run's scalars.

        Written as a protobuf of its own: neither Lightning nor torch does without a fake
        metric, and TensorBoard's own helper wants TensorFlow. No experiment record is written
        either, since the plugin then takes the union of all runs' settings.
        """
        start = plugin_data_pb2.SessionStartInfo()  # type: ignore
        for name, value in settings.items():
            field = start.hparams[name]
            if isinstance(value, bool):
                field.bool_value = value
            elif isinstance(value, int | float):
                field.number_value = value
            else:
                field.string_value = str(value)
        self._session(metadata.SESSION_START_INFO_TAG, session_start_info=start)

    def log_end(self, completed: bool) -> None:
        """How the run ended, for the HParams tab."""
        success, failure = 1, 3  # tensorboard.plugins.hparams.api_pb2.Status
        end = plugin_data_pb2.SessionEndInfo(status=success if completed else failure)  # type: ignore
        self._session(metadata.SESSION_END_INFO_TAG, session_end_info=end)

    def _session(self, tag: str, **info: Any) -> None:
        content = plugin_data_pb2.HParamsPluginData(**info, version=0)  # type: ignore
        about = SummaryMetadata(
            plugin_data=SummaryMetadata.PluginData(
                plugin_name=metadata.PLUGIN_NAME, content=content.SerializeToString()
            )
        )
        value = Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)
        self.log_summary(Summary(value=[value]), 0)

    def log_summary(self, summary: Summary, step: int) -> None:
        """A record as it stands."""
        self.experiment._get_file_writer().add_summary(summary, step)

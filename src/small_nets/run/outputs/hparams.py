"""What TensorBoard's own tabs read beside scalars: HParams sessions, custom-scalars layouts.

Written as the protobufs that the plugins read: neither Lightning nor torch can set a session
group or do without a fake metric, torch's margin charts hold one series, and TensorBoard's own
helper wants TensorFlow.

No HParams experiment record: of several below one --logdir the plugin takes the first it finds,
and the columns of all other sweeps and runs would be gone. Without one it makes the columns,
their domains and the metrics from the sessions themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata  # type: ignore
from tensorboard.compat.proto.tensor_pb2 import TensorProto  # type: ignore
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto  # type: ignore
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as layout_metadata
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

# Of settings that do not differ the tab ticks the first five by name, and nothing else tells it
# which: a blank in front comes before every letter.
TICKED = ("experiment", "model.width", "optimizer", "optimizer.lr", "trainer.max_epochs")


def column(name: str) -> str:
    """What a setting is called in the HParams tab."""
    return f" {name}" if name in TICKED else name


def session(group: str, settings: Mapping[str, Any], completed: bool) -> Summary:
    """A run as a session: its settings, and how it ended; its metrics are the run's scalars.

    group: sessions of one name are trials of one group, whose metrics the tab averages, and
    whose settings it takes from any of them: what differs within it, such as the seed, must
    not be among the settings. A setting of None has no value.
    """
    start = plugin_data_pb2.SessionStartInfo(group_name=group)  # type: ignore
    for name, value in settings.items():
        field = start.hparams[column(name)]
        if isinstance(value, bool):
            field.bool_value = value
        elif isinstance(value, int | float):
            field.number_value = value
        elif value is not None:
            field.string_value = str(value)
    status = api_pb2.STATUS_SUCCESS if completed else api_pb2.STATUS_FAILURE  # type: ignore
    end = plugin_data_pb2.SessionEndInfo(status=status)  # type: ignore
    return Summary(
        value=[
            _record(metadata.SESSION_START_INFO_TAG, session_start_info=start),
            _record(metadata.SESSION_END_INFO_TAG, session_end_info=end),
        ]
    )


def _record(tag: str, **info: Any) -> Any:
    content = plugin_data_pb2.HParamsPluginData(**info, version=0)  # type: ignore
    about = SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(
            plugin_name=metadata.PLUGIN_NAME, content=content.SerializeToString()
        )
    )
    return Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)


@dataclass(frozen=True)
class Margin:
    """A line with a band: the tags of its middle, its lower and its upper edge."""

    middle: str
    low: str
    high: str


def layout(category: str, charts: Mapping[str, Sequence[str] | Sequence[Margin]]) -> Summary:
    """A category of the custom-scalars tab: title of a chart -> its tags (patterns), or margins."""
    found = []
    for title, series in charts.items():
        margins = [s for s in series if isinstance(s, Margin)]
        if margins:
            content = layout_pb2.MarginChartContent(  # type: ignore
                series=[
                    layout_pb2.MarginChartContent.Series(value=m.middle, lower=m.low, upper=m.high)  # type: ignore
                    for m in margins
                ]
            )
            found.append(layout_pb2.Chart(title=title, margin=content))  # type: ignore
        else:
            content = layout_pb2.MultilineChartContent(tag=series)  # type: ignore
            found.append(layout_pb2.Chart(title=title, multiline=content))  # type: ignore
    whole = layout_pb2.Layout(category=[layout_pb2.Category(title=category, chart=found)])  # type: ignore
    tensor = TensorProto(
        dtype="DT_STRING", string_val=[whole.SerializeToString()], tensor_shape=TensorShapeProto()
    )
    about = layout_metadata.create_summary_metadata()
    tag = layout_metadata.CONFIG_SUMMARY_TAG
    return Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=about)])


def scalars(values: Mapping[str, float]) -> Summary:
    """Scalars of one step, by the name of the metric."""
    return Summary(value=[Summary.Value(tag=tag(n), simple_value=v) for n, v in values.items()])


# TensorBoard sorts all charts, histograms and pictures of a run by name. The loss curves come
# first: what else there is has a name behind "val".
BEHIND = "view"


def tag(metric: str) -> str:
    """What a metric is called in TensorBoard, where those of each split stand together.

    "best/val/loss" is "val/loss (best)"; "mse", which belongs to no split, "view numbers/mse".
    """
    which, _, name = metric.partition("/")
    if which in ("best", "kept"):
        return f"{tag(name)} ({which})"
    return metric if which in ("train", "val") else f"{BEHIND} numbers/{metric}"


def loss_charts(is_normalised: bool) -> Summary:
    """The custom-scalars tab of a run: both losses in one chart."""
    of = ", of normalised targets" if is_normalised else ""
    return layout("losses", {f"training and validation loss{of}": ["train/loss", "val/loss"]})

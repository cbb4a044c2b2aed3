"""Histograms of parameters, gradients and hidden activations for TensorBoard."""

from collections.abc import Mapping

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary  # type: ignore
from torch import Tensor, nn

from small_nets.run.outputs.hparams import BEHIND

MOST_BINS = 30  # as TensorFlow's own summaries have; torch's default has 1,500
ROWS = 1000  # of a split that activations are taken on


def histograms(
    net: nn.Module, gradients: Mapping[str, Tensor], activations: Mapping[str, Tensor]
) -> Summary:
    """Histograms of each parameter (`view parameters/NAME`), gradient and activation by name.

    activations: layer -> its output for the first ROWS rows of the training split, which are
    a random sample of a large one where the split is shuffled.

    One record for all of them, and no more bins than the values can fill: TensorBoard's
    writer computes a checksum byte by byte in Python, on a thread that holds up training.
    Tensors that are not finite have no histogram.
    """
    named = {f"parameters/{name}": p.detach() for name, p in net.named_parameters()}
    named |= {f"gradients/{name}": gradient for name, gradient in gradients.items()}
    named |= {f"activations/{name}": output for name, output in activations.items()}
    values = [
        Summary.Value(tag=f"{BEHIND} {name}", histo=histogram)
        for name, tensor in named.items()
        if (histogram := _histogram(tensor)) is not None
    ]
    return Summary(value=values)


def _histogram(tensor: Tensor) -> HistogramProto | None:
    array = tensor.double().flatten().cpu().numpy()
    if not np.isfinite(array).all():
        return None
    low, high = float(array.min()), float(array.max())
    margin = 1e-6 * max(abs(low), abs(high), 1e-6)
    if high - low < margin:  # numpy refuses bins narrower than the spacing of floats
        counts, edges = np.array([array.size]), np.array([low - margin, high + margin])
    else:
        counts, edges = np.histogram(array, bins=min(MOST_BINS, 2 * array.size))
    return HistogramProto(
        min=low,
        max=high,
        num=array.size,
        sum=float(array.sum()),
        sum_squares=float(array @ array),
        bucket_limit=edges[1:].tolist(),
        bucket=counts.tolist(),
    )

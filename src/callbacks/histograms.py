"""Histograms of parameters and gradients for TensorBoard."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

BINS = 30  # as TensorFlow's own summaries have; torch's default of 1,500 bins costs 1 ms each


def log_histograms(
    writer: SummaryWriter, net: nn.Module, gradients: Mapping[str, Tensor], step: int
) -> None:
    """One histogram for each parameter (`parameters/NAME`) and gradient (`gradients/NAME`)."""
    for name, parameter in net.named_parameters():
        _log(writer, f"parameters/{name}", parameter.detach(), step)
    for name, gradient in gradients.items():
        _log(writer, f"gradients/{name}", gradient, step)


def _log(writer: SummaryWriter, tag: str, values: Tensor, step: int) -> None:
    array = values.double().flatten().cpu().numpy()
    if not np.isfinite(array).all():
        return  # TensorBoard cannot draw it; the run ends as diverged at this point anyway
    low, high = float(array.min()), float(array.max())
    # Nearly equal values: numpy refuses bins narrower than the spacing of floats.
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-30):
        low, high = low - 1e-6 * max(abs(low), 1e-6), high + 1e-6 * max(abs(high), 1e-6)
    counts, edges = np.histogram(array, bins=BINS, range=(low, high))
    writer.add_histogram_raw(
        tag,
        min=float(array.min()),
        max=float(array.max()),
        num=array.size,
        sum=float(array.sum()),
        sum_squares=float(array @ array),
        bucket_limits=edges[1:].tolist(),
        bucket_counts=counts.tolist(),
        global_step=step,
    )

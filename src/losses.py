"""Losses: pure functions (prediction, target) -> scalar, both of shape (rows, outputs).

Every loss is a mean. Shapes match or a ValueError names both: a (n,) target against an
(n, 1) prediction would broadcast to (n, n) and train on nonsense.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]

BOUND = 9.999999960041972e-13  # torch's 1e-12, which its kernels hold as a float32


def _check(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape:
        raise ValueError(
            f"the prediction has shape {tuple(prediction.shape)} and the target "
            f"{tuple(target.shape)}; they must be the same"
        )


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over all elements."""
    _check(prediction, target)
    return F.mse_loss(prediction, target)


def mse_by_hand(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error, written out."""
    _check(prediction, target)
    return ((prediction - target) ** 2).mean()


def bce(prediction: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of probabilities; torch clamps each logarithm at -100."""
    _check(prediction, target)
    try:
        return F.binary_cross_entropy(prediction, target)
    except RuntimeError:
        # torch refuses a NaN as no probability; to a run it is divergence, an outcome.
        if bool(torch.isfinite(prediction).all()):
            raise
        return prediction.sum() * torch.nan


def bce_by_hand(prediction: Tensor, target: Tensor) -> Tensor:
    """-mean(y log p + (1 - y) log(1 - p)), the logarithms clamped at -100 as torch does.

    A clamped logarithm has no gradient where p is exactly 0 or 1, and log's own would be
    infinite there; torch's formula (p - y) / max(p (1 - p), 1e-12) is kept by a custom
    gradient.
    """
    _check(prediction, target)
    return _ClampedBCE.apply(prediction, target)  # type: ignore[no-any-return]


class _ClampedBCE(torch.autograd.Function):
    """Value and gradient of binary cross-entropy at the ends of [0, 1], as torch has them."""

    generate_vmap_rule = True

    @staticmethod
    def forward(p: Tensor, y: Tensor) -> Tensor:
        log_p = torch.log(p).clamp(min=-100)
        log_q = torch.log1p(-p).clamp(min=-100)
        return -(y * log_p + (1 - y) * log_q).mean()

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[override]
        p, y = ctx.saved_tensors
        return grad * (p - y) / (p * (1 - p)).clamp(min=BOUND) / p.numel(), None


def bce_log_odds(prediction: Tensor, target: Tensor) -> Tensor:
    """-mean(y log(p / (1 - p)) + log(1 - p)), as the formula stands: NaN where p is 1."""
    _check(prediction, target)
    odds = prediction / (1 - prediction)
    return -(target * torch.log(odds) + torch.log(1 - prediction)).mean()


def cross_entropy(prediction: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits against class probabilities, mean over the rows."""
    _check(prediction, target)
    return F.cross_entropy(prediction, target)


def cross_entropy_by_hand(prediction: Tensor, target: Tensor) -> Tensor:
    """-mean over rows of Σ target · log softmax(prediction), by the log-sum-exp trick."""
    _check(prediction, target)
    shifted = prediction - prediction.max(dim=-1, keepdim=True).values.detach()
    log_softmax = shifted - torch.log(torch.exp(shifted).sum(dim=-1, keepdim=True))
    return -(target * log_softmax).sum(dim=-1).mean()


def accuracy(prediction: Tensor, target: Tensor) -> Tensor:
    """The fraction of rows that are right: (rows, 1) above 0.5, (rows, classes) by the largest."""
    _check(prediction, target)
    if prediction.shape[-1] == 1:
        return ((prediction > 0.5) == (target > 0.5)).to(prediction.dtype).mean()
    return (prediction.argmax(dim=-1) == target.argmax(dim=-1)).to(prediction.dtype).mean()


def probabilities(output: Tensor) -> Tensor:
    """Of each class, shape (rows, classes).

    output: (rows, 1), the probability of the second of two classes; or (rows, classes), the
    logits that cross-entropy takes.
    """
    if output.shape[-1] == 1:
        return torch.cat([1 - output, output], dim=-1)
    return torch.softmax(output, dim=-1)


def constant_prediction(loss_name: str, target: Tensor) -> Tensor:
    """The constant row, shape (outputs,), that is best for a loss on `target` (rows, outputs).

    The mean for squared error and for binary cross-entropy, its logarithm for cross-entropy.
    """
    mean = target.mean(dim=0)
    return torch.log(mean.clamp(min=1e-30)) if loss_name.startswith("cross_entropy") else mean


METRICS = {
    "mse": mse,
    "bce": bce,
    "cross_entropy": cross_entropy,
    "accuracy": accuracy,
}

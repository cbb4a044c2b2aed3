"""Losses: one object each, with all that is known of it but what a config needs to know.

Every loss is a mean. Those of classes take a weight of each row, shape (rows,): cross-entropy is
then Σ weight · row / Σ weight, and binary cross-entropy Σ weight · row / rows, as torch has them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from small_nets.config import components
from small_nets.nn.activation_formulas import Row, softmax, total
from small_nets.nn.class_weights import row_weights

# What torch's kernels bound p (1 - p) by: 1e-12 as a float32, in float64 too. Its decomposition has
# it in full, and where p (1 - p) is below it the gradients then differ by 4e-9, which `and_gate`
# makes 6e-5.
BOUND = 9.999999960041972e-13
LEAST_LOG = -100.0  # what torch clamps the logarithms at


@dataclass(frozen=True)
class RowForm:
    """A loss of one row, written for torch's tensors; the fused engine runs it on vector lanes.

    name: by which compiled kernels are known. value: (prediction, target) -> the row's part of the
    loss. back: (gradient of that part, prediction, target) -> the gradient of each output.
    is_finite: output -> whether the value is, as far as that goes, where it is cheaper than the
    value; else None.
    by_row: whether the loss is a mean over the rows, and not over all elements.
    """

    name: str
    value: Callable[[Row, Row], Any] = field(repr=False)
    back: Callable[[Any, Row, Row], Row] = field(repr=False)
    is_finite: Callable[[Any], Any] | None = field(default=None, repr=False)
    by_row: bool = False


def elementwise(
    name: str, value: Callable[[Any, Any], Any], back: Callable[[Any, Any, Any], Any],
    is_finite: Callable[[Any], Any] | None = None,
) -> RowForm:  # fmt: skip
    """The row form of a mean over all elements, from the same functions of a single one."""
    return RowForm(
        name,
        lambda p, y: total([value(*of) for of in zip(p, y, strict=True)]),
        lambda g, p, y: [back(g, *of) for of in zip(p, y, strict=True)],
        is_finite,
    )


def weighted_mean(rows: Tensor, weight: Tensor | None) -> Tensor:
    """Over rows, (rows, …); where they have a weight, which broadcasts with them, the weighted."""
    if weight is None:
        return rows.mean(dim=0)
    return (rows * weight).sum(dim=0) / weight.sum()


@dataclass(frozen=True)
class Loss:
    """A loss; called with a prediction and a target, both (rows, outputs), it is a scalar.

    name: its row in `config.components`, which has the task and the settings. value: the same as a
    plain function; of classes also of (prediction, target, weight of each row). rows: its form for
    the kernels of the fused engine, None for a loss that has none. constant: from targets, (rows,
    outputs), and a weight of each row, (rows, 1) or None, to the best constant prediction,
    (outputs,). weights: of each class, (classes,), if they are not all alike.
    """

    name: str
    value: Callable[..., Tensor]
    rows: RowForm | None = None
    constant: Callable[[Tensor, Tensor | None], Tensor] = weighted_mean
    weights: Tensor | None = None

    @property
    def facts(self) -> components.Loss:
        """What a config needs to know of it."""
        return components.LOSSES[self.name]

    def __call__(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """weight: of each row, (rows,); None for that of its class.

        Raises ValueError where the shapes differ.
        """
        check_shapes(prediction, target)
        weight = self.of_rows(target) if weight is None else weight
        return self.value(prediction, target, *(() if weight is None else (weight,)))

    def of_rows(self, target: Tensor) -> Tensor | None:
        """The weight of each row by its class, (rows,); None where all are alike."""
        return None if self.weights is None else row_weights(target, self.weights.to(target))

    def best_constant(self, target: Tensor) -> Tensor:
        """The constant row, (outputs,), that is best for these targets, (rows, outputs)."""
        weight = self.of_rows(target)
        return self.constant(target, None if weight is None else weight[:, None])

    def best_constant_of_mean(self, mean: Tensor) -> Tensor:
        """The same, where of the targets only the mean is known, (outputs,): of classes shares."""
        if self.weights is None:
            return self.constant(mean[None], None)
        # A row for each class, that counts as often as the class is there.
        one = len(mean) == 1
        rows = torch.tensor([[0.0], [1.0]]).to(mean) if one else torch.eye(len(mean)).to(mean)
        shares = torch.cat([1 - mean, mean]) if one else mean
        weight = shares * row_weights(rows, self.weights.to(mean))
        return self.constant(rows, weight[:, None])


def check_shapes(prediction: Tensor, target: Tensor) -> None:
    # A (n,) target against an (n, 1) prediction would broadcast to (n, n) and train on nonsense.
    if prediction.shape != target.shape:
        raise ValueError(
            f"the prediction has shape {tuple(prediction.shape)} and the target "
            f"{tuple(target.shape)}; they must be the same"
        )


def _mse_by_hand(prediction: Tensor, target: Tensor) -> Tensor:
    return ((prediction - target) ** 2).mean()


def _bce(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    try:
        if weight is None:
            return F.binary_cross_entropy(prediction, target)
        each = F.binary_cross_entropy(prediction, target, reduction="none")
        return (each * weight[:, None]).mean()
    except RuntimeError:
        # torch refuses a NaN as no probability; to a run it is divergence, an outcome.
        if bool(torch.isfinite(prediction).all()):
            raise
        return prediction.sum() * torch.nan


def _entropy(p: Any, y: Any) -> Any:
    """-(y log p + (1 - y) log(1 - p)), the logarithms clamped at -100 as torch does."""
    log_p, log_q = torch.log(p), torch.log1p(-p)
    return -(y * torch.clamp(log_p, LEAST_LOG) + (1.0 - y) * torch.clamp(log_q, LEAST_LOG))


def bce_back(g: Any, p: Any, y: Any) -> Any:
    """The gradient of p, as torch has it also at the ends of [0, 1]; g: that of `_entropy`.

    A clamped logarithm has no gradient where p is exactly 0 or 1, and log's own would be infinite.
    """
    return g * (p - y) / torch.clamp((1.0 - p) * p, BOUND)


class _ClampedBCE(torch.autograd.Function):
    """The mean of the entropies, with torch's gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(p: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        each = _entropy(p, y)
        return (each if weight is None else weight * each).mean()

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[override]
        p, y, weight = ctx.saved_tensors
        found = bce_back(grad, p, y) / p.numel()
        return found if weight is None else weight * found, None, None


def _bce_by_hand(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    each = None if weight is None else weight[:, None]
    return _ClampedBCE.apply(prediction, target, each)  # type: ignore[no-any-return]


def _log_odds(p: Any, y: Any) -> Any:
    return -(y * torch.log(p / (1.0 - p)) + torch.log(1.0 - p))


def _bce_log_odds(prediction: Tensor, target: Tensor) -> Tensor:
    return _log_odds(prediction, target).mean()


def _cross_entropy(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    if weight is None:
        return F.cross_entropy(prediction, target)
    return weighted_mean(F.cross_entropy(prediction, target, reduction="none"), weight)


def _cross_entropy_by_hand(
    prediction: Tensor, target: Tensor, weight: Tensor | None = None
) -> Tensor:
    """-mean over rows of Σ target · log softmax(prediction), by the log-sum-exp trick."""
    shifted = prediction - prediction.max(dim=-1, keepdim=True).values.detach()
    log_softmax = shifted - torch.log(torch.exp(shifted).sum(dim=-1, keepdim=True))
    return weighted_mean(-(target * log_softmax).sum(dim=-1), weight)


def _row_cross_entropy(z: Row, t: Row) -> Any:
    largest = reduce(torch.maximum, z)
    shifted = [value - largest for value in z]
    whole = torch.log(total([torch.exp(value) for value in shifted]))
    return -total([b * (a - whole) for a, b in zip(shifted, t, strict=True)])


def _row_cross_entropy_back(g: Any, z: Row, t: Row) -> Row:
    whole = total(t)
    return [(a * whole - b) * g for a, b in zip(softmax(z), t, strict=True)]


_SQUARES = elementwise("mse", lambda p, y: (p - y) * (p - y), lambda g, p, y: (p - y) * (g * 2.0))
_ENTROPIES = elementwise("bce", _entropy, bce_back, torch.isfinite)
_LOG_ODDS = elementwise(
    "bce_log_odds", _log_odds, lambda g, p, y: (p - y) / ((1.0 - p) * p) * g,
    lambda p: (p > 0.0) & (p < 1.0),
)  # fmt: skip
_CROSS_ENTROPIES = RowForm(
    "cross_entropy", _row_cross_entropy, _row_cross_entropy_back, torch.isfinite, by_row=True
)


def _logits(rows: Tensor, weight: Tensor | None) -> Tensor:
    return torch.log(weighted_mean(rows, weight).clamp(min=1e-30))


# Mean squared error over all elements: torch's, and written out.
mse = Loss("mse", F.mse_loss, _SQUARES)
mse_by_hand = Loss("mse_by_hand", _mse_by_hand, _SQUARES)
# Binary cross-entropy of probabilities; torch clamps each logarithm at -100.
bce = Loss("bce", _bce, _ENTROPIES)
bce_by_hand = Loss("bce_by_hand", _bce_by_hand, _ENTROPIES)
# -mean(y log(p / (1 - p)) + log(1 - p)), as the formula stands: NaN where p is 1.
bce_log_odds = Loss("bce_log_odds", _bce_log_odds, _LOG_ODDS)
# Cross-entropy of logits against class probabilities, mean over the rows.
cross_entropy = Loss("cross_entropy", _cross_entropy, _CROSS_ENTROPIES, _logits)
cross_entropy_by_hand = Loss(
    "cross_entropy_by_hand", _cross_entropy_by_hand, _CROSS_ENTROPIES, _logits
)

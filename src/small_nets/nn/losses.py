"""Losses: one object for each, with its function, its kernel form and its best constant.

Every loss is a mean. Losses of classes take a weight for each row, (rows,). Cross-entropy is then
Σ weight · row / Σ weight, and binary cross-entropy Σ weight · row / rows, as in torch.
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

# The lower bound that torch's kernels put on p (1 - p): the float32 nearest to 1e-12, in float64,
# too. torch's decomposition has 1e-12 itself. Below the bound the gradients then differ by 4e-9,
# which `and_gate` amplifies to 6e-5.
BOUND = 9.999999960041972e-13
LEAST_LOG = -100.0  # torch clamps the logarithms here


@dataclass(frozen=True)
class RowForm:
    """A loss of one row, written for torch's tensors. The fused engine runs it on vector lanes.

    name: part of the key of a compiled kernel. value: (prediction, target) -> the row's part of
    the loss. back: (gradient of that part, prediction, target) -> the gradient of each output.
    is_finite: output -> whether the value is finite, if that is cheaper than the value; else None.
    by_row: whether the loss is a mean over rows, not over all elements.
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
    """The row form of a loss that is a mean over all elements, from functions of one element."""
    return RowForm(
        name,
        lambda p, y: total([value(*of) for of in zip(p, y, strict=True)]),
        lambda g, p, y: [back(g, *of) for of in zip(p, y, strict=True)],
        is_finite,
    )


def weighted_mean(rows: Tensor, weight: Tensor | None) -> Tensor:
    """The mean over rows, (rows, …). weight: of each row, or None; it broadcasts."""
    if weight is None:
        return rows.mean(dim=0)
    return (rows * weight).sum(dim=0) / weight.sum()


@dataclass(frozen=True)
class Loss:
    """A loss. Called with a prediction and a target, both (rows, outputs), it returns a scalar.

    - name: its row in `config.components`, which has its task and its keys
    - value: the loss as a plain function of (prediction, target), and for classes also of a weight
      for each row
    - rows: its form for the kernels of the fused engine; None for a loss that has none
    - constant: (targets (rows, outputs), weight of each row (rows, 1) or None) -> the best constant
      prediction (outputs,)
    - weights: of each class, (classes,); None for equal ones
    """

    name: str
    value: Callable[..., Tensor]
    rows: RowForm | None = None
    constant: Callable[[Tensor, Tensor | None], Tensor] = weighted_mean
    weights: Tensor | None = None

    @property
    def facts(self) -> components.Loss:
        """The loss's row in the table of components."""
        return components.LOSSES[self.name]

    def __call__(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss, a scalar. weight: of each row, (rows,); None for that of its class.

        Raises ValueError where the shapes differ.
        """
        check_shapes(prediction, target)
        weight = self.of_rows(target) if weight is None else weight
        return self.value(prediction, target, *(() if weight is None else (weight,)))

    def of_rows(self, target: Tensor) -> Tensor | None:
        """The weight of each row by its class, (rows,); None for equal ones."""
        return None if self.weights is None else row_weights(target, self.weights.to(target))

    def best_constant(self, target: Tensor) -> Tensor:
        """The best constant prediction, (outputs,), for these targets, (rows, outputs)."""
        weight = self.of_rows(target)
        return self.constant(target, None if weight is None else weight[:, None])

    def best_constant_of_mean(self, mean: Tensor) -> Tensor:
        """The best constant prediction, (outputs,), from the mean of the targets, (outputs,).

        For classes, the mean is the share of each.
        """
        if self.weights is None:
            return self.constant(mean[None], None)
        # One row for each class, weighted by the class's share.
        one = len(mean) == 1
        rows = torch.tensor([[0.0], [1.0]]).to(mean) if one else torch.eye(len(mean)).to(mean)
        shares = torch.cat([1 - mean, mean]) if one else mean
        weight = shares * row_weights(rows, self.weights.to(mean))
        return self.constant(rows, weight[:, None])


def check_shapes(prediction: Tensor, target: Tensor) -> None:
    """Raises ValueError where the shapes of prediction and target differ."""
    # A target (n,) and a prediction (n, 1) would broadcast to (n, n), and train on nonsense.
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
        # torch refuses a NaN, because it is not a probability. For a run it means divergence.
        if bool(torch.isfinite(prediction).all()):
            raise
        return prediction.sum() * torch.nan


def _entropy(p: Any, y: Any) -> Any:
    """-(y log p + (1 - y) log(1 - p)), with the logarithms clamped at -100, as in torch."""
    log_p, log_q = torch.log(p), torch.log1p(-p)
    return -(y * torch.clamp(log_p, LEAST_LOG) + (1.0 - y) * torch.clamp(log_q, LEAST_LOG))


def bce_back(g: Any, p: Any, y: Any) -> Any:
    """The gradient of p, equal to torch's, also at 0 and 1. g: the gradient of `_entropy`.

    Autograd would not do: at 0 and 1 a clamped logarithm has no gradient, and log's is infinite.
    """
    return g * (p - y) / torch.clamp((1.0 - p) * p, BOUND)


class _ClampedBCE(torch.autograd.Function):
    """The mean of `_entropy`, with the gradient of torch's own loss."""

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

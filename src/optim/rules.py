"""Update rules as pure functions: (parameter, gradient, state, hyperparameters) -> new ones.

Each rule is `update(parameter, gradient, state, **hyperparameters)` and returns the new
parameter and the new state, a dict that starts as `{}`. Parameter and gradient have one
shape; a hyperparameter is a number, or a tensor that broadcasts against the parameter, so
that many runs with settings of their own can share one call. Nothing is changed in place.

Coefficients that depend on hyperparameters alone (bias corrections, lr / …) are computed
before they meet the parameter, in the precision they come in: Python numbers are float64,
as in torch.optim, and so should tensors of them be.

Source of the formulas: torch.optim's documentation, whose order of operations is kept.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Hyper = float | Tensor
State = dict[str, Any]
Update = Callable[..., tuple[Tensor, State]]


def _as(value: Hyper, like: Tensor) -> Hyper:
    # A float64 tensor of settings must not promote a float32 parameter.
    return value.to(like.dtype) if isinstance(value, Tensor) else value


def _decay(parameter: Tensor, gradient: Tensor, weight_decay: Hyper) -> Tensor:
    if isinstance(weight_decay, float | int) and weight_decay == 0:
        return gradient
    return gradient + _as(weight_decay, parameter) * parameter


def sgd(
    parameter: Tensor, gradient: Tensor, state: State, *, lr: Hyper, weight_decay: Hyper = 0.0
) -> tuple[Tensor, State]:
    """p - lr g."""
    gradient = _decay(parameter, gradient, weight_decay)
    return parameter - _as(lr, parameter) * gradient, state


def momentum(
    parameter: Tensor,
    gradient: Tensor,
    state: State,
    *,
    lr: Hyper,
    momentum: Hyper = 0.9,
    weight_decay: Hyper = 0.0,
    nesterov: bool = False,
) -> tuple[Tensor, State]:
    """v = μ v + g; p - lr v (Nesterov: p - lr (g + μ v)). v starts as the first gradient."""
    gradient = _decay(parameter, gradient, weight_decay)
    factor = _as(momentum, parameter)
    velocity = factor * state["velocity"] + gradient if state else gradient
    step = gradient + factor * velocity if nesterov else velocity
    return parameter - _as(lr, parameter) * step, {"velocity": velocity}


def adagrad(
    parameter: Tensor,
    gradient: Tensor,
    state: State,
    *,
    lr: Hyper,
    lr_decay: Hyper = 0.0,
    eps: Hyper = 1e-10,
    weight_decay: Hyper = 0.0,
) -> tuple[Tensor, State]:
    """s = s + g²; p - lr g / (√s + ε), lr divided by 1 + lr_decay (step - 1)."""
    gradient = _decay(parameter, gradient, weight_decay)
    step = state.get("step", 0) + 1
    total = gradient * gradient + (state["sum"] if state else 0.0)
    rate = lr / (1 + (step - 1) * lr_decay)
    new = parameter - _as(rate, parameter) * gradient / (torch.sqrt(total) + _as(eps, parameter))
    return new, {"step": step, "sum": total}


def rmsprop(
    parameter: Tensor,
    gradient: Tensor,
    state: State,
    *,
    lr: Hyper,
    alpha: Hyper = 0.99,
    eps: Hyper = 1e-8,
    weight_decay: Hyper = 0.0,
) -> tuple[Tensor, State]:
    """s = α s + (1 - α) g²; p - lr g / (√s + ε)."""
    gradient = _decay(parameter, gradient, weight_decay)
    square = _as(1 - alpha, parameter) * gradient * gradient
    if state:
        square = _as(alpha, parameter) * state["square"] + square
    new = parameter - _as(lr, parameter) * gradient / (torch.sqrt(square) + _as(eps, parameter))
    return new, {"square": square}


def adam(
    parameter: Tensor,
    gradient: Tensor,
    state: State,
    *,
    lr: Hyper,
    betas: tuple[Hyper, Hyper] = (0.9, 0.999),
    eps: Hyper = 1e-8,
    weight_decay: Hyper = 0.0,
) -> tuple[Tensor, State]:
    """m = β₁ m + (1 - β₁) g; s = β₂ s + (1 - β₂) g²; both corrected for their start at 0.

    p - lr m̂ / (√ŝ + ε) with m̂ = m / (1 - β₁ᵗ), ŝ = s / (1 - β₂ᵗ) (Kingma and Ba, 2015).
    """
    gradient = _decay(parameter, gradient, weight_decay)
    beta1, beta2 = betas
    step = state.get("step", 0) + 1
    mean = state["mean"] if state else torch.zeros_like(gradient)
    square = state["square"] if state else torch.zeros_like(gradient)
    mean = mean + _as(1 - beta1, parameter) * (gradient - mean)
    square = _as(beta2, parameter) * square + _as(1 - beta2, parameter) * gradient * gradient
    rate = _as(lr / (1 - beta1**step), parameter)
    root = _as((1 - beta2**step) ** 0.5, parameter)
    new = parameter - rate * mean / (torch.sqrt(square) / root + _as(eps, parameter))
    return new, {"step": step, "mean": mean, "square": square}


def adamw(
    parameter: Tensor,
    gradient: Tensor,
    state: State,
    *,
    lr: Hyper,
    betas: tuple[Hyper, Hyper] = (0.9, 0.999),
    eps: Hyper = 1e-8,
    weight_decay: Hyper = 0.01,
) -> tuple[Tensor, State]:
    """Adam, with p first shrunk by 1 - lr · weight_decay (Loshchilov and Hutter, 2019)."""
    parameter = parameter * _as(1 - lr * weight_decay, parameter)
    return adam(parameter, gradient, state, lr=lr, betas=betas, eps=eps)

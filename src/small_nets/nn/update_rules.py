"""Update rules in two pure halves: the coefficients of a step, and the update of a parameter.

`coefficients(step, **hyperparameters)` uses hyperparameters alone, for bias corrections and
decayed rates. step counts from 1. Arguments and results are Python numbers or float64 tensors, as
in torch.optim. A column of steps gives the coefficients of many steps at once.

`update(parameter, gradient, state, **coefficients)` returns the new parameter and the new state,
a dict that starts as `{}`. A coefficient is a number, or a tensor in the parameter's precision
that broadcasts against it, so that many runs with their own values share one call. Nothing is
changed in place.

There are two halves because a compiler that is given both computes β ** step, a power of doubles,
anew for every parameter. In a net of ten thousand parameters that took as long as the gradient.

The formulas are those of torch.optim's documentation, with its order of operations.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Hyper = float | Tensor
State = dict[str, Any]
Coefficients = dict[str, Any]


def _same(_: Hyper, **hyper: Hyper) -> Coefficients:
    return hyper


@dataclass(frozen=True)
class UpdateRule:
    """An update rule. Calling it does both halves: see the text of this module."""

    update: Callable[..., tuple[Tensor, State]]
    coefficients: Callable[..., Coefficients] = _same

    def __call__(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, **hyper: Any
    ) -> tuple[Tensor, State]:
        """The new parameter and state after update number `step`, which counts from 1."""
        found = self.coefficients(step, **hyper)
        return self.update(parameter, gradient, state, **as_type(found, parameter.dtype))

    def by_hand(self, params: Iterable[Tensor], **hyperparameters: Any) -> "ByHand":
        """An optimizer that applies the rule."""
        return ByHand(params, self, hyperparameters)


class ByHand(torch.optim.Optimizer):
    """A pure rule behind the interface of torch's optimizers.

    hyperparameters: the rule's keyword arguments. `lr` is read from the param group at every step,
    so that torch's schedulers work.
    """

    def __init__(
        self, params: Iterable[Tensor], rule: UpdateRule, hyperparameters: dict[str, Any]
    ) -> None:
        super().__init__(params, hyperparameters)
        self.rule = rule
        self.names = tuple(hyperparameters)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            settings = {name: group[name] for name in self.names}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = dict(self.state[parameter])
                step = state.pop("step", 0) + 1
                new, state = self.rule(parameter, parameter.grad, state, step, **settings)
                parameter.copy_(new)
                self.state[parameter] = {"step": step, **state}
        return loss


def as_type(coefficients: Coefficients, dtype: torch.dtype) -> Coefficients:
    """Cast tensors to a parameter's dtype: a float64 tensor would promote the parameter."""
    return {
        name: value.to(dtype) if isinstance(value, Tensor) else value
        for name, value in coefficients.items()
    }


def _decay(parameter: Tensor, gradient: Tensor, weight_decay: Hyper) -> Tensor:
    if isinstance(weight_decay, float | int) and weight_decay == 0:
        return gradient
    return gradient + weight_decay * parameter


def _sgd(
    parameter: Tensor, gradient: Tensor, state: State, *, lr: Hyper, weight_decay: Hyper = 0.0
) -> tuple[Tensor, State]:
    """p - lr g."""
    return parameter - lr * _decay(parameter, gradient, weight_decay), state


def _momentum(
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
    velocity = momentum * state["velocity"] + gradient if state else gradient
    step = gradient + momentum * velocity if nesterov else velocity
    return parameter - lr * step, {"velocity": velocity}


def _adagrad_numbers(
    step: Hyper, *, lr: Hyper, lr_decay: Hyper = 0.0, eps: Hyper = 1e-10, **rest: Hyper
) -> Coefficients:
    return {"rate": lr / (1 + (step - 1) * lr_decay), "eps": eps, **rest}


def _adagrad(
    parameter: Tensor,
    gradient: Tensor,
    state: State,
    *,
    rate: Hyper,
    eps: Hyper,
    weight_decay: Hyper = 0.0,
) -> tuple[Tensor, State]:
    """s = s + g²; p - lr g / (√s + ε), lr divided by 1 + lr_decay (step - 1)."""
    gradient = _decay(parameter, gradient, weight_decay)
    total = gradient * gradient + (state["sum"] if state else 0.0)
    return parameter - rate * gradient / (torch.sqrt(total) + eps), {"sum": total}


def _rmsprop_numbers(
    _: Hyper, *, lr: Hyper, alpha: Hyper = 0.99, eps: Hyper = 1e-8, **rest: Hyper
) -> Coefficients:
    return {"lr": lr, "keep": alpha, "add": 1 - alpha, "eps": eps, **rest}


def _rmsprop(
    parameter: Tensor,
    gradient: Tensor,
    state: State,
    *,
    lr: Hyper,
    keep: Hyper,
    add: Hyper,
    eps: Hyper,
    weight_decay: Hyper = 0.0,
) -> tuple[Tensor, State]:
    """s = α s + (1 - α) g²; p - lr g / (√s + ε)."""
    gradient = _decay(parameter, gradient, weight_decay)
    square = add * gradient * gradient
    if state:
        square = keep * state["square"] + square
    return parameter - lr * gradient / (torch.sqrt(square) + eps), {"square": square}


def _adam_numbers(
    step: Hyper,
    *,
    lr: Hyper,
    betas: tuple[Hyper, Hyper] = (0.9, 0.999),
    eps: Hyper = 1e-8,
    **rest: Hyper,
) -> Coefficients:
    beta1, beta2 = betas
    return {
        "mix": 1 - beta1,
        "keep": beta2,
        "add": 1 - beta2,
        "rate": lr / (1 - beta1**step),
        "root": (1 - beta2**step) ** 0.5,
        "eps": eps,
        **rest,
    }


def _adam(
    parameter: Tensor,
    gradient: Tensor,
    state: State,
    *,
    mix: Hyper,
    keep: Hyper,
    add: Hyper,
    rate: Hyper,
    root: Hyper,
    eps: Hyper,
    weight_decay: Hyper = 0.0,
) -> tuple[Tensor, State]:
    """m = β₁ m + (1 - β₁) g; s = β₂ s + (1 - β₂) g²; both are corrected for their start at 0.

    p - lr m̂ / (√ŝ + ε) with m̂ = m / (1 - β₁ᵗ), ŝ = s / (1 - β₂ᵗ) (Kingma and Ba, 2015).
    """
    gradient = _decay(parameter, gradient, weight_decay)
    mean = state["mean"] if state else torch.zeros_like(gradient)
    square = state["square"] if state else torch.zeros_like(gradient)
    mean = mean + mix * (gradient - mean)
    square = keep * square + add * gradient * gradient
    new = parameter - rate * mean / (torch.sqrt(square) / root + eps)
    return new, {"mean": mean, "square": square}


def _adamw_numbers(
    step: Hyper,
    *,
    lr: Hyper,
    betas: tuple[Hyper, Hyper] = (0.9, 0.999),
    eps: Hyper = 1e-8,
    weight_decay: Hyper = 0.0,
) -> Coefficients:
    return {"shrink": 1 - lr * weight_decay, **_adam_numbers(step, lr=lr, betas=betas, eps=eps)}


def _adamw(
    parameter: Tensor, gradient: Tensor, state: State, *, shrink: Hyper, **adam: Hyper
) -> tuple[Tensor, State]:
    """Adam, after multiplying p by 1 - lr · weight_decay (Loshchilov and Hutter, 2019).

    The default is no decay, as in every rule here. torch's default is 0.01.
    """
    return _adam(parameter * shrink, gradient, state, **adam)


sgd = UpdateRule(_sgd)
momentum = UpdateRule(_momentum)
adagrad = UpdateRule(_adagrad, _adagrad_numbers)
rmsprop = UpdateRule(_rmsprop, _rmsprop_numbers)
adam = UpdateRule(_adam, _adam_numbers)
adamw = UpdateRule(_adamw, _adamw_numbers)

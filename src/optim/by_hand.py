"""The hand-written optimizers: torch's interface, thin, over the pure rules."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from src.optim import rules


class ByHand(torch.optim.Optimizer):
    """Applies one rule of `src.optim.rules` to each parameter.

    hyperparameters: the rule's keyword arguments. `lr` is read from the param group at every
    step, so torch's schedulers work.
    """

    def __init__(
        self, params: Iterable[Tensor], *, rule: rules.Rule, **hyperparameters: Any
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


sgd = partial(ByHand, rule=rules.sgd)
momentum = partial(ByHand, rule=rules.momentum)
adagrad = partial(ByHand, rule=rules.adagrad)
rmsprop = partial(ByHand, rule=rules.rmsprop)
adam = partial(ByHand, rule=rules.adam)

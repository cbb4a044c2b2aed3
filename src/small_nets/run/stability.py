"""Above which curvature the steps of an optimizer grow, where a formula says it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from small_nets.config.components import OPTIMIZERS
from small_nets.run.spec import Run


@dataclass(frozen=True)
class Stability:
    """The bound that λmax of the training loss's Hessian has at each step.

    at: step -> the bound, infinite where the learning rate is 0. scale: one over the bound, for a
    schedule's factor of 1. formula: in the field's symbols,
    η the learning rate and β the momentum. rule: in words.
    """

    at: Callable[[int], float]
    scale: float
    formula: str
    rule: str


def stability(run: Run) -> Stability | None:
    """The bound of a run: see `stability_of`."""
    batch, rows = run.data.batch_size, len(run.data.train)
    return stability_of(run.config, run.schedule, batch is None or batch >= rows)


def stability_of(
    config: Mapping[str, Any], schedule: Callable[[int], float] | None, is_whole: bool
) -> Stability | None:
    """The bound of gradient descent over whole batches, with momentum or without; else None.

    On a quadratic a step of rate η multiplies the distance along an eigenvector by 1 - ηλ, so
    that it grows where λ > 2/η. With momentum the bound is that of a recurrence of two terms:
    (2 + 2β)/η, and (2 + 2β)/((1 + 2β)η) for Nesterov's (Cohen, Kaur, Li, Kolter, Talwalkar:
    Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability, 2021).
    Rules that scale each parameter by its past gradients have a bound on another matrix than the
    Hessian. A batch bends otherwise than the whole split, and a clipped step is shorter than ηg.

    config: of a run. schedule: of its learning rate. is_whole: whether a batch is all rows.
    """
    section, clip = config["optimizer"], config["trainer"]["gradient_clip_val"]
    unusual = section.get("maximize") or section.get("dampening") or section.get("weight_decay")
    is_plain = OPTIMIZERS[section["_target_"]].rule in ("sgd", "momentum")
    if not is_plain or unusual or clip is not None or not is_whole:
        return None
    momentum = float(section.get("momentum", 0.0))
    numerator, formula, rule = 2 + 2 * momentum, "(2 + 2β) / η", "gradient descent with momentum"
    if section.get("nesterov"):
        numerator /= 1 + 2 * momentum
        formula, rule = "(2 + 2β) / ((1 + 2β) η)", "gradient descent with Nesterov's momentum"
    if momentum == 0:
        formula, rule = "2 / η", "gradient descent"
    rate = float(section["lr"])

    def bound(step: int) -> float:
        now = rate if schedule is None else rate * schedule(step)
        return numerator / now if now > 0 else float("inf")

    return Stability(bound, rate / numerator, formula, rule)

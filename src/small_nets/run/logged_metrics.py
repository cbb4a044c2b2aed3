"""What a run measures at each logged point: the losses, and the sharpness where that is asked."""

from small_nets.engines.sharpness import RELATIVE, SHARPNESS, largest_eigenvalues
from small_nets.run.evaluate import Metrics, evaluate
from small_nets.run.spec import Run
from small_nets.run.stability import stability


def logged_metrics(run: Run, step: int) -> Metrics:
    """The metrics of the present parameters, after `step` steps; see `evaluate`.

    With analysis=sharpness also `train/sharpness`, λmax of the Hessian of the training loss, and
    `train/relative_sharpness`, its ratio to the bound above which the optimizer's steps grow. The
    latter is only where a formula gives the bound. Both may be infinite where the losses are not.
    """
    return evaluate(run.net, run.loss, run.data) | sharpness(run, step)


def sharpness(run: Run, step: int) -> Metrics:
    """The part of it that is measured of the curvature."""
    target = run.data.train.target
    if run.analysis != "sharpness" or target is None:
        return {}
    loss = run.loss
    parameters = {name: p.detach()[None] for name, p in run.net.named_parameters()}
    (largest,) = largest_eigenvalues(
        run.net, loss, parameters, run.data.train.input[None], target[None]
    ).tolist()
    bound = stability(run)
    return {SHARPNESS: largest} | ({} if bound is None else {RELATIVE: largest / bound.at(step)})

"""The samplers. A new one is made for every trial, so it depends only on the trials before.

Optuna's samplers carry a random state from trial to trial, which is lost when the process ends.
Here each state comes from the search's seed and the trial's number.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from small_nets.search.space import Parameter

DIGITS = 6  # of a float that is drawn


def distribution(parameter: Parameter) -> BaseDistribution:
    """A parameter as Optuna's distribution."""
    low, high, step = parameter.low, parameter.high, parameter.step
    if parameter.kind == "choice":
        return CategoricalDistribution(parameter.choices)
    if parameter.kind == "int":
        return IntDistribution(int(low), int(high), log=parameter.log, step=int(step or 1))
    return FloatDistribution(low, high, log=parameter.log, step=step)


def state(seed: int, number: int, attempt: int = 0) -> int:
    """A random state for each seed of a search, trial, and attempt to draw it."""
    more = [attempt] if attempt else []
    return int(np.random.SeedSequence([seed, number, *more]).generate_state(1)[0])


def make_sampler(
    name: str, seed: int, number: int, parameters: Sequence[Parameter], batch: int, branches: bool,
    attempt: int = 0,
) -> BaseSampler:  # fmt: skip
    """The sampler that draws one trial.

    number: the trial's. parameters: of the space. batch: trials that are asked before one is told.
    branches: whether some trials lack some parameters. attempt: how often the trial was drawn
    before.
    """
    own = state(seed, number, attempt)
    if name == "random":
        return Short(RandomSampler(seed=own))
    if name == "qmc":
        # A trial takes a point of its seed's sequence; further attempts use other sequences.
        return Short(Sobol(parameters, seed if attempt == 0 else own, number), parameters)
    if name == "cmaes":
        # A batch is a generation, from the first trial on. By default, Optuna would draw the whole
        # first batch at random, and learn only from a part of each batch.
        usual = 4 + math.floor(3 * math.log(len(parameters)))
        cmaes = CmaEsSampler(seed=own, n_startup_trials=0, popsize=max(batch, usual))
        return Short(cmaes, parameters)
    if name == "gp":
        return Short(GPSampler(seed=own))
    with warnings.catch_warnings():
        # `group`, for joint densities of parameters that belong together, is still experimental.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return Short(TPESampler(seed=own, group=branches, constant_liar=True))


class Short(BaseSampler):
    """Rounds the floats that another sampler draws to six digits, so that they can be typed.

    whole: the parameters that it draws together; None where the sampler finds them itself.
    """

    def __init__(self, sampler: BaseSampler, whole: Sequence[Parameter] | None = None) -> None:
        self._sampler, self._whole = sampler, whole

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        if self._whole is not None:
            return {p.name: distribution(p) for p in self._whole}
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        found = self._sampler.sample_relative(study, trial, search_space)
        return {name: _short(value, search_space[name]) for name, value in found.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:  # fmt: skip
        sample = self._sampler.sample_independent
        return _short(sample(study, trial, param_name, param_distribution), param_distribution)


def _short(value: Any, of: BaseDistribution) -> Any:
    if not isinstance(of, FloatDistribution) or of.step is not None:
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), of.low), of.high)


class Sobol(RandomSampler):
    """A scrambled Sobol sequence over the whole space. Each trial takes its next point.

    Optuna's own sampler counts points in the study. A process that ends between counting and
    writing a trial skips a point. It also refuses parameters that only some trials have.
    """

    def __init__(self, parameters: Sequence[Parameter], seed: int, number: int) -> None:
        super().__init__(seed=state(seed, number))
        self._parameters, self._seed, self._number = parameters, seed, number

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        engine = torch.quasirandom.SobolEngine(
            len(self._parameters), scramble=True, seed=self._seed
        )
        engine.fast_forward(self._number)
        point = engine.draw(1, dtype=torch.float64)[0].tolist()
        return {p.name: p.at(u) for p, u in zip(self._parameters, point, strict=True)}

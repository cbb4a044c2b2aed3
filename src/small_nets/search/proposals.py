"""New trials, none of a setting that was asked before."""

import math
import random
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from small_nets.config.overrides import own
from small_nets.search.conditional import ConditionalSpace
from small_nets.search.samplers import distribution, make_sampler, state
from small_nets.search.space import Parameter

ATTEMPTS = 3  # to draw a setting that was not asked before
Typed = tuple[str, ...]


@dataclass(frozen=True)
class _Block:
    """The settings under one choice of each group. others: the parameters that there are."""

    chosen: Mapping[str, str]
    others: Sequence[Parameter]

    @property
    def count(self) -> int:
        return math.prod(p.count or 1 for p in self.others)

    def at(self, number: int) -> dict[str, Any]:
        """The parameters of one of them."""
        found: dict[str, Any] = dict(self.chosen)
        for parameter in self.others:
            number, place = divmod(number, parameter.count or 1)
            found[parameter.name] = parameter.value(place)
        return found


@dataclass(frozen=True)
class FiniteSpace:
    """The settings of a space with an end, counted and numbered without making them."""

    blocks: Sequence[_Block]

    @classmethod
    def of(cls, space: ConditionalSpace) -> "FiniteSpace | None":
        """None where a parameter takes any number of a range."""
        if any(p.count is None for p in space.parameters):
            return None
        return cls([_Block(*branch) for branch in space.branches()])

    @property
    def count(self) -> int:
        return sum(block.count for block in self.blocks)

    def at(self, number: int) -> dict[str, Any]:
        """The parameters of a setting, from 0 up: name -> value."""
        for block in self.blocks:
            if number < block.count:
                return block.at(number)
            number -= block.count
        raise IndexError(f"the space has {self.count} settings")


@dataclass(frozen=True)
class Drawer:
    """Draws trials. finite: the settings of the space, where it has an end.

    What it draws follows from the trials before it, the seed and the trial's number alone.
    """

    space: ConditionalSpace
    finite: FiniteSpace | None
    sampler: str
    seed: int
    batch: int
    high: bool = False

    def new(self, seen: Sequence[FrozenTrial], end: int) -> list[FrozenTrial]:
        """The trials that follow those seen, up to the number `end`; each sees those before it.

        Fewer where the space has no more settings.
        """
        drawn: list[FrozenTrial] = []
        asked = {self._typed(trial.params) for trial in seen} if len(seen) < end else set()
        copy = self._copy(seen) if len(seen) < end else None
        for number in range(len(seen), end):
            if self.finite is not None and len(asked) >= self.finite.count:
                break
            found: FrozenTrial | None = None
            for attempt in range(ATTEMPTS):
                # One that is drawn in vain must leave no trace: samplers count the trials.
                copy = copy or self._copy([*seen, *drawn])
                found = self._drawn(copy, number, attempt)
                if self._typed(found.params) not in asked:
                    break
                copy = None
            if copy is None and self.finite is not None:
                found = self._left(number, asked, self.finite)
            assert found is not None, "there is an attempt"
            asked.add(self._typed(found.params))
            drawn.append(found)
        return drawn

    def _copy(self, trials: Sequence[FrozenTrial]) -> optuna.Study:
        copy = optuna.create_study(direction="maximize" if self.high else "minimize")
        copy.add_trials(trials)
        return copy

    def _drawn(self, copy: optuna.Study, number: int, attempt: int) -> FrozenTrial:
        """The choices of groups first, then the settings that there are with them."""
        copy.sampler = make_sampler(
            self.sampler, self.seed, number, self.space.parameters, self.batch,
            bool(self.space.conditional), attempt,
        )  # fmt: skip
        trial = copy.ask({p.name: distribution(p) for p in self.space.groups})
        for p in self.space.beside(dict(trial.params)):
            if p.kind == "choice":
                trial.suggest_categorical(p.name, p.choices)
            elif p.kind == "int":
                trial.suggest_int(p.name, int(p.low), int(p.high), step=int(p.step or 1), log=p.log)
            else:
                trial.suggest_float(p.name, p.low, p.high, step=p.step, log=p.log)
        found = copy.get_trials(deepcopy=False)[-1]
        return self._asked(found.params, found.system_attrs)

    def _left(self, number: int, asked: Container[Typed], finite: FiniteSpace) -> FrozenTrial:
        """By chance one of the settings that are left."""
        first = random.Random(state(self.seed, number)).randrange(finite.count)
        # A space of more settings than were asked has one within as many steps.
        settings = (finite.at((first + i) % finite.count) for i in range(finite.count))
        return self._asked(next(s for s in settings if self._typed(s) not in asked), {})

    def _asked(self, params: Mapping[str, Any], attributes: Mapping[str, Any]) -> FrozenTrial:
        return create_trial(
            params=dict(params), state=TrialState.RUNNING, system_attrs=dict(attributes),
            user_attrs={"overrides": own(self.space.overrides(params))},
            distributions={
                p.name: distribution(p) for p in self.space.parameters if p.name in params
            },
        )  # fmt: skip

    def _typed(self, params: Mapping[str, Any]) -> Typed:
        """The setting, the same for equal ones."""
        return tuple(self.space.overrides(params))

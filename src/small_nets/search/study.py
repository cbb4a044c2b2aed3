"""The study of a search on disk, which can be continued after a kill.

study.log in the sweep's directory is Optuna's journal. A trial is written in one line when it is
drawn completely, and told when its runs are in the store. The sampler works on a copy in memory,
which is made from the journal before every batch. So a process that is killed at any moment leaves
a study from which the next process draws the same trials.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from small_nets.config.errors import InputError
from small_nets.config.folds import FOLD
from small_nets.config.success_rule import Rule
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.search.conditional import ConditionalSpace
from small_nets.search.journal import open_storage, study_in
from small_nets.search.objective import Verdict
from small_nets.search.proposals import Drawer, FiniteSpace
from small_nets.search.sampler_limits import LIMITS
from small_nets.sweep.results.standard import Standard

STATES = {
    "finite": TrialState.COMPLETE, "lost": TrialState.PRUNED, "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The values of the section `search`, resolved.

    metric: of a run. fresh_seeds: whether each batch has seeds of its own. folds: of each seed, 1
    without cross-validation. rule: what success is, where the objective is that. baseline: the
    objective of the constant predictor.
    """

    trials: int
    batch: int
    seeds: int
    objective: str
    sampler: str
    seed: int
    metric: str
    fresh_seeds: bool = False
    folds: int = 1
    rule: Rule | None = None
    baseline: float = 0.0

    @property
    def standard(self) -> Standard:
        """What makes one trial better than another."""
        return Standard(self.metric, self.objective, self.rule, self.seeds)

    @property
    def runs(self) -> int:
        """Of each trial."""
        return self.seeds * self.folds

    @property
    def high(self) -> bool:
        """Whether more of the objective is better."""
        return self.standard.is_high


class Search:
    """The study in a directory. Raises InputError where the directory holds another search.

    about: what all trials of the study have in common, besides space and settings. file: the
    study's file, if it is not the usual one of the directory.
    """

    def __init__(
        self, directory: Path, space: ConditionalSpace, settings: Settings,
        about: Mapping[str, str], file: Path | None = None,
    ) -> None:  # fmt: skip
        self.space, self.settings = space, settings
        self.finite = FiniteSpace.of(space)
        self._drawer = Drawer(space, self.finite, settings.sampler, settings.seed,
                              settings.batch, high=settings.high)  # fmt: skip
        self.path = file or directory / STUDY
        self._storage, self.repaired = open_storage(self.path)
        known = {p.name: p.text for p in space.parameters} | {
            "search.metric": settings.metric, "search.objective": settings.objective,
            "search.seeds": str(settings.seeds),
            **({"search.fresh_seeds": f"of batches of {settings.batch}"}
               if settings.fresh_seeds else {}),
            **({"success": settings.standard.rule_text} if settings.objective == "success" else {}),
            "direction": "maximize" if settings.high else "minimize",
        }  # fmt: skip
        self.study = _study(self._storage, directory, {**about, **known})

    @property
    def most(self) -> int:
        """The most trials there can be: search.trials, or the number of settings of the space."""
        asked, end = self.settings.trials, self.finite
        return asked if end is None else min(asked, end.count)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, by number."""
        return self.study.get_trials(deepcopy=False)

    def batch(self) -> list[FrozenTrial]:
        """The trials to train next: those that were asked and not told, and new ones.

        New ones are drawn up to a multiple of `search.batch`, so that a search that was stopped
        within a batch goes on with the same batch. Empty when all trials are told.
        """
        count, size = len(self.trials), self.settings.batch
        waiting = any(t.state == TrialState.RUNNING for t in self.trials)
        end = count if waiting and count % size == 0 else (count // size + 1) * size
        for trial in self._drawer.new(self._seen(), min(end, self.most)):
            self.study.add_trial(trial)
        return [trial for trial in self.trials if trial.state == TrialState.RUNNING]

    def lists(self, asked: Sequence[FrozenTrial]) -> list[list[str]]:
        """The override lists of the trials' runs: for each trial one for each seed and fold."""
        folds = range(self.settings.folds)
        of_folds = [[f"{FOLD}={f}"] for f in folds] if len(folds) > 1 else [[]]
        return [[*self.space.overrides(t.params), f"seed={s}", *fold]
                for t in asked for s in self._seeds(t) for fold in of_folds]  # fmt: skip

    def _seeds(self, trial: FrozenTrial) -> range:
        """The seeds of a trial: of all the same ones, or of each batch the next."""
        count = self.settings.seeds
        batch = trial.number // self.settings.batch if self.settings.fresh_seeds else 0
        return range(batch * count, (batch + 1) * count)

    @property
    def seconds(self) -> float:
        """The seconds of searching, up to the last trial that was told."""
        return max((t.user_attrs.get("seconds", 0.0) for t in self.trials), default=0.0)

    def tell(self, number: int, verdict: Verdict, seconds: float) -> None:
        """Store how a trial ended. seconds: since the search began, without pauses."""
        trial = self.trials[number]
        found = {"values": verdict.values, "diverged": verdict.diverged, "jobs": verdict.jobs,
                 "seconds": seconds, "message": verdict.message}  # fmt: skip
        for key, value in found.items():
            if value is not None:
                self._storage.set_trial_user_attr(trial._trial_id, key, value)
        if verdict.ended == "stopped" and verdict.epochs is not None:
            # To Optuna, a stopped trial is pruned, with the value that it reached.
            self._storage.set_trial_intermediate_value(
                trial._trial_id, verdict.epochs, verdict.value
            )
        value = verdict.value if verdict.ended == "finite" else None
        self.study.tell(number, value, STATES[verdict.ended])

    def _seen(self) -> list[FrozenTrial]:
        """The trials as the sampler sees them.

        A sampler that takes only numbers sees a trial without a finite objective as the worst so
        far. Otherwise it would learn nothing of a region where everything diverges, and stay there.
        """
        if LIMITS[self.settings.sampler].sees_lost:
            return self.trials
        known = [t.value for t in self.trials if t.value is not None] or [self.settings.baseline]
        worst = min(known) if self.settings.high else max(known)
        return [
            create_trial(
                # The value at which halving stopped a trial, or the worst one.
                value=worst if t.last_step is None else t.intermediate_values[t.last_step],
                params=t.params, distributions=t.distributions,
                system_attrs=t.system_attrs, user_attrs=t.user_attrs,
            )
            if t.state == TrialState.PRUNED else t
            for t in self.trials
        ]  # fmt: skip


def _study(storage: JournalStorage, directory: Path, about: Mapping[str, str]) -> optuna.Study:
    """Open or create the study. about: name -> text, which all trials of a study share.

    Raises InputError where the stored study has another `about`.
    """
    study = study_in(storage) or optuna.create_study(
        study_name=directory.name or "search", storage=storage,
        direction=optuna.study.StudyDirection[about["direction"].upper()],
    )  # fmt: skip
    before = study.user_attrs.get("about")
    if before is None:  # a new study, or its process was killed just here
        study.set_user_attr("about", dict(about))
        return study
    differ = [key for key in {**before, **about} if before.get(key) != about.get(key)]
    if differ:
        lines = [f"  {k}: {before.get(k, 'not given')} then, {about.get(k, 'not given')} now"
                 for k in differ]  # fmt: skip
        raise InputError(
            f"sweep.dir={directory} holds a search of something else:\n"
            + "\n".join(lines)
            + "\nFix: another sweep.dir, or the search as it was (search.trials, search.batch, "
            "search.sampler and search.seed may change)"
        )
    return study

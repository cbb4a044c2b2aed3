"""The study of a search on disk: asked, told, and gone on with after any end.

study.log in the sweep's directory is Optuna's journal, and holds only what is true: a trial is
written in one line once all of it is drawn, and told when its runs are in the store. What draws
is a copy in memory, made from the journal before every batch. So a process that is killed at any
moment leaves a study from which the next one draws what the first would have drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from src.errors import InputError
from src.overrides import own
from src.search.limits import LIMITS
from src.search.objective import Verdict
from src.search.present import Present
from src.search.samplers import make_sampler
from src.search.space import Space
from src.search.trials import draw, overrides

FILE = "study.log"
STATES = {
    "finite": TrialState.COMPLETE, "lost": TrialState.PRUNED, "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Those below `search`, resolved. metric: what is measured; high: whether more is better.

    baseline: the metric of a predictor that has learned nothing.
    """

    trials: int
    batch: int
    seeds: int
    objective: str
    sampler: str
    seed: int
    metric: str
    high: bool = False
    baseline: float = 0.0


@dataclass(frozen=True)
class Asked:
    """A trial to be trained. overrides: without a seed."""

    number: int
    overrides: list[str]


class Search:
    """The study in a directory. Raises InputError where the directory holds another search.

    about: what the trials of one study have in common, beside its space and settings. file: of the
    study, where it is not the directory's own.
    """

    def __init__(
        self, directory: Path, space: Space, present: Present, settings: Settings,
        about: Mapping[str, str], file: Path | None = None,
    ) -> None:  # fmt: skip
        self.space = space
        self.present = present
        self.settings = settings
        self.path = file or directory / FILE
        self._storage = _storage(self.path)
        self.study = _study(self._storage, directory, settings, _about(space, settings, about))

    @property
    def trials(self) -> list[FrozenTrial]:
        """All of them, by number."""
        return self.study.get_trials(deepcopy=False)

    def batch(self) -> list[Asked]:
        """The trials to train next: what was asked and not told, and new ones up to a whole batch.

        Whole: up to a multiple of `batch`, so that a search that was stopped within one goes on
        with the same. Empty when all are told.
        """
        count, size = len(self.trials), self.settings.batch
        waiting = any(t.state == TrialState.RUNNING for t in self.trials)
        end = count if waiting and count % size == 0 else (count // size + 1) * size
        for trial in self._draw(count, min(end, self.settings.trials)):
            self.study.add_trial(trial)
        return [Asked(t.number, overrides(t.params, self.space, self.present))
                for t in self.trials if t.state == TrialState.RUNNING]  # fmt: skip

    def lists(self, asked: Sequence[Asked]) -> list[list[str]]:
        """The override lists of their runs: trial by trial, one for each seed."""
        return [[*t.overrides, f"seed={s}"] for t in asked for s in range(self.settings.seeds)]

    @property
    def seconds(self) -> float:
        """For how long it was searched, up to the last trial that is told."""
        return max((t.user_attrs.get("seconds", 0.0) for t in self.trials), default=0.0)

    def tell(self, number: int, verdict: Verdict, seconds: float) -> None:
        """How a trial ended. seconds: since the search began, pauses left out."""
        trial = self.trials[number]
        found: dict[str, Any] = {
            "values": verdict.values, "diverged": verdict.diverged, "jobs": verdict.jobs,
            "seconds": seconds,
        }  # fmt: skip
        if verdict.message is not None:
            found["message"] = verdict.message
        for key, value in found.items():
            self._storage.set_trial_user_attr(trial._trial_id, key, value)
        if verdict.ended == "stopped" and verdict.epochs is not None:
            # As Optuna knows it: pruned, with what it had reached.
            self._storage.set_trial_intermediate_value(
                trial._trial_id, verdict.epochs, verdict.value
            )
        value = verdict.value if verdict.ended == "finite" else None
        self.study.tell(number, value, STATES[verdict.ended])

    def _draw(self, begin: int, end: int) -> list[FrozenTrial]:
        """New trials, drawn one after the other in a copy, where each sees those before it."""
        settings, space = self.settings, self.space
        if begin >= end:
            return []
        copy = optuna.create_study(direction=self.study.direction)
        copy.add_trials(self._seen())
        drawn = []
        for number in range(begin, end):
            copy.sampler = make_sampler(
                settings.sampler, settings.seed, number, space.parameters, settings.batch,
                bool(self.present.conditional),
            )  # fmt: skip
            draw(copy, space, self.present)
            found = copy.get_trials(deepcopy=False)[-1]
            typed = own(overrides(found.params, space, self.present))
            drawn.append(
                create_trial(
                    state=TrialState.RUNNING, params=found.params,
                    distributions=found.distributions, system_attrs=found.system_attrs,
                    user_attrs={"overrides": typed},
                )
            )  # fmt: skip
        return drawn

    def _seen(self) -> list[FrozenTrial]:
        """The trials as the sampler is shown them.

        To one that takes only numbers, a trial that was lost is as bad as the worst so far: of a
        region where everything diverges it would otherwise learn nothing, and ask there for ever.
        """
        if LIMITS[self.settings.sampler].sees_lost:
            return self.trials
        known = [t.value for t in self.trials if t.value is not None] or [self.settings.baseline]
        worst = min(known) if self.settings.high else max(known)
        return [
            create_trial(
                value=_reached(t, worst), params=t.params, distributions=t.distributions,
                system_attrs=t.system_attrs, user_attrs=t.user_attrs,
            )
            if t.state == TrialState.PRUNED else t
            for t in self.trials
        ]  # fmt: skip


def _reached(trial: FrozenTrial, worst: float) -> float:
    """What a trial had reached when halving stopped it; of one that was lost, the worst."""
    step = trial.last_step
    return worst if step is None else trial.intermediate_values[step]


def _storage(path: Path) -> JournalStorage:
    """The journal, a last line that was not written whole taken away. Raises InputError.

    Only for the one process that holds the sweep's directory.
    """
    if path.exists():
        text = path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            with path.open("r+b") as file:
                file.truncate(whole)
    # Of a process that was killed while it wrote: Optuna would wait for it half a minute.
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    return _journal(path)


def _journal(path: Path) -> JournalStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study it opens
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except (ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read: {error}.\nFix: another sweep.dir") from error


def _about(space: Space, settings: Settings, about: Mapping[str, str]) -> dict[str, str]:
    """What must be the same for trials to be of one study, as texts by name."""
    return {
        **about,
        **{p.name: p.text for p in space.parameters},
        "search.metric": settings.metric,
        "search.objective": settings.objective,
        "search.seeds": str(settings.seeds),
        "direction": "maximize" if settings.high else "minimize",
    }


def _study(
    storage: JournalStorage, directory: Path, settings: Settings, about: Mapping[str, str]
) -> optuna.Study:
    names = optuna.get_all_study_names(storage)
    if names:
        study = optuna.load_study(study_name=names[0], storage=storage)
    else:
        study = optuna.create_study(
            study_name=directory.name or "search",
            storage=storage,
            direction="maximize" if settings.high else "minimize",
        )
    before = study.user_attrs.get("about")
    if before is None:  # new, or of a process that was killed right here
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


def read_study(directory: Path) -> optuna.Study | None:
    """The study of a sweep's directory, to look at; None where there is none. Raises InputError."""
    path = directory / FILE
    if not path.exists():
        return None
    storage = _journal(path)
    names = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=names[0], storage=storage) if names else None

"""What the settings of a stored sweep or search are compared by."""

from importlib.util import find_spec

from small_nets.config.errors import InputError
from small_nets.config.success_rule import Rule, is_summary
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.sweep.results.race import read_race
from small_nets.sweep.results.standard import Standard
from small_nets.sweep.store.store import Store


def standard_of(store: Store, by: str | None, rule: Rule | None) -> Standard:
    """That of the search in a sweep's directory, else what the last command ranked by.

    by: asked for instead. rule: what success is. The metric is "" where none was searched for.
    """
    stored = str(store.about.get("rank_by", ""))
    ranked_by = stored if is_summary(stored) else "median"
    race = read_race(store.about.get("race")) if by in (None, ranked_by) else None
    sweep = Standard("", by or ranked_by, rule, race=race)
    file = store.directory / STUDY
    if by is not None or not file.exists() or find_spec("optuna") is None:
        return sweep
    from small_nets.search.journal import NOT_OURS, look_at

    try:
        study, _ = look_at(file)
        if study is None:
            return sweep
        about = study.user_attrs["about"]
        objective = about["search.objective"]
        if objective != "bound" and not is_summary(objective):
            return sweep
        return Standard(about["search.metric"], objective, rule, int(about["search.seeds"]))
    except (InputError, *NOT_OURS):
        return sweep  # what is wrong with it is said where the search is shown

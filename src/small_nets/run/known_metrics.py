"""The metrics that a run will have at its end, known before it is trained."""

from small_nets.config.errors import InputError, unknown
from small_nets.config.success_rule import read_rule
from small_nets.config.test_metrics import is_of_test, refuse_test
from small_nets.run.evaluate import more_metrics
from small_nets.run.logged_metrics import logged_metrics
from small_nets.run.result_contents import of_table
from small_nets.run.spec import Run


def metric_names(run: Run) -> list[str]:
    """The names, those of the losses first, without those of the test split.

    run: not trained yet.
    """
    found = logged_metrics(run, 0)
    found |= more_metrics(run.net, run.data.train, run.metrics) | of_table(run)
    return [name for name in found if not is_of_test(name)]


def check_success(run: Run) -> None:
    """Raises InputError where the rule of success is of a metric that the run will not have."""
    text = run.config.get("success")
    rule = read_rule(text)
    if rule is None:
        return
    refuse_test(f"success={text}", rule.metric)
    names = metric_names(run)
    if not names:
        raise InputError(f"success={text}: {run.name} has no target, so no metric.\n"
                         "Fix: without success=…")  # fmt: skip
    if rule.among(names).metric not in names:
        raise unknown(f"success={text}: {rule.metric} is not a metric of {run.name}.",
                      rule.metric, names, "The metrics are")  # fmt: skip

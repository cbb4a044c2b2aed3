"""Whether a run succeeded by the rule of its config. Without torch."""

from small_nets.config.success_rule import read_rule
from small_nets.run.outputs.result import Result


def success_text(result: Result) -> str | None:
    """The rule, whether the run succeeded, and since when; None for a run without a rule.

    What counts is the end, of the parameters that were kept. A run that diverged did not succeed.
    """
    rule = read_rule(result.config.get("success"))
    if rule is None or not result.metrics:
        return None
    rule = rule.among(result.metrics)
    has_ended = result.status == "completed" and rule.metric in result.metrics
    if not has_ended or not rule.holds(result.metrics[rule.metric]):
        return f"success ({rule}): no"
    steps = zip(result.curves["step"], result.curves.get(rule.metric, ()), strict=False)
    first = next((step for step, value in steps if rule.holds(value)), None)
    if first is None or not result.steps:
        return f"success ({rule}): yes"
    return f"success ({rule}): yes, first at epoch {first * result.epochs / result.steps:,.0f}"

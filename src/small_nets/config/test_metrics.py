"""Metrics of the test split, by which nothing is chosen. Without torch."""

from small_nets.config.errors import InputError


def is_of_test(metric: str) -> bool:
    """Whether a metric is of the test split."""
    return metric.removeprefix("best/").startswith("test/")


def refuse_test(typed: str, metric: str) -> None:
    """Raises InputError where what was typed would choose by a metric of the test split."""
    if is_of_test(metric):
        other = metric.removeprefix("best/").replace("test/", "val/", 1)
        raise InputError(
            f"{typed}: {metric} is of the test split, which is evaluated once, at the end. If "
            "settings were chosen by it, it would no longer say what the chosen one is worth on "
            f"rows that nobody has seen.\nFix: {other}"
        )

"""Learning rate schedules: functions of the step alone.

Each takes the step (0 for the first update) and returns the factor of the learning rate. Single
runs, continued runs and cohorts all use the same function.
"""

import math


def step(step: int, *, every: int, factor: float) -> float:
    """factor ** n, where n counts how often `every` steps are done."""
    return factor ** (step // every)


def exponential(step: int, *, decay: float) -> float:
    """decay ** step."""
    return decay**step


def cosine(step: int, *, steps: int, end: float) -> float:
    """Half a cosine from 1 down to `end` over `steps` steps, then constant."""
    done = min(step / steps, 1.0)
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * done))


def warmup(step: int, *, steps: int) -> float:
    """(step + 1) / steps, at most 1: a straight line that starts above 0."""
    return min((step + 1) / steps, 1.0)

"""Learning-rate schedules: factors as functions of the step alone.

Each takes step (0 before the first update) and returns what the learning rate is
multiplied by. A run, a continued run and an array of runs all read the same function.
"""

import math


def step(step: int, *, every: int, factor: float) -> float:
    """factor ** (number of whole `every` steps done)."""
    return factor ** (step // every)


def exponential(step: int, *, decay: float) -> float:
    """decay ** step."""
    return decay**step


def cosine(step: int, *, steps: int, end: float) -> float:
    """From 1 down to `end` along half a cosine over `steps` steps, then constant."""
    done = min(step / steps, 1.0)
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * done))


def warmup(step: int, *, steps: int) -> float:
    """(step + 1) / steps up to 1: a straight line, the first update already moving."""
    return min((step + 1) / steps, 1.0)

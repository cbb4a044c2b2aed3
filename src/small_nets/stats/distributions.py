"""The distributions that intervals and tests are read from, in NumPy.

SciPy has them all, but with it installed importing Lightning takes a second longer.
"""

import math
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
Array = NDArray[np.float64]


@cache
def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The value below which |t| stays with a probability of `confidence`. freedom: ν, 1 or more.

    With t = √ν tan θ, the density of θ is cos θ to the power ν - 1, on a finite range.
    """
    angle = np.linspace(0, math.pi / 2, 100_001)
    density = np.cos(angle) ** (freedom - 1)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    at = np.interp(confidence, mass / mass[-1], angle)
    return math.sqrt(freedom) * math.tan(float(at))


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """The value below which |z| stays with a probability of `confidence`, z standard normal."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


@cache
def binomial_cdf(n: int, p: float) -> Array:
    """P(X ≤ k) for k = 0 … n, X binomial, 0 < p < 1; shape (n + 1,)."""
    k = np.arange(n + 1)
    ways = np.array([math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in k])
    return np.minimum(np.cumsum(np.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))), 1.0)


@cache
def range_quantile(count: int, confidence: float = CONFIDENCE) -> float:
    """The value below which the range of `count` independent standard normals stays.

    P(range ≤ q) = count ∫ φ(z) (Φ(z) - Φ(z - q))^(count - 1) dz (Tukey's studentized range with
    known variance).
    """
    z = np.linspace(-9, 9, 18_001)
    phi = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    step = z[1] - z[0]
    cdf = np.concatenate([[0.0], np.cumsum((phi[1:] + phi[:-1]) / 2) * step])
    low, high = 0.0, 18.0
    for _ in range(50):
        q = (low + high) / 2
        between = np.clip(cdf - np.interp(z - q, z, cdf), 0, 1)
        share = count * float((phi * between ** (count - 1)).sum() * step)
        low, high = (q, high) if share < confidence else (low, q)
    return high

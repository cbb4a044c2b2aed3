"""Elementary functions of lanes, in either precision.

Each uses its textbook form: it reduces the argument to a short interval, where a few terms are
exact to rounding. The error is at most 4 ulp of float32 everywhere, and NaN stays NaN. (Other
libraries compute tanh by a rational function of x. That is a third shorter, but 5 ulp off near 1,
and exceeds 1 in places.)
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from small_nets.engines.fused.codegen.lanes import Lanes, Mask

LOG2 = math.log(2)
# Bytes of a number -> bits of its mantissa. The tables below have the same keys. LOG_TERMS counts
# the terms of a series. LOG2_HIGH and LOG2_LOW are log 2 in two parts, of which the first is so
# short that its product with an exponent is exact.
MANTISSA = {4: 23, 8: 52}
# Coefficients of (eʳ - 1 - r) / r² for |r| <= log 2 / 2. In float64 they are its series. In float32
# they are the minimax polynomial of degree 4, with an error of 1.3e-8 of eʳ - 1, found by
# reweighted least squares.
SQUARES = {
    4: [0.49999998149562236, 0.1666654342346238, 0.04166720073255215, 0.008366547208330922,
        0.0013882515031184504],
    8: [1 / math.factorial(k) for k in range(2, 14)],
}  # fmt: skip
# Coefficients of (2^f - 1) / f for |f| <= ½: in float32 minimax, with an error of 4.5e-9 of
# 2^f - 1; in float64 its series.
POWERS = {
    4: [0.6931471879, 0.2402264979, 0.0555035743, 0.0096182375, 0.0013390736, 0.00015403514],
    8: [LOG2**k / math.factorial(k) for k in range(1, 15)],
}
ONE_FROM = {4: 10.0, 8: 20.0}  # tanh rounds to 1 from here on
LOG_TERMS = {4: 5, 8: 12}
LOG2_HIGH = {4: 0.693359375, 8: 0.693147180369123816490}
LOG2_LOW = {4: -2.12194440054690583e-4, 8: 1.90821492927058770002e-10}
EXP_MIN = {4: -104.0, 8: -746.0}  # exp of it rounds to 0
EXP_MAX = {4: 88.8, 8: 709.8}  # exp of it is infinite
NORMAL = {4: 2.0**-126, 8: 2.0**-1022}  # the smallest normal number


def horner(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    """Σ cₖ xᵏ, c₀ first."""
    *rest, last = coefficients
    found = x.emitter.lift(last)
    for c in reversed(rest):
        found = found.fma(x, c)
    return found


def _reduced(x: Lanes) -> tuple[Lanes, Lanes]:
    """Split x = n log 2 + r, with a whole n and |r| <= log 2 / 2. Returns r, and n + 1.5 · 2^m.

    m is the number of bits of the mantissa. Adding 1.5 · 2^m rounds to a whole number, and leaves
    n in the last bits.
    """
    size = x.emitter.size
    shifted = x.fma(1 / LOG2, 1.5 * 2.0 ** MANTISSA[size])
    n = shifted - 1.5 * 2.0 ** MANTISSA[size]
    r = n.fma(-LOG2_LOW[size], n.fma(-LOG2_HIGH[size], x))
    return r, shifted


def _power_of_two(shifted: Lanes) -> Lanes:
    """2ⁿ as a normal number. shifted: the second result of `_reduced`."""
    e = shifted.emitter
    up = e.lift_bits(MANTISSA[e.size])
    exponent = e.builder.shl(shifted.to_bits(), up)
    return e.of_bits(e.builder.add(exponent, e.lift(1.0).to_bits()))


def _halves(shifted: Lanes) -> tuple[Lanes, Lanes]:
    """2ⁿ as two factors, for an n whose power is not a normal number. shifted: as above."""
    e, b = shifted.emitter, shifted.emitter.builder
    n = b.sub(shifted.to_bits(), e.lift(1.5 * 2.0 ** MANTISSA[e.size]).to_bits())
    first = b.ashr(n, e.lift_bits(1))
    up, one = e.lift_bits(MANTISSA[e.size]), e.lift(1.0).to_bits()
    parts = (first, b.sub(n, first))
    found = [e.of_bits(b.add(b.shl(part, up), one)) for part in parts]
    return found[0], found[1]


def _series(r: Lanes) -> Lanes:
    """eʳ - 1 for |r| <= log 2 / 2."""
    return (r * r).fma(horner(r, SQUARES[r.emitter.size]), r)


def exp(x: Lanes) -> Lanes:
    """eˣ = 2ⁿ eʳ."""
    size = x.emitter.size
    r, shifted = _reduced(x.clip(EXP_MIN[size], EXP_MAX[size]))
    first, second = _halves(shifted)
    return (_series(r) + 1.0) * first * second


def tanh(x: Lanes) -> Lanes:
    """u / (2 - u) with u = 1 - e^-2x. Near 0, u is exact: u = 1 - 2ⁿ - 2ⁿ p, e^-2x = 2ⁿ (1 + p).

    It uses powers of 2, not of e. Rounding y = -2x / log 2 loses something where y is large, but
    there 2^y is too small to matter, or, for x < 0, u is too large.
    """
    size = x.emitter.size
    y = x.clip(-ONE_FROM[size], ONE_FROM[size]) * (-2 / LOG2)
    shifted = y + 1.5 * 2.0 ** MANTISSA[size]
    f = y - (shifted - 1.5 * 2.0 ** MANTISSA[size])
    scale = _power_of_two(shifted)
    u = (-scale).fma(f * horner(f, POWERS[size]), 1.0 - scale)
    return u.over(2.0 - u)


def sigmoid(x: Lanes) -> Lanes:
    """1 / (1 + e^-x), by e^-|x|, which cannot overflow."""
    e = exp(-abs(x))
    return (x < 0.0).where(e, 1.0).over(e + 1.0)


def _artanh2(s: Lanes) -> Lanes:
    """2 artanh s for |s| <= 0.172, by its series."""
    terms = LOG_TERMS[s.emitter.size]
    return s * horner(s * s, [2 / (2 * i + 1) for i in range(terms)])


def log(x: Lanes) -> Lanes:
    """k log 2 + log m with m in [√½, √2), where log m = 2 artanh s, s = (m - 1) / (m + 1)."""
    e, b = x.emitter, x.emitter.builder
    mantissa = MANTISSA[e.size]
    is_tiny = x < NORMAL[e.size]
    scaled = is_tiny.where(x * 2.0**54, x)
    # The exponent of x / √½, so that m lies around 1.
    half = e.lift(math.sqrt(0.5)).to_bits()
    above = b.sub(scaled.to_bits(), half)
    k = b.ashr(above, e.lift_bits(mantissa))
    m = e.of_bits(b.sub(scaled.to_bits(), b.shl(k, e.lift_bits(mantissa))))
    exponent = Lanes(e, b.sitofp(k, e.vector)) - is_tiny.where(54.0, 0.0)
    rest = exponent.fma(LOG2_LOW[e.size], _artanh2((m - 1.0) / (m + 1.0)))
    found = exponent.fma(LOG2_HIGH[e.size], rest)
    found = (x <= 0.0).where(x.equals(0.0).where(-math.inf, math.nan), found)
    return x.equals(math.inf).where(math.inf, (x.equals(x)).where(found, x))


def log1p(x: Lanes) -> Lanes:
    """log(1 + x). Near 0 it is 2 artanh(x / (2 + x)), because 1 + x would round."""
    s = x / (x + 2.0)
    u = x + 1.0
    lost = (x - (u - 1.0)) / u  # what rounding u lost; not finite where u is 0 or infinite
    far = log(u) + lost.is_finite().where(lost, 0.0)
    return (abs(s) < 0.17).where(_artanh2(s), far)


# Function of torch -> its form for lanes.
TORCH: dict[Any, Callable[..., Any]] = {
    torch.sqrt: Lanes.sqrt, torch.exp: exp, torch.log: log, torch.log1p: log1p,
    torch.sigmoid: sigmoid, torch.tanh: tanh, torch.relu: lambda x: x.most(0.0),
    torch.zeros_like: lambda x: x.emitter.lift(0.0),
    torch.ones_like: lambda x: x.emitter.lift(1.0),
    torch.addcmul: lambda addend, a, b: a.fma(b, addend),
    torch.maximum: Lanes.most, torch.clamp: Lanes.clip, torch.where: Mask.where,
    torch.eq: Lanes.equals, torch.isfinite: Lanes.is_finite,
}  # fmt: skip

"""Vectors of numbers whose arithmetic in Python becomes LLVM instructions.

A formula with `Lanes` reads as for one number. It is written once, and runs for all lanes in
either precision. Vectors are explicit, so nothing depends on whether a compiler vectorises a loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import llvmlite.ir as ir

from small_nets.engines.unsupported import CannotFuse

if TYPE_CHECKING:
    from small_nets.engines.fused.codegen.emitter import Emitter


# With all of these flags, LLVM divides by the processor's estimate of the reciprocal, improved
# once.
APPROXIMATELY = ("nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc")


def _lift(e: Emitter, value: Lanes | float) -> Lanes:
    return value if isinstance(value, Lanes) else e.lift(float(value))


class _Torch:
    """Lets torch's functions take lanes, so that rules and losses written for tensors work."""

    emitter: Emitter

    @classmethod
    def __torch_function__(cls, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = next(value for value in args if isinstance(value, _Torch)).emitter.torch
        if function not in known or kwargs:
            raise CannotFuse(f"the kernels have no {getattr(function, '__name__', function)}")
        return known[function](*args)


class Mask(_Torch):
    """A boolean per lane."""

    def __init__(self, emitter: Emitter, value: Any) -> None:
        self.emitter, self.value = emitter, value

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.emitter, self.emitter.builder.and_(self.value, other.value))

    def __or__(self, other: Mask) -> Mask:
        return Mask(self.emitter, self.emitter.builder.or_(self.value, other.value))

    def where(self, yes: Lanes | float, no: Lanes | float) -> Lanes:
        """`yes` in the lanes where this is true, else `no`."""
        e = self.emitter
        found = e.builder.select(self.value, _lift(e, yes).value, _lift(e, no).value)
        return Lanes(e, found)


class Lanes(_Torch):
    """A number per lane. Arithmetic rounds as in IEEE 754; `fma` rounds once."""

    def __init__(self, emitter: Emitter, value: Any) -> None:
        self.emitter, self.value = emitter, value

    def _with(self, name: str, other: Any, swapped: bool = False) -> Lanes:
        e = self.emitter
        if not isinstance(other, Lanes | float | int):
            return NotImplemented
        a, b = self, _lift(e, other)
        if swapped:
            a, b = b, a
        return Lanes(e, getattr(e.builder, name)(a.value, b.value))

    def __add__(self, other: Any) -> Lanes:
        return self._with("fadd", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Lanes:
        return self._with("fsub", other)

    def __rsub__(self, other: Any) -> Lanes:
        return self._with("fsub", other, True)

    def __mul__(self, other: Any) -> Lanes:
        return self._with("fmul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Lanes:
        return self._with("fdiv", other)

    def __rtruediv__(self, other: Any) -> Lanes:
        return self._with("fdiv", other, True)

    def __neg__(self) -> Lanes:
        return Lanes(self.emitter, self.emitter.builder.fneg(self.value))

    def _compare(self, sign: str, other: Lanes | float) -> Mask:
        e = self.emitter
        return Mask(e, e.builder.fcmp_ordered(sign, self.value, _lift(e, other).value))

    def __lt__(self, other: Lanes | float) -> Mask:
        return self._compare("<", other)

    def __le__(self, other: Lanes | float) -> Mask:
        return self._compare("<=", other)

    def __gt__(self, other: Lanes | float) -> Mask:
        return self._compare(">", other)

    def __ge__(self, other: Lanes | float) -> Mask:
        return self._compare(">=", other)

    def equals(self, other: Lanes | float) -> Mask:
        """Whether both are equal; false where either is NaN."""
        return self._compare("==", other)

    def over(self, other: Lanes) -> Lanes:
        """self / other within 2 ulp, which is faster than `/`. other: about 1.

        NaN gives NaN, but LLVM assumes that it does not occur: test the arguments, not the result.
        """
        e = self.emitter
        found = e.builder.fdiv(self.value, other.value, flags=APPROXIMATELY)  # type: ignore
        return Lanes(e, found)

    def is_finite(self) -> Mask:
        return abs(self) < float("inf")

    def __abs__(self) -> Lanes:
        return self.emitter.intrinsic("fabs", self)

    def sqrt(self) -> Lanes:
        return self.emitter.intrinsic("sqrt", self)

    def most(self, other: Lanes | float) -> Lanes:
        """The larger of both; NaN where this is NaN."""
        return (self < other).where(other, self)

    def least(self, other: Lanes | float) -> Lanes:
        """The smaller of both; NaN where this is NaN."""
        return (self > other).where(other, self)

    def clip(self, low: float, high: float | None = None) -> Lanes:
        """This, limited to [low, high]; NaN where this is NaN."""
        return (self if high is None else self.least(high)).most(low)

    def fma(self, factor: Lanes | float, addend: Lanes | float) -> Lanes:
        """self * factor + addend, rounded once."""
        e = self.emitter
        return e.intrinsic("fma", self, _lift(e, factor), _lift(e, addend))

    def to_bits(self) -> Any:
        return self.emitter.builder.bitcast(self.value, self.emitter.bits)

    def shuffle(self, other: Lanes, places: Sequence[int]) -> Lanes:
        """Lane i is number places[i] of the lanes of both, one after the other."""
        e = self.emitter
        kind = ir.VectorType(ir.IntType(32), e.lanes)
        mask = ir.Constant(kind, [ir.Constant(ir.IntType(32), p) for p in places])
        return Lanes(e, e.builder.shuffle_vector(self.value, other.value, mask))

    def total(self) -> Lanes:
        """The sum over the lanes, in every lane."""
        found, width = self, self.emitter.lanes
        while width > 1:
            width //= 2
            found = found + found.shuffle(found, [i ^ width for i in range(self.emitter.lanes)])
        return found


def totals(values: Sequence[Lanes]) -> Lanes:
    """Lane i is the sum over the lanes of values[i]. There are at most as many values as lanes.

    Each level adds neighbours, which leaves half as many vectors.
    """
    e = values[0].emitter
    n = e.lanes
    level = [*values, *[e.lift(0.0)] * (n - len(values))]
    while len(level) > 1:
        level = [
            a.shuffle(b, range(0, 2 * n, 2)) + a.shuffle(b, range(1, 2 * n, 2))
            for a, b in zip(level[::2], level[1::2], strict=True)
        ]
    return level[0]

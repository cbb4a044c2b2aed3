"""Emits a kernel's instructions, memory accesses and loops."""

from collections.abc import Iterator, Sequence
from typing import Any

import llvmlite.ir as ir

from small_nets.engines.fused.codegen.elementary import TORCH
from small_nets.engines.fused.codegen.lanes import Lanes

BITS = 512  # of a vector; LLVM splits it where a machine's registers are shorter
LANES = {size: BITS // 8 // size for size in (4, 8)}  # bytes of a number -> numbers in a vector
INT = ir.IntType(64)
POINTER = ir.PointerType()
# A place in memory, counted in numbers: an int, or a value that is known when the kernel runs.
# (llvmlite has no type hints.)
Index = Any


class Emitter:
    """Emits one function, which returns nothing.

    size: bytes of a number, 4 or 8. arguments: the type of each.
    """

    torch = TORCH

    def __init__(
        self, module: ir.Module, name: str, arguments: Sequence[ir.Type], size: int
    ) -> None:
        self.module, self.size = module, size
        self.lanes = LANES[size]
        self.number = ir.FloatType() if size == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.number, self.lanes)
        self.bits = ir.VectorType(ir.IntType(8 * size), self.lanes)
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
        head = self.function.append_basic_block("locals")
        self.body = self.function.append_basic_block("body")
        self.head, self.builder = ir.IRBuilder(head), ir.IRBuilder(self.body)

    def finish(self) -> None:
        """End the function."""
        self.builder.ret_void()
        self.head.branch(self.body)

    # Values

    def lift(self, value: float) -> Lanes:
        """A number in every lane."""
        number = ir.Constant(self.number, float(value))
        return Lanes(self, ir.Constant(self.vector, [number] * self.lanes))

    def lift_bits(self, value: int) -> Any:
        """A whole number in every lane, with as many bits as a floating one."""
        return ir.Constant(self.bits, [ir.Constant(self.bits.element, value)] * self.lanes)

    def of_bits(self, value: Any) -> Lanes:
        return Lanes(self, self.builder.bitcast(value, self.vector))

    def intrinsic(self, name: str, *values: Lanes) -> Lanes:
        """Apply LLVM's intrinsic of that name to each lane."""
        full = f"llvm.{name}.v{self.lanes}f{8 * self.size}"
        found = self.module.globals.get(full)
        if found is None:
            kind = ir.FunctionType(self.vector, [self.vector] * len(values))
            found = ir.Function(self.module, kind, full)
        return Lanes(self, self.builder.call(found, [v.value for v in values]))

    # Memory: pointers to numbers, indices count numbers

    def index(self, value: Index) -> Any:
        return ir.Constant(INT, value) if isinstance(value, int) else value

    def add(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        return self.builder.add(self.index(a), self.index(b))

    def times(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        return self.builder.mul(self.index(a), self.index(b))

    def address(self, pointer: Any, index: Index) -> Any:
        return self.builder.gep(pointer, [self.index(index)], source_etype=self.number)

    def load(self, pointer: Any, index: Index) -> Lanes:
        """Load one number for each lane, from `index` on."""
        at = self.address(pointer, index)
        return Lanes(self, self.builder.load(at, typ=self.vector, align=self.size))

    def store(self, value: Lanes, pointer: Any, index: Index) -> None:
        self.builder.store(value.value, self.address(pointer, index), align=self.size)

    def broadcast(self, pointer: Any, index: Index) -> Lanes:
        """Load one number into every lane."""
        one = self.builder.load(self.address(pointer, index), typ=self.number, align=self.size)
        vector = self.builder.insert_element(
            ir.Constant(self.vector, ir.Undefined), one, self.index(0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None)
        return Lanes(
            self, self.builder.shuffle_vector(vector, ir.Constant(self.vector, ir.Undefined), zeros)
        )

    def array(self, count: int) -> "Array":
        """A local array of vectors. It is kept in registers if all its indices are ints."""
        kind = ir.ArrayType(self.vector, max(count, 1))
        return Array(self, self.head.alloca(kind), kind)

    # Control

    def loop(self, count: Index, unrolled: bool = False) -> Iterator[Index]:
        """Yield 0, 1, … count - 1: as ints, for straight-line code, or once, as a loop's counter.

        Do not break out of such a loop. A count that is not an int must not be 0.
        """
        if isinstance(count, int) and (unrolled or count <= 1):
            yield from range(count)
            return
        counter = self.head.alloca(INT)
        b = self.builder
        b.store(ir.Constant(INT, 0), counter)
        top, end = b.append_basic_block("loop"), b.append_basic_block("end")
        b.branch(top)
        b.position_at_end(top)
        i = b.load(counter, typ=INT)
        yield i
        after = b.add(i, ir.Constant(INT, 1))
        b.store(after, counter)
        b.cbranch(b.icmp_signed("<", after, self.index(count)), top, end)
        b.position_at_end(end)


class Array:
    """A local array of vectors."""

    def __init__(self, emitter: Emitter, memory: Any, kind: ir.ArrayType) -> None:
        self.emitter, self.memory, self.kind = emitter, memory, kind

    def _at(self, index: Index) -> Any:
        zero = ir.Constant(INT, 0)
        place = [zero, self.emitter.index(index)]
        return self.emitter.builder.gep(self.memory, place, inbounds=True)

    def __getitem__(self, index: Index) -> Lanes:
        e = self.emitter
        return Lanes(e, e.builder.load(self._at(index), typ=e.vector))

    def __setitem__(self, index: Index, value: Lanes) -> None:
        self.emitter.builder.store(value.value, self._at(index))

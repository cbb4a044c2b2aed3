"""Which engine trains a cohort, and why not a faster one.

By shapes alone, and not by a measurement: a sweep that is continued, or extended, is computed as
it was begun, to the bit.
"""

import shutil
from collections.abc import Sequence

from small_nets.engines.cohort import Cohort
from small_nets.engines.engine import Lowered, Stacked
from small_nets.engines.stacked.cost import LARGE, eager_seconds, largest_product
from small_nets.engines.stacked.program import lower
from small_nets.engines.unsupported import CannotFuse

PAYS = 60.0  # eager seconds of a part from which 10 to 30 s of compiling pay


def choose(
    member: Cohort, engine: str | None, compiles: bool | None, falls_back: bool = True
) -> tuple[Lowered, str]:
    """The program, and what to say of it.

    engine: as the config asks for it. compiles: whether `stacked` is to; None where it pays.
    falls_back: to `stacked`, where there is no faster one. Raises CannotStack, CannotFuse.
    """
    why = ""
    if engine != "stacked":
        try:
            return _fused(member, engine == "fused"), ""
        except CannotFuse as error:
            if not falls_back:
                raise
            why = f"not fused: {error}"
    compiled, note = _compiled(member, compiles)
    lowered = Stacked.of(member, lower(member, compiled))
    return lowered, "; ".join(text for text in (why, note) if text)


def compile_all(several: Sequence[Lowered], workers: int) -> None:
    """Compile the kernels among them, so many at the same time."""
    if any(one.name == "fused" for one in several):
        from small_nets.engines.fused.compiler import compile_all as compile_kernels
        from small_nets.engines.fused.engine import Fused

        compile_kernels([one.program.wanted for one in several if isinstance(one, Fused)], workers)


def without_compiling(member: Cohort, failed: Lowered, error: Exception) -> tuple[Lowered, str]:
    """What is left where LLVM, or torch, could not compile. Raises CannotStack."""
    what = "not fused: LLVM" if failed.name == "fused" else "eager: torch.compile"
    return Stacked.of(member, lower(member)), f"{what} failed, {type(error).__name__}"


def _fused(member: Cohort, is_asked_for: bool) -> Lowered:
    """Raises CannotFuse."""
    try:
        from small_nets.engines.fused.engine import Fused
        from small_nets.engines.fused.program import lower as lower_fused
    except ImportError as error:
        raise CannotFuse(f"no compiler, {error}") from error
    found = Fused.of(member, lower_fused(member))
    if largest_product(member) > LARGE and not is_asked_for:
        raise CannotFuse("BLAS is faster for layers as wide as these")
    return found


def _compiled(member: Cohort, compiles: bool | None) -> tuple[bool, str]:
    """Whether `stacked` compiles, and what to say of it."""
    about = eager_seconds(member)
    wanted = compiles is True or (compiles is None and about > PAYS)
    if wanted and member.steps and shutil.which("g++") is None:
        return False, "eager: no C++ compiler (g++) here"
    if compiles is None and wanted:
        return bool(member.steps), f"compiled: a part would take about {about:.0f} s eager"
    return wanted and bool(member.steps), ""

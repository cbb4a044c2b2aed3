"""Selects the engine of a cohort, and says why it is not a faster one.

The choice depends on shapes alone, not on measurements. So a sweep that is continued or extended
gives the same bits.
"""

import shutil
from collections.abc import Sequence

from small_nets.engines.cohort import Cohort
from small_nets.engines.engine import Lowered, Stacked
from small_nets.engines.stacked.cost import LARGE, eager_seconds, largest_product
from small_nets.engines.stacked.program import lower
from small_nets.engines.unsupported import CannotFuse

PAYS = 60.0  # a part that takes longer than this eager is worth 10 to 30 s of compiling


def choose(
    member: Cohort, engine: str | None, compiles: bool | None, falls_back: bool = True
) -> tuple[Lowered, str]:
    """Choose a cohort's program. Returns it with a note about the choice, which may be "".

    member: a cohort of one. engine: the config's. compiles: whether the stacked engine compiles;
    None where it pays. falls_back: whether stacked is taken where fused is impossible. Raises
    CannotStack, and CannotFuse without falls_back.
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
    """Compile the fused kernels among these programs, `workers` at a time."""
    if any(one.name == "fused" for one in several):
        from small_nets.engines.fused.compiler import compile_all as compile_kernels
        from small_nets.engines.fused.engine import Fused

        compile_kernels([one.program.wanted for one in several if isinstance(one, Fused)], workers)


def without_compiling(member: Cohort, failed: Lowered, error: Exception) -> tuple[Lowered, str]:
    """The eager stacked program, for a cohort that failed to compile, and a note about that.

    Raises CannotStack.
    """
    what = "not fused: LLVM" if failed.name == "fused" else "eager: torch.compile"
    return Stacked.of(member, lower(member)), f"{what} failed, {type(error).__name__}"


def _fused(member: Cohort, is_asked_for: bool) -> Lowered:
    """The fused program. Raises CannotFuse where there is none, or where BLAS is faster."""
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
    """Whether the stacked engine compiles, and a note about that."""
    about = eager_seconds(member)
    wanted = compiles is True or (compiles is None and about > PAYS)
    if wanted and member.steps and shutil.which("g++") is None:
        return False, "eager: no C++ compiler (g++) here"
    if compiles is None and wanted:
        return bool(member.steps), f"compiled: a part would take about {about:.0f} s eager"
    return wanted and bool(member.steps), ""

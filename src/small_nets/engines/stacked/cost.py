"""Estimates what a cohort costs, and how large its parts are, from its shapes alone.

No measurement is used, so that a sweep that is continued or extended gives the same bits.
"""

from typing import Literal

from torch import nn

from small_nets.engines.cohort import Cohort
from small_nets.engines.stacked.widen import LANES, VECTOR

Layout = Literal["last", "first"]
CACHE = 1 << 20  # bytes of a core's second-level cache, in which a layer's values should fit
MOST = 1024  # lanes; with more, the fixed cost of a step is small anyway
BLAS = 4096  # a matrix product of more multiplications is worth a call of BLAS
LARGE = 1_000_000_000  # up to so many, fused kernels are faster: tests.benchmarks.wide
BLAS_COMPILED = 1024  # a layer of more weights is worth a call of BLAS in a compiled program


def linears(net: nn.Module) -> list[tuple[int, int]]:
    """The inputs and outputs of each linear layer."""
    return [(m.in_features, m.out_features) for m in net.modules() if isinstance(m, nn.Linear)]


def choose_layout(net: nn.Module, rows: int, compiled: bool = False) -> Layout:
    """Where the members' axis lies: last, or first if matrix products are worth BLAS.

    rows: of a batch. A compiler adds products up as it computes them, so its limit is higher.
    """
    sizes = [i * o for i, o in linears(net) if min(i, o) > 1]
    if compiled:
        return "first" if max(sizes, default=0) > BLAS_COMPILED else "last"
    return "first" if rows * max(sizes, default=0) > BLAS else "last"


def largest_product(cohort: Cohort) -> int:
    """The multiplications of the largest matrix product of a step."""
    return cohort.batch * max((i * o for i, o in linears(cohort.net)), default=0)


def bytes_per_member(cohort: Cohort) -> int:
    """Estimate the memory of a member while it trains: rows, values of layers, parameters."""
    size = cohort.train.input.element_size()
    rows = sum(s.count * (s.input.shape[2] + s.target.shape[2]) for s in cohort.splits.values())
    widths = sum(o for _, o in linears(cohort.net)) or 1
    points = cohort.epochs // cohort.log_every + 2
    curves = points * len(cohort.splits) * (1 + len(cohort.measures)) * 8
    numbers = sum(p[0].numel() for p in cohort.parameters.values())
    # Four copies of each layer: value, gradient, and temporary results.
    most = max(split.count for split in cohort.splits.values())
    return size * (2 * rows + 4 * most * widths + 12 * numbers) + 2 * curves


def eager_seconds(cohort: Cohort) -> float:
    """Estimate the seconds of a full part without a compiler, on one core of 2.5 GHz."""
    numbers = cohort.batch * sum(o for _, o in linears(cohort.net)) * part_sizes(cohort)[1]
    return cohort.steps * (5e-4 + numbers * 2e-8)


def part_sizes(cohort: Cohort, compiled: bool = False) -> tuple[int, int]:
    """The least and the usual number of members to which a part is padded.

    The usual number keeps a layer's values in the cache. A part may have any multiple of the least
    number without changing a member's bits. Where few members fit into the cache, both are equal.
    """
    widest = max((o for _, o in linears(cohort.net)), default=1)
    fit = CACHE // (cohort.batch * widest * cohort.train.input.element_size())
    if fit >= LANES:
        return LANES, min(fit // LANES * LANES, MOST)
    # torch.func.vmap puts members first; no kernel splits two vectors of them.
    layout = choose_layout(cohort.net, cohort.batch, compiled)
    fixed = VECTOR if layout == "last" else 2 * VECTOR
    return fixed, fixed


def lanes_for(members: int, sizes: tuple[int, int]) -> int:
    """The number to which a part of so many members is padded. sizes: see `part_sizes`."""
    least, usual = sizes
    return usual if least == usual else -(-members // least) * least

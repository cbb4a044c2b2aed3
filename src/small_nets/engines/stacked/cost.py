"""What a cohort costs and how it is cut, by its shapes alone.

By shapes and not by a measurement, so that a sweep that is continued, or extended, is computed
as it was begun, to the bit.
"""

from typing import Literal

from torch import nn

from small_nets.engines.cohort import Cohort
from small_nets.engines.stacked.widen import LANES, VECTOR

Layout = Literal["last", "first"]
CACHE = 1 << 20  # bytes of one core's second cache, which a part's layers should not pass
MOST = 1024  # lanes beyond which a step's fixed cost is spread thin enough
BLAS = 4096  # multiplications of a matrix product from which a call of BLAS pays
LARGE = 1_000_000_000  # likewise, up to which fused kernels are faster: tests.benchmarks.wide
BLAS_COMPILED = 1024  # weights of a layer, likewise


def linears(net: nn.Module) -> list[tuple[int, int]]:
    """Inputs and outputs of each linear layer."""
    return [(m.in_features, m.out_features) for m in net.modules() if isinstance(m, nn.Linear)]


def choose_layout(net: nn.Module, rows: int, compiled: bool = False) -> Layout:
    """Members on the last axis, unless the net's matrix products are worth a call each.

    A compiler adds up products as it forms them, and so goes further without BLAS.
    """
    sizes = [i * o for i, o in linears(net) if min(i, o) > 1]
    if compiled:
        return "first" if max(sizes, default=0) > BLAS_COMPILED else "last"
    return "first" if rows * max(sizes, default=0) > BLAS else "last"


def largest_product(cohort: Cohort) -> int:
    """Multiplications of the largest matrix product of a step."""
    return cohort.batch * max((i * o for i, o in linears(cohort.net)), default=0)


def bytes_per_member(cohort: Cohort) -> int:
    """What a member needs while it trains: its rows, its layers' values, its parameters."""
    size = cohort.train.input.element_size()
    rows = sum(s.count * (s.input.shape[2] + s.target.shape[2]) for s in cohort.splits.values())
    widths = sum(o for _, o in linears(cohort.net)) or 1
    points = cohort.epochs // cohort.log_every + 2
    curves = points * len(cohort.splits) * (1 + len(cohort.measures)) * 8
    numbers = sum(p[0].numel() for p in cohort.parameters.values())
    # Four copies of each layer: value, gradient, and what an operation makes of them.
    most = max(split.count for split in cohort.splits.values())
    return size * (2 * rows + 4 * most * widths + 12 * numbers) + 2 * curves


def eager_seconds(cohort: Cohort) -> float:
    """About what a full part takes without a compiler, on one core of 2.5 GHz."""
    numbers = cohort.batch * sum(o for _, o in linears(cohort.net)) * part_sizes(cohort)[1]
    return cohort.steps * (5e-4 + numbers * 2e-8)


def part_sizes(cohort: Cohort, compiled: bool = False) -> tuple[int, int]:
    """The least and the usual number of members that a part is padded to; by shapes alone.

    As many as keep one layer's values in the cache. Where few do, the number is fixed; else it
    may be any multiple of the least, which is such that a member's numbers do not depend on it.
    """
    widest = max((o for _, o in linears(cohort.net)), default=1)
    fit = CACHE // (cohort.batch * widest * cohort.train.input.element_size())
    if fit >= LANES:
        return LANES, min(fit // LANES * LANES, MOST)
    # torch.func.vmap puts members first, and two vectors are then what no kernel cuts.
    layout = choose_layout(cohort.net, cohort.batch, compiled)
    fixed = VECTOR if layout == "last" else 2 * VECTOR
    return fixed, fixed


def lanes_for(members: int, sizes: tuple[int, int]) -> int:
    """What a part of so many members is padded to."""
    least, usual = sizes
    return usual if least == usual else -(-members // least) * least

"""From a net to array programs: layouts, sizes, and what cannot be mapped."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from small_nets.engines.stacked.cost import choose_layout
from small_nets.engines.stacked.operations import multiply, multiply_aligned
from small_nets.engines.stacked.program import lower
from small_nets.engines.stacked.trace import trace_step
from small_nets.engines.stacked.train import train
from small_nets.engines.stacked.widen import widen
from small_nets.engines.unsupported import CannotStack
from small_nets.nn.mlp import mlp
from small_nets.sweep.cohorts.start import start
from tests.engines.parity import compose


class TestLowering:
    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
    def test_multiply(self, n: int, k: int, m: int) -> None:
        torch.manual_seed(0)
        a, b = torch.randn(n, k, 4).double(), torch.randn(k, m, 4).double()
        torch.testing.assert_close(multiply(a, b), torch.einsum("nkl,kml->nml", a, b))

    def test_what_no_lane_can_hold(self) -> None:
        class Sorted(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.w = torch.nn.Parameter(torch.ones(1, 1))

            def forward(self, x: Tensor) -> Tensor:
                return (x @ self.w).sort(dim=0).values

        net = Sorted()
        x, y = torch.randn(5, 1), torch.randn(5, 1)
        graph = trace_step(net, torch.nn.functional.mse_loss, torch.ones(1), x, y)
        with pytest.raises(Exception, match="sort"):
            widen(graph)

    def test_a_reason_for_what_cannot_be_mapped(self) -> None:
        class Branching(torch.nn.Linear):
            def forward(self, input: Tensor) -> Tensor:
                return super().forward(input) if input.sum().item() > 0 else input

        (config,) = compose("+experiment=proportional", "trainer.max_epochs=1")
        cohort = start([config]).cohort
        assert cohort is not None
        object.__setattr__(cohort, "net", torch.nn.Sequential())
        cohort.net.add_module("output_linear", Branching(1, 1))
        with pytest.raises(CannotStack, match=r"data-dependent|Proxy|item"):
            lower(cohort)

    def test_layout_follows_from_shapes(self) -> None:
        def net(*widths: int) -> torch.nn.Module:
            return mlp(inputs=1, outputs=1, width=list(widths))

        assert choose_layout(net(13), 9) == "last"
        assert choose_layout(net(5), 2400) == "last"
        assert choose_layout(net(128, 64), 100) == "first"

    def test_more_members_than_a_part_holds(self) -> None:
        started = start(compose("+experiment=sine", "trainer.max_epochs=1", seeds=range(17)))
        assert started.cohort is not None
        with pytest.raises(ValueError, match="17 members do not fit into a part of 16"):
            train(started.cohort)

    def test_a_member_that_cannot_be_is_named(self) -> None:
        configs = compose("+experiment=temperature_mlp", seeds=(1, 2, 3))
        configs[1]["data"] = configs[1]["data"] | {"batch_size": 99}
        started = start(configs)
        assert started.places == [0, 2]
        assert "data.batch_size=99" in started.failed[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    sizes=st.tuples(*[st.integers(1, 40)] * 3),
    transposed=st.integers(0, 2),
    shift=st.integers(0, 7),
)
@settings(max_examples=60, deadline=None)
def test_a_product_is_the_same_in_any_place(
    dtype: torch.dtype, sizes: tuple[int, int, int], transposed: int, shift: int
) -> None:
    """Wherever a member's matrices begin in memory, its product has the same bits."""
    n, k, m = sizes
    torch.manual_seed(n)
    a, b = torch.randn(32, n, k, dtype=dtype), torch.randn(32, k, m, dtype=dtype)
    if transposed == 1:
        a = a.transpose(1, 2).contiguous().transpose(1, 2)
    elif transposed == 2:
        b = b.transpose(1, 2).contiguous().transpose(1, 2)
    found = multiply_aligned(a, b)
    torch.testing.assert_close(found, a @ b)
    order = torch.randperm(32)
    assert torch.equal(multiply_aligned(a[order], b[order]), found[order])
    whole = torch.empty(32, shift + k * m, dtype=dtype)  # as in the vector of all parameters
    within = whole[:, shift:].view(32, k, m).copy_(b)
    assert torch.equal(multiply_aligned(a, within), found)

"""torch's core operations in the form that has the members on a last axis."""

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PRODUCT = 512  # multiplications of a matrix product that are computed at once, per member
LINE = 64  # bytes of a cache line

aten = torch.ops.aten


def same(value: Any, *_: Any, **__: Any) -> Any:
    return value


def square_or_power(x: Any, exponent: float) -> Any:
    return x * x if exponent == 2 else torch.pow(x, exponent)


# Elementwise operations, unchanged: shapes align from the right, so lanes meet lanes.
ELEMENTWISE: dict[Any, Callable[..., Any]] = {
    aten.add.Tensor: torch.add, aten.add.Scalar: torch.add,
    aten.sub.Tensor: torch.sub, aten.sub.Scalar: torch.sub, aten.rsub.Scalar: torch.rsub,
    aten.mul.Tensor: torch.mul, aten.mul.Scalar: torch.mul,
    aten.div.Tensor: torch.div, aten.div.Scalar: torch.div,
    aten.neg.default: torch.neg, aten.reciprocal.default: torch.reciprocal,
    aten.abs.default: torch.abs, aten.sign.default: torch.sign,
    aten.exp.default: torch.exp, aten.expm1.default: torch.expm1,
    aten.log.default: torch.log, aten.log1p.default: torch.log1p,
    aten.sqrt.default: torch.sqrt, aten.rsqrt.default: torch.rsqrt,
    aten.sin.default: torch.sin, aten.cos.default: torch.cos,
    aten.tanh.default: torch.tanh, aten.sigmoid.default: torch.sigmoid,
    aten.relu.default: torch.relu, aten.hardtanh.default: F.hardtanh,
    aten.leaky_relu.default: F.leaky_relu, aten.pow.Tensor_Scalar: square_or_power,
    aten.clamp.default: torch.clamp, aten.maximum.default: torch.maximum,
    aten.minimum.default: torch.minimum, aten.where.self: torch.where,
    aten.eq.Tensor: torch.eq, aten.eq.Scalar: torch.eq, aten.ne.Scalar: torch.ne,
    aten.gt.Scalar: torch.gt, aten.ge.Scalar: torch.ge, aten.gt.Tensor: torch.gt,
    aten.lt.Scalar: torch.lt, aten.le.Scalar: torch.le, aten.lt.Tensor: torch.lt,
    aten.bitwise_or.Tensor: torch.bitwise_or, aten.bitwise_and.Tensor: torch.bitwise_and,
    aten.logical_not.default: torch.logical_not, aten.isnan.default: torch.isnan,
    **{
        gradient: gradient
        for gradient in (
            *(aten.tanh_backward.default, aten.sigmoid_backward.default),
            *(aten.threshold_backward.default, aten.hardtanh_backward.default),
            aten.leaky_relu_backward.default,
        )
    },
    aten.alias.default: same, aten.detach.default: same, aten.clone.default: same,
}  # fmt: skip
# Tensors that hold one number everywhere. They become a Python number.
CONSTANTS = {
    aten.full.default: lambda _, value: value,
    aten.full_like.default: lambda _, value: value,
    aten.ones_like.default: lambda _: 1.0,
    aten.zeros_like.default: lambda _: 0.0,
    aten.scalar_tensor.default: lambda value: value,
}
FOLDED: dict[Any, Any] = {
    aten.mul.Tensor: operator.mul, aten.mul.Scalar: operator.mul,
    aten.div.Tensor: operator.truediv, aten.div.Scalar: operator.truediv,
    aten.neg.default: operator.neg,
}  # fmt: skip
SPREAD = (aten.expand.default, aten.view.default, aten.unsqueeze.default, aten.alias.default)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Multiply (n, k, lanes) by (k, m, lanes) to (n, m, lanes), by products and sums.

    A small product is computed at once. A large one loops over its shortest axis, which keeps
    temporary results small.
    """
    n, k, m = a.shape[0], a.shape[1], b.shape[1]
    if k == 1:
        return a * b
    if n == 1:
        return (a.transpose(0, 1) * b).sum(0, keepdim=True)
    if m == 1:
        return (a * b.transpose(0, 1)).sum(1, keepdim=True)
    if n * k * m <= PRODUCT:
        return (a[:, :, None] * b).sum(1)
    if k <= min(n, m):
        total = a[:, :1] * b[:1]
        for i in range(1, k):
            total = torch.addcmul(total, a[:, i : i + 1], b[i : i + 1])
        return total
    if n <= m:
        return torch.stack([(a[i][:, None] * b).sum(0) for i in range(n)])
    columns = b.transpose(0, 1)
    return torch.stack([(a * columns[j]).sum(1) for j in range(m)], dim=1)


def multiply_add(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """bias + a times b, in one pass over memory where k is 1."""
    return torch.addcmul(bias, a, b) if a.shape[1] == 1 else multiply(a, b) + bias


def multiply_add_fused(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`multiply_add` in the form for a compiler."""
    return multiply_fused(a, b) + bias


def multiply_fused(a: Tensor, b: Tensor) -> Tensor:
    """`multiply` in the form for a compiler, which adds products up as it computes them."""
    return a * b if a.shape[1] == 1 else (a[:, :, None] * b).sum(1)


def multiply_aligned(a: Tensor, b: Tensor) -> Tensor:
    """Multiply (members, n, k) by (members, k, m), with the same bits for a member in any place.

    MKL may add up in another order where a matrix does not begin at a multiple of its vectors; on
    AMD's processors it does. If columns fill whole cache lines, all members' matrices begin at
    such multiples. The copies cost up to half of a product's time. MKL's own switch
    (MKL_CBWR=…,STRICT) is no help: it has to be set before torch is loaded, and works only on
    Intel's processors.
    """
    m = b.shape[2]
    more = -m % (LINE // a.element_size())
    if a.shape[2] == 1:  # there is nothing to add up
        return torch.bmm(a, b)
    return torch.bmm(a, F.pad(b, (0, more)).contiguous())[:, :, :m].contiguous()


def _like_result(function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    return lambda _, result, *__: (function, (*result.shape, -1))


def _along(function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    return lambda dims, _, dim, *rest: (function, dim % dims, *rest)


def _over(function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    def rule(dims: int, _: Any, of: Any = None, keep: bool = False) -> tuple[Any, ...]:
        over = tuple(d % dims for d in of) if of else tuple(range(dims))
        return (function, over, keep) if over else (same,)

    return rule


def _slice(dims: int, _: Any, dim: int, start: int = 0, end: int = 2**62, step: int = 1) -> Any:
    cut = slice(start, min(end, 2**62), step)
    return operator.getitem, (slice(None),) * (dim % dims) + (cut,)


# Operations that name dimensions. Each rule maps (dimensions of the first tensor, the result,
# further arguments) to the function that does the same, and its arguments behind the first tensor.
DIMENSIONS: dict[Any, Callable[..., tuple[Any, ...]]] = {
    aten.view.default: _like_result(torch.reshape),
    aten._unsafe_view.default: _like_result(torch.reshape),
    aten.squeeze.dims: _like_result(torch.reshape),
    aten.expand.default: _like_result(Tensor.expand),
    aten.permute.default: lambda n, _, dims: (torch.permute, (*(d % n for d in dims), n)),
    aten.unsqueeze.default: lambda n, _, dim: (torch.unsqueeze, dim % (n + 1)),
    aten.select.int: _along(torch.select),
    aten.slice.Tensor: _slice,
    aten.split_with_sizes.default: lambda n, _, sizes, d=0: (torch.split, list(sizes), d % n),
    aten.cat.default: lambda _, result, d=0: (torch.cat, d % result.dim()),
    aten._softmax.default: lambda n, _, d, __: (torch.softmax, d % n),
    aten._log_softmax.default: lambda n, _, d, __: (torch.log_softmax, d % n),
    aten.max.dim: _along(torch.max), aten.argmax.default: _along(torch.argmax),
    aten._to_copy.default: lambda _, result: (Tensor.to, result.dtype),
    aten.sum.default: _over(torch.sum), aten.sum.dim_IntList: _over(torch.sum),
    aten.mean.default: _over(torch.mean), aten.mean.dim: _over(torch.mean),
    aten.amax.default: _over(torch.amax),
}  # fmt: skip
# Matrix products: the form without a compiler, and the form for one.
PRODUCTS = {
    aten.mm.default: (multiply, multiply_fused),
    aten.addmm.default: (multiply_add, multiply_add_fused),
}

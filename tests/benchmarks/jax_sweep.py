"""Training of many models in JAX, as one would write it there: `jit(vmap(scan))`.

    python -m tests.benchmarks.jax_sweep '[models, rows, [sizes], steps, adam, last, activation]'

Trains once, which compiles, says so, and then trains again for every line that it reads, and
answers with the seconds. Nothing is written.
"""

import json
import sys
import time
from itertools import pairwise
from typing import Any

import jax  # type: ignore
import jax.numpy as jnp  # type: ignore

RATE = 1e-3


def begin(models: int, rows: int, sizes: list[int]) -> tuple[Any, ...]:
    """Parameters, inputs, targets and learning rates, models first."""
    key = jax.random.key(0)
    params = [
        (jax.random.normal(key, (models, a, b)) * 0.1, jnp.zeros((models, b)))
        for a, b in pairwise(sizes)
    ]
    x = jax.random.uniform(key, (models, rows, sizes[0]))
    y = jax.random.uniform(key, (models, rows, sizes[-1]))
    return params, x, y, jnp.full((models,), RATE)


def make_train(steps: int, adam: bool, last: str, activation: str) -> Any:
    """The training of one model: (parameters, inputs, targets, rate) -> parameters, last loss."""
    act = {"tanh": jnp.tanh, "relu": jax.nn.relu}[activation]
    final = {"tanh": jnp.tanh, "identity": lambda x: x}[last]

    def loss(p: Any, x: Any, y: Any) -> Any:
        for i, (w, b) in enumerate(p):
            x = x @ w + b
            x = act(x) if i < len(p) - 1 else final(x)
        return jnp.mean((x - y) ** 2)

    def train(p: Any, x: Any, y: Any, lr: Any) -> Any:
        zeros = jax.tree.map(jnp.zeros_like, p)

        def step(carry: Any, _: None) -> Any:
            p, m, s, t, _ = carry
            value, g = jax.value_and_grad(loss)(p, x, y)
            if adam:
                t = t + 1
                m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
                s = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, s, g)
                c, d = 1 - 0.9**t, 1 - 0.999**t
                p = jax.tree.map(
                    lambda p, m, s: p - lr * (m / c) / (jnp.sqrt(s / d) + 1e-8), p, m, s
                )
            else:
                p = jax.tree.map(lambda p, g: p - lr * g, p, g)
            return (p, m, s, t, value), None

        (p, *_, value), _ = jax.lax.scan(step, (p, zeros, zeros, 0.0, 0.0), None, length=steps)
        return p, value

    return train


def main() -> None:
    models, rows, sizes, *rest = json.loads(sys.argv[1])
    given = begin(models, rows, sizes)
    train = jax.jit(jax.vmap(make_train(*rest)))
    jax.block_until_ready(train(*given))
    print("compiled", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        jax.block_until_ready(train(*given))
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()

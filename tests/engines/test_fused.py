"""The fused engine's parts: functions against numpy, activations against autograd, its cache."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import llvmlite.ir as ir
import numpy as np
import pytest
import torch

from small_nets.engines.fused import compiler
from small_nets.engines.fused.assembler import assemble
from small_nets.engines.fused.codegen import elementary
from small_nets.engines.fused.codegen.architecture import Architecture, Layer
from small_nets.engines.fused.codegen.emitter import INT, POINTER, Emitter
from small_nets.engines.fused.codegen.lanes import Lanes
from small_nets.engines.fused.compiler import Wanted
from small_nets.engines.fused.program import lower
from small_nets.engines.fused.train import train
from small_nets.engines.selection import choose
from small_nets.engines.unsupported import CannotFuse
from small_nets.nn.activation_formulas import FORMULAS
from small_nets.nn.activations import MODULES
from small_nets.nn.losses import bce, mse
from small_nets.nn.update_rules import UpdateRule
from small_nets.run.build.compose import compose_settings
from small_nets.sweep.cohorts.start import start
from tests.conftest import Swept, plain_run

REFERENCES: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x))),
    "log": np.log,
    "log1p": np.log1p,
}
TYPES = {4: np.float32, 8: np.float64}


def lane_by_lane(
    function: Callable[..., Lanes], size: int, count: int = 1
) -> Callable[..., np.ndarray]:
    """A function of lanes, compiled, as one of arrays."""
    module = ir.Module("test")
    e = Emitter(module, "f", [POINTER] * (count + 1) + [INT], size)
    *inputs, output, vectors = e.function.args
    for i in e.loop(vectors):
        at = e.times(i, e.lanes)
        e.store(function(*(e.load(x, at) for x in inputs)), output, at)
    e.finish()
    engine = compiler.link(assemble(str(module)))
    compiled = compiler.function(engine, "f", count + 1, 1)

    def call(*arrays: np.ndarray) -> np.ndarray:
        n = len(arrays[0])
        padded = [torch.from_numpy(np.pad(a, (0, -n % e.lanes))) for a in arrays]
        found = torch.empty_like(padded[0])
        compiled(*padded, found, len(found) // e.lanes)
        assert engine is not None
        return found.numpy()[:n]

    return call


def line(size: int) -> np.ndarray:
    """Numbers of every exponent and both signs, 0, infinities and a NaN."""
    rng = np.random.default_rng(0)
    if size == 4:
        bits = np.arange(2**9, dtype=np.uint32)[:, None] << 23
        some = (bits | rng.integers(0, 2**23, (2**9, 2**11), dtype=np.uint32)).ravel()
    else:
        wide = np.arange(2**12, dtype=np.uint64)[:, None] << np.uint64(52)
        some = (wide | rng.integers(0, 2**52, (2**12, 2**8), dtype=np.uint64)).ravel()
    usual = rng.normal(0, 4, 2**18)
    ends = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0]
    with np.errstate(all="ignore"):
        return np.concatenate([some.view(TYPES[size]), usual, ends]).astype(TYPES[size])


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("name", REFERENCES)
def test_within_4_ulp(name: str, size: int) -> None:
    x = line(size)
    with np.errstate(all="ignore"):
        # Beyond float64 there is no reference on every machine: its own rounding is an ulp more.
        exact = REFERENCES[name](x.astype(np.float64))
        wanted = exact.astype(TYPES[size])
        found = lane_by_lane(getattr(elementary, name), size)(x)
        ulp = np.spacing(np.abs(wanted)).astype(np.float64)
        error = np.abs(found.astype(np.float64) - exact) / ulp
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    assert np.isnan(found).tolist() == np.isnan(wanted).tolist()
    worst = np.where(same, 0.0, error)
    assert worst.max() <= (4 if size == 4 else 5), (x[worst.argmax()], found[worst.argmax()])
    assert not (np.abs(found) > 1).any() or name not in ("tanh", "sigmoid")


def test_the_sign_of_zero() -> None:
    zeros = np.array([0.0, -0.0], np.float32)
    found = lane_by_lane(elementary.tanh, 4)(zeros)
    assert found.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("name", FORMULAS)
def test_activations_and_their_gradients(name: str, size: int) -> None:
    kind = torch.float32 if size == 4 else torch.float64
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(0, 3, 1000), [0.0, 1.0, -1.0]]).astype(TYPES[size])
    g = rng.normal(0, 1, len(z)).astype(TYPES[size])
    at = torch.tensor(z, requires_grad=True)
    a = MODULES[name]()(at)
    (wanted,) = torch.autograd.grad(a, at, torch.tensor(g))
    activation = FORMULAS[name]
    value = lane_by_lane(activation.value, size)(z)
    rtol, atol = (5e-6, 1e-6) if size == 4 else (1e-13, 1e-14)
    torch.testing.assert_close(torch.tensor(value), a.detach().to(kind), rtol=rtol, atol=atol)
    back = lane_by_lane(activation.back, size, 3)(g, z, a.detach().numpy())
    torch.testing.assert_close(torch.tensor(back), wanted.to(kind), rtol=rtol, atol=atol)


def cohort(*overrides: str) -> Any:
    config = compose_settings(*overrides, "logger=none")[0]
    found = start([config]).cohort
    assert found is not None
    return found


def test_kernels_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A second process compiles nothing, half a file is compiled anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "_LOADED", {})
    program = lower(cohort("+experiment=temperature_mlp", "model.width=2"))
    compiler.load(program.wanted)
    (path,) = tmp_path.rglob("*.o")
    whole = path.read_bytes()
    real = compiler.compile_object
    monkeypatch.setattr(compiler, "compile_object", lambda *_: pytest.fail("it was compiled"))
    monkeypatch.setattr(compiler, "_LOADED", {})
    compiler.load(program.wanted)
    path.write_bytes(whole[:-100])
    monkeypatch.setattr(compiler, "compile_object", real)
    monkeypatch.setattr(compiler, "_LOADED", {})
    compiler.load(program.wanted)
    assert len(path.read_bytes()) == len(whole)


def test_several_are_compiled_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "_LOADED", {})
    optimizers = ("sgd", "adam", "adagrad")
    programs = [lower(cohort("+experiment=proportional", f"optimizer={o}")) for o in optimizers]
    compiler.compile_all([p.wanted for p in programs], 2)
    assert {path.stem for path in compiler.folder().iterdir()} == {p.wanted.key for p in programs}
    monkeypatch.setattr(compiler, "compile_object", lambda *_: pytest.fail("it was compiled"))
    for program in programs:
        compiler.load(program.wanted)


def test_a_kernel_is_known_by_what_it_computes() -> None:
    layer = Layer(1, 2, True, "tanh")
    one = lower(cohort("+experiment=temperature_mlp", "model.width=2"))
    assert mse.rows is not None
    assert bce.rows is not None
    names = {
        Wanted(Architecture((layer,), loss, size, rows), one.update, depth).key
        for loss in (mse.rows, bce.rows) for size in (4, 8)
        for rows in (True, False) for depth in (1, 2)
    }  # fmt: skip
    other = lower(cohort("+experiment=temperature_mlp", "model.width=2", "optimizer=adam"))
    names.add(Wanted(Architecture((layer,), mse.rows, 4, True), other.update, 1).key)
    assert len(names) == 17


@pytest.mark.parametrize(("overrides", "words"), [
    (("model.activation=prelu",), "PReLU has no form"),
    (("model.activation=softmax",), "softmax in front of"),
])  # fmt: skip
def test_a_reason_for_what_has_no_kernel(overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(CannotFuse, match=words):
        lower(cohort("+experiment=temperature_mlp", *overrides))


def test_a_rule_that_vector_lanes_cannot_do() -> None:
    """Refused where the engine is chosen, so that a sweep goes on stacked."""
    found = cohort("+experiment=temperature_mlp")

    def update(p: Any, g: Any, state: Any, *, lr: Any, **_: Any) -> Any:
        return p - lr * torch.erf(g), state

    ours = replace(found, rule=UpdateRule(update))
    with pytest.raises(CannotFuse, match="the kernels have no erf"):
        lower(ours)
    lowered, note = choose(ours, None, None)
    assert (lowered.name, note) == ("stacked", "not fused: the kernels have no erf")


@pytest.mark.parametrize(
    ("overrides", "seed"),
    [
        # A NaN behind a sigmoid, whose division LLVM believes to give none.
        (("+experiment=xor", "model.width=[8,8,8]", "model.activation=relu",
          "optimizer.lr=1e20"), 3),
        # A sum of squares that overflows a step before its mean would.
        (("+experiment=temperature_linear", "optimizer.lr=3"), 1),
        (("+experiment=sine", "data.source.points=50", "model.activation=relu",
          "model.output_activation=identity", "optimizer=sgd", "optimizer.lr=5"), 2),
    ],
)  # fmt: skip
def test_it_diverges_where_a_single_run_does(overrides: tuple[str, ...], seed: int) -> None:
    config = compose_settings(*overrides, f"seed={seed}", "trainer.max_epochs=100", "logger=none")
    ending, _ = plain_run(config[0])
    member = start([config[0]]).cohort
    assert member is not None
    trained = train(member)
    assert ending.status == "diverged"
    assert bool(trained.diverged[0])
    assert int(trained.steps[0]) == ending.curves["step"][-1]


def test_powers_are_the_same_in_company() -> None:
    base = compose_settings(
        "+experiment=temperature_mlp", "optimizer=adam", "precision=64", "logger=none",
        "trainer.max_epochs=3000", "log_every=3000",
    )[0]  # fmt: skip
    configs = [base | {"seed": seed} for seed in range(5)]
    several, alone = start(configs).cohort, start(configs[:1]).cohort
    assert several is not None
    assert alone is not None
    company, single = train(several).parameters, train(alone).parameters
    assert all(torch.equal(company[name][0], single[name][0]) for name in single)


def test_without_the_compiler_library(
    sweep: Callable[..., Swept], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "small_nets.engines.fused.program", None)
    done = sweep("+experiment=temperature_mlp", "trainer.max_epochs=10", "seed=0,1")
    assert set(done.table["engine"]) == {"stacked"}
    assert "not fused: no compiler" in done.text

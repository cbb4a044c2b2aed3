"""The sharpness along training: that of torch's own Hessian, and the same in every engine."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from small_nets.config.errors import InputError
from small_nets.engines import sharpness
from small_nets.engines.engine import probe
from small_nets.engines.fused import engine as fused_engine
from small_nets.engines.sharpness import RELATIVE, SHARPNESS, largest_eigenvalues
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.logged_metrics import logged_metrics
from small_nets.run.stability import stability
from small_nets.sweep.store.stored_run import checked_config, trained_runs
from tests.conftest import Finished, Swept, plain_run

Sweep = Callable[..., Swept]
ASKED = ("analysis=sharpness", "precision=64")
TEMPERATURE = ("+experiment=temperature_mlp", *ASKED, "trainer.max_epochs=40", "log_every=10")


@pytest.mark.every(2)
@pytest.mark.parametrize("words", [
    ("+experiment=temperature_mlp",),
    ("+experiment=sine", "model.width=[3,3]"),
    ("+experiment=xor", "model.width=3"),
    ("+experiment=xor", "model.width=3", "loss=bce_by_hand", "loss.class_weight=[1,4]"),
    ("+experiment=circles",),
    ("+experiment=temperature_mlp", "model.activation=relu"),
])  # fmt: skip
def test_of_torchs_own_hessian(words: tuple[str, ...]) -> None:
    run = build(compose_settings(*words, *ASKED, "logger=none")[0])
    names = [name for name, _ in run.net.named_parameters()]

    def loss(*values: torch.Tensor) -> torch.Tensor:
        named = dict(zip(names, values, strict=True))
        prediction = torch.func.functional_call(run.net, named, (run.data.train.input,))
        assert run.data.train.target is not None
        return run.loss(prediction, run.data.train.target)

    values = tuple(p.detach() for p in run.net.parameters())
    blocks = torch.autograd.functional.hessian(loss, values)
    whole = torch.cat([
        torch.cat([b.reshape(p.numel(), q.numel()) for b, q in zip(row, values, strict=True)], 1)
        for row, p in zip(blocks, values, strict=True)
    ])  # fmt: skip
    largest = torch.linalg.eigvalsh(whole)[-1].item()
    found = logged_metrics(run, 0)
    assert found[SHARPNESS] == pytest.approx(largest, rel=1e-9)
    bound = stability(run)
    if bound is None:
        assert RELATIVE not in found
    else:
        lr = run.config["optimizer"]["lr"]
        assert bound.at(0) == pytest.approx(2 / lr)
        assert found[RELATIVE] == pytest.approx(largest * lr / 2, rel=1e-9)


@pytest.mark.every(3)
@pytest.mark.parametrize("more", [
    ("engine=stacked", "optimizer.lr=0.0005,0.001"),
    ("engine=fused", "optimizer.lr=0.0005,0.001"),
    ("engine=stacked", "optimizer=momentum", "scheduler=exponential", "scheduler.decay=0.99"),
    ("engine=fused", "optimizer=momentum", "scheduler=exponential", "scheduler.decay=0.99"),
    ("engine=fused", "optimizer=adam", "optimizer.lr=0.01"),
    ("engine=stacked", "data.batch_size=3"),
    ("engine=fused", "early_stop={patience: 1}", "optimizer.lr=0.004"),
    ("engine=stacked", "early_stop={patience: 1}", "optimizer.lr=0.004"),
])  # fmt: skip
def test_engines_have_the_numbers_of_single_runs(sweep: Sweep, more: tuple[str, ...]) -> None:
    done = sweep(*TEMPERATURE, "seed=range(5)", *more)
    table = done.table
    for run_id in table["run_id"]:
        row = table.row(by_predicate=pl.col("run_id") == run_id, named=True)
        config = checked_config(done.store, run_id)
        ending, _ = plain_run(config)
        curve = done.store.curves([run_id]).sort("step")
        names = [n for n in (SHARPNESS, RELATIVE) if n in ending.curves]
        assert (RELATIVE in names) == (RELATIVE in table.columns)
        for name in names:
            np.testing.assert_allclose(curve[name], ending.curves[name], rtol=1e-6)
        ((_, run),) = trained_runs(done.store, [run_id])
        kept = row["kept_step"]
        final = logged_metrics(run, row["steps"] if kept is None else kept)
        for name in names:
            assert row[name] == pytest.approx(final[name], rel=1e-6)


def test_a_member_without_a_bound_has_none(sweep: Sweep) -> None:
    done = sweep(*TEMPERATURE, "seed=range(2)", "optimizer.weight_decay=0.0,0.1")
    found = done.table.sort("optimizer.weight_decay")[RELATIVE].is_null().to_list()
    assert found == [False, False, True, True]


def test_what_is_not_finite_is_infinite() -> None:
    net = torch.nn.Linear(1, 1).double()
    parameters = {n: torch.full((2, *p.shape), torch.nan) for n, p in net.named_parameters()}
    parameters = {n: torch.stack([torch.ones_like(p[0]), p[1]]) for n, p in parameters.items()}
    rows = torch.ones(2, 3, 1, dtype=torch.float64)
    found = largest_eigenvalues(net, lambda p, y: ((p - y) ** 2).mean(), parameters, rows, rows)
    assert found[0].item() == pytest.approx(4.0)
    assert found.isfinite().tolist() == [True, True]  # a quadratic bends the same everywhere
    found = largest_eigenvalues(net, lambda p, y: ((p - y) ** 4).mean(), parameters, rows, rows)
    assert found.isinf().tolist() == [False, True]


@pytest.mark.parametrize("numbers", [2**19, 2**8])  # of which the second is too few for a Hessian
def test_a_member_has_its_bits_in_any_company(
    numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = build(compose_settings("+experiment=xor", "model.width=3", "logger=none")[0])
    torch.manual_seed(0)
    drawn = {n: torch.randn(40, *p.shape) for n, p in run.net.named_parameters()}
    target = run.data.train.target
    assert target is not None

    def found(members: list[int]) -> torch.Tensor:
        some = {name: values[members] for name, values in drawn.items()}
        rows = [x.repeat(len(members), 1, 1) for x in (run.data.train.input, target)]
        return largest_eigenvalues(run.net, run.loss, some, *rows)

    whole = found(list(range(40)))
    monkeypatch.setattr(sharpness, "NUMBERS", numbers)
    torch.testing.assert_close(found(list(range(40))), whole, rtol=1e-12, atol=0)
    whole = found(list(range(40)))
    for members in ([7], [39, 2], list(range(39, 20, -1))):
        assert torch.equal(found(members), whole[members])


@pytest.mark.more
def test_the_plan_knows_what_it_costs(sweep: Sweep) -> None:
    def said(*more: str) -> str:
        words = ("+experiment=sine", "engine=fused", "seed=range(2000)", "sweep.dry_run=true")
        found = re.search(r"(?m)^about (\S+ \S+) and|^(under 1 s) and", sweep(*words, *more).text)
        assert found is not None
        return found[1] or found[2]

    assert said("analysis=sharpness").endswith(" min")  # 204,000 Hessians over 2,400 rows
    assert said("analysis=sharpness", "log_every=500").endswith((" s", "1 min"))
    assert said().endswith((" s", "1 min"))


def test_what_measures_speed_shares_no_net(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that put their parameters into one net would compute with each other's."""
    seen: list[torch.nn.Module] = []

    def noted(net: torch.nn.Module, *rest: Any) -> torch.Tensor:
        seen.append(net)
        return largest_eigenvalues(net, *rest)

    monkeypatch.setattr(sharpness, "largest_eigenvalues", noted)
    probed: list[tuple[int, int]] = []

    def measured(run: Callable[[Any], object], member: Any, steps: int, workers: int) -> float:
        del workers
        seconds = probe(run, member, steps, 2)
        probed.append((len(seen), len({id(net) for net in seen})))
        return seconds

    monkeypatch.setattr(fused_engine, "probe", measured)
    sweep(*TEMPERATURE, "engine=fused", "seed=range(2)", "sweep.dry_run=true")
    # One thread, then two, four times: each training has a point before its steps and one after.
    assert probed == [(18, 9)]


def test_it_draws_the_edge(sweep: Sweep) -> None:
    done = sweep(*TEMPERATURE, "seed=range(3)", "optimizer.lr=0.001,0.003", "pictures=few")
    assert (done.store.directory / "sharpness.png").stat().st_size > 3_000
    assert "sharpness.png" in done.text


def test_a_single_run_logs_it(finish: Callable[..., Finished]) -> None:
    done = finish(*TEMPERATURE)
    assert len(done.result.curves[SHARPNESS]) == 5
    assert done.result.metrics[RELATIVE] == done.result.curves[RELATIVE][-1]
    with pytest.raises(InputError, match="were logged with it"):
        finish(*TEMPERATURE, "analysis=null", "trainer.max_epochs=60",
               f"ckpt={done.directory / 'checkpoint.ckpt'}")  # fmt: skip
    more = finish(*TEMPERATURE, "trainer.max_epochs=60",
                  f"ckpt={done.directory / 'checkpoint.ckpt'}")  # fmt: skip
    assert len(more.result.curves[SHARPNESS]) == 7


def test_of_a_large_net_it_is_refused() -> None:
    words = ("+experiment=temperature_mlp", "analysis=sharpness", "model.width=80")
    with pytest.raises(InputError) as caught:
        build(compose_settings(*words)[0])
    said = str(caught.value)
    assert "from 1 to 200 trainable parameters" in said
    assert "a target and 241 of them" in said
    assert "Fix: a smaller net" in said

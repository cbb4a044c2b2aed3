"""Numbers between a table and the net: float64 until they are normalised, rounded once."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from small_nets.commands import predict
from small_nets.config.errors import InputError
from small_nets.data import sources
from small_nets.data.normalisation import fit
from small_nets.data.prepared import Prepared
from small_nets.data.rounding import merged
from small_nets.data.sources import Table
from small_nets.data.table_file import digest
from small_nets.engines.fused.train import train as train_fused
from small_nets.run.build.build import build, build_data
from small_nets.run.build.compose import compose_settings
from small_nets.run.evaluate import regression_metrics
from small_nets.run.notes import notes
from small_nets.sweep.cohorts.start import start
from tests.conftest import Finished, Swept, predicted

METHODS = ("standardize", "min_max", "lp_norm:3", "constant:0.5", "none")


def own(path: Path, inputs: str, target: str, *more: str) -> list[str]:
    return ["data=table", f"data.path={path}", f"data.inputs=[{inputs}]", f"data.target={target}",
            *more]  # fmt: skip


@pytest.fixture(scope="module")
def seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sine, over i, over unix seconds and over nanoseconds, around 0 and around 1e8."""
    i = np.arange(400)
    y = np.sin(i / 60)
    path = tmp_path_factory.mktemp("numbers") / "seconds.csv"
    pl.DataFrame({
        "i": i, "t": 1_700_000_000 + i, "ns": 1_700_000_000_000_000_000 + 1_000_000 * i,
        "far": 5e15 + i, "y": y, "z": 1e8 + y, "huge": 1e300 * (2 + y), "same": np.full(400, 0.1),
    }).write_csv(path)  # fmt: skip
    return path


def standardised(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """By numpy in float64, then rounded."""
    train = column[rows].astype(np.float64)
    return ((column - train.mean()) / train.std()).astype(np.float32)


def ulps(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, in steps of float32 at numbers of the order of 1."""
    return float((np.abs(found - wanted) / np.spacing(np.maximum(np.abs(wanted), 1))).max())


def test_a_table_by_numpy(seconds: Path) -> None:
    config = compose_settings(*own(seconds, "t,i,ns", "z"))[0]
    data, frame = build_data(config), pl.read_csv(seconds)
    rows = data.train.rows.numpy()
    assert (data.train.input.dtype, data.table.input.dtype) == (torch.float32, torch.float64)
    for place, name in enumerate(("t", "i", "ns")):
        wanted = standardised(frame[name].to_numpy().astype(np.float64), rows)[rows]
        assert ulps(data.train.input[:, place].numpy(), wanted) <= 1
    assert data.train.target is not None
    wanted = standardised(frame["z"].to_numpy(), rows)[rows]
    assert ulps(data.train.target[:, 0].numpy(), wanted) <= 1
    assert data.table.input[5, 0] == 1_700_000_005


@settings(max_examples=60)
@given(
    x=st.lists(st.integers(-10_000, 10_000), min_size=3, max_size=30, unique=True),
    a=st.sampled_from([1.0, 3.0, 0.001, 1e-9, 1e12, 1e100, 2.0**-300]),
    b=st.floats(-1e3, 1e3),
)
def test_offset_and_scale_change_nothing(x: list[int], a: float, b: float) -> None:
    plain = np.array(x, dtype=np.float64)
    spread = plain.std()
    offset = b * spread * 1e4  # an offset of up to ten million standard deviations
    moved = a * (plain + offset)
    assume(len(np.unique(moved)) == len(plain))
    # What float64 itself rounded away when the numbers were made is not ours.
    made = float(np.abs(moved).max() * np.finfo(np.float64).eps / moved.std())
    for method in ("standardize", "min_max"):
        first, second = (
            Prepared(Table(torch.from_numpy(v)[:, None]), normalize_input=method).train.input
            for v in (plain, moved)
        )
        found, wanted = second[:, 0].numpy(), first[:, 0].numpy()
        assert ulps(found, wanted) <= 1 + made / np.finfo(np.float32).eps


@pytest.mark.parametrize("method", ["standardize", "min_max"])
@pytest.mark.parametrize("values", [
    [1e300, 3e300, 2e300], [-1e308, 0.5e308, 1e307], [1e-310, 3e-310, 2e-310],
    [1.7e18, 1.7e18 + 5120, 1.7e18 + 102400], [9.0e15, 9.0e15 + 64, 9.0e15 + 128],
])  # fmt: skip
def test_columns_at_the_ends_of_float64(method: str, values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float64)[:, None]
    found = fit(method, x).apply(x)[:, 0].tolist()
    exact = [(v - values[0]) / 2.0**4 / (max(values) / 2.0**4) for v in values]
    low, high = min(exact), max(exact)
    wanted = [(v - low) / (high - low) for v in exact]
    if method == "standardize":
        mean = sum(wanted) / 3
        sd = math.sqrt(sum((v - mean) ** 2 for v in wanted) / 3)
        wanted = [(v - mean) / sd for v in wanted]
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("values", [
    [0.1] * 11, [0.1 + 0.2, 0.3, 0.3], [1e9] * 7, [0.0] * 3, [-1.7e18, -1.7e18], [5e-324] * 2,
])  # fmt: skip
@pytest.mark.parametrize("method", ["standardize", "min_max"])
def test_a_constant_column_is_moved_and_not_scaled(method: str, values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float64)[:, None]
    normaliser = fit(method, x)
    assert normaliser.divisor.item() == 1
    assert normaliser.apply(x).abs().max() <= 1e-15 * max(1, x.abs().max())
    if len(set(values)) == 1:
        assert normaliser.apply(x).tolist() == [[0.0]] * len(values)


@cache
def composed(path: Path, inputs: str, target: str, *more: str) -> dict[str, Any]:
    return compose_settings(*own(path, inputs, target, *more))[0]


FIT = ("model.width=8", "model.activation=tanh", "optimizer=adam", "optimizer.lr=0.02",
       "trainer.max_epochs=600", "trainer.gradient_clip_val=null", "early_stop=null")  # fmt: skip


@cache
def score(path: Path, inputs: str, target: str, precision: int) -> float:
    """R² of the training split after some hundred steps by a kernel."""
    config = composed(path, "t", "y", *FIT)
    named = {"inputs": [inputs], "target": target}
    started = start([config | {"precision": precision, "data": config["data"] | named}])
    assert started.cohort is not None
    trained = train_fused(started.cohort)
    loss = trained.last["train/loss"].item()
    rows = started.cohort.train.target[0]
    return regression_metrics([loss], rows, started.target[0], [target])["r2"]


@pytest.mark.parametrize(("inputs", "target", "precision"), [
    ("t", "y", 32), ("t", "y", 64), ("ns", "y", 32), ("i", "z", 32), ("far", "z", 32),
])  # fmt: skip
def test_what_is_far_from_zero_trains(
    inputs: str, target: str, precision: int, seconds: Path
) -> None:
    wanted = score(seconds, "i", "y", 64)
    assert wanted > 0.9
    assert score(seconds, inputs, target, precision) == pytest.approx(wanted, abs=0.003)


def changed(
    config: dict[str, Any], path: Path, inputs: str, target: str, more: tuple[str, ...]
) -> dict[str, Any]:
    """A composed config with other settings of its table; Hydra takes half a second for one."""
    given = {k.removeprefix("data."): yaml.safe_load(v) for k, v in (m.split("=") for m in more)}
    named = {"path": str(path), "inputs": inputs.split(","), "target": target,
             "input_name": inputs, "target_name": target}  # fmt: skip
    return config | {"data": config["data"] | named | {"digest": digest(path)} | given}


REFUSED = [
    ("t", "y", ("data.path=FEW", "data.normalize_input=none"),
     ("the input 't', from 1700000000 to 1700000030, is one number in every row", "float32",
      "data.normalize_input=standardize or precision=64")),
    ("i", "z", ("data.normalize_target=none",),
     ("the target 'z', from 99999999", "is one number in every row",
      "data.normalize_target=standardize or precision=64")),
    ("i,huge", "y", ("data.normalize_input=none",),
     ("the input 'huge', from 1", "e+300", "beyond the numbers that float32 holds")),
    ("far", "y", ("data.normalize_input=constant:1e-30", "data.path=FEW"),
     ("the input 'far'", "is one number in every row")),
    ("i", "y", ("data.probe=[[1.0],[1.0e+300]]",), ("data.probe: [1e+300] is beyond",)),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "target", "more", "words"), REFUSED)
def test_what_rounding_would_destroy_is_refused(
    inputs: str, target: str, more: tuple[str, ...], words: tuple[str, ...], seconds: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    path = seconds
    if "data.path=FEW" in more:
        path, more = tmp_path / "few.csv", tuple(m for m in more if m != "data.path=FEW")
        pl.read_csv(seconds).head(31).write_csv(path)
    config = changed(composed(seconds, "t", "y", *FIT), path, inputs, target, more)
    with pytest.raises(InputError) as caught:
        build(config)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    if "1e+300" not in str(caught.value):
        build(config | {"precision": 64})  # the fix that the message names


def test_what_rounding_merges_is_said(seconds: Path) -> None:
    run = build(composed(seconds, "i,t", "y", "data.normalize_input=none"))
    said = notes(run)
    assert len(said) == 1
    assert "the input 't' has 400 different values, of which 4 are left" in said[0]
    assert "Fix: data.normalize_input=standardize or precision=64" in said[0]
    assert notes(build(composed(seconds, "i,t", "z"))) == []
    double = composed(seconds, "i,t", "y", "data.normalize_input=none") | {"precision": 64}
    assert notes(build(double)) == []


def test_one_far_value_merges_the_others() -> None:
    """A missing value written as 1e15 leaves nothing of the rest, however it is normalised."""
    x = torch.arange(200, dtype=torch.float64)[:, None]
    x[7] = 1e15
    found = merged(fit("standardize", x), x, torch.float32)
    assert found == [(0, 200, 2)]
    with_gap = torch.tensor([[16777216.0], [16777217.0], [3.0]], dtype=torch.float64)
    assert merged(fit("none", with_gap), with_gap, torch.float32) == [(0, 3, 2)]


@pytest.mark.parametrize("rows", [3, 1000, 60_000])
def test_numbers_with_all_their_digits_are_no_alarm(rows: int) -> None:
    x = torch.randn(rows, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for method in METHODS:
        assert merged(fit(method, x), x, torch.float32) == []


def test_rows_that_were_typed_are_float64(finish: Callable[..., Finished]) -> None:
    rows = ",".join(f"[{1_700_000_000 + i}]" for i in range(30))
    targets = ",".join(f"[{i}]" for i in range(30))
    more = (
        "data=rows", f"data.source.inputs=[{rows}]", f"data.source.targets=[{targets}]",
        "model=mlp", "data.normalize_input=standardize", "data.normalize_target=standardize",
        "trainer.max_epochs=200", "optimizer.lr=0.1",
    )  # fmt: skip
    done = finish(*more)
    assert done.result.metrics["train/loss"] < 1e-6
    assert done.result.predictions[3]["input"] == [1_700_000_003.0]
    with pytest.raises(InputError, match="one number in every row"):
        finish(*more, "data.normalize_input=none")


def test_the_examples_keep_their_definition() -> None:
    """Sine's values are float32; what is normalised is the nearest float32 to the exact one."""
    assert sources.sine().input.dtype == torch.float32
    data = build_data(compose_settings("+experiment=sine")[0])
    x = sources.sine().input.double()
    exact = x / (x.abs() ** 5).sum() ** 0.2
    assert torch.equal(data.to_network(sources.sine().input), exact.float())
    published = torch.nn.functional.normalize(sources.sine().input, p=5, dim=0)
    assert ulps(data.to_network(sources.sine().input).numpy(), published.numpy()) <= 1
    temperature = build_data(compose_settings("+experiment=temperature_mlp", "precision=64")[0])
    assert temperature.table.input[0].item() == float(np.float32(35.7))  # a tensor of float32


def test_a_sweep_keeps_them_and_says_once_what_it_loses(
    seconds: Path, sweep: Callable[..., Swept]
) -> None:
    more = ("trainer.max_epochs=20", "seed=range(5)", "data.normalize_input=standardize,none")
    done = sweep(*own(seconds, "t", "z"), *more)
    assert set(done.table["status"]) <= {"completed", "diverged"}
    assert done.text.count("of which 4 are left") == 1
    stored = predict.read_run(done.store.directory / "0")
    weights = stored.weights
    assert weights.target is not None
    assert weights.input.shift.dtype == weights.target.shift.dtype == torch.float64
    data = build_data(stored.config)
    assert data.target_normaliser is not None
    assert weights.target.shift.item() == data.target_normaliser.shift.item()
    assert weights.input.shift.item() == data.input_normaliser.shift.item() > 1.7e9


def test_predict_gives_what_the_run_gave(seconds: Path, finish: Callable[..., Finished]) -> None:
    done = finish(*own(seconds, "t", "z", "trainer.max_epochs=50"))
    (done.directory / ".hydra").mkdir()
    text = yaml.safe_dump(done.run.config)
    (done.directory / ".hydra" / "config.yaml").write_text(text)
    stored = predict.read_run(done.directory)
    found = predicted(stored, None)
    assert [row["prediction"] for row in found] == [
        row["prediction"] for row in done.result.predictions
    ]
    truth = [row["target"][0] for row in found]
    assert truth == [pl.read_csv(seconds)["z"][int(row["input"][0]) - 1_700_000_000]
                     for row in found]  # fmt: skip
    # In float32 neighbours would be eight apart at 1e8.
    fine = [row["prediction"][0] for row in found]
    assert len(set(fine)) > 0.9 * len(fine)
    near = predicted(stored, "[[1700000010],[1700000011]]")
    assert near[0]["prediction"] != near[1]["prediction"]
    with pytest.raises(InputError, match=r"row 2 holds \[1e\+300\], beyond"):
        predicted(stored, "[[1.0],[1e300]]")
